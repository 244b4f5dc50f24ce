"""What is left of the picture after endlessly many steps: when x_T tends to N(0, I). Notebook 02."""

from __future__ import annotations

import sympy as sp

from ..decide import Positive
from ..kernel import S, kl, moments, noise, step
from ..registry import equation
from ..statements import Chain, Equation, Inequality, Words
from .forward_jump import explicit, share

T, b = S("T"), S("beta")


def over_exp(beta: sp.Expr) -> sp.Expr:
    """The gap of 1 - beta <= exp(-beta)."""
    return sp.exp(-beta) - (1 - beta)


@equation("log-small-beta", Equation("log(1 - beta)", "-beta", r"\approx"),
          title="The logarithm for a small beta")
def _(s):
    yield "both are 0 at 0", (s.lhs - s.rhs).subs(b, 0)
    yield "the difference grows with slope -beta/(1 - beta), so it is of second order", (
        sp.diff(s.lhs - s.rhs, b) + b / (1 - b))
    yield "and both start with the same slope", sp.diff(s.lhs - s.rhs, b).subs(b, 0)


@equation("exp-bound", Inequality("1 - beta", "exp(-beta)"), title="A factor is at most an exponential")
def _(s):
    u, part = sp.Symbol("u", positive=True), 1 / (1 + sp.Symbol("p", positive=True))
    integrand = (b - u) * sp.exp(-u)
    yield "the gap is exactly the integral of (beta - u) exp(-u) over u from 0 to beta", (
        s.rhs - s.lhs - sp.integrate(integrand, (u, 0, b)))
    yield "which is positive for every u between 0 and beta", Positive(integrand.subs(u, b * part))


@equation("product-below-exp",
          Chain("alpha_bar_T", "Prod(1 - beta(t), t, 1, T)", "exp(-Sum(beta(t), t, 1, T))",
                relations=("=", r"\le")),
          title="The share that is left is at most an exponential")
def _(s):
    gap, total, left = sp.Integer(0), sp.Integer(0), sp.Integer(1)
    for n in (1, 2, 3):
        beta = 1 - share(n)
        gap, total, left = sp.exp(-total) * over_exp(beta) + (1 - beta) * gap, total + beta, left * share(n)
    yield "T = 3: the share that three steps of the kernel leave", explicit(s.lhs, 0, 3) - left
    yield "T = 3: as a product", explicit(s.line0, 0, 3) - left
    yield "T = 3: the exponential is larger by just the gap that the next line carries on", (
        explicit(s.line1, 0, 3) - left - gap)
    e, rest = sp.symbols("e_T gap_T", positive=True)
    product = e - rest
    new = e * over_exp(b) + (1 - b) * rest
    yield "T to T + 1: exp(-sum) times the gap of exp-bound, plus 1 - beta times the old gap: not negative", (
        e * sp.exp(-b) - product * (1 - b) - new)
    yield "with the gap of exp-bound written g: positive", Positive(
        new.subs(sp.exp(-b), sp.Symbol("g", positive=True) + 1 - b))


@equation("product-bound",
          Inequality("Prod(1 - beta(t), t, n + 1, T)", "1 - Sum(beta(t), t, n + 1, T)", r"\ge"),
          title="A product is at least 1 less the sum")
def _(s):
    gap, total = sp.Integer(0), sp.Integer(0)
    for last in (2, 3, 4):
        beta = 1 - share(last)
        gap, total = (1 - beta) * gap + total * beta, total + beta
    left, right = (explicit(side.subs(S("n"), 1), 0, 4) for side in (s.lhs, s.rhs))
    yield "n = 1, T = 4: the right side is 1 less the betas", right - (1 - total)
    yield "n = 1, T = 4: the left is larger by just the gap that the next line carries on", left - right - gap
    gap_T, sum_T = sp.symbols("gap_T sum_T", positive=True)
    product = 1 - sum_T + gap_T
    yield "T to T + 1: the new gap is 1 - beta times the old, plus beta times the sum so far", (
        product * (1 - b) - (1 - sum_T - b) - ((1 - b) * gap_T + b * sum_T))
    yield "which isn't negative; and it starts from 0, the empty product less 1", Positive(
        (1 - b) * gap_T + b * sum_T)


