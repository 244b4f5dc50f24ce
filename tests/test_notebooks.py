"""The tools that execute, store and check notebooks, each shown to fail on a planted fault."""

import base64
import io
import re
import shutil

import nbformat
import numpy as np
import pytest
from PIL import Image

from ddpm_lite.course.notebooks import __main__ as cli
from ddpm_lite.course.notebooks import execute, store
from ddpm_lite.course.notebooks.check import nbval
from ddpm_lite.course.notebooks.lint import lint

HEADER = """# 02 · A small one
*Is it small?*

**You will be able to**
- see it

**Needs:** nothing. **Time:** 5 minutes. **Runs in:** 0 s, 0 MB."""
FIGURE = """fig, ax = subplots(figsize=(3, 2))
_ = ax.plot([0, 1])
print(f"drawn {len(ax.lines)}")
show(fig, alt="A rising line.")"""
SLIDER = """def draw(t=3):
    fig, ax = subplots(figsize=(3, 2))
    ax.plot([0, t])
    return fig

explore(draw, question="Predict: which slope?", alt="A line.", t=(0, 9))"""
FIGURE_CELL, SLIDER_CELL, TIMED_CELL = 2, 3, 5


def small(path, *more):
    """A notebook with everything that a real one has."""
    md, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    slide = {"slideshow": {"slide_type": "slide"}}
    cells = [md(HEADER, metadata=slide), code("from ddpm_lite.course import explore, quiz, show, subplots"),
             code(FIGURE), code(SLIDER), code("print('one')\nprint(object())"),
             code("import time\n\nprint(time.time())", metadata={"tags": ["nbval-ignore-output"]}),
             md("## From symbols to code", metadata=slide), *map(code, more),
             md("## Summary", metadata=slide), md("## Recall", metadata=slide),
             code('quiz("02")')]
    about = {"ddpm_lite": {"minutes": 5, "summary": "Small."}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=about)
    store.write(path, store.text(notebook))
    return path


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = small(tmp_path_factory.mktemp("notebooks") / "02_small.ipynb")
    assert cli.main(["save", str(path)]) == 0
    return path


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copy(saved, tmp_path / saved.name)


def change(path, edit):
    notebook = store.read(path)
    edit(notebook)
    store.write(path, store.text(notebook))


def set_cell(number, **values):
    return lambda notebook: notebook.cells[number].update(values)


def drop_figure(notebook):
    notebook.cells[FIGURE_CELL].outputs = [o for o in notebook.cells[FIGURE_CELL].outputs if "data" not in o]


def change_number(notebook):
    notebook.cells[FIGURE_CELL].outputs[0].text = "drawn 2\n"


def strip_output(notebook):
    notebook.cells[FIGURE_CELL].outputs = []


def change_picture(notebook):
    data = notebook.cells[FIGURE_CELL].outputs[1].data
    black = "base64," + png(np.zeros((200, 300, 3), np.uint8))
    data["text/html"] = re.sub('base64,[^"]*', black, data["text/html"])


def output(kind, data=None, **values):
    return nbformat.v4.new_output(kind, data, **values) if data else nbformat.v4.new_output(kind, **values)


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


# --- save


def test_save_stores_what_a_page_needs_and_nothing_that_changes(saved):
    text = saved.read_text()
    notebook = store.read(saved)
    assert text.endswith("}\n") and '\n "cells"' in text
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [1, 2, 3, 4, 5, 6]
    slider = notebook.cells[SLIDER_CELL].outputs[0].data
    assert set(slider) == {"text/html", "text/plain"} and "Predict: which slope?" in slider["text/html"]
    assert notebook.cells[4].outputs[0].text == "one\n<object object at 0x0>\n"
    assert "model_id" not in text and "iopub" not in text
    found = store.RUNS_IN.search(notebook.cells[0].source)
    assert int(found[1]) >= 5 and int(found[2]) >= 50
    assert lint(saved) == []


def test_two_saves_give_the_same_bytes(copy):
    timed = store.read(copy).cells[TIMED_CELL].outputs[0].text
    before = copy.read_text()
    assert cli.main(["save", str(copy)]) == 0
    again = store.read(copy).cells[TIMED_CELL].outputs[0].text
    assert timed != again and copy.read_text() == before.replace(timed.strip(), again.strip())


