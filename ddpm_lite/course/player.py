"""A slider without a kernel: its pictures drawn beforehand, for slides."""

from __future__ import annotations

import html
import os
from typing import Any

import numpy as np

PLAYERS = "DDPM_LITE_PLAYERS"                                           # set where slides are made
FRAMES = 25


def stops(control: Any) -> dict[str, Any]:
    """Labels and values: all choices, or some of a slider's places, its start among them."""
    if hasattr(control, "options"):
        pairs = [one if isinstance(one, tuple) else (f"{one}", one) for one in control.options]
        return {str(label): value for label, value in pairs}
    count = round((control.max - control.min) / control.step)
    places = np.linspace(0, count, min(count + 1, FRAMES)).round()
    values = [type(control.value)(control.min + place * control.step) for place in places]
    values[np.abs(np.array(values) - control.value).argmin()] = control.value      # where it starts
    return {f"{value:g}": value for value in values}


def player(explorer: Any, name: str) -> str:
    """The question, the pictures for every stop of the control `name`, and a slider through them."""
    if name not in explorer.controls:
        raise ValueError(f"play must name one of {sorted(explorer.controls)}, got {name!r}")
    values, found = explorer.values(), stops(explorer.controls[name])
    now = list(found.values()).index(values[name])
    images = [explorer.render(values | {name: value}) for value in found.values()]
    frames = "\n".join(image.replace("<img ", f'<img data-value="{html.escape(label)}" ')
                       for label, image in zip(found, images, strict=True))
    rest = ", ".join(f"{other} = {value}" for other, value in values.items() if other != name)
    return (f'<div class="player">\n<p><b>{html.escape(explorer.question)}</b></p>\n'
            f'<div class="frames">\n{frames}\n</div>\n<p class="control"><label>{html.escape(name)} '
            f'<input type="range" min="0" max="{len(found) - 1}" value="{now}"></label> <output></output> '
            f"{html.escape(rest)}</p>\n</div>")


def wanted() -> bool:
    return PLAYERS in os.environ
