"""The forward process, from one step to all at once: DDPM section 2, notebook 02."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..decide import Positive
from ..kernel import S, moments, noise, path, step
from ..registry import Absurd, definition, equation
from ..statements import Chain, Equation, GaussianLaw, Joined, Words, label

definition("alpha", Equation("alpha_t", "1 - beta_t", ":="), title="What is kept of the variance",
           source="DDPM section 2", inline=[r"\alpha_t = 1 - \beta_t"])


@cache
def walked() -> dict[sp.Symbol, sp.Expr]:
    """Every state and every noise by the steps of the kernel; a total noise is what the walk added, scaled to
    variance 1."""
    total = {}
    for name in ("prev", "t"):
        mean, var = moments(path()[f"x_{name}"])
        total[name] = (path()[f"x_{name}"] - mean) / sp.sqrt(var)
    return {S("x_prev"): path()["x_prev"], S("x_t"): path()["x_t"], S("eps_t"): noise("t"),
            S("eps"): total["t"], S("eps_bar_prev"): total["prev"], S("eps_bar_t"): total["t"]}


@cache
def two_steps() -> sp.Expr:
    """x_t from x_{t-2}, by two steps of the kernel."""
    return step(step(S("x_prev2"), S("alpha_prev"), noise("prev")), S("alpha_t"), noise("t"))


@cache
def average_of(expr: sp.Expr) -> sp.Expr:
    """E of a function of eps, as an integral over the standard bell."""
    bell = sp.exp(-S("eps") ** 2 / 2) / sp.sqrt(2 * sp.pi)
    return sp.integrate(expr * bell, (S("eps"), -sp.oo, sp.oo))


def variances(expr: sp.Expr) -> sp.Expr:
    """Every Var(...) worked out: x_0 and x_{t-1} have any mean, and the variances V and V_{t-1}."""
    start = sp.Symbol("m", real=True) + sp.sqrt(S("V")) * noise("data")
    before = sp.Symbol("m", real=True) + sp.sqrt(S("V_prev")) * noise("before")
    jump = sp.sqrt(S("alpha_bar_t")) * start + sp.sqrt(1 - S("alpha_bar_t")) * noise("jump")
    at = {S("x_0"): start, S("x_prev"): before, S("x_t"): jump, S("eps_t"): noise("t")}
    return expr.replace(sp.Function("Var"), lambda inside: moments(inside.xreplace(at))[1])


def inside(expr: sp.Expr) -> sp.Expr:
    """What stands inside the expression's Var(...)."""
    return next(iter(expr.atoms(sp.Function("Var")))).args[0] if expr.has(sp.Function("Var")) else sp.nan


@equation("noise-moments", Joined(Equation(label(r"\mathbb E\left[\varepsilon\right]"), "0"),
                                  Equation("E(eps**2)", "1")),
          title="Two averages over noise")
def _(s):
    yield "the integral of the noise over its bell", s.rhs0 - average_of(S("eps"))
    square = average_of(S("eps") ** 2)
    yield "the integral of its square", s.lhs1.replace(sp.Function("E"), average_of) - square
    yield "which is this number", s.rhs1 - square


@equation("forward-sample",
          Words(r"<<lhs>> = <<rhs>>,\qquad \varepsilon_t \sim \mathcal N(0, I),\qquad t = 1, \dots, T",
                lhs="x_t", rhs="sqrt(1 - beta_t)*x_prev + sqrt(beta_t)*eps_t"),
          title="One step of noise", source="DDPM eq. (2)",
          slips={"noise scaled by beta (DiffusionFastForward)": Words("<<lhs>> = <<rhs>>", lhs="x_t",
                                               rhs="sqrt(1 - beta_t)*x_prev + beta_t*eps_t"),
                 "uniform noise u times beta (acids-ircam/diffusion_models)": Words(
                     "<<lhs>> = <<rhs>>", lhs="x_t", rhs="sqrt(1 - beta_t)*x_prev + beta_t*u"),
                 "no factor": Words("<<lhs>> = <<rhs>>", lhs="x_t", rhs="x_prev + sqrt(beta_t)*eps_t")})
def _(s):
    yield ("the line on the page is the step from which every proof of the course starts",
           (s.lhs - s.rhs).xreplace(walked()))


@equation("forward-step", GaussianLaw("x_t", "sqrt(1 - beta_t)*x_prev", "beta_t", given="x_prev"),
          title="One step as a law", source="DDPM eq. (2)",
          slips={"covariance sqrt(beta)":
                 GaussianLaw("x_t", "sqrt(1 - beta_t)*x_prev", "sqrt(beta_t)", given="x_prev"),
                 "mean without the root":
                 GaussianLaw("x_t", "(1 - beta_t)*x_prev", "beta_t", given="x_prev")})
def _(s):
    if (s.variable, s.given0) != (S("x_t"), S("x_prev")):
        raise Absurd("one step leads from x_{t-1} to x_t")
    mean, var = moments(step(S("x_prev"), S("alpha_t"), noise("t")))
    yield "the noise averages to 0: what is left is the mean", s.mean - mean
    yield "the square of what stands before the noise is the variance", s.var - var


@equation("step-variance", Equation("Var(c*x_prev + sqrt(beta_t)*eps_t)", "c**2*V_prev + beta_t"),
          title="The variance after a step with any factor")
def _(s):
    truth = variances(sp.Function("Var")(S("c") * S("x_prev") + sp.sqrt(S("beta_t")) * S("eps_t")))
    yield "independent terms: each coefficient squared, times the variance of its noise", s.rhs - truth
    yield "on the left stands the variance of just this sum", variances(s.lhs) - truth
    yield "which with the right factor is a step of the kernel", (
        inside(s.lhs).subs(S("c"), sp.sqrt(S("alpha_t"))) - step(S("x_prev"), S("alpha_t"), S("eps_t")))


