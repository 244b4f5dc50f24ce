"""The lecturers' copies: stubs replaced by what stands beside the checks."""
import ast
import re

import pytest

from ddpm_lite.course.exercises import EXERCISES, NOTEBOOKS, load, verdict
from ddpm_lite.course.notebooks import solutions, store
from ddpm_lite.course.notebooks.execute import REPO

load()
PATHS = sorted((REPO / "notebooks").glob("[0-9]*.ipynb"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_asks_for_its_exercises_and_its_copy_holds_all_solutions(path):
    notebook = store.read(path)
    names = solutions.filled(notebook)
    assert sorted(names) == sorted(NOTEBOOKS[path.name[:2]])
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert not any("NotImplementedError" in source for source in sources if solutions.CHECK.search(source))
    assert "for lecturers" in notebook.cells[1].source and not any(
        cell.get("outputs") for cell in notebook.cells)


@pytest.mark.parametrize("name", EXERCISES)
def test_a_filled_cell_stands_by_itself_and_gets_its_tick(name):
    """Run without the notebook: what the solution needs from its module must have come along."""
    stub = f"def {name}(): ..." if callable(EXERCISES[name].solution) else f"{name} = None"
    source = solutions.solved(stub, name)
    ast.parse(source)
    found: dict = {}
    exec(compile(source, name, "exec"), found)
    assert verdict(EXERCISES[name], found[name]) == f"{name}: right. ✓"


def test_a_solution_that_fails_is_named():
    notebook = store.read(PATHS[3])
    solutions.filled(notebook)
    said = list(solutions.wrong(notebook))                              # never executed: nothing was said
    assert len(said) == 5 and re.match(r"exercise \w+: its solution gets ''", said[0])
