"""Outputs as they are stored: the same bytes from every execution."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from PIL import Image

from ... import atomic
from ..widgets import WIDGET_VIEW

IGNORED = "nbval-ignore-output"                                         # the tag of cells that can't repeat
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
PNG = re.compile(r'(?<=src="data:image/png;base64,)[^"]*')
TOOK = re.compile(r"(?<=; )\d+\.\d s(?=\.)")                             # a proof's seconds
RUNS_IN = re.compile(r"\*\*Runs in:\*\* (\d+) s, (\d+) MB")
PYTHON = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def text(notebook: Any) -> str:
    """nbformat 4.5, indent 1, sorted keys, one newline at the end."""
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"


def write(path: Path, content: str) -> None:
    atomic.write(path, [content.encode()])


def clean(notebook: Any) -> None:
    """Drops what differs between two executions or says where one ran."""
    kept = {name: value for name, value in notebook.metadata.items() if name == "ddpm_lite"}
    kept |= {"kernelspec": PYTHON, "language_info": {"name": "python"}}
    notebook.metadata = nbformat.from_dict(kept)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.setdefault("id", f"cell-{number:02d}")
        for name in set(cell.metadata) - {"slideshow", "tags"}:
            del cell.metadata[name]
        if cell.cell_type == "code":
            cell.outputs = [_cleaned(output) for output in _merged(cell.outputs)]


def _merged(outputs: list) -> list:
    """Chunks of one stream become one: where they are cut is chance."""
    kept: list[Any] = []
    streams: dict[str, Any] = {}
    for output in outputs:
        if output.output_type == "stream" and output.name in streams:
            streams[output.name].text += output.text
            continue
        if output.output_type == "stream":
            streams[output.name] = output
        kept.append(output)
    return kept


def _cleaned(output: Any) -> Any:
    if output.output_type == "stream":
        output.text = ADDRESS.sub("0x0", output.text)
    elif "data" in output:
        output.data.pop(WIDGET_VIEW, None)
        output.metadata = nbformat.from_dict({})
        for kind, value in output.data.items():
            if kind.startswith("text/") and kind != "text/html":
                output.data[kind] = ADDRESS.sub("0x0", value)
    return output


def settle(old: Any, new: Any) -> None:
    """Outputs that differ in a proof's seconds alone stay as they were stored: noise changes no byte."""
    before = {cell.get("id"): cell for cell in old.cells if cell.cell_type == "code"}
    for cell in new.cells:
        stored = before.get(cell.get("id")) if cell.cell_type == "code" else None
        if stored is not None and stored.source == cell.source and _timeless(stored) == _timeless(cell):
            cell.outputs = stored.outputs


def _timeless(cell: Any) -> str:
    return TOOK.sub("", json.dumps(cell.outputs, sort_keys=True))


def differences(old: Any, new: Any) -> list[str]:
    """What `save` would change, a line each; the outputs of ignored cells don't count."""
    if [cell.source for cell in old.cells] != [cell.source for cell in new.cells]:
        return ["the cells' sources"]
    found = []
    for number, (before, after) in enumerate(zip(old.cells, new.cells, strict=True)):
        if before.cell_type != "code":
            continue
        tags = before.metadata.get("tags", [])
        if IGNORED not in tags and (off := _outputs(before.outputs, after.outputs)):
            found.append(f"cell {number}: {off}")
        else:
            after.outputs = before.outputs                     # what is left to compare: the rest of the file
    if not found and text(old) != text(new):
        found.append("metadata, execution counts or cell ids")
    return found


def _outputs(before: list, after: list) -> str | None:
    if len(before) != len(after):
        return f"{len(before)} outputs stored, {len(after)} executed"
    for one, two in zip(before, after, strict=True):
        old, new = (json.dumps(o, sort_keys=True, indent=0, ensure_ascii=False) for o in (one, two))
        old, new = TOOK.sub("", old), TOOK.sub("", new)
        if old == new:
            continue
        pattern = re.compile(r'(?<=src=\\"data:image/png;base64,)[^"\\]*')
        if pattern.sub("", old) != pattern.sub("", new):
            pairs = zip(old.splitlines(), new.splitlines(), strict=False)
            was, now = next((p for p in pairs if p[0] != p[1]), ("", "another number of lines"))
            return f"stored {was[:160]}, executed {now[:160]}"
        for k, (a, b) in enumerate(zip(pattern.findall(old), pattern.findall(new), strict=True)):
            if off := _pictures(a, b):
                return f"picture {k + 1}: {off}"
    return None


def _pictures(a: str, b: str) -> str | None:
    """Two machines may round an edge's grey differently: one pixel in 5,000 may differ by over 32 of 255."""
    old, new = (np.asarray(Image.open(io.BytesIO(base64.b64decode(p))).convert("RGB"), int) for p in (a, b))
    if old.shape != new.shape:
        return f"size {old.shape[1]} x {old.shape[0]} stored, {new.shape[1]} x {new.shape[0]} executed"
    share = float((np.abs(old - new).max(-1) > 32).mean())
    return f"{share:.2%} of its pixels differ" if share > 1 / 5000 else None
