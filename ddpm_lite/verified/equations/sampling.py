"""DDPM's two algorithms and the variance of a step: section 3 and 4, notebook 09."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..kernel import S, conditional, expectation, moments, noise, path
from ..registry import definition, equation
from ..statements import Equation, Statement, Words, label
from ..symbols import symbol

symbol("x0_clip", r"\hat x_0^{\mathrm{clip}}", mistaken_for="x0_hat")


@cache
def closed() -> tuple[sp.Expr, sp.Expr]:
    """Mean and standard deviation of x_t given x_0, by the kernel."""
    mean, var = moments(path()["x_t"])
    return mean, sp.sqrt(sp.factor(var))


def seen(x0: sp.Expr, eps: sp.Expr) -> sp.Expr:
    """x_t with a given x_0 and a given noise."""
    mean, spread = closed()
    return mean.subs(S("x_0"), x0) + spread * eps


def within(expr: sp.Expr) -> sp.Expr:
    """x_{t-1}, x_t, x_{t+1} in an expression become what the kernel makes of x_0."""
    return expr.subs({S(name): here for name, here in path().items()}, simultaneous=True)


@cache
def posterior() -> tuple[sp.Expr, sp.Expr]:
    """Mean and variance of q(x_{t-1} | x_t, x_0), by conditioning."""
    return conditional(path()["x_prev"], path()["x_t"], S("x_t"))


@cache
def reverse() -> tuple[sp.Expr, sp.Expr]:
    """Mean and variance of q(x_{t-1} | x_t) for data N(mu, V)."""
    return conditional(of_data("x_prev"), of_data("x_t"), S("x_t"))


def of_data(name: str) -> sp.Expr:
    """x_{t-1} or x_t for data N(mu, V)."""
    return path()[name].subs(S("x_0"), S("mu") + sp.sqrt(S("V")) * noise("data"))


@equation("algorithm-1-input",
          Words(r"\nabla_\theta \left\lVert <<target>> - \varepsilon_\theta\left(<<input>>,\ t\right)"
                r"\right\rVert^2", target="eps", input="sqrt(alpha_bar_t)*x_0 + sqrt(1 - alpha_bar_t)*eps"),
          title="Algorithm 1, the line that learns", source="DDPM algorithm 1, line 5")
def _(s):
    e = noise("one")
    mean, var = moments(s.input.subs(S("eps"), e))
    truth = closed()
    yield "the input has the mean of x_t", mean - truth[0]
    yield "and its variance", var - truth[1] ** 2
    yield "the target: the input, less its mean, over its spread", s.target - (s.input - truth[0]) / truth[1]


definition("algorithm-2-start", Words(r"x_T \sim \mathcal N(0,\, I)"), title="Algorithm 2 starts from noise",
           source="DDPM algorithm 2, line 1")


@equation("ancestral-step",
          Equation("x_prev", "1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)*eps_hat) + sigma_t*z"),
          title="Algorithm 2, the line that steps", source="DDPM algorithm 2, line 4",
          slips={"sqrt(1 - alpha_t) below the fraction": Equation(
                    "x_prev", "1/sqrt(alpha_t)*(x_t - (1 - alpha_t)/sqrt(1 - alpha_t)*eps_hat) + sigma_t*z"),
                 "trained on t, sampled with t + 1": Equation(
                    "x_prev", "1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_next)*eps_hat) + sigma_t*z"),
                 "sigma_t squared": Equation(
                    "x_prev", "1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)*eps_hat) + sigma_t**2*z")})
def _(s):
    """With the true noise in place of the guess, the mean must be the posterior's."""
    mean = conditional(within(s.lhs), path()["x_t"], S("x_t"))[0]
    true_noise = (S("x_t") - closed()[0]) / closed()[1]
    here = s.rhs.subs({S("z"): 0, S("eps_hat"): true_noise}, simultaneous=True)
    yield "without z: the posterior's mean at the x_0 that the noise leaves of x_t", here - mean
    yield "z enters with the step's standard deviation", sp.diff(s.rhs, S("z")) - S("sigma_t")


@equation("ancestral-x0-form",
          Words(r"\begin{aligned} & <<lhs>> = <<line0>> \\ & \text{for guesses that belong together: }"
                r"x_t = <<pair>> \end{aligned}",
                lhs="1/sqrt(alpha_t)*(x_t - beta_t/sqrt(1 - alpha_bar_t)*eps_hat)",
                line0="sqrt(alpha_bar_prev)*beta_t/(1 - alpha_bar_t)*x0_hat"
                      " + sqrt(alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t)*x_t",
                pair="sqrt(alpha_bar_t)*x0_hat + sqrt(1 - alpha_bar_t)*eps_hat"),
          title="Two forms, one mean", source="DDPM eqs. (7), (11)")
def _(s):
    """Both as functions of the guessed pair, which recombines to x_t."""
    yield "the pair, as the kernel combines x_0 and its noise", s.pair - seen(S("x0_hat"), S("eps_hat"))
    pair = {S("x_t"): s.pair}
    mean = posterior()[0].subs(S("x_0"), S("x0_hat")).subs(pair)
    yield "the second form is the posterior's mean at the guess", s.line0.subs(pair) - mean
    yield "the first form is the same", s.lhs.subs(pair) - mean


