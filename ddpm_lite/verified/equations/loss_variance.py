"""A variance of its own, and where the nats go: notebook 05."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..decide import Positive
from ..kernel import S, conditional, kl, noise, path
from ..registry import definition, equation
from ..statements import Equation, Joined, Words, label
from ..symbols import DERIVED, symbol
from .loss import told_by_noise
from .loss_floor import seen

symbol("M_t", "M_t", "positive", "beta_tilde_t")        # mean square of the error of the mean, per pixel
symbol("sigma_star", r"\sigma_\star", "positive", "sigma")
symbol("SNR_1", r"\mathrm{SNR}_1", "positive", "SNR_T")
DERIVED["sigma_star"] = "sqrt(beta_tilde_t + M_t)"

B, W = sp.symbols("b width", positive=True)             # a posterior's variance, a model's

definition("learned-variance", Equation("log(sigma_t**2)", "u*log(beta_t) + (1 - u)*log(beta_tilde_t)"),
           title="A variance between two ends", source="Nichol and Dhariwal 2021, eq. (15)")
definition("hybrid-loss", Words(r"L_{\text{hybrid}} = L_{\text{simple}} + \lambda\,L_{\text{vlb}}, \qquad "
                                r"\lambda = 0.001"),
           title="The hybrid loss", source="Nichol and Dhariwal 2021, eq. (16)")


@cache
def expected(width: sp.Expr = W) -> sp.Expr:
    """The mean KL of a posterior of variance b and a model of this width, wrong by M_t in mean square."""
    return kl((sp.sqrt(S("M_t")), B), (sp.Integer(0), width))


def plain(expr: sp.Expr) -> sp.Expr:
    """The posterior's variance as one letter: what holds for each value needs no more."""
    return expr.subs(S("sigma_star"), sp.sqrt(S("beta_tilde_t") + S("M_t"))).subs(S("beta_tilde_t"), B)


@equation("expected-kl", Equation(label(r"f(\sigma^2)"),
                                  "1/2*(beta_tilde_t/sigma**2 - 1 - log(beta_tilde_t/sigma**2)"
                                  " + M_t/sigma**2)"),
          title="The expected KL as a function of the model's variance")
def _(s):
    yield "the KL holds the mean's error squared; its mean is M_t", plain(s.rhs) - expected(S("sigma**2"))


@equation("optimal-sigma", Joined(Equation("sigma_star**2", "beta_tilde_t + M_t"),
                                  Equation(label(r"f(\sigma_\star^2)"),
                                           "1/2*log(sigma_star**2/beta_tilde_t)")),
          title="The best variance is the sum of two uncertainties")
def _(s):
    star = plain(s.rhs0)
    yield "the slope of the expected KL is 0 there", expected().diff(W).subs(W, star)
    yield ("and has the sign of sigma^2 - sigma_star^2 elsewhere: one minimum",
           expected().diff(W) - (W - star) / (2 * W**2))
    yield "this is what the star names", plain(s.lhs0) - star
    yield "the price at the best", plain(s.rhs1) - expected().subs(W, B + S("M_t"))


@equation("variance-price", Equation(label(r"f(\sigma^2) - f(\sigma_\star^2)"),
                                     "1/2*(sigma_star**2/sigma**2 - 1 - log(sigma_star**2/sigma**2))"),
          title="What another variance costs: a KL again")
def _(s):
    star = B + S("M_t")
    more = expected(S("sigma**2")) - expected().subs(W, star)
    yield "the difference of two expected KLs", plain(s.rhs) - more
    yield ("the KL of two bells with one mean, of variances sigma_star^2 and sigma^2",
           plain(s.rhs) - kl((sp.Integer(0), star), (sp.Integer(0), S("sigma**2"))))


@cache
def tilde() -> sp.Expr:
    """The posterior's variance."""
    return sp.factor(conditional(path()["x_prev"], path()["x_t"], S("x_t"))[1])


@cache
def of_gaussian_data() -> tuple[sp.Expr, sp.Expr]:
    """For data N(0, V): Var(x_{t-1} | x_t); the posterior's variance plus the exact network's error."""
    data = {S("x_0"): sp.sqrt(S("V")) * noise("data")}
    before, now = (path()[name].subs(data) for name in ("x_prev", "x_t"))
    left = conditional(before, now, S("x_t"))[1]
    x, e = seen(S("V"))
    floor = conditional(e, x, S("x_t"))[1]
    slope = told_by_noise().coeff(S("eps"))
    return sp.factor(sp.simplify(left)), tilde() + slope**2 * floor


@equation("optimal-sigma-gaussian", Equation("sigma_star**2", "beta_t*((alpha_bar_prev*V + 1"
                                             " - alpha_bar_prev)/(alpha_bar_t*V + 1 - alpha_bar_t))"),
          title="The best variance for Gaussian data and the exact network")
def _(s):
    left, parts = of_gaussian_data()
    yield "the variance of x_{t-1} that x_t leaves open", s.rhs - left
    yield "it is the posterior's variance plus the exact network's mean square error", s.rhs - parts
    yield ("so the star is the one that minimises the expected KL",
           s.lhs.xreplace({S("sigma_star"): sp.sqrt(parts)}) - left)
    beta, v = S("beta_t"), S("V")
    yield "unit variance, V = 1: beta_t", s.rhs.subs(v, 1) - beta
    yield "a single point, V = 0: beta_tilde_t", s.rhs.subs(v, 0) - tilde()
    now, before = S("alpha_bar_t"), S("alpha_bar_prev")
    below = beta * (before - now) / (now * v + 1 - now)
    yield "below beta_t by 1 - V times this number", beta - s.rhs - (1 - v) * below
    yield "which is positive", Positive(below)
    above = before * beta**2 / (1 - now) / (now * v + 1 - now)
    yield "above beta_tilde_t by V times this number", s.rhs - tilde() - v * above
    yield "which is positive, too", Positive(above)


@equation("gaussian-bound-term", Equation(label(r"\mathbb E\left[L_{t-1}\right]"),
                                          "1/2*log((1 + V*SNR_prev)/(1 + V*SNR_t))"),
          title="One term of the bound, for Gaussian data, the exact network and the best variance")
def _(s):
    at_best = expected().subs(S("M_t"), W - B)
    yield "at the best variance the expected KL is half the log of a ratio", at_best - sp.log(W / B) / 2
    ratio = of_gaussian_data()[0] / tilde()
    yield "the ratio of what x_t leaves open to what is left given x_0 too", s.rhs - sp.log(ratio) / 2


@equation("gaussian-bound-sum", Words(r"\sum_{t=2}^{T} \mathbb E\left[L_{t-1}\right] = <<rhs>>",
                                      rhs="1/2*log((1 + V*SNR_1)/(1 + V*SNR_T))"),
          title="The terms of the bound telescope")
def _(s):
    left, _ = of_gaussian_data()
    one, last = S("SNR_1"), S("SNR_T")
    yield "T = 1: an empty sum", s.rhs.subs(last, one)
    more = s.rhs.subs(last, S("SNR_t")) - s.rhs.subs(last, S("SNR_prev"))
    yield "t - 1 to t: one more term of the bound", more - sp.log(left / tilde()) / 2
