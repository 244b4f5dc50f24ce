"""What the notebooks stand on: figures, sliders, live training, exercises."""

import asyncio
import base64
import gc
import io
import re
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_lite.course import check, exercises, explore, grid, hint, live, plots, show, subplots, widgets
from ddpm_lite.course.exercises import EXERCISES, Exercise, Mistake, find, verdict
from ddpm_lite.course.exercises.compare import difference

find("q_sample")                                                # loads every module of exercises
KNOWN = [(name, what) for name, exercise in EXERCISES.items() for what in exercise.mistakes]


def pixels(page: str) -> np.ndarray:
    data = re.search(r'base64,([^"]+)"', page)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.fixture
def shown(monkeypatch):
    """The bundles that a notebook would get."""
    bundles = []
    for module in (plots, widgets, live):
        monkeypatch.setattr(module, "display", lambda data, raw: bundles.append(data))
    return bundles


def test_import_is_light():
    code = ("import sys, ddpm_lite.course, ddpm_lite.course.exercises as e; e.find('q_sample');"
            "print(sorted({'torch', 'sympy', 'sklearn', 'matplotlib.pyplot'} & set(sys.modules)))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


# --- figures


def test_show_gives_an_image_with_alt_text(shown):
    fig, ax = subplots(figsize=(3, 2))
    ax.plot([0, 1])
    show(fig, alt='A line\n  that "rises" & ends.')
    page = shown[0]["text/html"]
    assert 'alt="A line that &quot;rises&quot; &amp; ends."' in page
    assert shown[0]["text/plain"] == 'A line that "rises" & ends.'
    assert pixels(page).shape == (200, 300, 3)
    assert plots.picture(fig, "x") == plots.picture(fig, "x")


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_show_refuses_empty_alt_text(shown, alt):
    with pytest.raises(ValueError, match="alt must say"):
        show(subplots()[0], alt=alt)
    assert not shown


def test_grid_places_images_row_by_row():
    x = torch.linspace(-1, 1, 5)[:, None, None, None].expand(5, 1, 8, 8)
    sheet = grid(x, columns=3).axes[0].images[0].get_array()
    assert sheet.shape == (8 + 1 + 8, 3 * 9 - 1)
    wanted = [0, 0.25, 0.5, 0.75, 1, 1]                         # the sixth place is empty, so white
    np.testing.assert_allclose(sheet[4::9, 4::9].ravel(), wanted, atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 8), (0, 1, 8, 8), (2, 4, 8, 8)])
def test_grid_says_what_it_expected(shape):
    with pytest.raises(ValueError, match="images must be"):
        grid(np.zeros(shape))
    with pytest.raises(ValueError, match="titles must hold 2 strings, got 1"):
        grid(np.zeros((2, 8, 8)), titles=["one"])


# --- sliders


def scene(t=3, shape="line"):
    fig, ax = subplots(figsize=(3, 2))
    ax.plot([0, t] if shape == "line" else [t, t])
    return fig


def test_explore_gives_widget_and_static_page(shown):
    explore(scene, question="Predict: where?", alt=lambda t, shape: f"A {shape}, t = {t}.",
            t=(0, 9), shape=["line", "flat"])
    [data] = shown
    assert data[widgets.WIDGET_VIEW]["model_id"]
    assert "Predict: where?" in data["text/html"] and 'alt="A line, t = 3."' in data["text/html"]
    assert pixels(data["text/html"]).shape == (200, 300, 3)


def test_a_moved_slider_changes_the_picture():
    controls = {"t": (0, 9), "shape": ["line", "flat"]}
    one = widgets.Explorer(scene, "Where?", lambda t, shape: f"t = {t}", controls)
    before = one.picture.value
    one.controls["shape"].value = "flat"
    assert (pixels(one.picture.value) != pixels(before)).any()
    one.controls["t"].value = 7
    assert 'alt="t = 7"' in one.picture.value


