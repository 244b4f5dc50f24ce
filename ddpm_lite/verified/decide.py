"""Is this residual 0? Proved, refuted with a witness, or undecided; never silent.

Refuted means: not 0 at an exact rational point, at 40 digits. Proved means: SymPy reduces it to 0. The point
comes first, since it is quick and a claim that fails there needs no symbols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import sympy as sp
from sympy.concrete.expr_with_limits import ExprWithLimits

from .formula import reduced
from .symbols import TABLE, WITNESS

DIGITS, ZERO = 40, sp.Float("1e-25", 40)
UNIT = list(map(sp.Rational, "3/5 4/11 9/14 6/17 13/21 5/23 12/19 10/29".split()))
REAL = list(map(sp.Rational, "5/3 -7/4 13/6 -11/9 17/10 -19/8 23/7 -29/12".split()))


@dataclass(frozen=True)
class Positive:
    """The claim that an expression is > 0 (or >= 0, with `strict=False`) wherever its symbols live."""

    expr: sp.Expr
    strict: bool = True


@dataclass(frozen=True)
class Close:
    """The claim that a computed number is 0 up to `tolerance`: the tier "numeric" only."""

    value: float
    tolerance: float


@dataclass(frozen=True)
class Fails:
    """A claim that doesn't hold, and why, for what is no equation (another law, a wrong limit)."""

    why: str


Residual: TypeAlias = "sp.Expr | sp.MatrixBase | Positive | Close | Fails | bool"


@dataclass(frozen=True)
class Verdict:
    kind: str                                       # proved, refuted, undecided
    why: str = ""                                   # the witness, or what was left over

    def __bool__(self) -> bool:
        return self.kind == "proved"


PROVED = Verdict("proved")
UNREFUTED = Verdict("undecided", "holds at three points")


def unit(expr: sp.Basic) -> list[sp.Symbol]:
    """The symbols of an expression that live in (0, 1)."""
    return [s for s in _sorted(expr) if s.name in TABLE and TABLE[s.name].domain == "unit"]


def _sorted(expr: sp.Basic) -> list[sp.Symbol]:
    return sorted(expr.free_symbols, key=lambda s: s.name)


def witness(expr: sp.Basic, which: int = 0) -> dict[sp.Symbol, sp.Rational]:
    """Exact distinct values for an expression's symbols, each in its domain. `which` chooses among points:
    two where the signs of the real symbols alternate, one where all are negative."""
    point = {}
    for i, s in enumerate(_sorted(expr)):
        k = (i + 3 * which) % len(UNIT)
        if s.name in WITNESS and which == 0:
            point[s] = WITNESS[s.name]
        elif s.is_integer:
            point[s] = sp.Integer(3 + i + which)
        elif s.name in TABLE and TABLE[s.name].domain == "unit":
            point[s] = UNIT[k]
        else:
            point[s] = abs(REAL[k]) if s.is_positive else -abs(REAL[k]) if which == 2 else REAL[k]
    return point


def decide(residual: Residual, *, symbols: bool = True) -> Verdict:
    """The verdict on one residual. With `symbols=False` only points are tried: enough to reject a mutant."""
    if isinstance(residual, Fails):
        return Verdict("refuted", residual.why)
    if isinstance(residual, bool):
        return PROVED if residual else Verdict("refuted", "it doesn't hold")
    if isinstance(residual, Close):
        near = abs(residual.value) <= residual.tolerance
        off = f"off by {residual.value:.3g}, {residual.tolerance:.0e} allowed"
        return PROVED if near else Verdict("refuted", off)
    if isinstance(residual, sp.MatrixBase):
        parts = [decide(part, symbols=symbols) for part in residual]
        return next((v for v in parts if v.kind == "refuted"), next((v for v in parts if not v), PROVED))
    strict = isinstance(residual, Positive)
    expr = reduced(residual.expr if isinstance(residual, Positive) else residual)
    for which in (0, 1, 2):
        point = witness(expr, which)
        value = _at(expr, point).evalf(DIGITS)
        if not value.is_number:
            return Verdict("undecided", f"no value at a point: {str(value)[:120]}")
        if not value.is_finite or value.is_real is False and abs(sp.im(value)) > ZERO:
            return Verdict("refuted", f"no real value{_told(point)}")
        wrong = (value < -ZERO or residual.strict and value < ZERO) if strict else abs(value) > ZERO
        if wrong:
            wanted = "a positive number" if strict else 0
            return Verdict("refuted", f"{sp.N(value, 6)} instead of {wanted}{_told(point)}")
    if not symbols:
        return UNREFUTED
    return _positive(expr, residual.strict) if isinstance(residual, Positive) else _zero(expr)


