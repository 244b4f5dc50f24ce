"""Mean and variance of the posterior, the full ratio, the same from a covariance matrix: notebook 03."""

from __future__ import annotations

import sympy as sp

from ..kernel import S, covariance, moments, noise, path, step
from ..registry import Absurd, definition, equation
from ..statements import Equation, GaussianLaw, Joined, Statement, Words, label
from ..symbols import DERIVED, symbol
from .posterior import alike, law, precision_and_pull

symbol("w_0", "w_0", "positive", "w_t")
symbol("w_t", "w_t", "positive", "w_0")
symbol("rho_t", r"\rho_t", "unit")                                  # the likelihood's share of the precision
symbol("eps_before", r"\varepsilon'", mistaken_for="eps")
for _one in ("u", "y"):
    symbol(f"m_{_one}", f"m_{_one}", mistaken_for=f"m_{'uy'.replace(_one, '')}")
symbol("S_uu", "S_{uu}", "positive", "S_yy S_uy")
symbol("S_yy", "S_{yy}", "positive", "S_uu S_uy")
symbol("S_uy", "S_{uy}", "real", "S_uu")
DERIVED["w_0"] = "sqrt(alpha_bar_prev)*beta_t/(1 - alpha_bar_t)"
DERIVED["w_t"] = "sqrt(alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t)"
DERIVED["rho_t"] = "alpha_t*(1 - alpha_bar_prev)/(1 - alpha_bar_t)"

VAR = "(1 - alpha_bar_prev)/(1 - alpha_bar_t)*beta_t"
MU = r"\tilde\mu_t(x_t, x_0)"
MEAN = ("under(sqrt(alpha_bar_prev)*beta_t/(1 - alpha_bar_t), 'w_0')*x_0"
        " + under(sqrt(alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t), 'w_t')*x_t")


def truth() -> tuple[sp.Expr, sp.Expr]:
    """Mean and variance of x_{t-1} given x_t and x_0, by conditioning the joint Gaussian of the steps."""
    return law("x_prev", "x_t", "x_0")


@equation("one-denominator", Equation("alpha_t*(1 - alpha_bar_prev) + beta_t", "1 - alpha_bar_t"),
          title="Where alpha_bar_t = alpha_t alpha_bar_{t-1} comes in")
def _(s):
    yield "multiplied out, with beta_t = 1 - alpha_t", s.rhs - s.lhs
    yield "both are the variance of x_t given x_0", s.rhs - moments(path()["x_t"])[1]


@equation("posterior-variance", Equation("beta_tilde_t", VAR), title="The posterior's variance",
          source="DDPM eq. (7)",
          slips={"read as beta (KimRass/DDPM, issue 1)": Equation("beta_tilde_t", "beta_t"),
                 "a standard deviation": Equation("beta_tilde_t", f"sqrt({VAR})")})
def _(s):
    yield "one over P, the precision that completing the square leaves", s.rhs - 1 / precision_and_pull()[0]
    yield "the same by conditioning the joint Gaussian", s.rhs - truth()[1]
    yield "and the left side is the name for it", s.lhs - truth()[1]


@equation("posterior-mean", Equation(label(MU), MEAN), title="The posterior's mean", source="DDPM eq. (7)",
          slips={"sqrt(alpha_bar_t) on x_t (acids-ircam/diffusion_models, issue 1)": Equation(
                     label(MU), MEAN.replace("sqrt(alpha_t)", "sqrt(alpha_bar_t)")),
                 "alpha_{t-1} for alpha_bar_{t-1} in the prior (Xie and Gan, eq. 59)": Equation(
                     label(MU), MEAN.replace("alpha_bar_prev", "alpha_prev").replace(
                         "alpha_bar_t", "(alpha_t*alpha_prev)")),
                 "sqrt(alpha_{t-1}) on x_0 (Xie and Gan, eq. 70)": Equation(
                     label(MU), MEAN.replace("sqrt(alpha_bar_prev)", "sqrt(alpha_prev)")),
                 "the -1 slid out of the index": Equation(
                     label(MU), MEAN.replace("sqrt(alpha_bar_prev)", "sqrt(alpha_bar_t - 1)"))})
def _(s):
    P, B = precision_and_pull()
    yield "B over P: what completing the square leaves", s.rhs - B / P
    yield "the same by conditioning the joint Gaussian", s.rhs - truth()[0]


def _about(s: Statement) -> None:
    if (s.variable, s.given0, s.given1) != (S("x_prev"), S("x_t"), S("x_0")):
        raise Absurd("this proof is about x_{t-1} given x_t and x_0")


@equation("posterior", GaussianLaw("x_prev", MEAN, VAR, given="x_t x_0"), title="The posterior, written out",
          source="DDPM eqs. (6), (7)")
