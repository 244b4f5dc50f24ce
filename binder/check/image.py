"""What Binder's image would hold: its environment and its copy of the repository, made in build/binder."""
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import yaml

from binder.check import BUILD, ROOT

# Not here to be measured: Ubuntu with compilers, and repo2docker's conda with Python and JupyterLab.
BASE = {"buildpack-deps:24.04": 0.75, "repo2docker's conda": 0.65}      # GB, unpacked, assumed
PYTHON, VENV, HOME, READY = (BUILD / name for name in ("python", "venv", "home", "ready"))


def python() -> Path:
    """A copy of this Python, which users of other names can run, too, wherever the first one lies."""
    base, name = Path(sys.base_prefix), f"python3.{sys.version_info.minor}"
    if not (PYTHON / "bin" / name).exists():
        for part in ("bin", "lib"):
            left_out = shutil.ignore_patterns("site-packages", "test", "tests", "__pycache__", "*.a")
            shutil.copytree(base / part, PYTHON / part, symlinks=True, ignore=left_out, dirs_exist_ok=True)
    return PYTHON / "bin" / name


def variables(home: Path = HOME) -> dict[str, str]:
    """A container's environment: its own Python and home, nothing of whoever runs this."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    return kept | {"PATH": f"{VENV}/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}


def make() -> None:
    """Repeats the Dockerfile's steps; the environment stays where its pins did."""
    copy()
    pins = yaml.safe_load((ROOT / "binder/environment.yml").read_text())["dependencies"][-1]["pip"]
    listed = "".join(f"{pin}\n" for pin in pins)
    if not READY.exists() or READY.read_text() != listed:
        READY.unlink(missing_ok=True)
        shutil.rmtree(VENV, ignore_errors=True)
        subprocess.run([python(), "-m", "venv", VENV], check=True)
        file = BUILD / "requirements.txt"
        file.write_text("".join(f"{pin}\n" for pin in pins if reachable(pin)))
        run("python", "-m", "pip", "install", "-q", "-r", file)
        run("python", "-m", "pip", "check")
        READY.write_text(listed)
    run("bash", "binder/postBuild", log=BUILD / "postBuild.log")


def copy() -> None:
    """The files that git has, in a new home, as a container finds them."""
    shutil.rmtree(HOME, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.split("\0")[:-1]:
        if (ROOT / name).exists():
            (HOME / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, HOME / name)


def reachable(pin: str) -> bool:
    """False for PyTorch's own index where it can't be asked: pip's default then has to bring torch."""
    if not pin.startswith("--extra-index-url"):
        return True
    try:
        return urlopen(pin.split()[1], timeout=5).status == 200
    except OSError:
        print(f"image: {pin.split()[1]} can't be reached; torch comes from pip's own index", flush=True)
        return False


def run(program: str, *arguments: str | Path, log: Path = Path(os.devnull)) -> None:
    command = [shutil.which(program, path=variables()["PATH"]) or program, *arguments]
    with log.open("w") as out:
        subprocess.run(command, cwd=HOME, env=variables(), check=True, stdout=out)


def gigabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e9


def sizes() -> dict[str, float]:
    """GB, unpacked: what is assumed of the base, what was measured of ours."""
    return BASE | {"the course's environment": gigabytes(VENV), "the repository": gigabytes(HOME)}
