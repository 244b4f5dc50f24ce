"""How sure the posterior is, and how it weighs its two clues: notebook 03."""

from __future__ import annotations

import sympy as sp

from ..decide import Positive
from ..formula import reduced
from ..kernel import S, moments, path
from ..registry import equation
from ..statements import Chain, Equation, Joined, Words, label
from .posterior import precision_and_pull
from .posterior_result import MU, truth


@equation("posterior-weights", Joined(
    Equation("w_0", "sqrt(alpha_bar_prev)*beta_t/(1 - alpha_bar_t)"),
    Equation("w_t", "sqrt(alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t)")), title="The two weights")
def _(s):
    on_x0, on_xt = (sp.diff(truth()[0], S(x)) for x in ("x_0", "x_t"))
    yield "how far the posterior's mean follows x_0", s.rhs0 - on_x0
    yield "w_0 by name", s.lhs0 - on_x0
    yield "how far it follows x_t", s.rhs1 - on_xt
    yield "w_t by name", s.lhs1 - on_xt


@equation("variance-gap-beta", Chain(
    "beta_t - beta_tilde_t", "alpha_bar_prev*beta_t**2/(1 - alpha_bar_t)", "w_0**2*(1 - alpha_bar_t)"),
    title="Below the step's noise, and by how much")
def _(s):
    yield "the gap, with the variance by conditioning", s.lhs - S("beta_t") + truth()[1]
    yield "over one denominator", s.line0 - s.lhs
    yield "w_0 put in", s.line1 - s.line0
    yield "never 0: beta_tilde_t < beta_t for every t", Positive(s.line0)


@equation("variance-gap-prior", Chain(
    "paren(1 - alpha_bar_prev) - beta_tilde_t", "alpha_t*(1 - alpha_bar_prev)**2/(1 - alpha_bar_t)",
    "w_t**2*(1 - alpha_bar_t)"), title="Below the prior's variance, and by how much")
def _(s):
    prior = moments(path()["x_prev"])[1]
    yield "the gap, both variances by the kernel", s.lhs - prior + truth()[1]
    yield "over one denominator", s.line0 - s.lhs
    yield "w_t put in", s.line1 - s.line0
    yield "positive for t >= 2", Positive(s.line0)
    yield "0 at t = 1, where alpha_bar_0 = 1", reduced(s.line0).subs(S("alpha_bar_prev"), 1)


@equation("posterior-at-one", Words(r"\bar\alpha_0 = <<bar>>,\qquad \tilde\beta_1 = <<var>>,\qquad "
                                    r"\tilde\mu_1(x_1, x_0) = <<mean>>", bar="1", var="0", mean="x_0"),
          title="The last step back",
          inline=[r"\bar\alpha_0 = 1", r"\tilde\beta_1 = 0"])
def _(s):
    """In the formulas x_t is x_1 and alpha_bar_{t-1} is alpha_bar_0."""
    yield "an empty product", s.bar - sp.Product(S("alpha_t"), (S("i"), 1, 0)).doit()
    mean, var = (part.subs(S("alpha_bar_prev"), s.bar) for part in truth())
    yield "the variance", s.var - var
    yield "the mean: all weight on x_0", s.mean - mean


@equation("likelihood-share", Chain("rho_t", "beta_tilde_t*alpha_t/beta_t",
                                    "alpha_t*(1 - alpha_bar_prev)/(1 - alpha_bar_t)"),
          title="The likelihood's share of the precision")
def _(s):
    share = S("alpha_t") / S("beta_t") / precision_and_pull()[0]
    yield "its precision alpha_t/beta_t over the sum of both", s.line0 - share
    yield "beta_tilde_t put in", s.line1 - s.line0
    yield "and the left side is the name for it", s.lhs - s.line1
    yield "a share: above 0", Positive(s.line1)
    yield "and below 1", Positive(1 - s.line1)


@equation("mean-of-centres", Equation(
    label(MU), "(1 - rho_t)*sqrt(alpha_bar_prev)*x_0 + rho_t*(x_t/sqrt(alpha_t))"),
          title="The mean averages the bells' centres")
def _(s):
    yield "the posterior's mean, by conditioning", s.rhs - truth()[0]


@equation("posterior-weights-sum", Chain(
    "w_0 + w_t", "(sqrt(alpha_bar_prev) + sqrt(alpha_t))/(1 + sqrt(alpha_bar_t))",
    "1 - (1 - sqrt(alpha_bar_prev))*(1 - sqrt(alpha_t))/(1 + sqrt(alpha_bar_t))"), title="The weights' sum")
def _(s):
    yield "the mean at x_0 = x_t = 1", s.lhs - truth()[0].subs({S("x_0"): 1, S("x_t"): 1})
    yield "the difference of two squares cancelled", s.line0 - s.lhs
    yield "the gap to 1 as a product", s.line1 - s.line0
    yield "below 1 while alpha_bar_{t-1} < 1, so for t >= 2", Positive(
        reduced(1 - s.line1).subs({S("alpha_bar_prev"): S("alpha_bar_s") ** 2, S("alpha_t"): S("eta") ** 2}))
    yield "exactly 1 at t = 1", reduced(s.line1).subs(S("alpha_bar_prev"), 1) - 1
