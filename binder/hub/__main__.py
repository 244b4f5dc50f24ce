"""`python -m binder.hub --students 10`: a class on one server, with real students' servers on loopback.

Opens a notebook as a student does: the hub starts a server, the server a kernel, and its cells run until the
first picture shows. Prints seconds and memory for 1, 5, ... students at once, then what isolates them.
"""
import argparse
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from binder.check import course
from binder.check.group import make, share
from binder.check.kernel import Kernel
from binder.hub import isolation, server
from binder.hub.students import students

SERVER_GB, SYSTEM_GB = 24, 2                                            # of which hub, proxy and system take
BUSY = 1.0                                              # GB: the course's largest notebook, and JupyterLab
TITLES = "students", "server ready, s", "first picture, s", "MB each", "of it kernel"


class Opened(NamedTuple):
    """One student: the token, the kernel, and seconds from the click to the server and to the picture."""

    token: str
    kernel: Kernel
    ready: float
    picture: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m binder.hub", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=10)
    parser.add_argument("--notebook", default="02_forward_process")
    parser.add_argument("--memory", type=int, default=1024, help="MB that a student may hold")
    options = parser.parse_args()
    if options.students < 2:
        parser.error(f"a class has at least 2 students, got {options.students}")
    server.install()
    failed = 0
    with students(options.students) as homes:
        names = list(homes)
        hub = server.Hub(names, options.memory)
        try:
            print(f"\n{options.notebook}, opened by students at the same moment\n")
            print("  ".join(TITLES))
            for count in sorted({1, min(5, options.students), options.students}):
                opened = at_once(hub, names[:count], options.notebook)
                print(row(opened, names[:count]), flush=True)
                if count < options.students:
                    close(hub, opened)
            print(f"\n{sizing(names)}\n\n{'isolation':46} {'':6} seen")
            for what, right, seen in checks(hub, opened, homes):
                failed += not right
                print(f"{what:46} {'ok' if right else 'FAILED':6} {seen}", flush=True)
        finally:
            for name in names:
                with suppress(Exception):
                    hub.close(name)
            hub.end()
            sweep(names)
    return int(failed > 0)


def at_once(hub: server.Hub, names: list[str], notebook: str) -> dict[str, Opened]:
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(lambda name: visit(hub, name, notebook), names), strict=True))


def visit(hub: server.Hub, name: str, notebook: str) -> Opened:
    began, path = time.monotonic(), f"notebooks/{notebook}.ipynb"
    token = hub.open(name)
    ready = time.monotonic() - began
    kernel = Kernel(f"{hub.url}/user/{name}", token, path)
    course.run_to_picture(kernel, path)
    return Opened(token, kernel, ready, time.monotonic() - began)


def held(name: str, kernels: bool = False) -> float:
    """MB of a student's processes: their own memory, and their part of what is shared."""
    return sum(share(one.pid) for one in psutil.process_iter(["username", "cmdline"])
               if one.info["username"] == name
               and (not kernels or "ipykernel_launcher" in (one.info["cmdline"] or [])))


def row(opened: dict[str, Opened], names: Iterable[str]) -> str:
    mb = [held(name) for name in names]
    kernel = [held(name, kernels=True) for name in names]
    ready, picture = (max(getattr(one, what) for one in opened.values()) for what in ("ready", "picture"))
    numbers = len(mb), ready, picture, sum(mb) / len(mb), sum(kernel) / len(mb)
    digits = 0, 1, 1, 0, 0
    return "  ".join(f"{number:{len(title)}.{digit}f}"
                     for number, title, digit in zip(numbers, TITLES, digits, strict=True))


def sizing(names: list[str]) -> str:
    each, free = sum(map(held, names)) / len(names), (SERVER_GB - SYSTEM_GB) * 1024
    machinery = ("jupyterhub -f", "configurable-http")
    hub = [share(one.pid) for one in psutil.process_iter(["cmdline"])
           if any(word in " ".join(one.info["cmdline"] or []) for word in machinery)]
    many, few = free / each, free / (BUSY * 1024)
    return (f"Hub and proxy hold {sum(hub):.0f} MB. A server of {SERVER_GB} GB, {SYSTEM_GB} GB of it kept\n"
            f"for them and the system, holds {many:.0f} students with this notebook ({each:.0f} MB each),\n"
            f"and {few:.0f} at {BUSY:g} GB each, the limit.")


def checks(hub: server.Hub, opened: dict[str, Opened],
           homes: dict[str, Path]) -> Iterable[tuple[str, bool, str]]:
    (a, one), (b, other) = list(opened.items())[:2]
    yield from isolation.tokens(hub, a, b, one.token)
    yield from isolation.neighbours(one.kernel, b, homes[b])
    yield from isolation.eater(one.kernel, other.kernel, hub.mb)
    yield from isolation.spinner(one.kernel, other.kernel)
    yield from isolation.restart(hub, b, homes[b], other.token)


def close(hub: server.Hub, opened: dict[str, Opened]) -> None:
    for name in opened:
        hub.close(name)


def sweep(names: list[str]) -> None:
    """Ends what is left of these students, by their user name, and removes their empty groups."""
    for one in psutil.process_iter(["username"]):
        if one.info["username"] in names:
            with suppress(psutil.Error):
                one.kill()
    time.sleep(1)
    if (probe := make("class-sweep", 64)) is not None:
        for folder in probe.parent.glob("class-*"):
            with suppress(OSError):
                folder.rmdir()


if __name__ == "__main__":
    sys.exit(main())
