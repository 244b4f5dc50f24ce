"""The weight of the squared error, and its three currencies: notebook 05."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..kernel import S, kl, moments, path
from ..registry import definition, equation
from ..statements import Chain, Equation, Words, label
from ..symbols import DERIVED
from .loss import free, linear, posterior_mean, told_by_noise

definition("l-simple", Words(r"L_{\text{simple}} = \mathbb E_{t, x_0, \varepsilon}\left\lVert <<noise>> - "
                             r"\varepsilon_\theta\left(<<input>>,\ t\right) \right\rVert^2", noise="eps",
                             input="sqrt(alpha_bar_t)*x_0 + sqrt(1 - alpha_bar_t)*eps"),
           title="The simple loss", source="DDPM eq. (14)")
definition("v-target", Equation("v", "sqrt(alpha_bar_t)*eps - sqrt(1 - alpha_bar_t)*x_0"),
           title="The target v", source="Salimans and Ho 2022, appendix D")


@cache
def bound_term(mean: sp.Expr, guess: sp.Expr, var: sp.Expr) -> sp.Expr:
    """KL of the posterior and a model of the same width, per pixel: it knows the means' difference alone."""
    a, b, w = sp.symbols("mean guess", real=True) + (sp.Symbol("width", positive=True),)
    shape = sp.factor(kl((a, w), (b, w)))
    assert sp.simplify(shape.subs({a: a + 1, b: b + 1}) - shape) == 0
    return shape.subs({a: sp.factor(free(mean - guess)), b: 0, w: var}, simultaneous=True)


@equation("mean-difference", Equation("mu_tilde_t - mu_hat",
                                      "-(beta_t/(sqrt(alpha_t)*sqrt(1 - alpha_bar_t))*(eps - eps_hat))"),
          title="The means differ by the noises alone")
def _(s):
    means = {S("mu_tilde_t"): told_by_noise(), S("mu_hat"): told_by_noise("eps_hat")}
    yield "both means told by their noise: the term in x_t cancels", s.rhs - s.lhs.subs(means)


@equation("mse-derivation", Chain(
    label("L_{t-1} - C_t"),
    "1/(2*sigma_t**2)*norm2(mu_tilde_t - mu_hat)",
    "1/(2*sigma_t**2)*norm2(1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)*eps)"
    " - 1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)*eps_hat))",
    "1/(2*sigma_t**2)*norm2(beta_t/(sqrt(alpha_t)*sqrt(1 - alpha_bar_t))*(eps_hat - eps))",
    "1/(2*sigma_t**2)*(beta_t**2/(alpha_t*(1 - alpha_bar_t)))*norm2(eps_hat - eps)"),
    title="From an error of the mean to an error of the noise", source="DDPM eqs. (8) to (12)")
def _(s):
    lines = [free(line) for line in s.lines()]
    var = S("sigma_t**2")
    yield ("two bells of one width: DDPM eq. (8)",
           lines[0] - bound_term(S("mu_tilde_t"), S("mu_hat"), var))
    means = {S("mu_tilde_t"): told_by_noise(), S("mu_hat"): told_by_noise("eps_hat")}
    yield "both means told by their noise", lines[1] - lines[0].xreplace(means)
    yield "the term in x_t cancels", lines[2] - lines[1]
    yield "a factor leaves the norm squared", lines[3] - lines[2]


@equation("loss-weight", Equation(label("L_{t-1} - C_t"),
                                  "under(beta_t**2/(2*sigma_t**2*alpha_t*(1 - alpha_bar_t)), '\\\\gamma_t')"
                                  "*norm2(eps - eps_hat)"),
          title="The exact weight", source="DDPM eq. (12)",
          inline=[r"\gamma_t = \beta_t^2/(2\sigma_t^2\alpha_t(1-\bar\alpha_t))"],
          slips={"the factor out of the norm without its square":
                 Equation(label("L_{t-1} - C_t"), "beta_t/(2*sigma_t**2*sqrt(alpha_t)*sqrt(1 - alpha_bar_t))"
                                                  "*norm2(eps - eps_hat)")})
def _(s):
    truth = bound_term(told_by_noise(), told_by_noise("eps_hat"), S("sigma_t**2"))
    yield "the KL of two bells of one width, both means told by their noise", s.rhs - truth


@cache
def weight(var: sp.Expr) -> sp.Expr:
    """The KL for a unit error of the noise, for a model of this variance (the constant left out)."""
    return bound_term(told_by_noise(), told_by_noise("eps_hat"), var).subs({S("eps"): 1, S("eps_hat"): 0})


