"""Verified mathematics: what the reader sees is what was checked. SymPy alone; no torch in here."""

from __future__ import annotations

from .prove import prove
from .registry import entries, entry
from .trial import attempt

__all__ = ["attempt", "entries", "entry", "prove"]
