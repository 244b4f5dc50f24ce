"""Executes a notebook in a fresh kernel and measures it.

Polls both channels in slices of 0.25 s: clients that wait on one stall on widget cells (nbclient#312).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any, NamedTuple

import nbformat
import psutil
from jupyter_client.manager import KernelManager

SLICE = 0.25                                                            # seconds
REPO = Path(__file__).parents[3]
HAS_TORCH = "'torch' in __import__('sys').modules"


class Failed(Exception):
    """A notebook that didn't run: which cell, and the last lines of its traceback."""


class Measured(NamedTuple):
    seconds: float                                                  # of the cells, without the kernel's start
    peak_mb: float                                                      # of the kernel
    first_picture: float | None                                         # seconds from the kernel's start
    torch_from: int | None                                        # the first cell after which torch is loaded


def environment() -> dict[str, str]:
    """What a kernel sees, so that two executions agree: fixed hashes, one thread, no foreign backend."""
    env = {name: value for name, value in os.environ.items() if name not in ("MPLBACKEND", "PYTHONSTARTUP")}
    path = os.pathsep.join(filter(None, [str(REPO), env.get("PYTHONPATH")]))
    return env | {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
                  "PYTHONPATH": path, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def execute(
    notebook: Any,
    folder: Path,
    timeout: float = 300,
    said: Callable[[int], None] = lambda cell: None,
) -> Measured:
    """Runs every code cell in `folder`, puts outputs and counts into `notebook`. `timeout`: per cell."""
    manager = KernelManager()
    spec = manager.kernel_spec
    assert spec is not None
    spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=ERROR"]
    with tempfile.TemporaryDirectory() as home:                         # no reader's start-up files
        born = time.monotonic()
        manager.start_kernel(cwd=str(folder), env=environment() | {"IPYTHONDIR": home})
        client = manager.blocking_client()
        try:
            client.start_channels()
            client.wait_for_ready(timeout=60)
            return _cells(notebook, manager, client, timeout, said, born)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def _cells(notebook: Any, manager: Any, client: Any, timeout: float, said: Callable, born: float) -> Measured:
    started, peak, picture, torch_from, count = time.monotonic(), 0.0, None, None, 0
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        said(number)
        count += 1
        outputs: list[Any] = []
        asked = client.execute(cell.source, allow_stdin=False, user_expressions={"torch": HAS_TORCH})
        reply, idle, deadline = None, False, time.monotonic() + timeout
        while reply is None or not idle:
            try:
                idle = _hear(client.get_iopub_msg(timeout=SLICE), asked, outputs, number) or idle
            except Empty:
                if reply is not None:                                   # answered, and silent for a slice
                    break
            if picture is None and any("<img" in o.get("data", {}).get("text/html", "") for o in outputs):
                picture = time.monotonic() - born
            try:
                message = client.get_shell_msg(timeout=0)
                reply = message["content"] if message["parent_header"].get("msg_id") == asked else reply
            except Empty:
                pass
            peak = max(peak, memory_mb(manager.provisioner.pid))
            if reply is None and not manager.is_alive():
                raise Failed(f"cell {number}: the kernel died")
            if time.monotonic() > deadline:
                raise Failed(f"cell {number}: not done after {timeout:.0f} s")
        cell.outputs, cell.execution_count = outputs, count
        if reply["status"] != "ok":
            trace = "\n".join(reply.get("traceback", [])[-3:]) or reply["status"]
            raise Failed(f"cell {number}: {reply.get('ename')}: {reply.get('evalue')}\n{trace}")
        if torch_from is None and "True" in str(reply["user_expressions"]["torch"].get("data", "")):
            torch_from = number
    return Measured(time.monotonic() - started, peak, picture, torch_from)


def _hear(message: Any, asked: str, outputs: list, number: int) -> bool:
    """Stores what a message brings; True if the cell went idle."""
    if message["parent_header"].get("msg_id") != asked:
        return False
    kind, content = message["msg_type"], message["content"]
    if kind in ("stream", "display_data", "execute_result", "error"):
        outputs.append(nbformat.v4.output_from_msg(message))
    elif kind in ("clear_output", "update_display_data"):
        raise Failed(f"cell {number}: {kind} can't be stored; show the final state only")
    return kind == "status" and content["execution_state"] == "idle"


def memory_mb(pid: int) -> float:
    """Peak memory of a process so far (Linux), or what it holds now; 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        try:
            return psutil.Process(pid).memory_info().rss / 2**20
        except psutil.Error:
            return 0.0
