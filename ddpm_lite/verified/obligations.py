"""What a check says of a statement, step by step, as the kernel is to see it: with the formulas as typed.

The check runs a second time with a name in the place of every formula; where nothing but arithmetic happens
to the name, the step holds the formula as it was typed. Where the check takes it apart (substitutes,
differentiates), the step holds what SymPy made of it. Where SymPy would cancel everything before anyone else
sees it, the symbols of the statement are told apart from those of the check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from .decide import UNREFUTED, Positive, Residual, decide
from .expressible import copy_of, originals
from .formula import Formula
from .registry import Absurd, Check
from .statements import Statement


@dataclass(frozen=True)
class Viewed(Statement):
    """A statement whose slots give something else than their formulas' values."""

    view: Callable[[Formula], sp.Expr] = lambda formula: formula.expr

    def __getattr__(self, slot: str) -> sp.Expr:
        if slot.startswith("_") or slot not in self.__dict__.get("slots", {}):
            raise AttributeError(slot)
        return self.view(self.slots[slot])

    def lines(self) -> list[sp.Expr]:
        return [getattr(self, f"line{i}") for i in range(len(super().lines()))]


def _seen(check: Check, statement: Statement, view: Callable[[Formula], sp.Expr]) -> list[Residual]:
    """The residuals of such a statement; none where the check can't do with it."""
    try:
        return [residual for _, residual in check(Viewed(statement.shell, statement.slots, view))]
    except (Absurd, ArithmeticError, AttributeError, TypeError, ValueError, KeyError, NotImplementedError):
        return []


def name_of(formula: Formula) -> sp.Expr:
    """The name that stands for a formula; a bare symbol or number stands for itself."""
    if formula.expr.is_Symbol or formula.text.isdigit():
        return formula.expr
    return sp.Symbol(f"typed: {formula.text}", real=True, positive=formula.expr.is_positive)


@dataclass(frozen=True)
class Claim:
    """What one step of a check says: a residual that is 0, or positive."""

    reason: str
    residual: Residual
    slots: dict[sp.Symbol, Formula]                 # the names in it, and what they stand for

    @property
    def value(self) -> Residual:
        """The residual with SymPy's values in place of the names."""
        values = {name: formula.expr for name, formula in self.slots.items()}
        if isinstance(self.residual, Positive):
            return Positive(self.residual.expr.xreplace(values), self.residual.strict)
        return self.residual.xreplace(values) if isinstance(self.residual, sp.Expr) else self.residual

    @property
    def empty(self) -> bool:
        """Is nothing left to prove, as SymPy cancelled all of it when the check wrote it down?"""
        return not isinstance(self.residual, Positive) and (self.residual == 0 or self.residual is True)


def claims(check: Check, statement: Statement) -> list[Claim]:
    """The steps of a check, each with the formulas as typed where that can be."""
    plain = list(check(statement))
    named = _seen(check, statement, name_of)
    slots = {name: formula for formula in statement.slots.values()
             if (name := name_of(formula)) != formula.expr}
    found = []
    for i, (reason, residual) in enumerate(plain):
        if len(named) == len(plain) and _agree(named[i], residual, slots):
            used = parts(named[i])[0].free_symbols
            found.append(Claim(reason, named[i], {s: f for s, f in slots.items() if s in used}))
        elif isinstance(residual, sp.MatrixBase):
            found += [Claim(reason, part, {}) for part in residual]
        else:
            found.append(Claim(reason, residual, {}))
    if all(one.empty for one in found) and len(found) == len(plain):
        found = [Claim(one.reason, residual, {}) for one, residual in
                 zip(found, _copied(check, statement, plain), strict=True)]
    return found


def _told_apart(s: sp.Symbol) -> Callable[[Formula], sp.Expr]:
    return lambda formula: formula.expr.xreplace({s: copy_of(s)})


def _copied(check: Check, statement: Statement, plain: list[tuple[str, Residual]]) -> list[Residual]:
    """The residuals with the symbols of the statement told apart from those of the check, so that SymPy can't
    cancel one against the other before the kernel sees them."""
    best = [residual for _, residual in plain]
    symbols = sorted(set().union(*(f.expr.free_symbols for f in statement.slots.values())), key=str)
    for s in symbols:
        other = _seen(check, statement, _told_apart(s))
        for i, residual in enumerate(other if len(other) == len(best) else []):
            if best[i] == 0 and _agree(residual, best[i], {}):
                best[i] = residual
    return best


def parts(residual: Residual) -> tuple[sp.Expr, object]:
    if isinstance(residual, Positive):
        return residual.expr, residual.strict
    return residual, None


def _agree(named: Residual, plain: Residual, slots: dict[sp.Symbol, Formula]) -> bool:
    """Is this the same residual, but for the names?"""
    (one, strict), (other, strictly) = parts(named), parts(plain)
    if not (isinstance(one, sp.Expr) and isinstance(other, sp.Expr)) or strict != strictly:
        return False
    for power in one.atoms(sp.Pow):
        if not power.exp.is_Integer and power.free_symbols & set(slots):
            return False
    difference = originals(one.xreplace({s: formula.expr for s, formula in slots.items()})) - other
    return difference == 0 or decide(difference, symbols=False) == UNREFUTED
