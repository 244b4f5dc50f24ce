"""One server and one Chromium for all tests; a table at the end; a picture of the page where one fails."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

import pytest
from lab import OUT, REPO, Lab
from page import Notebook
from playwright.sync_api import Browser, sync_playwright

from ddpm_lite.course.exercises import EXERCISES, NOTEBOOKS, load
from slides import chromium

NAMES = sorted(path.stem for path in (REPO / "notebooks").glob("[0-9]*.ipynb"))
@dataclass
class Row:
    """A line of the table."""

    name: str
    seconds: float = 0
    megabytes: float = 0                                                # its kernel's peak
    redraws: list[float] = field(default_factory=list)                  # ms from a key to the new picture
    driven: list[str] = field(default_factory=list)
    ours: list[str] | None = None                                       # None: axe didn't run
    known: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


rows: list[Row] = []
decks: list[str] = []                                                   # a line for each deck walked


def pytest_configure(config: pytest.Config) -> None:
    """A plain kill ends as Ctrl-C does: with the server's end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = chromium.find() or pytest.exit(chromium.missing(), 4)
    with sync_playwright() as player:
        one = player.chromium.launch(executable_path=found, args=chromium.FLAGS)
        yield one
        one.close()


@pytest.fixture(scope="session")
def walked() -> list[str]:
    return decks


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    shutil.rmtree(OUT / "shots", ignore_errors=True)
    (OUT / "shots").mkdir(parents=True)
    one = Lab()
    yield one
    one.end()


@pytest.fixture(scope="module", params=NAMES)
def notebook(request: pytest.FixtureRequest, browser: Browser, lab: Lab) -> Iterator[Notebook]:
    """A notebook, opened and run."""
    rows.append(Row(request.param))
    started = time.monotonic()
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    one = Notebook(context.new_page(), lab, request.param)
    try:
        one.open()
        one.run_all()
        one.shot("run")
        yield one
    except Exception:
        one.shot("not-run")
        raise
    finally:
        rows[-1].seconds, rows[-1].megabytes = time.monotonic() - started, lab.megabytes()
        one.close()
        context.close()


@pytest.fixture
def row(notebook: Notebook) -> Row:
    return rows[-1]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    notebook = getattr(item, "funcargs", {}).get("notebook")
    if call.when == "call" and report.failed and notebook is not None:
        notebook.shot(f"failed-{item.name.split('[')[0]}")
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    say = terminalreporter.write_line
    if decks:
        say("")
    for line in decks:
        say(line)
    if not rows:
        return
    load()
    say(f"\n{'notebook':22}{'widgets':>9}{'redraw':>9}{'exercises':>11}{'mistakes':>10}"
        f"{'axe: ours':>11}{'known':>7}{'JupyterLab':>12}{'seconds':>9}{'MB':>6}")
    with open(OUT / "axe.txt", "w", encoding="utf-8") as file:
        for row in rows:
            found = {"ours": row.ours or [], "known": row.known, "JupyterLab": row.others}
            counts = ["-"] * 3 if row.ours is None else [len(lines) for lines in found.values()]
            tasks = [EXERCISES[name] for name in NOTEBOOKS[row.name[:2]]]
            say(f"{row.name:22}{len(row.driven):9}{redraw(row.redraws):>9}{len(tasks):11}"
                f"{sum(len(task.mistakes) for task in tasks):10}{counts[0]:>11}{counts[1]:>7}{counts[2]:>12}"
                f"{row.seconds:9.0f}{row.megabytes:6.0f}")
            for whose, lines in found.items():
                file.writelines(f"{row.name}, {whose}, {line}\n" for line in lines)
    say("redraw: the median time from a key at a control to its new picture; over all notebooks "
        f"{redraw([one for row in rows for one in row.redraws])}")
    say("pictures of the pages: build/browser/shots; every violation: build/browser/axe.txt")


def redraw(ms: list[float]) -> str:
    return f"{median(ms):.0f} ms" if ms else "-"
