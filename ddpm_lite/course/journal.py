"""What the reader has tried and solved, in `progress.json` beside the notebooks.

The file is for humans, too: the name of each exercise, how often it was checked, and the day it was solved.
"""

from __future__ import annotations

import json
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from IPython.display import display

from .. import atomic

FILE = Path("progress.json")                                            # in the kernel's folder
VERSION = 1


def note(name: str, right: bool) -> None:
    """Counts a check of an exercise. What can't be written is said in a line, and stops nobody."""
    try:
        tried = read()
        one = tried.setdefault(name, {"checked": 0, "solved": None})
        one["checked"] += 1
        if right and not one["solved"]:
            one["solved"] = date.today().isoformat()
        text = json.dumps({"version": VERSION, "exercises": tried}, indent=2, sort_keys=True) + "\n"
        atomic.write(FILE, [text.encode()])
    except (OSError, ValueError) as error:
        print(f"(Your progress isn't kept: {error})")


def read() -> dict[str, dict[str, Any]]:
    """By exercise: `checked`, a number, and `solved`, a day or None. Raises ValueError for a bad file."""
    if not FILE.exists():
        return {}
    try:
        kept = json.loads(FILE.read_text(encoding="utf-8"))
        if kept["version"] != VERSION:
            raise ValueError(f"its version is {kept['version']}, expected {VERSION}")
        return {name: {"checked": int(one["checked"]), "solved": one["solved"]}
                for name, one in kept["exercises"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{FILE.resolve()} can't be read ({error}); mend it, or move it away "
                         "to begin anew") from error


def progress() -> None:
    """Shows which exercises of which notebook are solved."""
    from .exercises import NOTEBOOKS, load

    load()
    tried, rows = read(), []
    for notebook, names in sorted(NOTEBOOKS.items()):
        solved = [name for name in names if tried.get(name, {}).get("solved")]
        marks = {name: "✓ " if name in solved else "… " if name in tried else "" for name in names}
        shown = ", ".join(mark + name for name, mark in marks.items())
        rows.append((notebook, f"{len(solved)} of {len(names)}", shown))
    titles = "".join(f'<th scope="col">{title}</th>' for title in ("notebook", "solved", "✓ solved, … tried"))
    lines = "".join(f"<tr>{''.join(f'<td>{escape(entry)}</td>' for entry in row)}</tr>" for row in rows)
    display({"text/html": f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>",
             "text/plain": "\n".join("  ".join(row) for row in rows)}, raw=True)
