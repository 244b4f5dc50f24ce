"""Students as Unix users of this machine, while a check runs: made, and removed again."""
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from binder.check import image

PREFIX = "ddpm-class-"


@contextmanager
def students(count: int) -> Iterator[dict[str, Path]]:
    """Their homes by name, each with the notebooks and closed to the others."""
    if os.geteuid() != 0:
        raise SystemExit("class-check: students are Unix users of their own, and only root can make them")
    base = Path(tempfile.mkdtemp(prefix="class-"))
    base.chmod(0o755)
    homes = {f"{PREFIX}{number}": base / str(number) for number in range(1, count + 1)}
    try:
        for name, home in homes.items():
            subprocess.run(["useradd", "--no-create-home", "--user-group", "--home-dir", home, "--shell",
                            "/usr/sbin/nologin", name], check=True)
            shutil.copytree(image.HOME / "notebooks", home / "notebooks")
            for path in (home, *home.rglob("*")):
                shutil.chown(path, name, name)
            home.chmod(0o700)
        yield homes
    finally:
        for name in homes:
            subprocess.run(["userdel", name], capture_output=True)
        shutil.rmtree(base)
