"""Slides made from the notebooks: one file per deck, all inside it. `python -m slides`."""
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
OUT = ROOT / "build" / "slides"