@equation("loss-weight-tilde", Words(r"\gamma_t = <<rhs>> \qquad \left(\sigma_t^2 = <<var>>,\ t \ge 2\right)",
                                     var="beta_tilde_t", rhs="beta_t/(2*alpha_t*(1 - alpha_bar_prev))"),
          title="The weight for the posterior's variance", inline=[r"\sigma_t^2 = \tilde\beta_t"])
def _(s):
    yield "the KL for a unit error of the noise, with this variance", s.rhs - weight(s.var)


@equation("loss-weight-beta", Words(r"\gamma_t = <<rhs>> \qquad \left(\sigma_t^2 = <<var>>\right)",
                                    var="beta_t", rhs="beta_t/(2*alpha_t*(1 - alpha_bar_t))"),
          title="The weight for the forward step's variance", inline=[r"\sigma_t^2 = \beta_t"])
def _(s):
    yield "the KL for a unit error of the noise, with this variance", s.rhs - weight(s.var)


@cache
def noise_of(x0: str) -> sp.Expr:
    """The noise that goes with a clean picture, given x_t."""
    mean, var = moments(path()["x_t"])
    return (S("x_t") - mean.subs(S("x_0"), S(x0))) / sp.sqrt(sp.factor(var))


@cache
def v_of(x0: str) -> sp.Expr:
    """v by its definition, from a clean picture and x_t."""
    root = sp.sqrt(S("alpha_bar_t"))
    return linear(root * noise_of(x0) - sp.sqrt(1 - S("alpha_bar_t")) * S(x0), "x_t", x0)


@equation("error-eps-x0", Equation("norm2(eps - eps_hat)", "SNR_t*norm2(x_0 - x0_hat)"),
          title="The error of the noise, in the currency of the picture")
def _(s):
    noises = {S("eps"): noise_of("x_0"), S("eps_hat"): noise_of("x0_hat")}
    yield "each noise as its picture and x_t tell it", s.rhs - s.lhs.subs(noises)


@equation("error-v-x0", Equation("norm2(v - v_hat)", "(1 + SNR_t)*norm2(x_0 - x0_hat)"),
          title="The error of v, in the currency of the picture", source="Salimans and Ho 2022, section 4")
def _(s):
    targets = {S("v"): v_of("x_0"), S("v_hat"): v_of("x0_hat")}
    yield "each v as its picture and x_t tell it", s.rhs - s.lhs.subs(targets)


@cache
def term_in_x0(var: sp.Expr) -> sp.Expr:
    """KL of the posterior and a model of this variance, a pixel, as x_0 and its guess tell it; less C_t."""
    guess = posterior_mean().subs(S("x_0"), S("x0_hat"))
    return bound_term(posterior_mean(), guess, var)


TERM = r"L_{t-1} = <<rhs>> \qquad \left(\sigma_t^2 = <<var>>,\ t \ge 2\right)"


def no_constant(s):
    """What the three forms share: with this variance only the distance of the means costs anything."""
    yield "with this variance C_t is 0", S(DERIVED["C_t"]).subs(S("sigma_t"), sp.sqrt(s.var))


@equation("weight-x0-snr", Words(TERM, var="beta_tilde_t", rhs="1/2*(SNR_prev - SNR_t)*norm2(x_0 - x0_hat)"),
          title="The bound in the currency of the picture", source="Kingma et al. 2021, eq. (13)")
def _(s):
    yield from no_constant(s)
    yield "the KL of the posterior at x_0 and at its guess, both of its variance", s.rhs - term_in_x0(s.var)


@equation("weight-eps-snr", Words(TERM, var="beta_tilde_t",
                                  rhs="1/2*(SNR_prev/SNR_t - 1)*norm2(eps - eps_hat)"),
          title="The bound in the currency of the noise", source="Kingma et al. 2021, eq. (14)")
def _(s):
    yield from no_constant(s)
    noises = {S("eps"): noise_of("x_0"), S("eps_hat"): noise_of("x0_hat")}
    yield "the same KL, each noise as its picture tells it", s.rhs.subs(noises) - term_in_x0(s.var)


@equation("weight-v-snr", Words(TERM, var="beta_tilde_t",
                                rhs="(SNR_prev - SNR_t)/(2*(1 + SNR_t))*norm2(v - v_hat)"),
          title="The bound in the currency of v")
def _(s):
    yield from no_constant(s)
    targets = {S("v"): v_of("x_0"), S("v_hat"): v_of("x0_hat")}
    yield "the same KL, each v as its picture tells it", s.rhs.subs(targets) - term_in_x0(s.var)
