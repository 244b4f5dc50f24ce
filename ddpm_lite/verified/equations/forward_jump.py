"""Any number of steps at once, and the way back: DDPM eq. (4), notebook 02."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..decide import Fails
from ..kernel import S, log_normal, moments, noise, path, step
from ..registry import Absurd, equation
from ..statements import Chain, Equation, GaussianLaw, Joined, Words
from ..symbols import symbol
from .forward import walked

symbol("alpha_bar_before_s", r"\bar\alpha_{s-1}", "unit", "alpha_bar_s")


@cache
def share(k: int) -> sp.Expr:
    """alpha_k of an explicit step: a share between 0 and 1, each another."""
    return 1 / (1 + sp.Symbol(f"p_{k}", positive=True))


@cache
def kept(n: int) -> sp.Expr:
    """What n steps of the kernel leave of the picture's variance: the squared factor before x_0."""
    x = S("x_0")
    for k in range(1, n + 1):
        x = step(x, share(k), noise(str(k)))
    return sp.expand(x).coeff(S("x_0")) ** 2


def explicit(expr: sp.Expr, n: int, last: int = 5) -> sp.Expr:
    """The expression at t = n, T = last, sums and products written out, every share a symbol of its own."""
    expr = expr.subs({S("t"): n, S("T"): last, S("alpha_bar_t"): kept(n), S("alpha_bar_T"): kept(last)})
    expr = expr.doit()
    expr = expr.replace(sp.Function("alpha_bar", positive=True), lambda k: kept(int(k)))
    expr = expr.replace(sp.Function("alpha", positive=True), lambda k: share(int(k)))
    return expr.replace(sp.Function("beta", positive=True), lambda k: 1 - share(int(k)))


@equation("forward-chain",
          Words(r"q(x_{1:T} \mid x_0) = \prod_{t=<<low>>}^{<<high>>} q(x_t \mid x_{t-1})", low="1", high="T"),
          title="The law of the whole chain", source="DDPM eq. (2)")
def _(s):
    x = sp.symbols("x_0:4", real=True)
    joint, factors = sp.Integer(0), {}
    for k in (1, 2, 3):
        e = noise(str(k))
        line = step(x[k - 1], share(k), e)
        standard = log_normal(sp.solve(line - x[k], e)[0], sp.Integer(0), sp.Integer(1))
        joint += standard - sp.log(sp.diff(line, e))
        factors[k] = log_normal(x[k], *moments(line))
    times = range(int(s.low), int(s.high.subs(S("T"), 3)) + 1)
    if not set(times) <= set(factors):
        yield "T = 3", Fails("there is no such step")
    yield "T = 3: the density of all noises, written in x_1, x_2, x_3, is the product of the three laws", (
        joint - sum((factors[k] for k in times), sp.Integer(0)))
    line = step(S("x_t"), S("alpha_next"), noise("next"))
    fresh = log_normal(sp.solve(line - S("x_next"), noise("next"))[0], sp.Integer(0), sp.Integer(1))
    yield "T to T + 1: the new noise, independent of all before, brings one step's law", (
        fresh - sp.log(sp.diff(line, noise("next"))) - log_normal(S("x_next"), *moments(line)))
    yield "and the product gets just one factor more", s.high.subs(S("T"), S("T") + 1) - s.high - 1


@equation("alpha-bar-recursion",
          Joined(Equation("alpha_bar(0)", "1"), Equation("alpha_bar_next", "alpha_next*alpha_bar_t")),
          title="The share of the picture, step by step", source="DDPM section 2",
          inline=[r"\bar\alpha_0 = 1"])
def _(s):
    yield "before any step the factor before x_0 is 1", explicit(s.lhs0, 0) - kept(0)
    yield "its square is 1", s.rhs0 - kept(0)
    factor = [sp.expand(path()[name]).coeff(S("x_0")) ** 2 for name in ("x_t", "x_next")]
    names = {S("alpha_bar_next"): factor[1], S("alpha_bar_t"): factor[0]}
    yield "one step of the kernel multiplies the squared factor", s.rhs1.xreplace(names) - factor[1]
    yield "to what it is at t + 1", s.lhs1.xreplace(names) - factor[1]


@equation("alpha-bar-product", Equation("alpha_bar_t", "Prod(alpha(s), s, 1, t)"),
          title="The share of the picture", source="DDPM section 2",
          inline=[r"\bar\alpha_t = \alpha_1\cdots\alpha_t"],
          slips={"the product to T": Equation("alpha_bar_t", "Prod(alpha(s), s, 1, T)"),
                 "product of alpha_t": Equation("alpha_bar_t", "Prod(alpha(t), s, 1, t)")})
def _(s):
    for n in (0, 3):
        yield f"t = {n}: the squared factor that {n} steps of the kernel put before x_0", (
            explicit(s.rhs, n) - kept(n))
    yield "alpha_bar_3 is the name of that factor", explicit(s.lhs, 3) - kept(3)
    if not isinstance(s.rhs, sp.Product):
        yield "from t to t + 1", Fails("no product")
    (index, low, high), = s.rhs.limits
    yield "from t to t + 1 the product gets one more factor", high.subs(S("t"), S("t") + 1) - high - 1
    yield "which is alpha_{t+1}, the one that a step brings", (
        s.rhs.function.subs(index, high + 1) - sp.Function("alpha", positive=True)(S("t") + 1))


@equation("closed-form", GaussianLaw("x_t", "sqrt(alpha_bar_t)*x_0", "1 - alpha_bar_t", given="x_0"),
          title="Any time in one jump", source="DDPM eq. (4)",
          slips={"covariance sqrt(1 - alpha_bar) (diffusion-models-class, issue 18)":
                 GaussianLaw("x_t", "sqrt(alpha_bar_t)*x_0", "sqrt(1 - alpha_bar_t)", given="x_0"),
                 "mean without the root":
                 GaussianLaw("x_t", "alpha_bar_t*x_0", "1 - alpha_bar_t", given="x_0")})