def test_a_redraw_leaves_the_collector_as_it_was():
    seen = []

    def draw(t=3):
        seen.append(gc.isenabled())
        return scene(t)

    one = widgets.Explorer(draw, "Where?", "A line.", {"t": (0, 9)})
    one.controls["t"].value = 4
    assert seen == [True, False] and gc.isenabled()
    gc.disable()
    try:
        one.controls["t"].value = 5
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_fast_drag_is_drawn_few_times_and_ends_at_the_last_value():
    drawn = []

    def draw(t=0):
        drawn.append(t)
        return scene(t)

    one = widgets.Explorer(draw, "Where?", "A line.", {"t": (0, 50)})

    async def drag():
        for t in range(1, 51):
            one.controls["t"].value = t
        await asyncio.sleep(0.2)

    asyncio.run(drag())
    assert drawn == [0, 50]


def test_axes_stay_where_they_are_until_a_label_needs_room():
    drawn = []

    def draw(power=0):
        drawn.append(power)
        fig, (left, right) = subplots(1, 2, figsize=(5, 2))
        right.plot([0, 10.0**power])
        right.set_ylabel("size")
        return fig

    def places():
        return [box.bounds for box in one.places]

    one = widgets.Explorer(draw, "Where?", "A line.", {"power": (0, 5)})
    before = places()
    one.controls["power"].value = 1
    assert drawn == [0, 1] and places() == before
    one.controls["power"].value = 5
    assert drawn == [0, 1, 5, 5] and places() != before                 # drawn, found crowded, laid out anew
    after = places()
    one.controls["power"].value = 0
    assert drawn[4:] == [0] and places() == after


def test_an_error_in_draw_is_seen():
    def draw(t=1):
        if t > 1:
            raise RuntimeError("no <picture>")
        return scene(t)

    one = widgets.Explorer(draw, "Where?", "A line.", {"t": (0, 5)})
    one.controls["t"].value = 2
    assert one.picture.value == "<pre>RuntimeError: no &lt;picture&gt;</pre>"
    one.controls["t"].value = 0
    assert "<img" in one.picture.value
    with pytest.raises(ZeroDivisionError):
        widgets.Explorer(lambda t=0: 1 / t, "Where?", "A line.", {"t": (0, 5)})


@pytest.mark.parametrize("spec, said", [((5, 9), "t must start in"), ("ab", "t must"), ((1,), "t must be")])
def test_a_control_says_what_it_expected(spec, said):
    with pytest.raises(ValueError, match=said):
        widgets.Explorer(scene, "Where?", "A line.", {"t": spec})
    with pytest.raises(ValueError, match="draw takes"):
        widgets.Explorer(scene, "Where?", "A line.", {"steps": (0, 1)})
    with pytest.raises(ValueError, match="question"):
        widgets.Explorer(scene, " ", "A line.", {"t": (0, 9)})


def test_kinds_of_controls():
    names = [type(widgets.control("x", *pair)).__name__ for pair in
             (((0, 9), 3), ((0, 1.0), 0.5), ((0, 9), 0.5), (["a"], "a"), (True, False))]
    assert names == ["IntSlider", "FloatSlider", "FloatSlider", "Dropdown", "Checkbox"]


# --- live training


class Fake:
    """A trainer: every step raises the net's one weight by 1."""

    def __init__(self, steps=20, fail_at=None, pause=0.002):
        self.config = SimpleNamespace(steps=steps, seconds=None)
        self.ema, self.fail_at, self.pause = torch.nn.Linear(1, 1).eval(), fail_at, pause
        torch.nn.init.zeros_(self.ema.weight)

    def run(self):
        for step in range(1, self.config.steps + 1):
            time.sleep(self.pause)
            if step == self.fail_at:
                raise FloatingPointError("loss is nan")
            with torch.no_grad():
                self.ema.weight += 1
            yield SimpleNamespace(step=step, loss=1 / step, seconds=step * self.pause, rate=1e-3)


