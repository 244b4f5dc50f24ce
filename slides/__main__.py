"""`python -m slides [NOTEBOOK...]`: a deck and a handout of each notebook, and an index, in build/slides."""
import argparse
import sys
from pathlib import Path
from typing import Any

import nbformat

from ddpm_lite.atomic import write
from ddpm_lite.course.notebooks.execute import Failed
from slides import OUT, ROOT, chromium, deck
from slides.players import players


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m slides", description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="files; all of notebooks/ if left out")
    every = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    paths = parser.parse_args(arguments).notebooks or every
    if missing := [str(path) for path in paths if not path.is_file()]:
        parser.error(f"no such notebook: {', '.join(missing)}")
    OUT.mkdir(parents=True, exist_ok=True)
    program = chromium.find()
    for path in paths:
        file = OUT / f"{path.stem}.html"
        print(f"slides: {path.stem}: pictures of its sliders, ", end="", flush=True)
        content = deck.make(path, players(path)).encode()
        write(file, [content])
        print(f"deck ({len(content) / 1e6:.1f} MB)", end="", flush=True)
        if program:
            chromium.pdf(program, f"{file.as_uri()}?handout", file.with_suffix(".pdf"))
        print(", handout" * bool(program))
    write(OUT / "index.html", [deck.render("index.html.j2", decks=[*map(entry, every)]).encode()])
    print("slides: open build/slides/index.html")
    if program is None:
        print(f"slides: without handouts: {chromium.missing()}", file=sys.stderr)
    return 0


def entry(path: Path) -> dict[str, Any]:
    notebook = nbformat.read(path, 4)
    return {"name": path.stem, "title": deck.title(notebook), **notebook.metadata["ddpm_lite"],
            "handout": (OUT / f"{path.stem}.pdf").is_file()}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, Failed) as error:                             # no npm, a notebook that doesn't run
        sys.exit(f"\nslides: {error}")