def _(s):
    """Induction over t: true at 0, and one step of the kernel leads from t-1 to t."""
    if (s.variable, s.given0) != (S("x_t"), S("x_0")):
        raise Absurd("the induction is about x_t given x_0")
    now, before = S("alpha_bar_t"), S("alpha_bar_prev")
    yield "t = 0: the mean is x_0", s.mean.subs(now, 1) - S("x_0")
    yield "t = 0: no variance", s.var.subs(now, 1)
    earlier = s.mean.subs(now, before) + sp.sqrt(s.var.subs(now, before)) * noise("before")
    mean, var = moments(step(earlier, S("alpha_t"), noise("t")))
    yield "t - 1 to t: one step of the kernel gives this mean", s.mean - mean
    yield "t - 1 to t: and this variance", s.var - var


@equation("closed-form-sample", Equation("x_t", "sqrt(alpha_bar_t)*x_0 + sqrt(1 - alpha_bar_t)*eps"),
          title="The jump, to draw from", source="DDPM eq. (4)",
          slips={"alpha for alpha_bar": Equation("x_t", "sqrt(alpha_t)*x_0 + sqrt(1 - alpha_t)*eps"),
                 "no roots": Equation("x_t", "alpha_bar_t*x_0 + (1 - alpha_bar_t)*eps")})
def _(s):
    yield "all the noise of the walk, over its standard deviation: variance 1", (
        moments(walked()[S("eps")])[1] - 1)
    yield "x_0 is no part of it", sp.diff(walked()[S("eps")], S("x_0"))
    yield "with it, the line gives the walk's x_t", (s.lhs - s.rhs).xreplace(walked())


@equation("jump-between",
          GaussianLaw("x_t", "sqrt(alpha_bar_t/alpha_bar_s)*x_s", "1 - alpha_bar_t/alpha_bar_s", given="x_s"),
          title="From any time to any later time")
def _(s):
    if (s.variable, s.given0) != (S("x_t"), S("x_s")):
        raise Absurd("the induction is about x_t given x_s")
    now, before = S("alpha_bar_t"), S("alpha_bar_prev")
    yield "t = s: the mean is x_s", s.mean.subs(now, S("alpha_bar_s")) - S("x_s")
    yield "t = s: no variance", s.var.subs(now, S("alpha_bar_s"))
    earlier = s.mean.subs(now, before) + sp.sqrt(s.var.subs(now, before)) * noise("before")
    mean, var = moments(step(earlier, S("alpha_t"), noise("t")))
    yield "t - 1 to t: one step of the kernel gives this mean", s.mean - mean
    yield "t - 1 to t: and this variance", s.var - var


@equation("fading-noise", Equation("beta_s*(alpha_bar_t/alpha_bar_s)",
                                   "alpha_bar_t/alpha_bar_s - alpha_bar_t/alpha_bar_before_s"),
          title="What the noise of one step leaves in x_t")
def _(s):
    own, later = S("alpha_bar_s") / S("alpha_bar_before_s"), S("alpha_bar_t") / S("alpha_bar_s")
    x_s = step(sp.Symbol("x_before_s"), own, noise("s"))
    truth = sp.expand(sp.sqrt(later) * x_s).coeff(noise("s")) ** 2
    yield "the noise of step s, shrunk by the jump from s to t: its variance", (
        s.lhs.subs(S("beta_s"), 1 - own) - truth)
    yield "as a difference of neighbours", s.rhs - truth


@equation("noise-shares", Chain("Sum(beta(s)*(alpha_bar_t/alpha_bar(s)), s, 1, t)",
                                "Sum(alpha_bar_t/alpha_bar(s) - alpha_bar_t/alpha_bar(s - 1), s, 1, t)",
                                "alpha_bar_t/alpha_bar(t) - alpha_bar_t/alpha_bar(0)", "1 - alpha_bar_t"),
          title="All noises together",
          excused={"line1: divisor alpha_bar(0) dropped": "alpha_bar_0 is 1: as true as before"})
def _(s):
    x = S("x_0")
    for k in (1, 2, 3):
        x = step(x, share(k), noise(str(k)))
    yield "t = 3 by force: the variance of three steps of the kernel", explicit(s.lhs, 3) - moments(x)[1]
    reasons = "each noise as a difference", "neighbours cancel", "the two ends"
    for line, reason in zip(s.lines(), reasons, strict=True):
        yield f"t = 3: {reason}", explicit(line, 3) - moments(x)[1]
    if not (isinstance(s.lhs, sp.Sum) and isinstance(s.line0, sp.Sum)):
        yield "every t", Fails("no sum")
    bar, t, index = sp.Function("alpha_bar", positive=True), S("t"), S("s")
    names = {bar(index): S("alpha_bar_s"), bar(index - 1): S("alpha_bar_before_s"), bar(0): 1,
             bar(t): S("alpha_bar_t")}
    terms = s.lhs.function.replace(sp.Function("beta", positive=True), lambda k: 1 - bar(k) / bar(k - 1))
    yield "every t: the terms of the two sums agree", (terms - s.line0.function).subs(names)
    ends = s.line1.subs(t, index) - s.line1.subs(t, index - 1)
    yield "every t: one more term moves the end by one", (ends - s.line0.function).subs(names)
    yield "every t: and with no term there is nothing", s.line1.subs(t, 0)
    yield "every t: the two ends", (s.line1 - s.line2).subs(names)