def sample(net):
    return grid(np.full((2, 8, 8), float(net.weight.tanh())))


def start(**options):
    return live.train(Fake(**options), draw=sample, alt="Two squares.", every=0.01, floor=0.01,
                      held_out=lambda net: 1 / float(net.weight))


def test_a_training_returns_at_once_and_ends(shown):
    run = start()
    assert run.running and widgets.WIDGET_VIEW in shown[0]
    assert shown[0]["text/html"] == f"<p><em>{live.STATIC}</em></p>"
    run.wait()
    assert not run.running and run.steps == 20 and run.at == list(range(1, 21))
    np.testing.assert_allclose(run.losses, [1 / k for k in range(1, 21)], rtol=1e-6)
    assert run.held_out[-1] == (20, 1 / 20) and run.net is run.trainer.ema
    assert "Done</b>: 20 steps" in run._screen.value and run._screen.value.count("<img") == 2
    run.show(alt="Seen.")
    assert shown[-1]["text/html"].count("<img") == 2 and 'alt="Seen."' in shown[-1]["text/html"]


def test_stop_keeps_the_model(shown):
    run = start(steps=10**6)
    while run.steps < 3:
        time.sleep(0.01)
    early = run.net
    assert early is not run.trainer.ema and early.weight.item() >= 3          # a copy, while it trains
    run._button.click()
    run.wait()
    assert "Stopped by you" in run._screen.value and run.net.weight.item() == run.steps < 10**6
    assert run._button.disabled


def test_an_interrupt_in_wait_stops_the_training(shown, capsys, monkeypatch):
    run = start(steps=10**6)

    def interrupted(timeout=None, first=[True]):  # noqa: B006
        if first.pop() if first else False:
            raise KeyboardInterrupt
        return threading.Event.wait(run._done, timeout)

    monkeypatch.setattr(run._done, "wait", interrupted)
    run.wait()
    assert capsys.readouterr().out == "Stopped. The model is usable as it is.\n"
    assert not run.running and run.net.weight.item() == run.steps


def test_an_error_of_the_training_is_raised_in_wait(shown):
    run = start(fail_at=5)
    with pytest.raises(FloatingPointError, match="loss is nan"):
        run.wait()
    assert "stopped with an error" in run._screen.value and run.net.weight.item() == 4


def test_a_second_training_is_refused_in_one_line(shown):
    run = start(steps=10**6)
    with pytest.raises(live.Busy) as refused:
        start()
    assert len(refused.value._render_traceback_()) == 1 and "still running" in str(refused.value)
    run.stop()
    run.wait()
    start().wait()


def test_seconds_are_capped_by_the_variable_alone(monkeypatch):
    monkeypatch.delenv("DDPM_LITE_SECONDS", raising=False)
    assert live.seconds(60) == 60
    monkeypatch.setenv("DDPM_LITE_SECONDS", "12")
    assert (live.seconds(60), live.seconds(5)) == (12, 5)
    for bad in ("soon", "0", "-1", "nan"):
        monkeypatch.setenv("DDPM_LITE_SECONDS", bad)
        with pytest.raises(ValueError, match="DDPM_LITE_SECONDS must be a number above 0"):
            live.seconds(60)


# --- exercises: every registered one, and the framework


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_is_right(name):
    assert verdict(EXERCISES[name], EXERCISES[name].solution) == f"{name}: right. ✓"


@pytest.mark.parametrize("name, what", KNOWN)
def test_each_known_mistake_is_named(name, what):
    said = verdict(EXERCISES[name], EXERCISES[name].mistakes[what].wrong)
    assert f"It looks like this: {what}. " in said


