"""Files from npm, as package-lock.json pins them by hash: reveal.js, MathJax, fonts, axe-core."""
import shutil
import subprocess
from pathlib import Path

from slides import HERE, ROOT

PLACE = ROOT / "build" / "npm"


def asset(name: str) -> Path:
    """A file of a package, such as "reveal.js/dist/reveal.js". Installs what the lock names."""
    lock, kept = HERE / "package-lock.json", PLACE / "package-lock.json"
    path = PLACE / "node_modules" / name
    if not path.is_file() or not kept.is_file() or kept.read_bytes() != lock.read_bytes():
        if shutil.which("npm") is None:
            raise RuntimeError(f"{name} comes from npm, which isn't here: install Node.js")
        PLACE.mkdir(parents=True, exist_ok=True)
        for one in (HERE / "package.json", lock):
            shutil.copy(one, PLACE)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                       cwd=PLACE, check=True, timeout=300)
    if not path.is_file():
        raise FileNotFoundError(f"no package that package-lock.json names has a file {name}")
    return path