def _last(var: str) -> Statement:
    return Words(r"\mu_\theta(x_1, 1) = <<mean>> = <<guess>>, \qquad \tilde\beta_1 = <<var>>",
                 mean="(x_1 - sqrt(beta_1)*eps_hat)/sqrt(1 - beta_1)", guess="x0_hat", var=var)


@equation("last-step-no-noise", _last("0"),
          title="No noise at the last step", source="DDPM algorithm 2, line 3",
          inline=[r"\tilde\beta_1 = 0"],
          slips={"noise at the last step, as with a guard t > 0 in a loop that ends at 1": _last("beta_1")})
def _(s):
    """The posterior at t = 1: alpha_bar_0 = 1, and so alpha_bar_1 = alpha_1 = 1 - beta_1."""
    first = {S("alpha_bar_prev"): 1, S("alpha_t"): 1 - S("beta_1"), S("x_0"): S("x0_hat"), S("x_t"): S("x_1")}
    mean, var = (part.subs(first, simultaneous=True) for part in posterior())
    told = {S("x_1"): sp.sqrt(1 - S("beta_1")) * S("x0_hat") + sp.sqrt(S("beta_1")) * S("eps_hat")}
    yield "at t = 1 the posterior's mean is the guess itself", s.guess - mean
    yield "the paper's form is the same", s.mean.subs(told) - mean
    yield "and the posterior has no spread", s.var - var


@equation("last-step-noise-costs",
          Equation(label(r"\mathbb E\left[(x_0 - \hat x_0 - \sigma_t z)^2\right]"),
                   "E((x_0 - x0_hat)**2) + sigma_t**2"),
          title="What noise at the last step costs")
def _(s):
    """x_0 misses the guess by mu + tau e, for any mu and tau; the fresh noise z is independent of that."""
    e, z = noise("missed"), noise("fresh")
    x_0 = S("x0_hat") + S("mu") + S("tau") * e
    average = s.rhs.replace(sp.Function("E"), lambda x: expectation(x.subs(S("x_0"), x_0), e))
    truth = expectation((x_0 - S("x0_hat") - S("sigma_t") * z) ** 2, e, z)
    yield "two independent errors: their squares add", average - truth


@equation("sigma-choices",
          Words(r"\sigma_t^2 = \begin{cases} <<unit>> & \text{Gaussian data of variance } V = 1 \\"
                r" <<point>> & \text{data at one point, } V = 0 \\"
                r" <<general>> & \text{Gaussian data of any variance } V \end{cases}",
                unit="beta_t", point="(1 - alpha_bar_prev)/(1 - alpha_bar_t)*beta_t",
                general="beta_t*(V_prev/V_t)"),
          title="For which data each variance is the true one", source="DDPM section 3.2",
          inline=[r"\sigma_t^2 = \beta_t", r"\sigma_t^2 = \tilde\beta_t"])
def _(s):
    """q(x_{t-1} | x_t) of Gaussian data is Gaussian: with its mean and variance the step makes no error."""
    var = reverse()[1]
    yield "any V: the variance of x_{t-1} given x_t, by conditioning", s.general - var
    yield "V = 1", s.unit - var.subs(S("V"), 1)
    yield "V = 0", s.point - var.subs(S("V"), 0)


@equation("noise-off",
          Equation(label(r"x_0 \sim \mathcal N(\mu, V): \quad "
                         r"\operatorname{Var}\left(\mathbb E[x_{t-1} \mid x_t]\right)"),
                   "V_prev - beta_t*(V_prev/V_t)"),
          title="What algorithm 2 loses in a step without noise")
def _(s):
    """The mean of a step is linear in x_t; its spread is what the next x would have without z."""
    gain = sp.diff(reverse()[0], S("x_t"))
    yield "slope squared times the variance of x_t", s.rhs - gain**2 * moments(of_data("x_t"))[1]
    missing = moments(of_data("x_prev"))[1] - s.rhs
    yield "what is missing is the variance that z would add", missing - reverse()[1]


@equation("clipped-x0", Equation("eps_hat", "(x_t - sqrt(alpha_bar_t)*x0_hat)/sqrt(1 - alpha_bar_t)"),
          title="The noise that fits a guess of x_0",
          inline=[r"\hat x_0 = (x_t - \sqrt{1-\bar\alpha_t}\,\hat\varepsilon)/\sqrt{\bar\alpha_t}",
                  r"x_t = \sqrt{\bar\alpha_t}\,\hat x_0 + \sqrt{1-\bar\alpha_t}\,\hat\varepsilon"])
def _(s):
    pair = {S("x_t"): seen(S("x0_hat"), S("eps_hat"))}
    yield "the pair recombines to x_t as the kernel combines x_0 and its noise", (s.lhs - s.rhs).subs(pair)


@equation("clipping-parts-forms",
          Equation(label(r"\tilde\mu_t(x_t, \hat x_0^{\mathrm{clip}}) - \tilde\mu_t(x_t, \hat x_0)"),
                   "sqrt(alpha_bar_prev)*beta_t/(1 - alpha_bar_t)*(x0_clip - x0_hat)"),
          title="How far clipping moves the mean")
def _(s):
    clipped, plain = (posterior()[0].subs(S("x_0"), S(name)) for name in ("x0_clip", "x0_hat"))
    yield "two posterior means at one x_t", s.rhs - (clipped - plain)