@pytest.mark.parametrize("name", EXERCISES)
def test_a_stub_is_friendly_and_hints_come_in_steps(name, capsys, monkeypatch):
    def stub(*args):
        raise NotImplementedError("Exercise")

    exercise = EXERCISES[name]
    assert "not tried yet" in verdict(exercise, None if exercise.inputs is None else stub)
    assert len(exercise.hints) >= 2 and all(exercise.hints)
    monkeypatch.setattr(exercises, "_hints_given", {})
    for k in range(len(exercise.hints)):
        hint(name)
        assert capsys.readouterr().out.startswith(f"Hint {k + 1} of {len(exercise.hints)}: ")
    hint(name)
    assert "last hint" in capsys.readouterr().out


@pytest.mark.parametrize("wrong, said", [
    (lambda x0, t, eps, beta: None, "It gives None"),
    (lambda x0, t, eps, beta: 1 / 0, "ZeroDivisionError: division by zero (in your line: (lambda"),
    (lambda x0, t: x0, "must take the arguments (x0, t, eps, beta), yours takes (x0, t)"),
    (lambda x0, t, eps, beta: x0[0], "Its shape is [1, 8, 8], expected [4, 1, 8, 8]"),
    (lambda x0, t, eps, beta: x0.double(), "Its dtype is float64, expected float32"),
    (lambda x0, t, eps, beta: x0.numpy(), "It gives an array, expected a tensor"),
    (lambda x0, t, eps, beta: x0.mul_(2), "changes its argument x0 in place"),
    (lambda x0, t, eps, beta: x0 + torch.randn_like(x0), "Two calls with the same arguments"),
    (3, "expected a function, got int"),
])
def test_an_unknown_mistake_gets_its_cause(wrong, said):
    assert said in verdict(EXERCISES["q_sample"], wrong)


def test_an_unknown_difference_is_shown_with_both_values():
    said = verdict(EXERCISES["q_sample"], lambda x0, t, eps, beta: 0 * x0)
    assert re.search(r"At hidden input 1 of 3: At index \[0, 0, 0, 0\] yours is 0, expected -?0\.\d+\.", said)


def test_values_and_properties_are_checked(capsys):
    half = Exercise("half", 0.5, mistakes={"the inverse": Mistake(2, "Look at the bars.")}, hints=("a", "b"))
    assert verdict(half, 0.5 + 1e-7) == "half: right. ✓"
    assert "It looks like this: the inverse. Look at the bars." in verdict(half, 2.0)
    assert verdict(half, 0.7) == "half: not yet. Yours is 0.7, which isn't it."
    assert "not tried yet" in verdict(half, ...)
    even = Exercise("even", 2, accepts=lambda n: n % 2 == 0 or f"{n} is odd.", hints=("a", "b"))
    assert verdict(even, 8) == "even: right. ✓" and verdict(even, 3) == "even: not yet. 3 is odd."
    assert "stopped with TypeError" in verdict(even, "word")
    with pytest.raises(ValueError, match="no exercise is called 'nothing'"):
        check("nothing", 1)


def test_differences_in_every_kind_of_result():
    import sympy as sp

    a, b = sp.symbols("a b", positive=True)
    assert difference((a + b) ** 2, sp.expand((a + b) ** 2), 0) is None
    assert difference(sp.sin(a) ** 2 + sp.cos(a) ** 2, 1, 0) is None
    assert "same function" in difference(a + 2 * b, a + b, 0)
    assert "same symbols: look at b" in difference(a, a + b, 0)
    assert difference(sp.Matrix([a, b]), sp.Matrix([a, a]), 0)
    assert "Part 2" in difference((1, 2), [1, 3], 0)
    assert "2 results, expected 3" in difference((1, 2), (1, 2, 3), 0)
    assert difference(torch.tensor(1.0), 1, 0) is None
    assert difference(np.array([1.0, np.nan]), np.array([1.0, 2.0]), 0)
    assert difference(np.array([1.0, np.inf]), np.array([1.0, np.inf]), 0) is None
    assert difference(np.array([np.nan]), np.array([0.0]), 1e9)
    assert difference("eps", "x0", 0) and difference("eps", "eps", 0) is None
    assert "expected True or False" in difference(1, True, 0)
