"""Where two results first differ, in a sentence. Knows numbers, text, sequences, arrays, tensors, SymPy."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np


def difference(got: Any, want: Any, rtol: float) -> str | None:
    """None if the two agree: floats to rtol times the largest wanted entry, everything else exactly."""
    if got is None:
        return "It gives None. Does it return its result?"
    kinds = _kind(got), _kind(want)
    if "a SymPy expression" in kinds and set(kinds) <= {"a SymPy expression", "a number"}:
        return _symbols(got, want)
    if kinds[0] != kinds[1]:
        return f"It gives {kinds[0]}, expected {kinds[1]}."
    if kinds[1] == "a sequence":
        if len(got) != len(want):
            return f"It gives {len(got)} results, expected {len(want)}."
        for k, (mine, theirs) in enumerate(zip(got, want, strict=True)):
            if off := difference(mine, theirs, rtol):
                return f"Part {k + 1} of the result: {off}"
        return None
    if kinds[1] in ("a number", "a tensor", "an array"):
        return _arrays(got, want, rtol)
    return None if got == want else f"It gives {got!r}, which isn't it."


def _kind(value: Any) -> str:
    home = type(value).__module__.partition(".")[0]
    if isinstance(value, str | bool | np.bool_):
        return "a word" if isinstance(value, str) else "True or False"
    if home == "sympy":
        return "a SymPy expression"
    if home == "torch" and hasattr(value, "detach"):
        return "a tensor" if value.ndim else "a number"
    if isinstance(value, np.ndarray) and value.ndim:
        return "an array"
    if isinstance(value, numbers.Number | np.generic | np.ndarray):
        return "a number"
    if isinstance(value, list | tuple):
        return "a sequence"
    return f"a {type(value).__name__}"


def _arrays(got: Any, want: Any, rtol: float) -> str | None:
    mine, theirs = (np.asarray(v.detach().cpu() if hasattr(v, "detach") else v) for v in (got, want))
    if mine.shape != theirs.shape:
        return f"Its shape is {list(mine.shape)}, expected {list(theirs.shape)}."
    if theirs.ndim and mine.dtype != theirs.dtype:
        return f"Its dtype is {mine.dtype}, expected {theirs.dtype}."
    if not theirs.size:
        return None
    a, b = mine.astype(complex), theirs.astype(complex)
    finite = np.isfinite(b)
    slack = rtol * float(np.abs(b[finite]).max(initial=0)) if finite.any() else 0.0
    with np.errstate(invalid="ignore"):                                 # inf - inf
        near = np.abs(a - b) <= slack
    wrong = ~(near | (a == b) | (np.isnan(a) & np.isnan(b)))
    if not wrong.any():
        return None
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f"At index {list(at)} yours" if at else "Yours"
    return f"{place} is {mine[at] + 0:.4g}, expected {theirs[at] + 0:.4g}."


def _symbols(got: Any, want: Any) -> str | None:
    """Two expressions agree if they do at three rational points, to 30 digits."""
    import sympy as sp

    got, want = sp.sympify(got), sp.sympify(want)

    def at(value: Any, k: int) -> Any:
        return value.subs({s: sp.Rational(7 + 2 * k + sum(map(ord, s.name)) % 11, 23 + 2 * k)
                           for s in value.free_symbols})

    if hasattr(want, "shape") or hasattr(got, "shape"):
        if getattr(got, "shape", None) != getattr(want, "shape", None):
            return f"Its shape is {getattr(got, 'shape', 'none')}, expected {getattr(want, 'shape', 'none')}."
        return next(filter(None, map(_symbols, got, want)), None)
    if isinstance(want, sp.Equality) or isinstance(got, sp.Equality):
        return None if got == want else f"It gives {got}, which isn't it."
    if names := sorted({s.name for s in want.free_symbols} ^ {s.name for s in got.free_symbols}):
        if _nonzero(at(got, 1) - at(want, 1)):
            return f"Yours and the expected one don't use the same symbols: look at {', '.join(names)}."
    for k in range(3):
        if _nonzero(at(got, k) - at(want, k)):
            return "It isn't the same function: put in numbers, say all symbols at 1/2, and compare by hand."
    return None


def _nonzero(value: Any) -> bool:
    number = value.evalf(30, chop=True)
    return not number.is_number or abs(complex(number)) > 1e-20
