"""From the KL of the bound to the noise: DDPM section 3.2, notebook 05."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..kernel import S, conditional, expectation, kl, log_normal, moments, noise, path, step
from ..registry import definition, equation
from ..statements import Chain, Equation, GaussianLaw, Joined, Words, label
from ..symbols import DERIVED, symbol

symbol("C_t", "C_t")                                    # what unequal widths cost, whatever the mean
DERIVED["C_t"] = "d/2*(beta_tilde_t/sigma_t**2 - 1 - log(beta_tilde_t/sigma_t**2))"
symbol("e_t", "e_t", mistaken_for="eps")                # the noise of the last step alone

definition("model-step", GaussianLaw("x_prev", "mu_hat", "sigma_t**2", given="x_t", by=r"p_\theta"),
           title="One step of the model", source="DDPM eq. (1), section 3.2")
definition("bound-term", Words(r"L_{t-1} = \mathrm{KL}\left(q(x_{t-1} \mid x_t, x_0)\,\|\, "
                               r"p_\theta(x_{t-1} \mid x_t)\right), \qquad t \ge 2"),
           title="A term of the bound", source="DDPM eq. (5)")


@equation("kl-equal-variance", Words(
    r"\mathrm{KL}\left(\mathcal N(<<mean0>>,\ <<var0>>\,I)\,\|\, "
    r"\mathcal N(<<mean1>>,\ <<var1>>\,I)\right) = <<rhs>>",
    mean0="mu_tilde_t", mean1="mu_hat", var0="sigma**2", var1="sigma**2",
    rhs="1/(2*sigma**2)*norm2(mu_tilde_t - mu_hat)"), title="The KL of two bells of one width",
    source="DDPM eq. (8)")
def _(s):
    yield ("one pixel: the mean of log p - log q under p",
           s.rhs - kl((s.mean0, s.var0), (s.mean1, s.var1)))
    one, two = ({S("mu_tilde_t"): S(a), S("mu_hat"): S(b)} for a, b in (("a", "b"), ("p", "q")))
    e, f = noise("one"), noise("two")
    logs = sp.Integer(0)
    for pixel, z in ((one, e), (two, f)):
        x = S("mu_tilde_t").subs(pixel) + S("sigma") * z
        logs += log_normal(x, S("mu_tilde_t").subs(pixel), S("sigma**2"))
        logs -= log_normal(x, S("mu_hat").subs(pixel), S("sigma**2"))
    yield ("two pixels: logs of independent densities add, so do the squares",
           s.rhs.subs(one) + s.rhs.subs(two) - expectation(logs, e, f))


@equation("kl-mean-mse", Joined(
    Equation(label("L_{t-1}"), "1/(2*sigma_t**2)*norm2(mu_tilde_t - mu_hat) + C_t"),
    Equation("C_t", "d/2*(beta_tilde_t/sigma_t**2 - 1 - log(beta_tilde_t/sigma_t**2))")),
    title="A fixed width adds a constant", source="DDPM eq. (8)")
def _(s):
    b = sp.Symbol("b", positive=True)                   # the posterior's variance: any will do
    names = {S("C_t"): S(DERIVED["C_t"]).subs(S("beta_tilde_t"), b), S("beta_tilde_t"): b}
    p, q = (S("mu_tilde_t"), b), (S("mu_hat"), S("sigma_t**2"))
    off, right = kl(p, q), kl((q[0], b), q)
    yield ("d independent pixels: their KLs add; let one carry the whole squared error",
           s.rhs0.xreplace(names) - off - (S("d") - 1) * right)
    yield "without an error of the mean, C_t is all there is", s.rhs1.xreplace(names) - S("d") * right
    yield "C_t holds no mean, so no gradient of the mean sees it", s.rhs1.diff(S("mu_hat"))
    yield "this is what C_t names", (s.lhs1 - s.rhs1).xreplace(names)


def free(expr: sp.Expr) -> sp.Expr:
    """The same in free symbols, as `reduced` has it, by plain exchange: quicker on long lines."""
    while known := {x: S(DERIVED[x.name]) for x in expr.free_symbols if x.name in DERIVED}:
        expr = expr.xreplace(known)
    return expr


def linear(expr: sp.Expr, *names: str) -> sp.Expr:
    """A linear expression with its coefficients simplified."""
    expr = sp.expand(free(expr))
    return sum((sp.factor(sp.simplify(expr.coeff(S(name)))) * S(name) for name in names), sp.Integer(0))


@cache
def posterior_mean() -> sp.Expr:
    """The mean of q(x_{t-1} | x_t, x_0), by conditioning the joint Gaussian of the kernel."""
    return linear(conditional(path()["x_prev"], path()["x_t"], S("x_t"))[0], "x_0", "x_t")


@cache
def clean(eps: str = "eps") -> sp.Expr:
    """x_0 as x_t and the total noise tell it: x_t is linear in both, so solve."""
    mean, var = moments(path()["x_t"])
    return (S("x_t") - sp.sqrt(sp.factor(var)) * S(eps)) / mean.coeff(S("x_0"))


@cache
def told_by_noise(eps: str = "eps") -> sp.Expr:
    """The posterior's mean with that x_0."""
    return linear(posterior_mean().subs(S("x_0"), clean(eps)), "x_t", eps)


