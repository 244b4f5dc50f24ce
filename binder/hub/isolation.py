"""What one student can do to another, or to the hub: each line a check, with what was seen."""
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import requests

from binder.check.kernel import Died, Kernel
from binder.hub import server

DENIED = "PermissionError"
EAT = "hoard = [bytearray(50 << 20) for _ in range({})]"           # in steps of 50 MB
READ = "from pathlib import Path\nPath({!r}).{}"
ASK = """import urllib.request, urllib.error
try:
    said = urllib.request.urlopen({!r}, timeout=20).status
except urllib.error.HTTPError as error:
    said = error.code
print("status", said)"""


def refused(url: str, token: str | None = None) -> tuple[bool, str]:
    headers = {"Authorization": f"token {token}"} if token else {}
    status = requests.get(url, headers=headers, timeout=60, allow_redirects=False).status_code
    return status in (302, 401, 403), f"status {status}"


def tokens(hub: server.Hub, a: str, b: str, token: str) -> Iterator[tuple[str, bool, str]]:
    """`token` is student a's."""
    yield "the hub's API, no token", *refused(f"{hub.url}/hub/api/users")
    yield "the hub's API, wrong token", *refused(f"{hub.url}/hub/api/users", "0" * 32)
    yield "list of students, a student's token", *refused(f"{hub.url}/hub/api/users", token)
    yield "a server, no token", *refused(f"{hub.url}/user/{b}/api/contents")
    yield "another's server, a student's token", *refused(f"{hub.url}/user/{b}/api/contents", token)
    shut, seen = refused(f"{hub.url}/user/{a}/api/contents", token)
    yield "the student's own server answers", not shut, seen


def neighbours(kernel: Kernel, b: str, home: Path) -> Iterator[tuple[str, bool, str]]:
    """From a student's kernel: the files, processes and ports of another one, whose kernel runs."""
    theirs = [one for one in psutil.process_iter(["username", "cmdline"]) if one.info["username"] == b]
    ports: dict[bool, list[int]] = {True: [], False: []}                # of the kernel, of the server
    for one in theirs:
        ports["ipykernel_launcher" in one.info["cmdline"]] += [
            c.laddr.port for c in one.net_connections() if c.status == psutil.CONN_LISTEN]
    for what, path, verb in (("folder", home, "iterdir().__next__()"),
                             ("notebook", home / "notebooks/00_start_here.ipynb", "read_text()"),
                             ("variables, with the token", f"/proc/{theirs[0].pid}/environ", "read_bytes()"),
                             ("database of the hub", server.STATE / "hub.sqlite", "read_bytes()")):
        said = kernel.run(READ.format(str(path), verb)).error
        yield f"another's {what}" if what[0] != "d" else f"the {what}", DENIED in said, said.split(":")[0]
    said = kernel.run(f"import os\nos.kill({theirs[0].pid}, 0)").error
    yield "ending another's process", DENIED in said, said.split(":")[0]
    # One port stays: ipykernel's pipe for what its own children print, which wants a secret with it.
    seen = f"ports: {len(ports[True])}, of 5 over TCP and a pipe"
    yield "another's kernel can't be listened to", len(ports[True]) <= 1, seen
    said = kernel.run(ASK.format(f"http://127.0.0.1:{ports[False][0]}/user/{b}/api/contents")).text
    yield "another's server, past the proxy", "status 403" in said, said.strip()


def eater(kernel: Kernel, other: Kernel, mb: int) -> Iterator[tuple[str, bool, str]]:
    """A kernel that takes twice the memory it may have, and another student meanwhile."""
    other.run("kept = 6 * 7")
    try:
        ended = kernel.run(EAT.format(mb // 25)).error.startswith("MemoryError")
    except Died:
        ended = True
    yield "a kernel that eats memory is ended", ended, "by its own limit"
    time.sleep(3)
    again = kernel.run("print('back')", timeout=120).text.strip()
    yield "its server lives, its kernel starts again", again == "back", again
    said = other.run("print(kept)").text.strip()
    yield "the others' kernels have lost nothing", said == "42", said


def spinner(kernel: Kernel, other: Kernel) -> Iterator[tuple[str, bool, str]]:
    """A kernel that computes for ever, and how long another one takes for the same work."""
    work = "total = sum(k * k for k in range(3_000_000))"
    alone = seconds(other, work)
    kernel.send("while True:\n    pass")
    time.sleep(1)
    beside = seconds(other, work)
    seen = f"{alone:.1f} s alone, {beside:.1f} s beside it"
    yield "a kernel that spins leaves the others working", beside < 4 * alone + 1, seen


def seconds(kernel: Kernel, code: str) -> float:
    began = time.monotonic()
    kernel.run(code)
    return time.monotonic() - began


def restart(hub: server.Hub, name: str, home: Path, token: str) -> Iterator[tuple[str, bool, str]]:
    """The hub goes and comes back: what a student has saved, and what runs."""
    headers, url = {"Authorization": f"token {token}"}, f"{hub.url}/user/{name}"
    kernel = Kernel(url, token, "notebooks/00_start_here.ipynb")
    kernel.run("kept = 'before the restart'")
    page = {"type": "file", "format": "text", "content": "my notes\n"}
    requests.put(f"{url}/api/contents/notes.txt", json=page, headers=headers, timeout=60).raise_for_status()
    hub.stop()
    said = kernel.run("print(kept)").text.strip()
    yield "kernels go on while the hub is away", said == "before the restart", said
    hub.start()
    fresh = requests.get(f"{url}/api/contents/notes.txt", headers=headers, timeout=60)
    yield "a saved file is there after it", fresh.ok and fresh.json()["content"] == "my notes\n", "notes.txt"
    said = kernel.run("print(kept)").text.strip()
    yield "and so is the kernel", said == "before the restart", said
    kept = (home / "notes.txt").read_text() if (home / "notes.txt").exists() else "nothing"
    yield "the file lies in the student's home", kept == "my notes\n", "notes.txt"
    yield "the hub knows the server again", hub.ready(name), "ready"
