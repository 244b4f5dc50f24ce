"""The Chromium of this machine: it prints the handouts and drives the browser tests."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--disable-gpu --disable-quic --no-first-run --disable-background-networking "
         "--disable-component-update --disable-sync").split()
if hasattr(os, "geteuid") and os.geteuid() == 0:
    FLAGS.append("--no-sandbox")                                        # as root it starts in no other way


def find() -> str | None:
    """CHROMIUM, if it is set, else the first that PATH has."""
    wanted = os.environ.get("CHROMIUM", "")
    return shutil.which(wanted) if wanted else next(filter(None, map(shutil.which, NAMES)), None)


def missing() -> str:
    """What to say when there is none."""
    wanted = os.environ.get("CHROMIUM", "")
    seen = f"CHROMIUM={wanted} isn't a program" if wanted else f"PATH has none of {', '.join(NAMES)}"
    return f"no Chromium: {seen}. Install it (Debian: apt install chromium) or set CHROMIUM"


def pdf(program: str, page: str, out: Path) -> None:
    """Prints the page at an address, when all its scripts are done."""
    with tempfile.TemporaryDirectory() as home:
        new = Path(home) / out.name
        done = subprocess.run(
            [program, "--headless", *FLAGS, f"--user-data-dir={home}/profile", "--no-pdf-header-footer",
             "--virtual-time-budget=120000", f"--print-to-pdf={new}", page],
            capture_output=True, text=True, timeout=300)
        if not new.is_file():
            raise RuntimeError(f"Chromium printed nothing: {done.stderr.strip()[-300:]}")
        shutil.copy(new, out.with_suffix(".new"))
    out.with_suffix(".new").replace(out)