BARLESS = "1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_t)*eps)"


@equation("mu-eps", Equation(label(r"\tilde\mu_t"),
                             "1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)*eps)"),
          title="The posterior's mean, told by the noise", source="DDPM eqs. (10), (11)",
          slips={"sqrt(1 - alpha_t) under beta_t, the bar lost": Equation(label(r"\tilde\mu_t"), BARLESS)})
def _(s):
    yield "condition the joint Gaussian, then put x_0 as x_t and the noise tell it", s.rhs - told_by_noise()


@equation("mu-eps-derivation", Chain(
    label(r"\tilde\mu_t"),
    "sqrt(alpha_bar_prev)*beta_t/(1 - alpha_bar_t)*x_0"
    " + sqrt(alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t)*x_t",
    "sqrt(alpha_bar_prev)*beta_t/(1 - alpha_bar_t)*((x_t - sqrt(1 - alpha_bar_t)*eps)/sqrt(alpha_bar_t))"
    " + sqrt(alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t)*x_t",
    "beta_t/(1 - alpha_bar_t)*((x_t - sqrt(1 - alpha_bar_t)*eps)/sqrt(alpha_t))"
    " + alpha_t*(1 - alpha_bar_prev)/(sqrt(alpha_t)*(1 - alpha_bar_t))*x_t",
    "(beta_t + alpha_t*(1 - alpha_bar_prev))/(sqrt(alpha_t)*(1 - alpha_bar_t))*x_t"
    " - beta_t*sqrt(1 - alpha_bar_t)/(sqrt(alpha_t)*(1 - alpha_bar_t))*eps",
    "(1 - alpha_bar_t)/(sqrt(alpha_t)*(1 - alpha_bar_t))*x_t"
    " - beta_t/(sqrt(alpha_t)*sqrt(1 - alpha_bar_t))*eps",
    "1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)*eps)"),
    title="How x_0 leaves the posterior's mean", source="DDPM eqs. (7) to (10)")
def _(s):
    lines = [free(line) for line in s.lines()]
    yield "the posterior's mean, by conditioning the joint Gaussian", lines[0] - posterior_mean()
    yield "put x_0 as x_t and the noise tell it", lines[1] - lines[0].xreplace({S("x_0"): free(clean())})
    reasons = ("the roots of alpha_bar_{t-1} over alpha_bar_t give 1 over the root of alpha_t",
               "collect x_t and the noise",
               "beta_t + alpha_t - alpha_bar_t is 1 - alpha_bar_t, since beta_t + alpha_t = 1",
               "cancel 1 - alpha_bar_t, take out 1 / sqrt(alpha_t)")
    for reason, here, before in zip(reasons, lines[2:], lines[1:], strict=False):
        yield reason, here - before


@equation("x0-hat", Equation(label(r"\hat x_0"), "(x_t - sqrt(1 - alpha_bar_t)*eps_hat)/sqrt(alpha_bar_t)"),
          title="The picture that a guess of the noise implies", source="DDPM eq. (15)")
def _(s):
    mean, var = moments(path()["x_t"])
    again = mean.subs(S("x_0"), s.rhs) + sp.sqrt(var) * S("eps_hat")
    yield "the picture and the noise guessed add up to x_t", again - S("x_t")


@equation("model-mean", Equation(label(r"\mu_\theta(x_t, t) = \tilde\mu_t(x_t, \hat x_0)"),
                                 "1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)*eps_hat)"),
          title="The model's mean is the posterior's at x0_hat", source="DDPM eq. (11)",
          slips={"sqrt(1 - alpha_t) under beta_t, the bar lost":
                 Equation(label(r"\mu_\theta"), BARLESS.replace("eps", "eps_hat"))})
def _(s):
    yield "put x0_hat where x_0 stood in the posterior's mean", s.rhs - told_by_noise("eps_hat")


@equation("step-undone", Equation("x_prev", "(x_t - sqrt(beta_t)*e_t)/sqrt(alpha_t)"),
          title="The forward step, solved for where it came from",
          inline=[r"x_{t-1} = (x_t - \sqrt{\beta_t}\,e_t)/\sqrt{\alpha_t}"])
def _(s):
    onward = step(S("x_prev"), S("alpha_t"), S("e_t"))
    yield "a step of the kernel and back", (s.rhs - s.lhs).subs(S("x_t"), onward)


@equation("step-noise-mean", Equation(label(r"\mathbb E\left[e_t \mid x_t, x_0\right]"),
                                      "sqrt(beta_t)/sqrt(1 - alpha_bar_t)*eps"),
          title="What the total noise says about the last step's")
def _(s):
    mean, var = moments(path()["x_t"])
    seen = mean + sp.sqrt(var) * S("eps")
    yield "condition the last noise on x_t", s.rhs - conditional(noise("t"), path()["x_t"], seen)[0]
    back = (S("x_t") - sp.sqrt(S("beta_t")) * s.rhs) / sp.sqrt(S("alpha_t"))
    yield "taken away from x_t, it gives the posterior's mean", back - told_by_noise()
