"""Noise schedules: notebook 02."""

from __future__ import annotations

import sympy as sp
from sympy.core.function import AppliedUndef

from ..decide import Positive
from ..kernel import S, moments, noise, step
from ..registry import ENTRIES, equation
from ..statements import Chain, Equation, Words, label

T, t = S("T"), S("t")


@equation("beta-from-alpha-bar", Equation("beta_t", "1 - alpha_bar_t/alpha_bar_prev"),
          title="The betas of a given alpha_bar", inline=[r"\beta_t = 1 - \bar\alpha_t/\bar\alpha_{t-1}"])
def _(s):
    var = moments(step(S("x_prev"), S("alpha_t"), noise("t")))[1]
    yield "the variance that a step adds", s.lhs - var
    yield "is 1 less the share that it keeps", s.rhs - var


@equation("linear-schedule", Equation(label(r"\beta_t"), "beta(1) + (t - 1)/(T - 1)*(beta(T) - beta(1))"),
          title="The linear schedule", source="DDPM section 4")
def _(s):
    def named(call: sp.Expr) -> sp.Symbol:
        return sp.Symbol(str(call), positive=True)

    def at(time: sp.Expr) -> sp.Expr:
        return s.rhs.subs(t, time).replace(lambda e: isinstance(e, AppliedUndef), named)

    beta = sp.Function("beta", positive=True)
    yield "it starts at the first beta", at(sp.Integer(1)) - named(beta(1))
    yield "it ends at the last", at(T) - named(beta(T))
    yield "every step of it is as large as the one before", at(t + 1) - 2 * at(t) + at(t - 1)


@equation("cosine-schedule",
          Words(r"\bar\alpha_t = \frac{f(t)}{f(0)}, \qquad f(t) = <<f>>, \qquad s = <<offset>>",
                f="paren(cos((t/T + s)/(1 + s)*(pi/2)))**2", offset="0.008"),
          title="The cosine schedule", source="Nichol and Dhariwal 2021, eq. (17)")
def _(s):
    offset = sp.Symbol("offset", positive=True)                         # s; in the table s is a whole number
    start = offset / (1 + offset) * sp.pi / 2
    phase = start + (sp.pi / 2 - start) * t / T
    yield ("the square of a cosine whose angle runs in a straight line, from s/(1 + s) of a right angle at "
           "t = 0 to a right angle at t = T", s.f.subs(S("s"), offset) - sp.cos(sp.factor(phase)) ** 2)
    yield "it starts a little past 0, so that the first steps aren't too small", Positive(s.offset)


@equation("cosine-end",
          Chain(label("f(T)"), "paren(cos((T/T + s)/(1 + s)*(pi/2)))**2", "paren(cos(pi/2))**2", "0"),
          title="The cosine schedule ends at 0", inline=["f(T) = 0"])
def _(s):
    end = ENTRIES["cosine-schedule"].statement.f.subs(t, T)
    yield "the formula at t = T", s.line0 - end
    yield "the angle is a right one", s.line1 - end
    yield "whose cosine is 0", s.line2 - end
