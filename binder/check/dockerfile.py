"""What repo2docker makes of this repository: its own build pack, without a container engine."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

from binder.check import BUILD, ROOT

TOOLS = BUILD / "repo2docker"
REQUIRED = Path(__file__).with_name("requirements.txt")
ROOT_FILES = "environment.yml requirements.txt setup.py Pipfile apt.txt postBuild start Dockerfile"
READ = {"environment.yml", "postBuild", "start", "apt.txt"}              # of binder/, by the conda build pack
OURS = {"overrides.json", "workspace.json", "check", "hub", "__pycache__"}       # for postBuild, and no image
EXPECTED = {
    "conda, Python 3.11": r"\A.*Building conda environment for python=3\.11$",
    "the environment": r"^RUN .*env update -p \$\{NB_PYTHON_PREFIX\} --file \"binder/environment\.yml\"",
    "its own layer": r"^COPY --chown=0:0 src/binder/environment\.yml \$\{REPO_DIR\}/binder/environment\.yml$",
    "postBuild": r"^RUN \./binder/postBuild$",
    "start": r'^ENV R2D_ENTRYPOINT="\$\{REPO_DIR\}/binder/start"$',
    "no root": r"^USER \$\{NB_USER\}$",
}


def text() -> str:
    """The Dockerfile, after the lines that say which build pack was chosen."""
    tool = TOOLS / "bin/repo2docker"
    if not tool.exists() or (TOOLS / REQUIRED.name).read_bytes() != REQUIRED.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", TOOLS], check=True)
        subprocess.run([TOOLS / "bin/python", "-m", "pip", "install", "-q", "-r", REQUIRED], check=True)
        shutil.copy(REQUIRED, TOOLS)
    return read(ROOT)


def read(folder: Path) -> str:
    done = subprocess.run([TOOLS / "bin/repo2docker", "--no-build", "--debug", "."], cwd=folder, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise SystemExit(f"repo2docker: {done.stdout.strip().splitlines()[-1]}")
    return done.stdout


def faults(dockerfile: str, folder: Path = ROOT) -> list[str]:
    """What isn't as it should be, a line each; above all what repo2docker would ignore without a word."""
    found = [f"the Dockerfile lacks {what}" for what, pattern in EXPECTED.items()
             if not re.search(pattern, joined(dockerfile), re.MULTILINE)]
    here = {path.name for path in (folder / "binder").iterdir()}
    found += [f"binder/{name} is ignored" for name in sorted(here - READ - OURS)]
    listed = re.search(r"- pip:\n(.*)", (folder / "binder/environment.yml").read_text(), re.DOTALL)
    if listed and re.search(r"^ *- (-e|-r|\.)", listed[1], re.MULTILINE):
        found.append("binder/environment.yml installs a local file: its layer is made anew for every commit")
    found += [f"{name} in the root is ignored, as there is binder/" for name in ROOT_FILES.split()
              if (folder / name).exists() and not same(folder / name, folder / "binder" / name)]
    return found


def joined(dockerfile: str) -> str:
    """Its instructions, each on one line, and of what came before the build pack's choice alone."""
    chosen = re.search(r"^Building .*$", dockerfile, re.MULTILINE)
    begin = dockerfile.index("\nFROM ") if "\nFROM " in dockerfile else 0
    return (chosen[0] if chosen else "") + re.sub(r" *\\\n *", " ", dockerfile[begin:])


def same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()
