"""The notebooks of mathematics in an environment that has no torch: their comparison with it is left out."""

import ast
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from ddpm_lite.course import no_torch
from ddpm_lite.course.notebooks import execute
from ddpm_lite.course.notebooks.lint import NO_TORCH, comparison
from ddpm_lite.course.notebooks.store import read

BOOKS = sorted(path for name in NO_TORCH for path in (execute.REPO / "notebooks").glob(f"{name}*.ipynb"))
LEFT_OUT = ("torch", "functorch", "torchgen", "einops", "safetensors", "tqdm", "tyro", "diffusers")


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> str:
    """A Python of a second environment: links to all that is installed here but torch and what needs it.

    So nothing is blocked: torch isn't there, as in an environment that pip never put it in.
    """
    folder = tmp_path_factory.mktemp("no torch") / "venv"
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    for path in Path(site.getsitepackages()[0]).iterdir():
        if not path.name.startswith(LEFT_OUT) and not (packages / path.name).exists():
            (packages / path.name).symlink_to(path)
    return str(folder / "bin/python")


def test_there_is_no_torch(python):
    for name in LEFT_OUT:
        run = subprocess.run([python, "-c", f"import {name}"], capture_output=True, text=True)
        assert f"No module named '{name}'" in run.stderr
    assert subprocess.run([python, "-c", "import ddpm_lite.course, ddpm_lite.verified"]).returncode == 0


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_notebook_runs_without_torch(path, python, monkeypatch):
    monkeypatch.setattr(sys, "executable", python)
    notebook = read(path)
    execute.execute(notebook, path.parent)                              # raises if a cell fails
    start, skipped, said = comparison(notebook), [], 0
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            text = "".join(output.get("text", "") for output in cell.outputs)
            said += no_torch.WHY in text
            if text.startswith("Skipped. "):
                skipped.append(number)
    assert said and skipped[0] > start                                  # it says what is left out, and why
    whole = [cell for cell in notebook.cells[:start] if cell.cell_type == "code"]
    assert len(skipped) < len(whole) / 2


# --- which cells are skipped

@pytest.fixture
def skip():
    """Runs cells one after another; what they print, or None."""
    known: dict = {}
    skipper = no_torch.Skip(known)

    def run(source: str) -> str | None:
        cell = skipper.visit(ast.parse(source))
        match cell.body:
            case [ast.Expr(ast.Call(ast.Name("print"), [ast.Constant(str(said))]))]:
                return said
        exec(compile(cell, "cell", "exec"), known)
        return None

    return run


def test_a_cell_that_imports_torch_says_why(skip):
    assert skip("import torch") == f"Skipped. {no_torch.WHY}"
    assert skip("import ddpm_lite as dl\nx = dl.linear(3)") == f"Skipped. {no_torch.WHY}"
    assert skip("def f():\n    from torch import nn") is not None
    assert skip("from ddpm_lite.bundled import digits") is None


def test_what_follows_from_a_skipped_cell_is_skipped_too(skip):
    assert skip("import torch\n\ny, z = torch.ones(2)\n\ndef f(x):\n    return x") is not None
    assert skip("print(y + 1)") == "Skipped. It uses y of a cell that was skipped."
    assert skip("def g():\n    return f(1)") == "Skipped. It uses f of a cell that was skipped."
    assert skip("h = g()") == "Skipped. It uses g of a cell that was skipped."
    assert skip("for k in range(2):\n    w = k") is None


def test_names_that_are_there_stay_usable(skip):
    assert skip("name = 1") is None
    assert skip("import torch\nname, other = 2, 3") is not None
    assert skip("assert name == 1") is None                             # as it was before
    assert skip("other = 4") is None                                    # made anew
    assert skip("assert other == 4") is None


def test_nothing_is_skipped_where_torch_is(monkeypatch):
    class Shell:
        ast_transformers, user_ns = [], {}

    monkeypatch.setattr(no_torch, "get_ipython", Shell)
    no_torch.install()
    assert Shell.ast_transformers == []
    monkeypatch.setattr(no_torch, "find_spec", lambda name: None)
    no_torch.install()
    no_torch.install()
    assert len(Shell.ast_transformers) == 1
