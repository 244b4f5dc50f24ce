"""Writes what is made from other files, so that nothing is stated twice by hand.

environment.yml, binder/environment.yml   from constraints.txt: what the course needs, not its tests
the table of notebooks in README.md       from each notebook's H1 and its metadata "ddpm_lite"
docs/audit.md                             from ddpm_lite/verified/audit
the tables in benchmarks/README.md        from benchmarks/results.json
the badges and links in README.md         from [project.urls] in pyproject.toml; none while that is empty
docs/teaching                             the plans, exercises and quizzes, by teaching.py
"""
import argparse
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from urllib.parse import quote

import teaching
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
START = "notebooks/00_start_here.ipynb"

ENVIRONMENT = """\
# Made by `make generated` from constraints.txt: what the course needs. For conda: `conda env create -f
# environment.yml`, then `conda activate ddpm-lite` and `python -m pip install --no-deps -e .`
name: ddpm-lite
channels: [conda-forge, nodefaults]
dependencies:
  - python=3.11
  - pip
  - pip:
      # CPU builds of torch; with an NVIDIA GPU on Linux, take this line out.
      - --extra-index-url https://download.pytorch.org/whl/cpu
"""


LINUX = {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux",
         "python_version": "3.11", "python_full_version": "3.11.0"}


def environment() -> str:
    text = (ROOT / "constraints.txt").read_text()
    pins = {canonicalize_name(pin.split("==")[0]): pin for pin in text.split()}
    names = needed(pins, "course")
    return ENVIRONMENT + "".join(f"      - {pin}\n" for name, pin in pins.items() if name in names)


def needed(pins: dict[str, str], *extras: str) -> set[str]:
    """The pinned packages that the package and these extras need, and what those need in turn, on Linux."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    more = [r for extra in extras for r in project["optional-dependencies"][extra]]
    waiting = [Requirement(r) for r in project["dependencies"] + more]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        for name, extra in ((canonicalize_name(wanted.name), extra) for extra in ["", *wanted.extras]):
            if name not in pins or (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                parts = [Requirement(r) for r in requires(name) or []]
            except PackageNotFoundError:                                # of another platform
                continue
            waiting += [r for r in parts if r.marker is None or r.marker.evaluate(LINUX | {"extra": extra})]
    return {name for name, _ in seen}


def address() -> str | None:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("urls", {}).get("Repository")


def links() -> str:
    """The badges, or nothing: a badge without an address would be a broken one."""
    url = address()
    if url is None:
        return ""
    name = url.removeprefix("https://github.com/")
    binder = f"https://mybinder.org/v2/gh/{name}/HEAD?urlpath=lab/tree/{START}"
    colab = f"https://colab.research.google.com/github/{name}/blob/HEAD/{START}"
    opened = quote(f"lab/tree/{name.split('/')[1]}/{START}", safe="")
    pull = f"https://YOUR-HUB/hub/user-redirect/git-pull?repo={quote(url, safe='')}&urlpath={opened}"
    return (f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder})\n"
            f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})\n\n"
            "On Binder the first notebook opens by itself. In Colab, first run this in a cell:\n"
            f"`%pip install 'ddpm-lite[course] @ git+{url}'`\n\n"
            "On a JupyterHub with nbgitpuller, this link (put in your hub's address) brings the course:\n"
            f"`{pull}`\n")


def clone() -> str:
    url = address()
    return "" if url is None else f"```sh\ngit clone {url}\ncd {url.rsplit('/', 1)[1]}\n```\n"


def table() -> str:
    lines = ["| notebook | what it is about | minutes |", "| --- | --- | --- |"]
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        notebook = json.loads(path.read_text())
        text = "\n".join("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown")
        title = re.search(r"^# +(.+)$", text, re.MULTILINE)
        about = notebook["metadata"].get("ddpm_lite", {})
        if title is None or not {"minutes", "summary"} <= about.keys():
            raise SystemExit(f"{path.name}: expected a heading '# Title' and metadata \"ddpm_lite\": "
                             f'{{"minutes": 45, "summary": "..."}}, got {title and title[1]!r} and {about}')
        lines.append(f"| [{title[1]}](notebooks/{path.name}) | {about['summary']} | {about['minutes']} |")
    return "\n".join(lines) + "\n"


def readme() -> str:
    text = (ROOT / "README.md").read_text()
    for name, make in {"links": links, "clone": clone, "table": table}.items():
        text = teaching.put(text, name, make(), "README.md")
    return text


def audit() -> str:
    from ddpm_lite.verified.audit_table import table
    return table()


def measured() -> str:
    sys.path.insert(0, str(ROOT))
    from benchmarks import record, table
    return table.readme(record.read())


FILES = {"environment.yml": environment, "binder/environment.yml": environment, "README.md": readme,
         "docs/audit.md": audit, "benchmarks/README.md": measured, **teaching.FILES}


def set_address(url: str) -> None:
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", url):
        raise SystemExit(f"expected URL=https://github.com/OWNER/NAME, got {url!r}")
    path = ROOT / "pyproject.toml"
    kept = re.sub(r"^Repository = .*\n", "", path.read_text(), flags=re.MULTILINE)
    path.write_text(kept.replace("[project.urls]\n", f'[project.urls]\nRepository = "{url}"\n'))


def set_pins() -> None:
    freeze = [sys.executable, "-m", "pip", "--disable-pip-version-check", "freeze", "--exclude-editable"]
    frozen = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
    lines = re.sub(r"\+\w+$", "", frozen, flags=re.MULTILINE).split()                           # torch's +cpu
    pins = {canonicalize_name(line.split("==")[0]): line for line in lines}
    names = needed(pins, "course", "dev")                               # not what other commands brought
    (ROOT / "constraints.txt").write_text("".join(f"{pin}\n" for name, pin in pins.items() if name in names))


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes what is made from other files.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    parser.add_argument("--pins", action="store_true", help="first take what is installed as constraints.txt")
    parser.add_argument("--url", help="first set the public address: https://github.com/OWNER/NAME")
    args = parser.parse_args()
    if args.pins:
        set_pins()
    if args.url is not None:
        set_address(args.url)
    stale = {name: text for name, make in FILES.items() if (text := make()) != read(ROOT / name)}
    for name, text in stale.items():
        if args.check:
            print(f"{name} is out of date: run `make generated`", file=sys.stderr)
        else:
            (ROOT / name).parent.mkdir(exist_ok=True)
            (ROOT / name).write_text(text)
            print(f"wrote {name}")
    return int(args.check and bool(stale))


def read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
