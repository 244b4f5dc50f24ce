"""L_T, L_0 and the units of the bound: DDPM eqs. (5) and (13), notebook 04."""

from __future__ import annotations

import sympy as sp

from ..kernel import S, kl
from ..registry import equation
from ..statements import Equation, Words, label
from ..symbols import symbol

symbol("K", "K", "integer")


@equation("prior-term",
          Equation(label("L_T"), "(alpha_bar_T*x_0**2 - alpha_bar_T - log(1 - alpha_bar_T))/2"),
          title="The prior term, a pixel's worth in nats", source="DDPM eq. (5)")
def _(s):
    bar = S("alpha_bar_T")
    truth = kl((sp.sqrt(bar) * S("x_0"), 1 - bar), (sp.Integer(0), sp.Integer(1)))
    yield "the KL from q(x_T | x_0) to N(0, 1)", s.rhs - truth


@equation("bits-per-dimension", Equation(label(r"\text{bits per dimension}"), "L/(d*log(2))"),
          title="From nats an image to bits per dimension")
def _(s):
    bits = sp.Symbol("k", positive=True)
    yield ("d pixels of 2^k equally likely values each: L = -log 2^(-k d) nats are k bits per dimension",
           s.rhs.subs(S("L"), sp.expand_log(-sp.log(2 ** (-bits * S("d"))), force=True)) - bits)


@equation("discretised-decoder",
          Words(r"p_\theta(x_0 \mid x_1) = \int_{<<low>>}^{<<high>>}"
                r" \mathcal N\left(x;\ \mu_\theta(x_1, 1),\ \sigma_1^2\right)\,dx, \qquad -1 < x_0 < 1",
                low="x_0 - 1/(K - 1)", high="x_0 + 1/(K - 1)"),
          title="The mass of a grey level: K levels from -1 to 1, the outer two reach to infinity",
          source="DDPM eq. (13)")
def _(s):
    x, K = S("x_0"), S("K")
    width = s.high - s.low
    yield "the level lies in the middle of its bin", (s.high + s.low) / 2 - x
    yield "the next bin begins where this one ends", s.low.subs(x, x + width) - s.high
    yield "K levels of this width lead from -1 to 1", -1 + (K - 1) * width - 1
