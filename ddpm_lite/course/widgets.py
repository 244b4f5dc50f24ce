"""Sliders that redraw a picture, with a question to predict and a static picture for pages without a kernel.

No Output widget and no `interact`: they stall the clients that execute notebooks and can't be compared.
"""

from __future__ import annotations

import asyncio
import gc
import html
import inspect
from collections.abc import Callable
from typing import Any

import ipywidgets as W
from IPython.display import display
from matplotlib.figure import Figure

from .player import player, wanted
from .plots import crowded, picture

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PAUSE = 0.02                # seconds in which moves of a slider are gathered into one drawing


def explore(
    draw: Callable[..., Figure],
    *,
    question: str,
    alt: str | Callable[..., str],
    play: str | None = None,
    **controls: Any,
) -> None:
    """Shows `draw(**values)` under one control per argument, and redraws it as they move.

    A control is `(min, max)` or `(min, max, step)`, a list of choices, a bool, or any ipywidgets control.
    It starts at `draw`'s default value. `alt` is the picture's text, or a function of the same values.
    `play` names the control that moves on slides, where pictures are made beforehand; else they show one.
    """
    shown = Explorer(draw, question, alt, controls)
    static = player(shown, play) if play and wanted() else shown.static
    display(bundle(shown.box, static, f"{question} {shown.caption}"), raw=True)
    heard_while_busy(*shown.controls.values())


def bundle(widget: W.Widget, static: str, text: str) -> dict[str, Any]:
    """One output: the widget where there is a kernel, the static page elsewhere."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {WIDGET_VIEW: view, "text/html": static, "text/plain": text}


def heard_while_busy(*widgets: W.Widget) -> None:
    """Lets these widgets answer while a cell computes, where the front end can (JupyterLab 4.4 on).

    ipykernel 7.4 sends a widget's messages to the shell that made it, which is the busy one; without its note
    they take the subshell that the front end chose for them.
    """
    for widget in widgets:
        vars(widget.comm).pop("_reply_subshell_id", None)


class Explorer:
    """The controls, the picture and what ties them together."""

    def __init__(self, draw: Callable[..., Figure], question: str, alt: str | Callable[..., str],
                 specs: dict[str, Any]) -> None:
        if not question.strip():
            raise ValueError("question must ask the reader to predict something, got nothing")
        defaults = {name: p.default for name, p in inspect.signature(draw).parameters.items()}
        if unknown := set(specs) - set(defaults):
            raise ValueError(f"draw takes {list(defaults)}, got controls for {sorted(unknown)} as well")
        self.draw, self.question, self.alt, self.waiting = draw, question, alt, False
        self.places: list[Any] = []
        self.controls = {name: control(name, spec, defaults[name]) for name, spec in specs.items()}
        first = self.render()                                           # an error in draw raises here
        self.picture = W.HTML(first)
        text = html.escape(question)
        self.box = W.VBox([W.HTML(f"<b>{text}</b>"), *self.controls.values(), self.picture])
        self.caption = ", ".join(f"{name} = {value}" for name, value in self.values().items())
        self.static = (f"<p><b>{text}</b></p>\n{first}\n"
                       f"<p><em>Here {html.escape(self.caption)}. Run the notebook to move it.</em></p>")
        for one in self.controls.values():
            one.observe(self.moved, "value")

    def values(self) -> dict[str, Any]:
        return {name: one.value for name, one in self.controls.items()}

    def render(self, values: dict[str, Any] | None = None) -> str:
        """The first drawing lays the axes out; later ones keep their places while there is room: that is
        quicker, and nothing jumps."""
        values = values or self.values()
        fig, first = self.draw(**values), not self.places
        if kept := len(self.places) == len(fig.axes):
            fig.set_layout_engine("none")
            for ax, place in zip(fig.axes, self.places, strict=True):
                ax.set_position(place)
        image = picture(fig, self.alt(**values) if callable(self.alt) else self.alt, quick=not first)
        if kept and crowded(fig):
            self.places = []
            return self.render(values)
        self.places = self.places or [ax.get_position(original=True) for ax in fig.axes]
        return image

    def moved(self, change: Any = None) -> None:
        """A fast drag sends many values: those of one pause share one drawing, of the newest."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:                                            # no front end, no loop: draw at once
            return self.redraw()
        if not self.waiting:
            self.waiting = True
            loop.call_later(PAUSE, self.redraw)
        return None

    def redraw(self) -> None:
        self.waiting, collects = False, gc.isenabled()
        gc.disable()                            # a figure is thousands of objects: swept once it is sent
        try:
            self.picture.value = self.render()
        except Exception as error:                                      # nobody else would see it
            self.picture.value = f"<pre>{html.escape(type(error).__name__)}: {html.escape(str(error))}</pre>"
        finally:
            if collects:
                gc.enable()


def control(name: str, spec: Any, start: Any) -> Any:
    """The widget for one argument of draw: `start` is the argument's default."""
    chosen = {} if start is inspect.Parameter.empty else {"value": start}
    style = {"style": {"description_width": "8em"}, "layout": W.Layout(width="32em", max_width="100%")}
    if isinstance(spec, W.ValueWidget):
        return spec
    if isinstance(spec, bool):
        return W.Checkbox(description=name, value=chosen.get("value", spec))
    if isinstance(spec, list):
        return W.Dropdown(description=name, options=spec, **chosen, **style)
    if isinstance(spec, tuple) and len(spec) in (2, 3):
        whole = all(isinstance(bound, int) for bound in spec) and isinstance(chosen.get("value", 0), int)
        kind, step = (W.IntSlider, 1) if whole else (W.FloatSlider, (spec[1] - spec[0]) / 100)
        low, high = spec[:2]
        if not low <= chosen.get("value", low) <= high:
            raise ValueError(f"{name} must start in [{low}, {high}], got {start}")
        step = spec[2] if len(spec) == 3 else step
        return kind(description=name, min=low, max=high, step=step, **chosen, **style)
    raise ValueError(f"{name} must be (min, max), (min, max, step), a list, a bool or a widget, got {spec!r}")
