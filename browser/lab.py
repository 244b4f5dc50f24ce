"""A JupyterLab of our own on loopback, and a notebook that is open in it."""

from __future__ import annotations

import atexit
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Locator, Page

from ddpm_lite.course.notebooks.execute import memory_mb

REPO = Path(__file__).parents[1]
OUT = REPO / "build" / "browser"
PLACE = OUT / "course"                                  # what JupyterLab sees: a copy of notebooks/
START, CELLS = 120, 600                                 # seconds: for a start, for all cells of a notebook
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "MPLBACKEND", "PYTHONSTARTUP")
SETTINGS = {"notebook-extension/tracker": {"windowingMode": "none"},        # all cells are in the page
            "docmanager-extension/plugin": {"autosave": False}}             # only the tests save
CURRENT = "window.jupyterapp.shell.currentWidget"


class Lab:
    """The server. Nothing that it does changes the repository."""

    def __init__(self) -> None:
        shutil.rmtree(PLACE, ignore_errors=True)
        shutil.copytree(REPO / "notebooks", PLACE / "notebooks",
                        ignore=shutil.ignore_patterns("progress.json", ".ipynb_checkpoints"))
        self.token, self.port = secrets.token_hex(16), free_port()
        with open(OUT / "lab.log", "w") as log:
            self.process = subprocess.Popen(self.command(), cwd=PLACE, env=environment(), stdout=log,
                                            stderr=subprocess.STDOUT, start_new_session=True)
        atexit.register(self.end)
        self.answers()

    def command(self) -> list[str]:
        root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        return [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={self.port}",
                "--ServerApp.port_retries=0", f"--IdentityProvider.token={self.token}",
                "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=",
                "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
                "--LabApp.extension_manager=readonly", *root]

    def url(self, notebook: str) -> str:
        """In a workspace of its own: no notebook opened before comes back with it."""
        place = f"lab/workspaces/{notebook}/tree/notebooks/{notebook}.ipynb"
        return f"http://127.0.0.1:{self.port}/{place}?token={self.token}"

    def answers(self) -> None:
        """Waits until the server does."""
        deadline = time.monotonic() + START
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api?token={self.token}", timeout=5)
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise RuntimeError("JupyterLab didn't start; build/browser/lab.log says why")

    def megabytes(self) -> float:
        """The most memory that a kernel that runs now has held."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return max((memory_mb(one.pid) for one in children), default=0)

    def end(self) -> None:
        """The server and its kernels: first asked, then made to."""
        atexit.unregister(self.end)
        for sent in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sent)
                self.process.wait(timeout=20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def environment() -> dict[str, str]:
    """As the Makefile has it, under build/browser; trainings are short."""
    env = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    for name, setting in SETTINGS.items():
        file = OUT / "jupyter/config/lab/user-settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(setting))
    shutil.rmtree(OUT / "jupyter/config/lab/workspaces", ignore_errors=True)
    places = {"JUPYTER_CONFIG_DIR": "jupyter/config", "JUPYTER_DATA_DIR": "jupyter/data",
              "JUPYTER_RUNTIME_DIR": "jupyter/runtime", "IPYTHONDIR": "ipython", "MPLCONFIGDIR": "matplotlib"}
    env |= {name: str(OUT / place) for name, place in places.items()}
    env |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "5000",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', '')}"}
    return {"DDPM_LITE_SECONDS": "8"} | env


class Notebook:
    """A notebook in the page: what a reader does with it."""

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
