"""The files around the package agree with each other, and what README.md promises is there."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import torch
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = (ROOT / "constraints.txt").read_text().split()
README = (ROOT / "README.md").read_text()


def python(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *map(str, args)], cwd=ROOT, capture_output=True, text=True)


def test_every_dependency_is_pinned():
    assert [pin for pin in PINS if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []      # no "+cpu" either
    pinned = {canonicalize_name(pin.split("==")[0]) for pin in PINS}
    extras = PROJECT["optional-dependencies"]
    needed = [Requirement(r).name for r in PROJECT["dependencies"] + extras["course"] + extras["dev"]]
    assert {canonicalize_name(name) for name in needed} - pinned == set()


def test_the_core_is_light():
    assert set(PROJECT["dependencies"]) == {
        "einops", "jaxtyping", "numpy", "safetensors", "torch", "tqdm", "tyro"}


def test_environment_yml_has_the_pins_of_the_course():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python_, pip, rest = environment["dependencies"]
    assert environment["channels"][0] == "conda-forge" and python_ == "python=3.11" and pip == "pip"
    index, *pins = rest["pip"]
    assert index == "--extra-index-url https://download.pytorch.org/whl/cpu"
    assert pins == [pin for pin in PINS if pin in pins]                 # the same, in the same order
    names = {canonicalize_name(pin.split("==")[0]) for pin in pins}
    extras = PROJECT["optional-dependencies"]
    needed = {canonicalize_name(Requirement(r).name) for r in PROJECT["dependencies"] + extras["course"]}
    assert needed <= names and {"mpmath", "jupyter-server", "rfc3987-syntax"} <= names
    assert names & {"diffusers", "hypothesis", "mypy", "nbval", "pytest", "ruff", "scikit-learn"} == set()
    assert (ROOT / "binder/environment.yml").read_bytes() == (ROOT / "environment.yml").read_bytes()


def test_binder_opens_the_first_notebook():
    workspace = json.loads((ROOT / "binder/workspace.json").read_text())
    shown = workspace["data"]["layout-restorer:data"]["main"]["current"]
    path = workspace["data"][shown]["data"]["path"]
    assert path == "notebooks/00_start_here.ipynb" and (ROOT / path).exists()
    assert "jupyter lab workspaces import binder/workspace.json" in (ROOT / "binder/postBuild").read_text()


@pytest.mark.parametrize("script", ["binder/postBuild", "binder/start", ".ci/run", ".ci/environment.sh"])
def test_scripts_are_executable_and_parse(script):
    assert (ROOT / script).stat().st_mode & 0o111
    subprocess.run(["bash" if script != ".ci/environment.sh" else "sh", "-n", ROOT / script], check=True)


def test_ci_runs_make_test():
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert lines[2:5] == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test"]


def test_citation_has_the_version_of_the_package():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == PROJECT["version"]


def test_generated_files_are_up_to_date():
    run = python(".ci/generate.py", "--check")
    assert run.returncode == 0, run.stderr


# --- README.md

def test_readme_commands_exist():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    named = set(re.findall(r"\bmake ([\w-]+)", "\n".join(blocks + re.findall(r"`([^`\n]+)`", README))))
    assert {"lab", "test", "generated"} <= named <= targets


def test_readme_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_readme_sample_runs():
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict = {}
    exec(code, names)
    assert names["loss"].shape == () and torch.isfinite(names["loss"])
    digits, images = names["digits"], names["images"]
    assert digits.shape == (1297, 1, 8, 8)
    nearest = torch.cdist(images.flatten(1), digits.flatten(1)).amin(1)          # "digits it was given"
    assert nearest.max() < 0.1


def test_readme_command_line_runs(tmp_path):
    """As it stands there, but with a second for the minute and fewer images and steps."""
    smaller = {"--seconds 60": "--seconds 1", "--n 1000": "--n 20 --steps 2",
               "evaluate runs/digits": "evaluate runs/digits --held-out 20 --draws 5"}
    [block] = re.findall(r"```sh\n(.venv/bin/ddpm-lite.*?)```", README, re.DOTALL)
    for full, small in smaller.items():
        assert full in block
        block = block.replace(full, small)
    commands = [line.removeprefix(".venv/bin/ddpm-lite").split() for line in block.splitlines()]
    assert [command[0] for command in commands] == ["train", "sample", "evaluate"]
    for command in commands:
        run = subprocess.run([sys.executable, "-m", "ddpm_lite", *command], cwd=tmp_path, capture_output=True,
                             text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert run.returncode == 0, run.stderr
    assert "Frechet distance" in run.stdout and (tmp_path / "runs/grid.png").stat().st_size > 0


def test_readme_variables_are_read():
    code = "".join(path.read_text() for path in (ROOT / "ddpm_lite").rglob("*.py"))
    for variable in set(re.findall(r"DDPM_LITE_\w+", README)):
        assert f'"{variable}"' in code, variable


# --- what is imported, and when

LIGHT = """
import importlib, pathlib, sys, ddpm_lite
root = pathlib.Path(ddpm_lite.__file__).parent
for path in [*root.glob("[!_]*.py"), *root.glob("models/[!_]*.py")]:
    importlib.import_module(".".join(["ddpm_lite", *path.relative_to(root).with_suffix("").parts]))
