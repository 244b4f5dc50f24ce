"""A notebook that is open in JupyterLab's page: what a reader does with it."""

from __future__ import annotations

import json
from typing import Any

from lab import OUT, START, Lab
from playwright.sync_api import Locator, Page

CELLS = 600                                             # seconds for all cells of a notebook
CURRENT = "window.jupyterapp.shell.currentWidget"


class Notebook:
    def __init__(self, page: Page, lab: Lab, name: str) -> None:
        self.page, self.lab, self.name = page, lab, name

    def open(self) -> None:
        """Until the notebook stands there and its kernel answers."""
        self.page.goto(self.lab.url(self.name), timeout=START * 1000)
        self.ready()

    def ready(self) -> None:
        path = json.dumps(f"notebooks/{self.name}.ipynb")
        self.page.wait_for_function(f"{CURRENT}?.context?.path === {path}".replace(
            "window.jupyterapp.", "window.jupyterapp?."), timeout=START * 1000)
        self.does(f"""async () => {{ const one = {CURRENT};
            await one.context.ready; await one.sessionContext.ready;
            await one.sessionContext.session.kernel.info; await one.revealed }}""", START)

    def does(self, promised: str, seconds: float) -> Any:
        """Awaits a function of the page, but not forever."""
        self.page.evaluate(f"""() => {{ window.done = null;
            ({promised})().then(value => {{ window.done = {{value}} }},
                                error => {{ window.done = {{error: `${{error}}`}} }})
        }}""")
        done = self.page.wait_for_function("window.done", timeout=seconds * 1000).json_value()
        if "error" in done:
            raise RuntimeError(done["error"])
        return done.get("value")

    def command(self, name: str, seconds: float = START) -> None:
        self.does(f"async () => {{ await window.jupyterapp.commands.execute('{name}') }}", seconds)

    def run_all(self) -> None:
        self.command("notebook:run-all-cells", CELLS)
        self.idle()

    def idle(self, seconds: float = CELLS) -> None:
        """Until the kernel is idle and no cell runs or waits."""
        self.page.wait_for_function(f"""() => {CURRENT}.sessionContext.session.kernel.status === 'idle'
            && !{CURRENT}.content.widgets.some(cell => cell.model.type === 'code'
                && cell.model.executionState === 'running')
            && !document.querySelector('.jp-InputArea-prompt[data-execution="*"]')""", timeout=seconds * 1000)

    def faults(self) -> list[str]:
        """A line for each cell that raised or didn't run."""
        return self.page.evaluate(f"""() => {CURRENT}.content.widgets.flatMap((cell, i) => {{
            if (cell.model.type !== 'code' || !cell.model.sharedModel.getSource().trim()) return [];
            if (!cell.model.executionCount) return [`cell ${{i}} didn't run`];
            return cell.model.sharedModel.toJSON().outputs.filter(output => output.output_type === 'error')
                .map(output => `cell ${{i}}: ${{output.ename}}: ${{output.evalue}}`) }})""")

    def sources(self) -> list[str]:
        return self.page.evaluate(
            f"() => {CURRENT}.content.widgets.map(cell => cell.model.sharedModel.getSource())")

    def find(self, part: str) -> int:
        """The first cell whose source holds this; -1 if none does."""
        return next((i for i, text in enumerate(self.sources()) if part in text), -1)

    def cell(self, number: int) -> Locator:
        return self.page.locator(".jp-NotebookPanel:visible .jp-Notebook .jp-Cell").nth(number)

    def select(self, number: int) -> None:
        """In command mode, with the focus on the cell."""
        self.page.evaluate(f"""i => {{ const book = {CURRENT}.content;
            book.mode = 'command'; book.deselectAll(); book.activeCellIndex = i;
            book.activate(); book.activeCell.node.focus() }}""", number)

    def run(self, number: int) -> None:
        """Starts one cell and doesn't wait."""
        self.select(number)
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell') }")

    def type(self, number: int, source: str) -> None:
        """Puts another source into a cell as a reader would, by keyboard, and runs it."""
        keys = self.page.keyboard
        self.select(number)
        keys.press("Enter")
        keys.press("ControlOrMeta+a")
        keys.insert_text(source)
        assert self.sources()[number] == source, f"{self.name}, cell {number}: it was not typed as given"
        keys.press("ControlOrMeta+Enter")

    def busy(self) -> None:
        self.page.wait_for_function(f"{CURRENT}.sessionContext.session.kernel.status === 'busy'")

    def kernel(self) -> str:
        return self.page.evaluate(f"() => {CURRENT}.sessionContext.session.kernel.id")

    def close(self) -> None:
        """Ends its kernel."""
        self.does(f"async () => {{ await {CURRENT}?.sessionContext?.shutdown() }}", START)

    def shot(self, what: str) -> None:
        self.page.screenshot(path=OUT / "shots" / f"{self.name}-{what}.png")
