"""What only the notebooks need: figures, sliders, live training, exercises. Imports no torch."""

from . import live, no_torch
from .exercises import check, hint
from .journal import progress
from .plots import grid, show, subplots
from .quiz import quiz
from .widgets import explore

no_torch.install()

__all__ = ["check", "explore", "grid", "hint", "live", "progress", "quiz", "show", "subplots"]
