"""`python -m ddpm_lite.course.notebooks COMMAND [NOTEBOOK...]`: the notebooks, executed and checked.

save          execute, store the outputs (two saves give the same bytes), measure
save --check  execute, say what save would change, write nothing; exit code 1 if anything
lint          what the file alone can show
test          lint, `pytest --nbval` strict and `save --check`, with seconds and memory per notebook
solutions     copies with every exercise solved, executed, in build/solutions
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from .check import nbval
from .execute import REPO, Failed, Measured, execute
from .lint import MEGABYTES, NO_TORCH, comparison, heading, lint
from .solutions import filled, wrong
from .store import RUNS_IN, clean, differences, read, settle, text, write

SECONDS, PICTURE, PEAK_MB, SLACK = 90, 5, 1024, 3                      # budgets, and the slack for time alone
COURSE_SECONDS = 600                                                    # all notebooks together
CAP = "DDPM_LITE_SECONDS"                                               # shortens trainings in tests
CAP_SECONDS = "12"
executed: list[float] = []                                              # seconds of each, in this call


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ddpm_lite.course.notebooks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["save", "test", "lint", "solutions"])
    parser.add_argument("notebooks", nargs="*", type=Path, help="files; all of notebooks/ if left out")
    parser.add_argument("--check", action="store_true", help="with save: only say what would change")
    options = parser.parse_intermixed_args(arguments)
    paths = options.notebooks or sorted((REPO / "notebooks").glob("*.ipynb"))
    if missing := [str(path) for path in paths if not path.is_file()]:
        parser.error(f"no such notebook: {', '.join(missing)}")
    if not paths:
        parser.error(f"no notebooks in {REPO / 'notebooks'}")
    task = {"save": check if options.check else save, "test": test, "lint": linted,
            "solutions": solutions}[options.command]
    failed, executed[:] = 0, []
    for path in paths:
        faults = list(task(path))
        failed += bool(faults)
        for fault in faults:
            print(f"{path.name}: {fault}", file=sys.stderr, flush=True)
    if len(executed) > 1:
        print(f"{len(executed)} notebooks executed in {sum(executed):.0f} s")
    if sum(executed) > SLACK * COURSE_SECONDS:
        print(f"the course's budget is {COURSE_SECONDS} s, {SLACK} times fails", file=sys.stderr)
        return 1
    if failed:
        print(f"{failed} of {len(paths)} notebooks failed", file=sys.stderr)
    return 1 if failed else 0


def linted(path: Path) -> Iterator[str]:
    faults = lint(path)
    say(path, "lint", f"{len(faults)} faults" if faults else "ok")
    yield from faults


def save(path: Path) -> Iterator[str]:
    stored, notebook = read(path), read(path)
    try:
        measured = run(notebook, path)
    except Failed as error:
        yield f"{error}\n(the file is as it was)"
        return
    clean(notebook)
    settle(stored, notebook)
    if CAP in os.environ:
        print(f"{path.name}: saved with {CAP}={os.environ[CAP]}: save again without it", file=sys.stderr)
    else:
        _header(notebook, measured)
    write(path, text(notebook))
    yield from report(path, notebook, measured, "saved")


def check(path: Path, word: str = "second run") -> Iterator[str]:
    stored, notebook = read(path), read(path)
    try:
        measured = run(notebook, path)
    except Failed as error:
        yield str(error)
        return
    clean(notebook)
    content = path.read_text(encoding="utf-8")
    changes = differences(copy.deepcopy(stored), notebook)
    if not changes and content != text(stored):
        changes = ["the layout of the file"]
    yield from report(path, notebook, measured, word)
    yield from (f"save would change {change}" for change in changes)


def test(path: Path) -> Iterator[str]:
    faults = lint(path)
    say(path, "lint", f"{len(faults)} faults" if faults else "ok")
    yield from faults
    given = os.environ.get(CAP)
    try:
        os.environ[CAP] = given or CAP_SECONDS
        said, seconds, peak = nbval(path, SLACK * SECONDS + 60)
        say(path, "nbval", f"{seconds:.0f} s, {peak:.0f} MB, {'FAILED' if said else 'ok'}")
        yield from filter(None, [said, *_budget(Measured(seconds, peak, None, None))])
        if given is None and read(path).metadata.get("ddpm_lite", {}).get("whole"):
            del os.environ[CAP]                                        # once, the training that a reader sees
        yield from check(path)
    finally:
        os.environ.pop(CAP, None)
        if given is not None:
            os.environ[CAP] = given


def solutions(path: Path) -> Iterator[str]:
    """A filled copy, executed, in build/solutions."""
    notebook, filled_copy = read(path), REPO / "build" / "solutions" / path.name
    names = filled(notebook)
    filled_copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        measured = run(notebook, filled_copy)
    except Failed as error:
        yield str(error)
        return
    clean(notebook)
    write(filled_copy, text(notebook))
    executed.append(measured.seconds)
    say(path, "solutions", f"{measured.seconds:.0f} s, {len(names)} exercises")
    yield from wrong(notebook)


def run(notebook, path: Path) -> Measured:
    """Executes it, with the cell under way on a terminal."""
    total = len(notebook.cells)

    def said(cell: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{path.name}: cell {cell + 1} of {total} ", end="", file=sys.stderr, flush=True)

    try:
        return execute(notebook, path.resolve().parent, said=said)
    finally:
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr)


def report(path: Path, notebook, measured: Measured, word: str) -> Iterator[str]:
    executed.append(measured.seconds)
    seen = measured.first_picture
    first = "no picture" if seen is None else f"first picture after {seen:.1f} s"
    size = path.stat().st_size / 2**20
    say(path, word, f"{measured.seconds:.0f} s, {measured.peak_mb:.0f} MB, {first}, file {size:.2f} MB")
    if size > MEGABYTES:
        yield f"the file has {size:.1f} MB, at most {MEGABYTES} are allowed"
    loaded, allowed = measured.torch_from, comparison(notebook) or math.inf
    if path.name.startswith(NO_TORCH) and loaded is not None and loaded < allowed:
        yield f"cell {loaded}: torch is loaded before the section {heading(notebook)!r}"
    yield from _budget(measured)


def _budget(measured: Measured) -> Iterator[str]:
    if measured.seconds > SLACK * SECONDS:
        yield f"took {measured.seconds:.0f} s, the budget is {SECONDS} s, {SLACK} times fails"
    if measured.peak_mb > PEAK_MB:
        yield f"needed {measured.peak_mb:.0f} MB, the budget is {PEAK_MB}"
    if (measured.first_picture or 0) > SLACK * PICTURE:
        said = f"first picture after {measured.first_picture:.0f} s"
        yield f"{said}, the budget is {PICTURE} s, {SLACK} times fails"


def _header(notebook, measured: Measured) -> None:
    """Writes seconds and MB into the header if it is far from them: noise changes no byte."""
    head = notebook.cells[0]
    if not (found := RUNS_IN.search(head.source)):
        return
    seconds, peak = int(found[1]), int(found[2])
    if not seconds or abs(measured.seconds - seconds) > max(5, 0.4 * seconds):
        seconds = 5 * math.ceil(measured.seconds / 5)
    if not peak or abs(measured.peak_mb - peak) > 0.2 * peak:
        peak = 50 * math.ceil(measured.peak_mb / 50)
    head.source = RUNS_IN.sub(f"**Runs in:** {seconds} s, {peak} MB", head.source, count=1)


def say(path: Path, what: str, result: str) -> None:
    print(f"{path.stem:24} {what:12} {result}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
