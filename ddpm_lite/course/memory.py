"""How much memory is left, as the container sees it, and work made smaller where it is short.

A container that runs out of memory raises no MemoryError: the kernel is killed, and all its results are gone.
So what needs much asks first.
"""

from __future__ import annotations

from pathlib import Path

import psutil

MB = 2**20
GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
RESERVE = 100                                                           # MB to keep: figures, the server
ADVICE = "Other open notebooks hold memory, too: shut down those you don't need (menu Kernel)."
VERSIONS = {"memory": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
            "": ("", "memory.max", "memory.current", "inactive_file")}


def left() -> float:
    """MB that this kernel can still take: what the machine has, or a group (container) it is in, if less."""
    rooms = [psutil.virtual_memory().available / MB]
    try:
        lines = OWN.read_text().splitlines()
    except OSError:                                                     # not Linux
        lines = []
    for line in lines:
        _, kinds, own = line.split(":", 2)
        if kinds in VERSIONS:
            root, *names = VERSIONS[kinds]
            folder = GROUPS / root / own.lstrip("/")
            rooms += [room for one in (folder, *folder.parents) if (room := _room(one, *names)) is not None]
    return max(0.0, min(rooms))


def _room(folder: Path, limit: str, usage: str, cache: str) -> float | None:
    """What a group may still take; cached files give way. None where nothing is limited."""
    try:
        most, now = int((folder / limit).read_text()), int((folder / usage).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return (most - now + int(stat[cache])) / MB
    except (OSError, ValueError, KeyError):                             # no such group, or "max"
        return None


def afford(count: int, mb: float, what: str = "examples") -> int:
    """`count`, or as many as there is memory for at `mb` MB each, at least 1; says so if it's fewer."""
    room = left() - RESERVE
    fits = max(1, min(count, int(room / mb)))
    if fits < count:
        said = f"{room + RESERVE:.0f} MB are left: {fits} {what} in place of {count}"
        print(f"Memory is short, {said}. {ADVICE}")
    return fits


def parts(batch: int, mb: float = 0.75) -> int:
    """In how many parts to take a batch of `mb` MB an example (0.75: digits); says so if they are many."""
    room, count = left() - RESERVE, 1
    while mb * batch / count > room and 2 * count <= min(batch, 16):
        count *= 2
    if count > 1:
        print(f"Memory is short, {room + RESERVE:.0f} MB are left: each batch of {batch} is taken in {count} "
              f"parts, which gives the same network more slowly. {ADVICE}")
    return count
