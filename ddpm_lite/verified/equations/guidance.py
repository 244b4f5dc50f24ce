"""Guidance: what the mixed network follows, and what it doesn't sample (Ho, Salimans 2022)."""

from __future__ import annotations

import sympy as sp

from ..kernel import S, log_normal
from ..registry import equation
from ..statements import Chain, Words, label
from ..symbols import symbol

symbol("eps_y", r"\hat\varepsilon(x_t, y)", mistaken_for="eps_none")
symbol("eps_none", r"\hat\varepsilon(x_t)", mistaken_for="eps_y")
symbol("score_y", r"\nabla\log q(y \mid x_t)", mistaken_for="score_t")
symbol("V_y", "V_y", "unit", "V")
W = S("w")


@equation("guidance",
          Chain(label(r"\hat\varepsilon_w"), "(1 + w)*eps_y - w*eps_none",
                "eps_none + (1 + w)*(eps_y - eps_none)",
                "-(sqrt(1 - alpha_bar_t)*(score_t + (1 + w)*score_y))",
                endings=("", "", r"\quad\text{for the best networks}")),
          title="Guidance", source="Ho, Salimans 2022, eq. (6)",
          slips={"1 - w": Chain(label(r"\hat\varepsilon_w"), "(1 - w)*eps_y + w*eps_none",
                                "eps_none + (1 + w)*(eps_y - eps_none)",
                                "-(sqrt(1 - alpha_bar_t)*(score_t + (1 + w)*score_y))")})
def _(s):
    """Both networks at their best, eps = -b times a score, where b = sqrt(1 - alpha_bar_t). By Bayes
    log q(x_t | y) = log q(x_t) + log q(y | x_t), up to what doesn't depend on x_t."""
    b = sp.sqrt(1 - S("alpha_bar_t"))
    best = {S("eps_none"): -b * S("score_t"), S("eps_y"): -b * (S("score_t") + S("score_y"))}
    tilted = -b * (S("score_t") + (1 + W) * S("score_y"))               # of q(x_t) q(y | x_t)^(1 + w)
    yield "it points up q(x_t) q(y | x_t)^(1 + w)", s.line2 - tilted
    yield "so does the mix of two networks", s.line0.subs(best) - tilted
    yield "written as a push away from the plain network", s.line1.subs(best) - tilted


@equation("guidance-not-tilted",
          Words(r"\begin{gathered} q(x_0) = \mathcal N(0, V),\quad q(x_0 \mid y) = \mathcal N(m, V_y),\quad "
                r"V_y < V: \\ V_{\text{guided}} = <<guided>>,\qquad "
                r"V_{\text{tilted}} = <<tilted>> \end{gathered}",
                guided="V_y*(V_y/V)**w", tilted="1/((1 + w)/V_y - w/V)"),
          title="Guided sampling doesn't sample the tilted density")
def _(s):
    """Data N(0, V), of which class y is N(m, V_y); perfect networks, and the probability flow solved exactly.

    The flow runs in alpha_bar = p from 0 to 1: dx/dp = (x + score)/2p, so that the variance v of x obeys
    v'/v = (1 - P)/p, where -P is the slope of the guided score."""
    p, x = sp.symbols("p x", positive=True)

    def law(var: sp.Expr) -> sp.Expr:
        return p * var + 1 - p

    def slope(var: sp.Expr) -> sp.Expr:
        return sp.diff(log_normal(x, sp.Integer(0), var), x, 2)

    P = -((1 + W) * slope(law(S("V_y"))) - W * slope(law(S("V"))))
    log_v = (1 + W) * sp.log(law(S("V_y"))) - W * sp.log(law(S("V")))
    yield "this v solves the guided flow", sp.diff(log_v, p) - (1 - P) / p
    yield "and starts as noise", log_v.subs(p, 0)
    yield "where it ends", sp.log(s.guided) - log_v.subs(p, 1)
    tilted = -1 / ((1 + W) * slope(S("V_y")) - W * slope(S("V")))
    yield "the density q(x_0 | y)^(1 + w) / q(x_0)^w is a Gaussian of this variance", s.tilted - tilted
    r, w = sp.symbols("r w", positive=True)
    ratio = (s.guided / s.tilted).subs({S("V_y"): r * S("V"), W: w})
    yield "the share of the two, for r = V_y/V", ratio - r**w * (1 + w - w * r)
    yield "its slope in r is > 0 up to r = 1, where it is 1: so for every w > 0 the guided spread is less", \
        sp.diff(r**w * (1 + w - w * r), r) - w * (1 + w) * r ** (w - 1) * (1 - r)
    yield "w = 0: guidance does nothing", s.guided.subs(W, 0) - S("V_y")