[getattr(ddpm_lite, name) for name in dir(ddpm_lite)]
assert "ddpm_lite.sample" in sys.modules
print(sorted({"sympy", "matplotlib", "sklearn", "ipywidgets", "IPython"} & set(sys.modules)))
"""


def test_the_package_imports_nothing_heavy():
    run = python("-c", LIGHT)
    assert (run.stdout, run.returncode) == ("[]\n", 0), run.stdout + run.stderr


# --- the public address, in a copy

@pytest.fixture
def copy(tmp_path):
    for name in [".ci", "benchmarks", "binder", "notebooks"]:
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ["README.md", "pyproject.toml", "constraints.txt", "environment.yml", "Makefile"]:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_links_are_made_from_the_address(copy):
    url = "https://github.com/someone/ddpm-course"
    for _ in range(2):                                                            # twice changes nothing more
        assert python(copy / ".ci/generate.py", "--url", url).returncode == 0
        project = tomllib.loads((copy / "pyproject.toml").read_text())["project"]
        assert project["urls"] == {"Repository": url}
        text = (copy / "README.md").read_text()
        assert text.count(f"git clone {url}\ncd ddpm-course\n") == 1
        assert text.count("https://mybinder.org/v2/gh/someone/ddpm-course/HEAD?") == 1
        [pull] = re.findall(r"`https://YOUR-HUB/hub/user-redirect/git-pull[?](.*)`", text)
        assert parse_qs(pull) == {"repo": [url],
                                  "urlpath": ["lab/tree/ddpm-course/notebooks/00_start_here.ipynb"]}
    assert python(copy / ".ci/generate.py", "--check").returncode == 0


@pytest.mark.parametrize("url", ["", "github.com/a/b", "https://github.com/a"])
def test_a_bad_address_is_refused(copy, url):
    before = (copy / "pyproject.toml").read_bytes()
    run = python(copy / ".ci/generate.py", "--url", url)
    assert run.returncode == 1 and "expected URL=https://github.com/OWNER/NAME" in run.stderr
    assert (copy / "pyproject.toml").read_bytes() == before


def test_stale_files_are_named(copy):
    assert python(copy / ".ci/generate.py").returncode == 0
    pins = copy / "constraints.txt"
    pins.write_text(pins.read_text().replace("einops==", "einops==9."))
    run = python(copy / ".ci/generate.py", "--check")
    assert run.returncode == 1 and run.stderr.splitlines() == [
        "environment.yml is out of date: run `make generated`",
        "binder/environment.yml is out of date: run `make generated`"]


# --- .ci/environment.sh, with a Python and a pip that only pretend

FAKE = """#!/bin/sh
case "$*" in
    *'print("%d.%d"'*) echo {version} ;;
    *'sys.exit(sys.version_info'*) exit {old} ;;
    *realpath*) echo {path} ;;
    *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo venv >>log ;;
    *"--index-url"*) echo torch >>log; exit "${{INDEX_EXIT:-0}}" ;;
    *"--editable"*) echo pip >>log; exit "${{PIP_EXIT:-0}}" ;;
