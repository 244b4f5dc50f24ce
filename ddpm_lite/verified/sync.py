r"""Equations in notebooks: written from the registry between markers, and nothing else displayed.

    <!-- eq: posterior -->
    $$
    q(x_{t-1} \mid x_t, x_0) = ... \tag{3.4 ✓}
    $$
    <!-- /eq -->

Numbers count a notebook's blocks. Running text may print a registered equation or one of its `inline` forms,
a plain value such as T = 1000, and no other relation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import atomic
from .certificates import badge
from .registry import Entry, entries, entry
from .statements import flat, form

BLOCK = re.compile(r"<!-- eq: ([\w-]+) -->\n(.*?)<!-- /eq -->", re.S)
MARKER = re.compile(r"<!-- /?eq\b.*?-->")
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.M | re.S)
DISPLAY = re.compile(r"\$\$.*?\$\$|\\\[.*?\\\]|\\begin\{(equation|align|gather|multline|displaymath)\*?\}",
                     re.S)
INLINE = re.compile(r"(?<![\\$])\$(?!\$)([^$]+?)(?<!\\)\$|\\\((.*?)\\\)", re.S)
RELATION = re.compile(r"=|<|>|\\(le|ge|leq|geq|ne|neq|sim|propto|approx|equiv|to|leftarrow|gets|mapsto|ll|gg"
                      r"|lt|gt|simeq|rightarrow|iff|implies|Longleftrightarrow|Longrightarrow|Rightarrow)"
                      r"(?![A-Za-z])")
# A plain value: letters that a reader or an example may choose, set to numbers or bounded by them.
LETTER = (r"(?:[a-zA-Z]|\\(?:eta|lambda|mu|sigma|tau|rho|omega|beta|gamma|delta|kappa|theta))(?:'|_\\star)?"
          r"(?:_(?:[A-Za-z0-9]|\\lt[\w+\-,\\]*?\\gt))?(?:\^(?:\(\w\)|[2i*]))?")  # \\lt, \\gt: its braces
REL = r"(?:=|<|>|\\(?:leq?|geq?|neq?|approx|in|ll|gg)(?![A-Za-z]))"
NUMBER = r"[-+\\pm]*(?:\d[\d.,\\\s]*(?:\^-?\d+)?|\\frac-?\d+|\d+/\d+|\\infty|\\mathbbR\^?\w*)%?"
TIME = r"(?:[tTsnd](?:[-+]\d)?)"
SOME = rf"(?:{NUMBER}|{TIME})"
SEVERAL = rf"\\?[{{\[(]?{SOME}(?:,(?:\\[lc]?dots|{SOME}))*\\?[}}\])]?"
PLAIN = re.compile(rf"{LETTER}(?:,{LETTER})*(?:{REL}(?:{LETTER}))*(?:{REL}{SEVERAL})+"
                   rf"|{SOME}(?:{REL}{LETTER})+{REL}{SOME}|[Ttndhu]\\to(?:0|1|\\infty|[Tt]([-+]\d)?)*")


def block(one: Entry, number: str) -> str:
    """The text of a synchronised block. In a tag MathJax takes no commands, so the tick is a letter."""
    marks = one.tick + badge(one.id)
    tick = f" {marks}" if marks else ""
    return f"<!-- eq: {one.id} -->\n$$\n{one.statement.latex}\n\\tag{{{number}{tick}}}\n$$\n<!-- /eq -->"


def synced(path: Path, sources: list[str]) -> list[str]:
    """The cells' sources with every block as the registry has it now. Unknown names stay as they are."""
    count = 0

    def written(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return block(entry(match[1]), f"{chapter(path)}.{count}") if match[1] in entries() else match[0]

    return [BLOCK.sub(written, source) for source in sources]


def chapter(path: Path) -> str:
    """The notebook's number: 3 for 03_posterior.ipynb."""
    digits = re.match(r"\d+", path.name)
    return str(int(digits[0])) if digits else path.stem


def read(path: Path) -> dict[str, Any]:
    """The notebook's JSON. ValueError, in words, when it is none."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(notebook["cells"], list)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such notebook") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AssertionError):
        raise ValueError(f"{path}: this isn't a notebook") from None
    return notebook


def markdown(notebook: dict[str, Any]) -> list[tuple[int, str]]:
    """(cell number, source) of the Markdown cells."""
    return [(i, "".join(cell["source"])) for i, cell in enumerate(notebook["cells"])
            if cell["cell_type"] == "markdown"]


def sync(path: Path) -> bool:
    """Writes the blocks; True when the file changed."""
    notebook = read(path)
    cells = markdown(notebook)
    changed = False
    for (i, old), new in zip(cells, synced(path, [source for _, source in cells]), strict=True):
        if old != new:
            notebook["cells"][i]["source"] = new.splitlines(keepends=True)
            changed = True
    if changed:
        text = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        atomic.write(path, [text.encode()])
    return changed


def used(path: Path) -> list[str]:
    """The names of the equations that a notebook displays or proves, each once."""
    notebook = read(path)
    names = [m[1] for _, source in markdown(notebook) for m in BLOCK.finditer(source)]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            names += re.findall(r"\bprove\([\"']([\w-]+)[\"']\)", "".join(cell["source"]))
    return list(dict.fromkeys(names))


def faults(path: Path) -> Iterator[str]:
    """What is not as the registry has it, a line each: unregistered, stale, outside a block."""
    known = {latex for one in entries().values() for latex in one.forms()}
    cells = markdown(read(path))
    fresh = synced(path, [source for _, source in cells])
    for (number, source), new in zip(cells, fresh, strict=True):
        here = f"{path.name}, cell {number}"
        for match in BLOCK.finditer(source):
            if match[1] not in entries():
                yield f"{here}: unregistered equation {match[1]!r}"
        if source != new:
            yield f"{here}: a block differs from the registry; run python -m ddpm_lite.verified sync {path}"
        rest = CODE.sub("", BLOCK.sub("", source))
        if lone := MARKER.search(rest):
            yield f"{here}: a marker without its partner: {lone[0]}"
        for match in DISPLAY.finditer(rest):
            yield f"{here}: display mathematics outside a block: {_short(match[0])}"
        for formula in inline(source):
            if is_relation(formula) and form(formula) not in known:
                yield f"{here}: unregistered relation in the text: ${_short(formula)}$"


def inline(source: str) -> Iterator[str]:
    """The formulas in a cell's running text."""
    text = DISPLAY.sub("", CODE.sub("", BLOCK.sub("", source)))
    yield from (match[1] or match[2] for match in INLINE.finditer(text))


def is_relation(formula: str) -> bool:
    """True for mathematics that claims something beyond a plain value."""
    bare = formula
    while True:
        less = re.sub(r"([_^])\{[^{}]*\}", r"\1x", bare)                # an index claims nothing: sum_{i=1}
        if less == bare:
            break
        bare = less
    marked = re.sub(r"_\{((?:[^{}]|\{[^{}]*\})*)\}", r"_\\lt \1\\gt ", formula)
    return bool(RELATION.search(bare)) and not PLAIN.fullmatch(flat(marked))


def _short(latex: str) -> str:
    return " ".join(latex.split())[:100]