def _at(expr: sp.Expr, point: dict[sp.Symbol, sp.Rational]) -> sp.Expr:
    """The expression at a point; xreplace is quicker, and subs alone knows which symbols a sum binds."""
    return expr.subs(point) if expr.has(ExprWithLimits) else expr.xreplace(point)


def _told(point: dict[sp.Symbol, sp.Rational]) -> str:
    return " at " + ", ".join(f"{s} = {v}" for s, v in point.items()) if point else ""


def opened(expr: sp.Expr) -> sp.Expr:
    """u in (0, 1) becomes 1/(1 + p), p > 0: SymPy has no such assumption, and roots need one."""
    return expr.subs({s: 1 / (1 + sp.Symbol(f"p_{s.name}", positive=True)) for s in unit(expr)})


def _zero(expr: sp.Expr) -> Verdict:
    if sp.factor(expr) == 0:                                            # quick, and enough for most
        return PROVED
    expr = opened(expr)
    for reduce in (sp.expand, lambda e: sp.cancel(sp.together(e)), _roots, sp.simplify,
                   lambda e: sp.simplify(sp.expand_log(sp.powdenest(sp.factor(e))))):
        if reduce(expr) == 0:
            return PROVED
    return Verdict("undecided", f"left over: {str(sp.simplify(expr))[:200]}")


def _positive(expr: sp.Expr, strict: bool) -> Verdict:
    expr = opened(expr)
    for form in (expr, sp.factor(sp.together(expr)), sp.factor(_split(expr)), sp.simplify(expr)):
        if form.is_positive or (not strict and form.is_nonnegative):
            return PROVED
    return Verdict("undecided", f"no sign seen in {str(sp.factor(expr))[:200]}")


def _split(expr: sp.Expr) -> sp.Expr:
    """Roots of products as products of roots, logarithms as sums, where the factors are positive."""
    def root(base: sp.Expr, power: sp.Expr) -> sp.Expr:
        return sp.expand_power_base(sp.factor(sp.together(base)) ** power)

    expr = expr.replace(lambda e: e.is_Pow and e.exp.is_Rational and not e.exp.is_Integer,
                        lambda e: root(e.base, e.exp))
    return expr.replace(lambda e: isinstance(e, sp.log),
                        lambda e: sp.expand_log(sp.log(sp.factor(sp.together(e.args[0])))))


def _roots(expr: sp.Expr) -> sp.Expr:
    """Zero or not, by taking every root r of w as a symbol with r^2 = w."""
    expr = _split(expr)
    bases = {e.base for e in expr.atoms(sp.Pow) if e.exp.is_Rational and e.exp.q == 2}
    named = {base: sp.Dummy(f"r{i}", positive=True) for i, base in enumerate(sorted(bases, key=str))}
    expr = expr.replace(lambda e: e.is_Pow and e.base in named and e.exp.is_Rational and e.exp.q == 2,
                        lambda e: named[e.base] ** (2 * e.exp))
    top = sp.numer(sp.together(expr))
    for base, r in named.items():
        top = sp.expand(top)
        if top.has(r) and top.is_polynomial(r):
            rest = sp.rem(sp.Poly(top, r), sp.Poly(r**2 - base, r)).as_expr()
            top = sp.numer(sp.together(rest))
    return sp.expand(top)
