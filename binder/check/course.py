"""The course under Binder's limits: JupyterLab and its kernels in one group, notebook after notebook."""
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import requests

from binder.check import BUILD, image
from binder.check.group import Group, until
from binder.check.kernel import Died, Kernel

FIRST = "notebooks/00_start_here.ipynb"
SHORT = "Memory is short"                                               # how a notebook begins to say so
NOWHERE = "http://127.0.0.1:9"                                          # a proxy that nobody answers for


class Run(NamedTuple):
    """A notebook: seconds, most MB of its kernel and of the whole group, what failed, its limit, its word."""

    name: str
    seconds: float
    kernel: float
    group: float
    fault: str
    kind: str
    said: str


class Server(NamedTuple):
    url: str
    token: str
    group: Group
    born: float


@contextmanager
def server(mb: int) -> Iterator[Server]:
    """JupyterLab as a container starts it: through `start`, with one core, `mb` of memory, and no network."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port, token = probe.getsockname()[1], secrets.token_hex()
    group = Group("ddpm-binder", mb, cores={max(os.sched_getaffinity(0))})
    proxies = {f"{kind}_proxy": NOWHERE for kind in ("http", "https")} | {"no_proxy": "127.0.0.1,localhost"}
    command = ["bash", "binder/start", "jupyter", "lab", "--allow-root", "--no-browser", "--ip=127.0.0.1",
               f"--port={port}", f"--IdentityProvider.token={token}"]
    born = time.monotonic()
    with open(BUILD / "server.log", "w") as log:
        process = subprocess.Popen(command, cwd=image.HOME, stdout=log, stderr=log, preexec_fn=group.enter,
                                   env=image.variables() | proxies | {"CPU_LIMIT": "1"})
    group.pid = process.pid
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(f"{url}/api"), 300, f"no server ({BUILD / 'server.log'})")
        yield Server(url, token, group, born)
    finally:
        group.close()
        process.wait()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False


def cells(path: Path) -> list[str]:
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == "code"]


def first_picture(mb: int) -> tuple[float, float]:
    """Seconds from the server's start to the first picture of notebook 00, and the processor's work for it.

    Other work on the same core makes the first number much larger, and the second less.
    """
    with server(mb) as one:
        run_to_picture(Kernel(one.url, one.token, FIRST), FIRST)
        worked = sum(sum(process.cpu_times()) for process in one.group.processes())
        return time.monotonic() - one.born, worked


def run_to_picture(kernel: Kernel, name: str) -> None:
    """Runs a notebook's cells until one shows a picture; RuntimeError if none does."""
    for code in cells(image.HOME / name):
        if "<img" in kernel.run(code).html:
            return
    raise RuntimeError(f"{name} shows no picture")


def run(path: Path, mb: int) -> Run:
    """Executes a notebook from top to bottom, as "run all" does."""
    name, fault, said, top = path.stem, "", "", 0.0
    with server(mb) as one:
        kernel, started = Kernel(one.url, one.token, f"notebooks/{path.name}"), time.monotonic()
        for number, code in enumerate(cells(path)):
            try:
                reply = kernel.run(code)
                fault = f"code cell {number}: {reply.error}" if reply.status != "ok" else ""
            except (Died, TimeoutError) as error:
                fault = f"code cell {number}: {error}"
            if fault:
                break
            said = said or next((line for line in reply.text.splitlines() if line.startswith(SHORT)), "")
            top = max(top, largest(one.group))
        fault = fault or "the limit ended a process" * bool(one.group.ended())
        return Run(name, time.monotonic() - started, top, one.group.peak, fault, one.group.kind, said)


def largest(group: Group) -> float:
    """The most memory that any process of the group has held: that of the kernel."""
    peaks = []
    for one in group.processes():
        try:
            status = Path(f"/proc/{one.pid}/status").read_text()
            peaks.append(int(status.split("VmHWM:")[1].split()[0]) / 1024)
        except (OSError, IndexError):
            continue
    return max(peaks, default=0.0)


def table(runs: list[Run]) -> Iterator[str]:
    yield f"{'notebook':24} {'seconds':>8} {'kernel, peak MB':>16} {'with the server':>16}"
    for one in runs:
        row = f"{one.name:24} {one.seconds:8.0f} {one.kernel:16.0f} {one.group:16.0f}"
        yield f"{row}  {one.fault}".rstrip()
    name, seconds = f"{len(runs)} notebooks", sum(one.seconds for one in runs)
    kernel, group = (max((getattr(one, kind) for one in runs), default=0) for kind in ("kernel", "group"))
    yield f"{name:24} {seconds:8.0f} {kernel:16.0f} {group:16.0f}  (the largest)"