@equation("limit-iff-sum-diverges",
          Words(r"x_T \to \mathcal N(<<mean>>, I)\quad\text{as } T \to \infty"
                r"\qquad\Longleftrightarrow\qquad <<sum>> = <<bound>>",
                mean="0", sum="Sum(beta(t), t, 1, oo)", bound="oo"),
          title="When the end is really noise")
def _(s):
    left, x_0 = S("alpha_bar_T"), S("x_0")
    mean, var = moments(sp.sqrt(left) * x_0 + sp.sqrt(1 - left) * noise("total"))
    yield "with nothing left of the picture the mean of x_T is this", mean.subs(left, 0) - s.mean
    yield "and its variance is 1", var.subs(left, 0) - 1
    nats = kl((mean, var), (s.mean, sp.Integer(1)))
    yield "the KL divergence to N(0, 1) is then 0", nats.subs(left, 0)
    least = nats.subs(x_0, 0)
    yield "any x_0 adds to it", nats - least - left * x_0**2 / 2
    yield "it grows with what is left: x_T tends to noise exactly if alpha_bar_T tends to 0", (
        Positive(sp.diff(least, left)))
    spread = [moments(step(x_0, share(k), noise("t")))[1] for k in (1, 2, 3, 4)]
    yield "the sum is that of the variances which the steps add, from the first on", (
        explicit(s.sum.xreplace({sp.oo: sp.Integer(4)}), 0) - sum(spread))
    u, e, gap, factor_gap = sp.symbols("u e_T gap_T gap", positive=True)
    yield "if it diverges: exp(-sum) stays above alpha_bar_T, as exp(-beta) is above 1 - beta", (
        Positive(e * (1 - b + factor_gap) - (e - gap) * (1 - b)))
    yield "and exp(-sum) tends to 0", sp.limit(sp.exp(-u), u, s.bound)
    yield "if it converges: some n leaves a rest r < 1/2; 1 - r > 1/2 of alpha_bar_n stays for ever", (
        Positive(S("alpha_bar_s") * (1 - S("eta") / 2) - S("alpha_bar_s") / 2))


EXAMPLE = r"\beta_t = <<beta>>:\qquad \bar\alpha_T = <<left>> \to <<limit>>"


def by_induction(s):
    """alpha_bar_T of a schedule that doesn't know its length, and its limit."""
    yield "T = 0: all is left", s.left.subs(T, 0) - 1
    yield "T - 1 to T: one more factor", s.left - (1 - s.beta.subs(S("t"), T)) * s.left.subs(T, T - 1)
    yield "its limit", s.limit - limit(s.left)


def limit(expr: sp.Expr) -> sp.Expr:
    """The limit for T to infinity."""
    n = sp.Symbol("n", positive=True)
    return sp.limit(expr.subs(T, n), n, sp.oo)


equation("example-constant", Words(EXAMPLE, beta="0.01", left="0.99**T", limit="0"),
         title="Equal betas forget")(by_induction)
equation("example-harmonic", Words(EXAMPLE, beta="1/(t + 1)", left="1/(T + 1)", limit="0"),
         title="Betas that shrink slowly forget",
         inline=[r"\beta_t = 1/(t+1)"])(by_induction)
equation("example-squares", Words(EXAMPLE, beta="1/(t + 1)**2", left="(T + 2)/(2*(T + 1))", limit="1/2"),
         title="Betas that shrink fast don't", inline=[r"\beta_t = 1/(t+1)^2"])(by_induction)
equation("example-exercise",
         Words(EXAMPLE, beta="2/((t + 1)*(t + 2))", left="(T + 3)/(3*(T + 1))", limit="1/3"),
         title="The betas of an exercise", inline=[r"\beta_t = \dfrac{2}{(t+1)(t+2)}"])(by_induction)


@equation("example-shared", Words(EXAMPLE, beta="c/T", left="(1 - c/T)**T", limit="exp(-c)"),
          title="A fixed sum, shared among the steps", inline=[r"\beta_t = c/T"])
def _(s):
    yield "all T steps keep the same share", s.left - (1 - s.beta) ** T
    yield "for all T the sum of the betas is c", s.beta * T - S("c")
    yield "the limit", s.limit - limit(s.left)
