"""What the Coq kernel has read: passages of the files in `verified/coq`, shipped for readers without Coq."""

from __future__ import annotations

import re

from ..verified.coqc import source, theorems_in


def passage(start: str, file: str = "forward") -> str:
    """From the line of a file that starts so to the next empty line, less comments.

    ValueError, naming the file's theorems, when no line does or several do.
    """
    found = re.findall(rf"^{re.escape(start)}\b.*?(?=\n\n|\Z)", source(f"{file}.v"), re.M | re.S)
    if len(found) != 1:
        raise ValueError(f"{len(found)} lines of coq/{file}.v start with {start!r}; "
                         f"its theorems: {', '.join(theorems_in(file))}")
    return re.sub(r" *\(\*.*?\*\)", "", found[0], flags=re.S)