@equation("unit-variance-factor", Equation(label("c"), "sqrt(1 - beta_t)"),
          title="The factor that keeps variance 1")
def _(s):
    after = S("c") ** 2 + S("beta_t")
    yield "variance 1 stays 1 with this factor", after.subs(S("c"), s.rhs) - 1
    yield "it is positive", Positive(s.rhs)
    yield "the only other root is its negative", after - 1 - (S("c") - s.rhs) * (S("c") + s.rhs)


@equation("variance-map", Equation("V_t - 1", "(1 - beta_t)*(V_prev - 1)"),
          title="Every variance is pulled to 1")
def _(s):
    after = moments(step(sp.sqrt(S("V_prev")) * noise("before"), S("alpha_t"), noise("t")))[1]
    yield "one step, from a variance V_{t-1}: the distance to 1 afterwards", (
        s.lhs.subs(S("V_t"), after) - (after - 1))
    yield "is the distance before, times 1 - beta_t", s.rhs - (after - 1)


@equation("variance-without-factor", Equation("Var(x_prev + sqrt(beta_t)*eps_t)", "V_prev + beta_t"),
          title="Without a factor the variance grows at every step")
def _(s):
    truth = variances(sp.Function("Var")(S("x_prev") + sp.sqrt(S("beta_t")) * S("eps_t")))
    yield "independent terms: their variances add", s.rhs - truth
    yield "on the left stands the variance of just this sum", variances(s.lhs) - truth
    shrunk = moments(step(S("x_prev"), S("alpha_t"), noise("t")))[0]
    yield "a step of the kernel, but for the factor", (
        inside(s.lhs) - S("x_prev") - (step(S("x_prev"), S("alpha_t"), S("eps_t")) - shrunk))


@equation("slip-fixed-point",
          Words(r"<<lhs>> = <<rhs>> \quad\Longleftrightarrow\quad <<here>> = <<rest>>",
                lhs="V", rhs="(1 - beta)*V + beta**2", here="V", rest="beta"),
          title="Where the chain rests when noise is scaled by beta")
def _(s):
    after = moments(sp.sqrt(1 - S("beta")) * sp.sqrt(S("V")) * noise("before") + S("beta") * noise("t"))[1]
    yield "the variance after one wrong step", s.rhs - after
    yield "what changed is beta times the distance of V from beta", (
        s.lhs - s.rhs - S("beta") * (s.here - s.rest))
    yield "and beta isn't 0", Positive(S("beta"))


@equation("sum-of-gaussians",
          Words(r"X \sim \mathcal N(0, <<v>>),\quad Y \sim \mathcal N(0, <<w>>)\quad\text{independent}"
                r"\quad\Longrightarrow\quad X + Y \sim \mathcal N(0, <<both>>)",
                v="sigma**2", w="tau**2", both="sigma**2 + tau**2"),
          title="Independent Gaussians add up to a Gaussian")
def _(s):
    u = sp.Symbol("u", real=True)
    lemma = average_of(sp.exp(u * S("eps")))
    yield "E exp(u eps) = exp(u^2/2), by the integral over the bell", lemma - sp.exp(u**2 / 2)
    logs = sum(sp.log(lemma.subs(u, u * sp.Symbol(name, positive=True))) for name in ("x_sd", "y_sd"))
    ours = sp.expand_log(logs, force=True).subs({sp.Symbol("x_sd", positive=True): sp.sqrt(s.v),
                                                 sp.Symbol("y_sd", positive=True): sp.sqrt(s.w)})
    yield "independent: E of the product is the product of both, and its logarithm is that of one Gaussian", (
        ours - s.both * u**2 / 2)


@equation("three-four-five", Equation("3**2 + 4**2", "5**2"), title="Standard deviations 3 and 4 make 5")
def _(s):
    var = moments(3 * noise("a") + 4 * noise("b"))[1]
    yield "the variance of three noises of one kind and four of another", s.lhs - var
    yield "is the square of 5", s.rhs - var


@equation("two-steps", Equation("x_t", "sqrt(alpha_t*alpha_prev)*x_prev2"
                                " + sqrt(alpha_t*(1 - alpha_prev))*eps_prev + sqrt(1 - alpha_t)*eps_t"),
          title="One step inserted into the next")
def _(s):
    noises = {S("eps_prev"): noise("prev"), S("eps_t"): noise("t"), S("x_t"): two_steps()}
    yield "two steps of the kernel, multiplied out", (s.lhs - s.rhs).xreplace(noises)


@equation("merged-variance", Chain("alpha_t*(1 - alpha_prev) + paren(1 - alpha_t)", "1 - alpha_t*alpha_prev"),
          title="Two noises become one")
def _(s):
    yield "the variance of two steps", s.lhs - moments(two_steps())[1]
    yield "the same, multiplied out", s.line0 - s.lhs


@equation("merge-two-steps",
          Words(r"<<lhs>> = <<rhs>>,\qquad \bar\varepsilon \sim \mathcal N(0, I)", lhs="x_t",
                rhs="sqrt(alpha_t*alpha_prev)*x_prev2 + sqrt(1 - alpha_t*alpha_prev)*eps_bar"),
          title="Two steps are one")
def _(s):
    mean, var = moments(two_steps())
    mix = (two_steps() - mean) / sp.sqrt(var)
    yield "the mix of both noises, scaled by their common standard deviation: variance 1", moments(mix)[1] - 1
    yield "x_{t-2} is no part of it", sp.diff(mix, S("x_prev2"))
    yield "with it, this is the two steps of the kernel", (
        s.lhs - s.rhs).xreplace({S("eps_bar"): mix, S("x_t"): two_steps()})