def _(s):
    _about(s)
    yield "conditioning the joint Gaussian: mean", s.mean - truth()[0]
    yield "and variance", s.var - truth()[1]


@equation("posterior-law", GaussianLaw("x_prev", "mu_tilde_t", "beta_tilde_t", given="x_t x_0"),
          title="The posterior, by short names", source="DDPM eq. (6)")
def _(s):
    _about(s)
    yield "its mean is the one of posterior-mean", s.mean.subs(S("mu_tilde_t"), S(MEAN)) - truth()[0]
    yield "its variance is the one of posterior-variance", s.var - truth()[1]


@equation("posterior-ratio", Equation(
    "N(x_t, sqrt(alpha_t)*x_prev, beta_t)*N(x_prev, sqrt(alpha_bar_prev)*x_0, 1 - alpha_bar_prev)"
    "/N(x_t, sqrt(alpha_bar_t)*x_0, 1 - alpha_bar_t)", "N(x_prev, mu_tilde_t, beta_tilde_t)"),
    title="The full ratio, every factor kept")
def _(s):
    rhs = s.rhs.subs(S("mu_tilde_t"), S(MEAN))
    yield from alike("likelihood times prior over evidence, by the kernel", s.lhs, S(
        "q(x_t, x_prev)*q(x_prev, x_0)/q(x_t, x_0)"))
    yield from alike("is the posterior's bell: the exponents, with every constant", s.lhs, rhs)


@equation("two-noises", Joined(
    Equation("x_prev", "sqrt(alpha_bar_prev)*x_0 + sqrt(1 - alpha_bar_prev)*eps_before"),
    Equation("x_t", "sqrt(alpha_t)*x_prev + sqrt(beta_t)*eps")),
          title="Both from two independent noises")
def _(s):
    before = path()["x_prev"].subs(noise("before"), S("eps_before"))
    yield "the closed form at t - 1", s.rhs0 - before
    yield "x_{t-1} by name", s.lhs0.subs(S("x_prev"), before) - before
    yield "one step of the kernel", s.rhs1 - step(S("x_prev"), S("alpha_t"), S("eps"))
    yield "x_t by name", s.lhs1 == S("x_t")


@equation("joint-gaussian", Words(
    r"\begin{pmatrix} x_{t-1} \\ x_t \end{pmatrix} \Big|\ x_0 \ \sim\ \mathcal N\left("
    r"\begin{pmatrix} <<mean0>> \\ <<mean1>> \end{pmatrix},\ "
    r"\begin{pmatrix} <<cov00>> & <<cov01>> \\ <<cov10>> & <<cov11>> \end{pmatrix}\right)",
    mean0="sqrt(alpha_bar_prev)*x_0", mean1="sqrt(alpha_bar_t)*x_0", cov00="1 - alpha_bar_prev",
    cov01="sqrt(alpha_t)*(1 - alpha_bar_prev)", cov10="sqrt(alpha_t)*(1 - alpha_bar_prev)",
    cov11="1 - alpha_bar_t"),
    title="The pair, given x_0")
def _(s):
    before, now = path()["x_prev"], path()["x_t"]
    yield "mean of x_{t-1}", s.mean0 - moments(before)[0]
    yield "mean of x_t", s.mean1 - moments(now)[0]
    yield "variance of x_{t-1}", s.cov00 - moments(before)[1]
    yield "covariance: the noise that both share", s.cov01 - covariance(before, now)
    yield "the same, the other way round", s.cov10 - covariance(now, before)
    yield "variance of x_t", s.cov11 - moments(now)[1]


definition("regression-slope", Equation("k", "S_uy/S_yy", ":="), title="How far u follows y",
           inline=["k = S_{uy}/S_{yy}"])


@equation("conditional-gaussian", Joined(
    Equation(label(r"\mathbb E[u \mid y]"), "m_u + S_uy/S_yy*(y - m_y)"),
    Equation(label(r"\operatorname{Var}(u \mid y)"), "S_uu - S_uy**2/S_yy")),
    title="Conditioning a pair of Gaussian numbers")
def _(s):
    """Joint density over the density of y, with every factor: a bell in u of this mean and this variance."""
    a, b = S("u") - S("m_u"), S("y") - S("m_y")
    det = S("S_uu*S_yy - S_uy**2")
    pair = (S("S_yy") * a**2 - 2 * S("S_uy") * a * b + S("S_uu") * b**2) / det
    yield "joint density over the density of y: the exponent", (S("u") - s.rhs0) ** 2 / s.rhs1 - (
        pair - b**2 / S("S_yy"))
    yield "and the factor in front", 1 / s.rhs1 - S("S_yy") / det
    rest = S("S_uy") - sp.diff(s.rhs0, S("y")) * S("S_yy")
    yield "why: what is left of u is uncorrelated with y", rest
