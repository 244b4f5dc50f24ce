"""A JupyterLab of our own on loopback."""

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

import psutil

from ddpm_lite.course.notebooks.execute import memory_mb
from ddpm_lite.runtime import THREADS

REPO = Path(__file__).parents[1]
OUT = REPO / "build" / "browser"
PLACE = OUT / "course"                                  # what JupyterLab sees: a copy of notebooks/
START = 120                                             # seconds that a start may take
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "MPLBACKEND", "PYTHONSTARTUP")
SETTINGS = {"notebook-extension/tracker": {"windowingMode": "none"},        # all cells are in the page
            "docmanager-extension/plugin": {"autosave": False}}             # only the tests save


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
    env |= {**THREADS, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', '')}"}
    return {"DDPM_LITE_SECONDS": "8"} | env
