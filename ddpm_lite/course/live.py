"""Training that the reader watches: a thread, a bar, a loss curve, a growing picture and a Stop button.

The thread leaves the kernel free: the reader reads and runs on, and a later cell waits with `run.wait()`.
"""

from __future__ import annotations

import copy
import html
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import ipywidgets as W
from IPython.display import display
from matplotlib.figure import Figure

from . import memory
from .plots import loss_curve, picture
from .widgets import bundle, heard_while_busy

STATIC = ("A training starts here. With a kernel you see a bar, the loss, a growing picture and a Stop "
          "button. A cell below shows where it ended.")
CURVE = "The loss against the step, both axes logarithmic."
BAR = 0.5                                                       # seconds between two drawings of the bar
_current: Run | None = None


def seconds(budget: float) -> float:
    """The seconds a training may take: `budget`, or DDPM_LITE_SECONDS if that is set and less (tests)."""
    cap = os.environ.get("DDPM_LITE_SECONDS", "").strip()
    try:
        limit = float(cap) if cap else budget
        if not limit > 0:
            raise ValueError
    except ValueError:
        raise ValueError(f"DDPM_LITE_SECONDS must be a number above 0, got {cap!r}") from None
    return min(budget, limit)


def train(
    trainer: Any,
    *,
    draw: Callable[[Any], Figure],
    alt: str,
    every: float = 3,
    floor: float | None = None,
    held_out: Callable[[Any], float] | None = None,
) -> Run:
    """Starts `trainer.run()` in a thread, shows it, and returns at once.

    `draw(net)` draws with the averaged net, between two steps, about every `every` seconds; `alt` is that
    picture's text. `floor`: the loss that no network can beat, a line in the curve. `held_out(net)`: the loss
    on images that aren't trained on, measured at each picture. A batch is taken in parts if memory is short.
    """
    global _current
    if _current is not None and _current.running:
        raise Busy("A training is still running: press Stop or run.wait() for it, then run this cell again.")
    if getattr(trainer.config, "accumulate", 0) == 1:
        trainer.config = replace(trainer.config, accumulate=memory.parts(trainer.config.batch))
    _current = Run(trainer, draw, alt, every, floor, held_out)
    return _current


class Busy(RuntimeError):
    """One line for the reader, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Run:
    """A training under way. The net is usable at any moment, and after a stop or an error too."""

    def __init__(self, trainer: Any, draw: Callable[[Any], Figure], alt: str, every: float,
                 floor: float | None, held_out: Callable[[Any], float] | None) -> None:
        self.trainer, self.draw, self.alt, self.every = trainer, draw, alt, every
        self.floor, self.measure = floor, held_out
        self.at: list[int] = []                                 # steps done at each report of the trainer
        self.losses: list[float] = []                           # and the loss it reported
        self.held_out: list[tuple[int, float]] = []             # (step, loss)
        self.error: BaseException | None = None
        self._images = ["", ""]                                 # loss curve, the reader's picture
        self._stop, self._done = threading.Event(), threading.Event()
        self._asked: queue.SimpleQueue = queue.SimpleQueue()
        self._screen = W.HTML(f"<p>{STATIC}</p>")
        self._button = W.Button(description="Stop", icon="stop", tooltip="Stop the training, keep the model")
        self._button.on_click(lambda _: self.stop())
        box = W.VBox([self._button, self._screen])
        display(bundle(box, f"<p><em>{STATIC}</em></p>", STATIC), raw=True)
        heard_while_busy(self._button)
        threading.Thread(target=self._work, name="ddpm_lite training", daemon=True).start()

    @property
    def running(self) -> bool:
        return not self._done.is_set()

    @property
    def steps(self) -> int:
        return self.at[-1] if self.at else 0

    @property
    def net(self) -> Any:
        """The averaged net in eval mode; a copy while the training goes on."""
        asked: Future = Future()
        self._asked.put(asked)
        while self.running:
            try:
                return asked.result(timeout=0.2)
            except TimeoutError:
                pass
        return self.trainer.ema

    def stop(self) -> None:
        """Stops at the next report."""
        self._stop.set()

    def wait(self) -> None:
        """Blocks until the training is done; raises its error. An interrupt here stops the training."""
        try:
            while not self._done.wait(0.2):                     # no join: an interrupt would break it
                pass
        except KeyboardInterrupt:
            self.stop()
            self._done.wait()
            print("Stopped. The model is usable as it is.")
        if self.error is not None:
            raise self.error

    def show(self, alt: str | None = None) -> None:
        """Displays the loss curve and the last picture, as they stand. `alt`: text for the picture."""
        if not all(self._images):
            raise RuntimeError("there is no picture yet: run.wait() first")
        last = self._images[1] if alt is None else _with_alt(self._images[1], alt)
        page = f"{self._images[0]}\n{last}"
        display({"text/html": page, "text/plain": f"{CURVE} {alt or self.alt}"}, raw=True)

    def _work(self) -> None:
        """The thread: steps, and between them the bar, the pictures and the nets that were asked for."""
        bar_due, draw_due, spent = 0.0, time.monotonic() + min(1, self.every), 0.0
        steps = self.trainer.run()
        try:
            for step in steps:
                self.at.append(step.step)
                self.losses.append(float(step.loss))
                spent = step.seconds
                if time.monotonic() >= draw_due:
                    self._picture()
                    draw_due = time.monotonic() + self.every
                if time.monotonic() >= bar_due:
                    self._paint(self._bar(spent))
                    bar_due = time.monotonic() + BAR
                while not self._asked.empty():
                    self._asked.get().set_result(copy.deepcopy(self.trainer.ema))
                if self._stop.is_set():
                    break
            self._picture()
            word = "Stopped by you" if self._stop.is_set() else "Done"
            self._paint(f"<p><b>{word}</b>: {self.steps:,} steps in {spent:.0f} s.</p>")
        except BaseException as error:                          # raised again in wait()
            self.error = error
            cause = html.escape(f"{type(error).__name__}: {error}")
            self._paint(f"<p><b>The training stopped with an error</b> after step {self.steps}: {cause}</p>")
        finally:
            steps.close()
            self._button.disabled = True
            self._done.set()

    def _bar(self, spent: float) -> str:
        config, speed = self.trainer.config, self.steps / max(spent, 1e-9)
        left = [(spent / config.seconds, config.seconds - spent)] if config.seconds else []
        left += [(self.steps / config.steps, (config.steps - self.steps) / speed)] if config.steps else []
        done, rest = max(left, default=(0.0, 0.0))
        bar = f'<progress style="width:24em" max="1" value="{done:.3f}" aria-label="training"></progress>'
        return (f"<p>{bar} {max(rest, 0):.0f} s left, step {self.steps:,}, {speed:.0f} steps per second</p>")

    def _picture(self) -> None:
        import torch

        with torch.no_grad():
            if self.measure is not None:
                self.held_out.append((self.steps, float(self.measure(self.trainer.ema))))
            fig = self.draw(self.trainer.ema)
        curve = loss_curve(self.at, self.losses, self.held_out, self.floor)
        self._images = [picture(curve, CURVE), picture(fig, self.alt)]

    def _paint(self, line: str) -> None:
        self._screen.value = line + "".join(f"<div>{image}</div>" for image in self._images)


def _with_alt(image: str, alt: str) -> str:
    start = image.index('alt="') + 5
    return image[:start] + html.escape(alt) + image[image.index('"', start):]
