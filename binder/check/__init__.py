"""Binder, tried without a container engine: `make binder-check`."""
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "binder"