def test_check_is_silent_on_a_saved_notebook_and_names_each_change(copy, capsys):
    assert cli.main(["save", "--check", str(copy)]) == 0
    line = capsys.readouterr().out
    assert re.search(r"02_small +second run +\d+ s, \d+ MB, first picture after [\d.]+ s, file \S+ MB", line)
    faults = {change_number: "cell 2: stored .*drawn 2.*drawn 1",
              drop_figure: "cell 2: 1 outputs stored, 2 exec",
              change_picture: r"cell 2: picture 1: \d+\.\d+% of its pixels differ"}
    executed = store.read(copy)
    for fault, said in faults.items():
        stored = store.read(copy)
        fault(stored)
        [change] = store.differences(stored, store.read(copy))
        assert re.match(said, change, re.S), change
    executed.cells[TIMED_CELL].outputs = []
    assert store.differences(store.read(copy), executed) == []


def test_check_fails_and_writes_nothing(copy, capsys):
    change(copy, change_number)
    before = copy.read_bytes()
    assert cli.main(["save", "--check", str(copy)]) == 1
    assert "save would change cell 2" in capsys.readouterr().err and copy.read_bytes() == before


def test_a_failing_cell_is_named_and_the_file_left_alone(tmp_path, capsys):
    path = small(tmp_path / "02_fails.ipynb", "def f(x):\n    return 1 / x\n\nf(0)")
    before = path.read_bytes()
    assert cli.main(["save", str(path)]) == 1
    said = capsys.readouterr().err
    assert "02_fails.ipynb: cell 7: ZeroDivisionError: division by zero" in said and "return" in said
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("source, said", [
    ("import os\nos._exit(3)", "cell 0: the kernel died"),
    ("import time\ntime.sleep(60)", "cell 0: not done after 2 s"),
    ("from IPython.display import clear_output\nclear_output()", "cell 0: clear_output can't be stored"),
])
def test_a_kernel_that_can_not_go_on_fails_fast(tmp_path, source, said):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    with pytest.raises(execute.Failed, match=re.escape(said)):
        execute.execute(notebook, tmp_path, timeout=2)


def test_torch_is_found_where_it_is_loaded_and_budgets_hold(tmp_path):
    path = small(tmp_path / "02_early.ipynb")
    change(path, lambda notebook: notebook.cells[4].update(source="__import__('torch')\nprint('one')"))
    assert lint(path)                                           # not executed; the source hides its import
    assert "cell 4: torch is loaded before the section 'From symbols to code'" in "\n".join(cli.save(path))
    measured = execute.Measured(seconds=300, peak_mb=2000, first_picture=20, torch_from=None)
    assert [line.split()[0] for line in cli._budget(measured)] == ["took", "needed", "first"]
    assert not list(cli._budget(execute.Measured(89, 1000, 4.9, None)))


def test_the_header_is_rewritten_only_when_it_is_far_off(saved):
    notebook = store.read(saved)
    head = notebook.cells[0]
    for stated, measured, wanted in ((0, 7, 10), (10, 13, 10), (60, 80, 60), (60, 90, 90), (60, 22, 25)):
        head.source = f"**Runs in:** {stated} s, 300 MB"
        cli._header(notebook, execute.Measured(measured, 310, None, None))
        assert head.source == f"**Runs in:** {wanted} s, 300 MB"


