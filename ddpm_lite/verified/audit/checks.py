"""Checks of the audit's own, where a document says what no equation of the course states as such."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..decide import Fails
from ..formula import reduced
from ..kernel import S, conditional, moments, noise, step
from ..registry import Absurd


def same(s):
    """Both sides are one, by what the table of symbols says of its shorthands (alpha_t = 1 - beta_t)."""
    yield "the same number on both sides, with alpha_t = 1 - beta_t", s.lhs - s.rhs


def lines(s):
    """A chain of rewritings of the variance that two forward steps add."""
    two = step(step(S("x_prev2"), S("alpha_prev"), noise("prev")), S("alpha_t"), noise("t"))
    yield "the variance that two steps of the kernel add", s.lhs - moments(two)[1]
    for before, after in zip([s.lhs, *s.lines()], s.lines(), strict=False):
        yield "the line before, rewritten", after - before


@cache
def _earlier(told: bool) -> tuple[sp.Expr, sp.Expr]:
    """Mean and variance of x_{t-1} given x_t, with x_0 told or drawn from N(0, V)."""
    start = S("x_0") if told else sp.sqrt(S("V")) * noise("data")
    before = sp.sqrt(S("alpha_bar_prev")) * start + sp.sqrt(1 - S("alpha_bar_prev")) * noise("before")
    return conditional(before, step(before, S("alpha_t"), noise("t")), S("x_t"))


def reverse_law(s):
    """The law of x_{t-1}: given x_t and x_0, or given x_t alone for data N(0, V)."""
    given = {formula.text for slot, formula in s.slots.items() if slot.startswith("given")}
    if s.name_in("variable") != "x_prev" or not {"x_t"} <= given <= {"x_t", "x_0"}:
        raise Absurd("this proof is about x_{t-1} given x_t, with x_0 or without")
    mean, var = _earlier("x_0" in given)
    yield "the joint Gaussian, conditioned: variance", s.var - var
    if "x_0" not in given and s.mean.has(S("x_0")):
        yield "no x_0 on the left", Fails("a law given x_t alone can't contain x_0")
    yield "and mean", s.mean - mean


def spread_of_means(s):
    """How far the posterior's mean moves with x_0, against its own width."""
    mean, var = _earlier(True)
    yield "the weight of x_0, squared, over the variance", s.rhs - sp.diff(mean, S("x_0")) ** 2 / var
    tiny = reduced(s.rhs).subs(S("alpha_t"), 1)
    yield "and it vanishes as the step does (alpha_t = 1)", tiny
