"""A container's limits for a group of processes: memory, and cores.

Best a cgroup, as a container's: it counts all processes of the group together and kills the largest. Where
none can be made (no root, or cgroup v2 without delegation), a watch does the same, ten times a second.
RLIMIT_AS isn't taken: torch reserves gigabytes of addresses that it never uses.
"""
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

MB = 2**20
VERSIONS = {"memory": ("memory", "memory.limit_in_bytes"), "": ("", "memory.max")}
PERIOD = 0.1                                                            # seconds between two looks


class Group:
    """`enter` is for Popen's preexec_fn; `close` ends what is left. `peak`: the most MB held at a look."""

    def __init__(self, name: str, mb: int, cores: set[int] | None = None) -> None:
        self.mb, self.cores, self.killed, self.peak = mb, cores, 0, 0.0
        self.pid: int | None = None                                     # of the first process, if watched
        self.folder = make(name, mb)
        self.kind = "cgroup" if self.folder else "watch of resident memory"
        self._over = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def enter(self) -> None:
        if self.folder:
            (self.folder / "cgroup.procs").write_text(f"{os.getpid()}")
        if self.cores:
            os.sched_setaffinity(0, self.cores)

    def processes(self) -> list[psutil.Process]:
        found = []
        pids = (self.folder / "cgroup.procs").read_text().split() if self.folder else []
        with suppress(psutil.Error):
            if self.pid is not None and not self.folder:
                first = psutil.Process(self.pid)
                return [first, *first.children(recursive=True)]
        for pid in pids:
            with suppress(psutil.Error):
                found.append(psutil.Process(int(pid)))
        return found

    def held(self) -> dict[int, float]:
        """MB of each process: its own memory, and its part of what several share."""
        return {one.pid: size for one in self.processes() if (size := share(one.pid))}

    def ended(self) -> int:
        """How many processes the limit has ended."""
        if self.folder is None:
            return self.killed
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError, IndexError):
                return int((self.folder / name).read_text().split("oom_kill ")[1].split()[0])
        return 0

    def close(self) -> None:
        self._over.set()
        for _ in range(50):
            if not (left := self.processes()):
                break
            for one in left:
                with suppress(psutil.Error):
                    one.kill()
            time.sleep(PERIOD)
        if self.folder:
            with suppress(OSError):
                self.folder.rmdir()

    def _look(self) -> None:
        while not self._over.wait(PERIOD):
            with suppress(OSError):
                held = self.held()
                self.peak = max(self.peak, sum(held.values()))
                if self.folder is None and sum(held.values()) > self.mb:
                    self.killed += 1
                    os.kill(max(held, key=held.__getitem__), signal.SIGKILL)


def make(name: str, mb: int) -> Path | None:
    """A cgroup below this process's own, version 1 or 2; None where that isn't permitted."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds, own = line.split(":", 2)
        root, limit = VERSIONS.get(kinds, ("", ""))
        folder = Path("/sys/fs/cgroup", root, own.lstrip("/"), f"{name}-{uuid.uuid4().hex[:8]}")
        if limit and (folder.parent / limit).exists():
            with suppress(OSError):
                folder.mkdir()
                try:
                    (folder / limit).write_text(str(mb * MB))
                    return folder
                except OSError:
                    folder.rmdir()
    return None


def share(pid: int) -> float:
    """Proportional set size in MB; 0 if the process is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(text.split("\nPss:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return 0.0


def until(what: Callable[[], bool], seconds: float, said: str) -> None:
    """Waits for `what`, or raises TimeoutError."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise TimeoutError(f"{said} after {seconds:.0f} s")
        time.sleep(0.1)
