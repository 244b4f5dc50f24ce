"""Formulas of vectors and matrices: their value when numbers, or symbols, are put in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from .registry import Absurd


def root(a: Any) -> Any:
    """The root of a 2 x 2 (or 1 x 1) matrix with positive eigenvalues, by Cayley and Hamilton."""
    if a.shape == (1, 1):
        return a.applyfunc(sp.sqrt)
    det = sp.sqrt(a.det())
    return (a + det * sp.eye(2)) / sp.sqrt(a.trace() + 2 * det)


MEANINGS: dict[str, Callable[..., Any]] = {
    "tr": lambda a: a.trace(), "det": lambda a: a.det(), "inv": lambda a: a.inv(), "root": root,
    "quad": lambda x, a: (x.T * a * x)[0] if x != 0 else x}


def value(expr: sp.Basic, known: dict[str, Any]) -> Any:
    """The value for given vectors and matrices; a square of a vector is its squared length."""
    if isinstance(expr, sp.Symbol):
        return known[expr.name]
    parts = [value(part, known) for part in expr.args]
    match expr:
        case AppliedUndef():
            return MEANINGS[expr.func.__name__](*parts)
        case sp.Mul() | sp.Add():
            total = parts[0]
            for part in parts[1:]:
                try:
                    total = total * part if isinstance(expr, sp.Mul) else total + part
                except TypeError as fault:                              # a number and a matrix
                    raise Absurd(str(fault)) from fault
            return total
        case sp.Pow() if isinstance(parts[0], sp.MatrixBase):
            return (parts[0].T * parts[0])[0] if parts[0].shape[1] == 1 else parts[0] ** parts[1]
    return expr.func(*parts) if parts else expr