esac
"""


@pytest.fixture
def machine(copy):
    """A copy with a folder `bin` of tools and a fake python3: Linux without a GPU. A call runs the script."""
    (copy / "bin").mkdir()
    for tool in ["cat", "cksum", "cp", "dirname", "grep", "mkdir", "mv", "rm", "sed", "sh"]:
        (copy / "bin" / tool).symlink_to(shutil.which(tool))
    (copy / "bin/uname").write_text("#!/bin/sh\necho Linux\n")
    (copy / "bin/uname").chmod(0o755)

    def fake(name: str, version: str) -> None:
        path = copy / "bin" / name
        path.write_text(FAKE.format(path=path, version=version, old=int(int(version.split(".")[1]) < 11)))
        path.chmod(0o755)

    def run(**env: str) -> tuple[int, list[str], str]:
        (copy / "log").write_text("")
        env["PATH"] = str(copy / "bin")
        script = ["/bin/sh", ".ci/environment.sh"]
        done = subprocess.run(script, cwd=copy, env=env, capture_output=True, text=True)
        return done.returncode, (copy / "log").read_text().split(), done.stdout + done.stderr

    run.fake, run.folder = fake, copy                                             # type: ignore[attr-defined]
    fake("python3", "3.11")
    return run


def test_environment_is_made_once(machine):
    assert machine()[:2] == (0, ["venv", "torch", "pip"])
    assert machine() == (0, [], "")                                     # silent, and nothing installed


def test_every_pin_runs_on_the_oldest_python():
    """3.11.2 is Debian 12's: a pin that wants 3.11.5 stops `make lab` there."""
    oldest = re.search(r">=(3\.\d+)", PROJECT["requires-python"])[1] + ".0"
    pinned = {canonicalize_name(pin.split("==")[0]) for pin in PINS}
    wanted = {one.name: one.metadata["Requires-Python"] or "" for one in distributions()
              if canonicalize_name(one.name) in pinned}
    assert len(wanted) > 100
    assert [name for name, versions in wanted.items() if oldest not in SpecifierSet(versions)] == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_environment_follows_the_files(machine, name):
    machine()
    with (machine.folder / name).open("a") as file:
        file.write("\n# changed\n")
    assert machine()[:2] == (0, ["torch", "pip"])
    assert machine()[:2] == (0, [])


def test_unfinished_environment_is_made_anew(machine):
    code, _, output = machine(PIP_EXIT="1")
    assert code == 1 and "pip could not install everything" in output
    assert not (machine.folder / ".venv/ready").exists()
    assert machine()[:2] == (0, ["venv", "torch", "pip"])


def test_environment_without_its_interpreter_is_made_anew(machine):
    machine()
    (machine.folder / ".venv/bin/python").unlink()
    assert machine()[:2] == (0, ["venv", "torch", "pip"])


def test_moved_environment_is_made_anew(machine):
    machine()
    ready = machine.folder / ".venv/ready"
    ready.write_text("/somewhere/else " + ready.read_text())
    assert machine()[:2] == (0, ["venv", "torch", "pip"])


def test_torch_index_out_of_reach(machine):
    code, log, output = machine(INDEX_EXIT="1")
    assert (code, log) == (0, ["venv", "torch", "pip"]) and "torch will come from pip's own index" in output


def test_cpu_index_is_left_alone_with_a_gpu(machine):
    (machine.folder / "bin/nvidia-smi").write_text("#!/bin/sh\n")
    (machine.folder / "bin/nvidia-smi").chmod(0o755)
    assert machine()[:2] == (0, ["venv", "pip"])
    (machine.folder / ".venv/ready").unlink()
    assert machine(TORCH_INDEX="https://example.org/cu")[:2] == (0, ["venv", "torch", "pip"])


def test_another_python_on_demand_and_then_kept(machine):
    machine()
    machine.fake("python3.12", "3.12")
    assert machine(PYTHON="python3.12")[:2] == (0, ["venv", "torch", "pip"])
    assert machine()[:2] == (0, [])


@pytest.mark.parametrize("env", [{"PYTHON": "python3"}, {}])
def test_old_python_is_refused_in_one_line(machine, env):
    machine.fake("python3", "3.9")
    code, log, output = machine(**env)
    assert code == 1 and log == [] and len(output.splitlines()) == 1
    assert "python3 is" in output and "3.9" in output and "3.11" in output


def test_no_python_is_said_in_one_line(machine):
    (machine.folder / "bin/python3").unlink()
    for env in [{}, {"PYTHON": "python3"}]:
        code, _, output = machine(**env)
        assert code == 1 and len(output.splitlines()) == 1 and "3.11" in output


def test_old_python3_gives_way_to_a_newer_one(machine):
    machine.fake("python3", "3.9")
    machine.fake("python3.12", "3.12")
    code, _, output = machine()
    assert code == 0 and "making .venv with Python 3.12" in output
