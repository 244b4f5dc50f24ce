"""What is the best answer, and which loss is left: notebook 05."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..kernel import S, conditional, expectation, noise
from ..registry import definition, equation
from ..statements import Equation, Joined, Words, label
from ..symbols import symbol
from .loss_weights import weight

symbol("eps_mean", r"\mathbb E[\varepsilon \mid x_t]", "real", "eps")
symbol("eps_var", r"\operatorname{Var}(\varepsilon \mid x_t)", "positive", "eps_mean")

definition("gaussian-data", Words(r"x_0 \sim \mathcal N(0,\ <<var>>)", var="V"), title="Gaussian data",
           inline=[r"x_0 \sim \mathcal N(0, 1)"])
definition("one-number", Equation("eps_hat", "c*x_t"), title="A network with one number")


@equation("conditional-mean", Words(r"\mathbb E\left[<<cost>> \mid x_t\right] = <<rhs>>", cost="(eps - c)**2",
                                    rhs="eps_var + (c - eps_mean)**2"),
          title="The best answer is the conditional mean")
def _(s):
    mean, var = S("eps_mean"), S("eps_var")
    cost = sp.Poly(sp.expand(s.cost), S("eps"))
    if cost.degree() > 2:
        raise ValueError("two moments tell the mean of a square, and no more")
    moments = (sp.Integer(1), mean, var + mean**2)
    yield ("the mean of a square holds the first two moments alone",
           s.rhs - sum(factor * moments[k] for (k,), factor in cost.terms()))
    yield "at the conditional mean only the variance is left", s.rhs.subs(S("c"), mean) - var
    w = sp.Symbol("w", positive=True)
    yield ("under any weight w, another answer costs w times the square of its distance",
           w * s.rhs - w * s.rhs.subs(S("c"), mean) - w * (S("c") - mean) ** 2)


@cache
def seen(var: sp.Expr) -> tuple[sp.Expr, sp.Symbol]:
    """x_t for data N(0, var), and the noise in it."""
    root = sp.sqrt(S("alpha_bar_t"))
    return root * sp.sqrt(var) * noise("data") + sp.sqrt(1 - S("alpha_bar_t")) * noise("eps"), noise("eps")


@cache
def one_number() -> sp.Expr:
    """The loss of eps_hat = c x_t on data N(0, 1)."""
    x, e = seen(sp.Integer(1))
    return expectation((e - S("c") * x) ** 2, noise("data"), e)


@equation("shared-loss", Words(r"\ell_t(c) = \mathbb E\left[<<cost>>\right] = <<rhs>>",
                               cost="(eps - c*x_t)**2", rhs="1 - 2*c*sqrt(1 - alpha_bar_t) + c**2"),
          title="The loss of a network with one number, at one time")
def _(s):
    x, e = seen(sp.Integer(1))
    drawn = s.cost.subs({S("x_t"): x, S("eps"): e, S("x_0"): noise("data")}, simultaneous=True)
    yield "the mean over data and noise, by moments", s.rhs - expectation(drawn, noise("data"), e)


@cache
def two_times() -> tuple[sp.Expr, sp.Expr]:
    """The simple loss and the bound of one number c, over t = 2 and 3; alpha_bar is 24/25, 16/25, 9/25."""
    bars = [sp.Rational(k, 25) for k in (24, 16, 9)]
    losses, weights = [], []
    for before, now in zip(bars, bars[1:], strict=False):
        losses.append(one_number().subs(S("alpha_bar_t"), now))
        at = {S("alpha_t"): now / before, S("alpha_bar_prev"): before}
        beta_tilde = (1 - before) / (1 - now) * (1 - now / before)
        weights.append(weight(beta_tilde).subs(at))
    return sum(losses) / 2, sum(w * loss for w, loss in zip(weights, losses, strict=True))


@equation("shared-parameters", Joined(Equation(label(r"c_{\text{simple}}"), "7/10"),
                                      Equation(label(r"c_{\text{bound}}"), "299/475")),
          title="One number for two times: the weight decides", tier="exact")
def _(s):
    for name, loss, best in zip(("simple loss", "bound"), two_times(), (s.rhs0, s.rhs1), strict=True):
        yield f"t = 2 and 3: the {name} is flat there", loss.diff(S("c")).subs(S("c"), best)
        yield f"{name}: a parabola that opens upwards, so its one minimum", bool(loss.diff(S("c"), 2) > 0)


@equation("bayes-eps-gaussian", Equation("eps_mean",
                                         "sqrt(1 - alpha_bar_t)/(alpha_bar_t*V + 1 - alpha_bar_t)*x_t"),
          title="The exact network for Gaussian data")
def _(s):
    x, e = seen(S("V"))
    truth = conditional(e, x, S("x_t"))[0]
    yield "condition the joint Gaussian of the noise and x_t", s.rhs - truth
    yield "its left side is the conditional mean", s.lhs.subs(S("eps_mean"), truth) - truth
    rest = e - s.rhs.subs(S("x_t"), x)
    yield ("what it leaves is uncorrelated with x_t, so no line does better, Gaussian data or not",
           expectation(rest * x, noise("data"), e))


@equation("loss-floor", Words(r"\text{floor}_t = \mathbb E\left[<<cost>>\right] = <<rhs>>",
                              cost="(eps - eps_mean)**2",
                              rhs="alpha_bar_t*V/(alpha_bar_t*V + 1 - alpha_bar_t)"),
          title="The floor of the loss, for Gaussian data")
def _(s):
    x, e = seen(S("V"))
    best = conditional(e, x, S("x_t"))[0].subs(S("x_t"), x)
    drawn = s.cost.subs({S("eps"): e, S("eps_mean"): best, S("x_0"): sp.sqrt(S("V")) * noise("data")},
                        simultaneous=True)
    yield "the mean square that the exact network leaves", s.rhs - expectation(drawn, noise("data"), e)
    yield "it is the conditional variance", s.rhs - conditional(e, x, S("x_t"))[1]
