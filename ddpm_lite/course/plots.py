"""The house style for figures, and the one way to show them: as `<img alt>`, which every page keeps."""

from __future__ import annotations

import base64
import html
import io
import sys
import threading
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from IPython.display import display
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

mpl.rcParams.update(style.library["petroff10"])                         # a cycle safe for the colour-blind
mpl.rcParams.update({
    "image.cmap": "cividis", "image.interpolation": "nearest", "figure.dpi": 100,
    "font.size": 12.5, "axes.titlesize": 12.5, "legend.fontsize": 12.5,          # read from a hall's last row
    "lines.linewidth": 1.8, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": False, "legend.frameon": False, "axes.titley": 1.0,        # no search for a title's place
})
# One canvas for all: at a size drawn before it knows how wide its words are and how its formulas look.
_canvas = FigureCanvasAgg(Figure())
_drawing = threading.RLock()                                            # widgets draw in threads


def subplots(nrows: int = 1, ncols: int = 1, figsize: tuple[float, float] = (6.4, 3.2), **options: Any):
    """`(fig, axes)` as `plt.subplots` gives, figsize in inches; but only `show` shows this figure."""
    fig = Figure(figsize=figsize, layout="constrained")
    axes = fig.subplots(nrows, ncols, **options)
    for ax in fig.axes:
        ax.locator_params(nbins=5)                                      # ticks are half of a redraw's time
    return fig, axes


def picture(fig: Figure, alt: str, quick: bool = False) -> str:
    """The figure as `<img alt="..." src="data:image/png;base64,...">`; `quick` spends less on packing it."""
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("alt must say what to see in the figure, got nothing")
    file = io.BytesIO()
    with _drawing:
        _canvas.figure = fig
        fig.set_canvas(_canvas)
        _canvas.draw()                                                  # once: savefig would draw twice
        pixels = Image.fromarray(np.asarray(_canvas.buffer_rgba())).convert("RGB")
    pixels.save(file, "png", compress_level=1 if quick else 9)          # no metadata: the bytes repeat
    data = base64.b64encode(file.getvalue()).decode()
    text = html.escape(" ".join(alt.split()))
    return f'<img alt="{text}" style="max-width:100%" src="data:image/png;base64,{data}">'


def crowded(fig: Figure) -> bool:
    """Whether a y axis of a drawn figure has outgrown its room: into another axes, or out of the picture."""
    for ax in (one for one in fig.axes if one.axison):
        words = ax.yaxis.label                                          # farthest out, where there is one
        box = words.get_window_extent() if words.get_text() else ax.yaxis.get_tightbbox()
        if box and (box.x0 < 0 or any(other is not ax and other.bbox.overlaps(box) for other in fig.axes)):
            return True                                                 # no box: nothing is shown
    return False


def show(fig: Figure, alt: str) -> None:
    """Displays the figure. `alt`: what there is to see, for readers who can't see it."""
    display({"text/html": picture(fig, alt), "text/plain": " ".join(alt.split())}, raw=True)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(fig)


def grid(
    images: Any,
    columns: int = 8,
    titles: Sequence[str] | None = None,
    rows: Sequence[str] | None = None,
    size: float = 0.8,
) -> Figure:
    """Images `[n, 1|3, h, w]` or `[n, h, w]` in [-1, 1], row by row; `size` of one in inches.

    `titles` stand over the columns, `rows` left of the rows.
    """
    x = np.asarray(images.detach().cpu() if hasattr(images, "detach") else images, dtype=np.float32)
    x = x[:, None] if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[1] not in (1, 3) or len(x) == 0:
        raise ValueError(f"images must be [n, 1 or 3, h, w] or [n, h, w] with n > 0, got {list(x.shape)}")
    n, c, h, w = x.shape
    columns = min(columns, n)
    down = -(-n // columns)
    for name, given, wanted in (("titles", titles, columns), ("rows", rows, down)):
        if given is not None and len(given) != wanted:
            raise ValueError(f"{name} must hold {wanted} strings, got {len(given)}")
    gap = max(1, h // 8)
    sheet = np.ones((down, h + gap, columns, w + gap, c), np.float32)   # white between the images
    filled = np.ones((down * columns, h, w, c), np.float32)
    filled[:n] = np.clip(x.transpose(0, 2, 3, 1) / 2 + 0.5, 0, 1)
    sheet[:, :h, :, :w] = filled.reshape(down, columns, h, w, c).transpose(0, 2, 1, 3, 4)
    sheet = sheet.reshape(down * (h + gap), columns * (w + gap), c)[:-gap, :-gap]
    widest = max(map(len, rows)) * 0.125 if rows else 0
    fig, ax = subplots(figsize=(columns * size + widest, down * size + (0.3 if titles else 0)))
    ax.imshow(sheet.squeeze() if c == 1 else sheet, cmap="gray", vmin=0, vmax=1)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    ax.set_xticks([i * (w + gap) + w / 2 - 0.5 for i in range(columns)] if titles else [], titles or [])
    ax.set_yticks([i * (h + gap) + h / 2 - 0.5 for i in range(down)] if rows else [], rows or [])
    return fig


def loss_curve(
    at: Sequence[int],
    losses: Sequence[float],
    held_out: Sequence[tuple[int, float]] = (),
    floor: float | None = None,
) -> Figure:
    """Training loss against the step, both logarithmic, with its running mean, held-out loss and floor."""
    fig, ax = subplots(figsize=(6.4, 2.6))
    if n := len(losses):
        wide, thin = max(1, n // 50), max(1, n // 500)          # 500 points are enough for 600 pixels
        mean = np.convolve(losses, np.ones(wide) / wide, "valid")
        ax.plot(at[::thin], losses[::thin], alpha=0.3, linewidth=1)
        ax.plot(at[wide - 1 :: thin], mean[::thin], color="C0", label="training, running mean")
        ax.set(xscale="log", yscale="log")
    if held_out:
        ax.plot(*zip(*held_out, strict=True), "o", markersize=4, color="C1", label="held out")
    if floor is not None:
        ax.axhline(floor, color="black", linestyle="--", linewidth=1, label="floor")
    ax.set(xlabel="step", ylabel="loss")
    fig.legend(loc="outside upper right", ncols=3)
    return fig
