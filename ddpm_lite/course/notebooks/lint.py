"""What a notebook must look like, read from the file alone: one line for each thing that is not so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from .. import no_torch
from .store import IGNORED, RUNS_IN, WIDGET_VIEW, read

SLIDES = {"slide", "subslide", "fragment", "skip", "notes"}
TAGS = {IGNORED, "slide-result"}                                        # the second hides code on slides
LINES, COLUMNS, MEGABYTES = 18, 110, 2
NO_TORCH = ("01", "02", "03", "04", "05", "12")                         # before their comparison section
BANNED = {
    r"^\s*[%!]": "magics and shell lines",
    r";\s*(#.*)?$": "a trailing semicolon",
    r"pyplot|\bplt\.": "pyplot; use subplots and show of ddpm_lite.course",
    r"\binteract(ive)?\(|\bOutput\(|clear_output": "Output widgets, interact, clear_output; use explore",
    r"[\"'](/(home|Users|work|tmp|root|mnt|opt|usr)\b|[A-Z]:\\)": "an absolute path",
}
BARE = re.compile(r"<?(Figure|matplotlib|VBox|HBox|IntSlider|FloatSlider|HTML)\b")
HEADING = re.compile(r"^(#{1,6}) +(.+?)\s*$", re.M)
LINK = re.compile(r"\]\(([^)#:]+)[)#]")                                # to a file of the course
IMAGE = re.compile(r"<img\b[^>]*>|!\[([^\]]*)\]\([^)]*\)")
LABELS = ("**You will be able to**", "**Needs:**", "**Time:**", "**Runs in:**")


def lint(path: Path) -> list[str]:
    """Every fault of the notebook."""
    notebook = read(path)
    found = [*_file(path, notebook), *_prose(notebook), *_torch(path, notebook)]
    count = 0
    for number, cell in enumerate(notebook.cells):
        slide = cell.metadata.get("slideshow", {}).get("slide_type")
        faults = []
        if slide is not None and slide not in SLIDES:
            faults.append(f"slide type {slide!r}, expected one of {sorted(SLIDES)}, or none")
        if strange := set(cell.metadata.get("tags", [])) - TAGS:
            faults.append(f"unknown tags {sorted(strange)}")
        if cell.cell_type == "code":
            count += 1
            faults += _code(cell, count)
        found += [f"cell {number}: {fault}" for fault in faults]
    return found


def _file(path: Path, notebook: Any) -> Iterator[str]:
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for name in sorted(set(LINK.findall(prose))):
        if not (path.parent / name).exists():
            yield f"a link to {name}, which isn't there"
    about = notebook.metadata.get("ddpm_lite", {})
    if not (isinstance(about.get("minutes"), int) and 0 < about["minutes"] <= 90 and about.get("summary")):
        yield "metadata: expected ddpm_lite: {minutes: 1 to 90, summary: a sentence}"
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "metadata: the kernelspec must be python3"
    if "widgets" in notebook.metadata:
        yield "metadata: widget state is stored; run save"
    if (size := path.stat().st_size / 2**20) > MEGABYTES:
        yield f"the file has {size:.1f} MB, at most {MEGABYTES} are allowed"
    if (notebook.nbformat, notebook.nbformat_minor) != (4, 5):
        yield f"nbformat {notebook.nbformat}.{notebook.nbformat_minor}, expected 4.5"


def _prose(notebook: Any) -> Iterator[str]:
    cells = notebook.cells
    headings: list[tuple[int, str]] = []
    for number, cell in enumerate(cells):
        if cell.cell_type != "markdown":
            continue
        body = re.sub(r"^```.*?^```", "", cell.source, flags=re.M | re.S)
        for marks, words in HEADING.findall(body):
            if headings and len(marks) > headings[-1][0] + 1:
                yield f"cell {number}: heading {words!r} skips a level"
            slide = cell.metadata.get("slideshow", {}).get("slide_type")
            if len(marks) == 2 and slide not in ("slide", "subslide"):
                yield f"cell {number}: section {words!r} must start a slide or subslide"
            headings.append((len(marks), words))
        yield from (f"cell {number}: {fault}" for fault in _images(cell.source))
    head = cells[0].source if cells else ""
    if [level for level, _ in headings].count(1) != 1 or not head.startswith("# "):
        yield "the first cell must open with the only H1"
    for label in LABELS:
        if label not in head:
            yield f"the header cell must say {label}"
    minutes = notebook.metadata.get("ddpm_lite", {}).get("minutes")
    if f"**Time:** {minutes} minutes" not in head:
        yield f"the header must say **Time:** {minutes} minutes, as the metadata do"
    if not RUNS_IN.search(head):
        yield "the header must say **Runs in:** 0 s, 0 MB; save fills it in"
    last = [words for level, words in headings if level == 2][-3:]
    if not {"Summary", "Recall"} <= set(last):
        yield f"the last sections must include ## Summary and ## Recall, got {last}"
    quiz = f'quiz("{head[2:4]}")'
    if not any(a.source.startswith("## Recall") and b.source == quiz for a, b in pairwise(cells)):
        yield f"the cell after ## Recall must be {quiz}"


def _images(html: str) -> Iterator[str]:
    for match in IMAGE.finditer(html):
        alt = re.search(r'alt="([^"]*)"', match[0])
        if not (match[1] or (alt[1] if alt else "") or "").strip():
            yield "an image without alt text"


def _code(cell: Any, count: int) -> Iterator[str]:
    lines = cell.source.splitlines()
    if cell.execution_count != count:
        yield f"execution count {cell.execution_count}, expected {count}; run save"
    if len(lines) > LINES:
        yield f"{len(lines)} lines of code, at most {LINES} fit on a slide"
    if (longest := max(map(len, lines), default=0)) > COLUMNS:
        yield f"a line of {longest} columns, at most {COLUMNS} are allowed"
    for pattern, what in BANNED.items():
        if re.search(pattern, cell.source, re.M):
            yield what
    for output in cell.outputs:
        kind, data = output.output_type, output.get("data", {})
        if kind == "error":
            yield f"a stored error: {output.ename}"
        if kind == "stream" and output.name == "stderr":
            yield f"a warning or other text on stderr: {output.text.splitlines()[0][:100]}"
        if WIDGET_VIEW in data:
            yield "a stored widget; run save"
        if any(name.startswith("image/") for name in data):
            yield "a figure without alt text; use show(fig, alt=...)"
        if list(data) == ["text/plain"] and BARE.match(data["text/plain"]):
            yield "a figure or widget shown as text; use show or explore"
        yield from _images(data.get("text/html", ""))


def _torch(path: Path, notebook: Any) -> Iterator[str]:
    if path.name.startswith(NO_TORCH):
        start = comparison(notebook)
        if start is None:
            yield f"no section {heading(notebook)!r} (torch may be imported from there on)"
        for number, cell in enumerate(notebook.cells[:start]):
            if cell.cell_type == "code" and (name := loads_torch(cell.source)):
                yield f"cell {number}: imports {name} before the section {heading(notebook)!r}"


def heading(notebook: Any) -> str:
    """The section from which on a notebook of mathematics may use torch."""
    return notebook.metadata.get("ddpm_lite", {}).get("torch_from", "From symbols to code")


def comparison(notebook: Any) -> int | None:
    title = re.compile(rf"^#+ +{re.escape(heading(notebook))}\s*$", re.M)
    cells = enumerate(notebook.cells)
    return next((n for n, cell in cells if cell.cell_type == "markdown" and title.search(cell.source)), None)


def loads_torch(source: str) -> str | None:
    """The first import in it that loads torch."""
    try:
        return no_torch.loads_torch(ast.parse(source))
    except SyntaxError:
        return None