def test_a_failed_write_keeps_the_old_file(copy, monkeypatch):
    before = copy.read_bytes()
    monkeypatch.setattr("os.fsync", lambda file: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        store.write(copy, "half")
    assert copy.read_bytes() == before and [p.name for p in copy.parent.iterdir()] == [copy.name]


def test_pictures_may_differ_by_rounding_alone():
    rng = np.random.default_rng(0)
    base = rng.integers(40, 200, (100, 100, 3), dtype=np.uint8)
    line = base.copy()
    line[50, :30] = 255
    assert store._pictures(png(base), png(base + rng.integers(0, 3, base.shape, dtype=np.uint8))) is None
    assert "pixels differ" in store._pictures(png(base), png(line))
    assert "size" in store._pictures(png(base), png(base[:50]))


# --- nbval


def test_nbval_passes_the_saved_notebook_and_fails_on_planted_faults(saved, tmp_path):
    faults = {"good": None, "number": change_number, "figure": drop_figure, "stripped": strip_output}
    for name, fault in faults.items():
        path = shutil.copy(saved, tmp_path / f"{name}.ipynb")
        if fault:
            change(path, fault)
    said, seconds, peak = nbval(tmp_path, 120)
    failed = re.findall(r"^FAILED \S*?(\w+)\.ipynb::Cell (\d)", said, re.M)
    assert sorted(failed) == [("figure", "1"), ("number", "1"), ("stripped", "1")], said
    assert 0 < seconds < 120 and 50 < peak < 1024


def test_nbval_is_ended_when_it_takes_too_long(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import time\ntime.sleep(60)")])
    store.write(tmp_path / "slow.ipynb", store.text(notebook))
    said, seconds, _ = nbval(tmp_path / "slow.ipynb", 4)
    assert said == "not done after 4 s" and seconds == 4


# --- lint


def test_lint_accepts_a_saved_notebook_from_the_command_line(saved, capsys):
    assert cli.main(["lint", str(saved)]) == 0
    assert re.search("02_small +lint +ok", capsys.readouterr().out)


@pytest.mark.parametrize("edit, said", [
    (set_cell(1, execution_count=None), "execution count None, expected 1"),
    (set_cell(2, execution_count=7), "execution count 7, expected 2"),
    (set_cell(2, source="%matplotlib inline"), "magics"),
    (set_cell(2, source="x = 1\n!ls"), "magics"),
    (set_cell(2, source="x = 1;"), "semicolon"),
    (set_cell(2, source="open('/home/me/x')"), "absolute path"),
    (set_cell(2, source="import matplotlib.pyplot as plt"), "pyplot"),
    (set_cell(2, source="interact(draw)"), "interact"),
    (set_cell(2, source="\n".join("x = 1" for _ in range(19))), "19 lines"),
    (set_cell(2, source="x = '" + "a" * 110 + "'"), "columns"),
    (set_cell(2, source="import torch"), "imports torch before"),
    (set_cell(2, source="from ddpm_lite import linear"), "imports ddpm_lite.linear before"),
    (set_cell(2, metadata={"slideshow": {"slide_type": "-"}}), "slide type '-'"),
    (set_cell(2, metadata={"tags": ["raises-exception"]}), "unknown tags"),
    (set_cell(2, outputs=[output("error", ename="KeyError")]), "a stored error: KeyError"),
    (set_cell(2, outputs=[output("stream", name="stderr", text="Warning: old")]), "stderr: Warning"),
    (set_cell(2, outputs=[output("display_data", {"text/html": '<img src="x">'})]), "without alt"),
    (set_cell(2, outputs=[output("display_data", {"image/png": ""})]), "without alt"),
    (set_cell(2, outputs=[output("execute_result", {"text/plain": "<Figure size>"})]), "as text"),
    (set_cell(2, outputs=[output("display_data", {store.WIDGET_VIEW: {}})]), "stored widget"),
    (set_cell(0, source=HEADER.replace("# 02", "## 02")), "only H1"),
    (set_cell(0, source=HEADER.replace("**Needs:**", "Needs")), "must say **Needs:**"),
    (set_cell(0, source=HEADER.replace("5 minutes", "6 minutes")), "**Time:** 5 minutes"),
    (set_cell(0, source=HEADER.replace("0 MB", "")), "**Runs in:**"),
    (set_cell(0, source=HEADER + "\n![](a.png)"), "without alt"),
    (set_cell(0, source=HEADER + "\n[next](03_missing.ipynb#Part)"), "a link to 03_missing.ipynb"),
    (set_cell(6, source="## Code"), "no section 'From symbols to code'"),
    (set_cell(6, source="### From symbols to code"), "skips a level"),
    (set_cell(6, metadata={}), "must start a slide"),
    (set_cell(7, source="## End"), "must include ## Summary"),
    (set_cell(9, source='quiz("03")'), 'the cell after ## Recall must be quiz("02")'),
    (lambda notebook: notebook.metadata.pop("ddpm_lite"), "metadata"),
    (lambda notebook: notebook.metadata.kernelspec.update(name="x"), "kernelspec"),
    (lambda notebook: notebook.metadata.update(widgets={}), "widget state"),
    (set_cell(1, source="# " + "x" * 3 * 2**20), "MB, at most 2"),
])
def test_lint_names_each_fault(copy, edit, said):
    change(copy, edit)
    assert said in "\n".join(lint(copy))


def test_a_missing_notebook_is_one_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["lint", "no.ipynb"])
    assert "no such notebook: no.ipynb" in capsys.readouterr().err
