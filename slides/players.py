"""The pictures of sliders that move on slides: a notebook executed once, and kept while nothing changes."""
import base64
import hashlib
import io
import json
import os
import re
from pathlib import Path

import nbformat
from PIL import Image

from ddpm_lite.atomic import write
from ddpm_lite.course.notebooks.execute import execute
from ddpm_lite.course.player import PLAYERS
from slides import OUT, ROOT

PLAYS = re.compile(r"^explore\(.*?play=", re.MULTILINE | re.DOTALL)
CAP = {"DDPM_LITE_SECONDS": "12"}                                       # what trains isn't on these pictures


def players(path: Path) -> dict[str, str]:
    """HTML by the id of its cell. Runs no further than the notebook's last player."""
    notebook = nbformat.read(path, 4)
    last = max((i for i, cell in enumerate(notebook.cells) if plays(cell)), default=-1)
    notebook.cells = notebook.cells[:last + 1]
    kept = OUT / "players" / f"{path.stem}-{digest(notebook)}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        before = dict(os.environ)
        os.environ.update({PLAYERS: "1"} | CAP)
        try:
            execute(notebook, path.parent) if notebook.cells else None
        finally:
            os.environ.clear()
            os.environ.update(before)
        found = {cell.id: packed(cell.outputs[-1]["data"]["text/html"])
                 for cell in notebook.cells if plays(cell)}
        for old in kept.parent.glob(f"{path.stem}-*.json"):
            old.unlink()
        write(kept, [json.dumps(found).encode()])
    return json.loads(kept.read_text())


def plays(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "code" and PLAYS.search(cell.source) is not None


def digest(notebook: nbformat.NotebookNode) -> str:
    """Of all that the pictures are made from."""
    code = [cell.source.encode() for cell in notebook.cells if cell.cell_type == "code"]
    package = [file.read_bytes() for file in sorted((ROOT / "ddpm_lite").rglob("*.py"))]
    return hashlib.sha256(b"\0".join(code + package)).hexdigest()[:16]


def packed(page: str) -> str:
    """The page with its pictures as lossless WebP, half as large."""
    def smaller(found: re.Match[str]) -> str:
        file = io.BytesIO()
        Image.open(io.BytesIO(base64.b64decode(found[1]))).save(file, "webp", lossless=True)
        return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()

    return re.sub(r"data:image/png;base64,([A-Za-z0-9+/=]+)", smaller, page)
