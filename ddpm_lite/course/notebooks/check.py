"""`pytest --nbval` on one notebook in a process of its own, watched: seconds, memory, a limit on both."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import psutil

from .execute import REPO, environment, memory_mb

SANITIZE = REPO / "tests" / "sanitize.cfg"
CELL_SECONDS = 180


def nbval(path: Path, limit: float) -> tuple[str | None, float, float]:
    """(what failed or None, seconds, the kernel's peak MB). `limit`: seconds for all of it."""
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", "--color=no",
               "-o", "addopts=", "-p", "no:cacheprovider", f"--nbval-cell-timeout={CELL_SECONDS}",
               f"--nbval-sanitize-with={SANITIZE}", str(path.resolve())]
    started, peak = time.monotonic(), 0.0
    process = subprocess.Popen(command, cwd=REPO, env=environment(), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    children = []
    try:
        while True:
            try:
                said, _ = process.communicate(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                children = psutil.Process(process.pid).children(recursive=True)
                peak = max([peak, *(memory_mb(child.pid) for child in children)])
            if time.monotonic() - started > limit:
                return f"not done after {limit:.0f} s", limit, peak
    finally:
        for one in children:                                            # nothing outlives its test
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.kill()
    return (said if process.returncode else None), time.monotonic() - started, peak
