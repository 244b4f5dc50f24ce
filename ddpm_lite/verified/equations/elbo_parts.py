"""The parts of the bound as numbers, other ways of splitting it, and what the best bound is: notebook 04."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..decide import Positive
from ..formula import reduced
from ..kernel import S, bell, moments, noise
from ..registry import equation
from ..statements import Equation, Statement, Words, label
from ..symbols import symbol
from .elbo import L_0, L_T, RATIO, L_t, same
from .elbo_chain import Value, rational, symbolic
from .elbo_language import exact

symbol("c_t", "c_t", mistaken_for="c_next")
symbol("c_next", "c_{t+1}", mistaken_for="c_t")
symbol("sigma_next", r"\sigma_{t+1}", "positive", "sigma_t")
symbol("nu_t", r"\nu_t", "positive", "nu_prev")
symbol("nu_prev", r"\nu_{t-1}", "positive", "nu_t")
symbol("L", "L", "positive")

# The other published split. Its form in print has the KL under the law of the two neighbours.
TWO = "q(x_t, x_prev)", "p_theta(x_t, x_next)"
ENDS = ("Mean(q(x_1, x_0), ln(p_theta(x_0, x_1)))"
        " - Mean(q(x_Tprev, x_0), KL(q(x_T, x_Tprev), p_theta(x_T)))")
JOINT = f"Mean(joint(x_prev, x_t, x_next), ln({TWO[0]}/{TWO[1]}))"
IN_PRINT = f"Mean(joint(x_prev, x_next), KL({TWO[0]}, {TWO[1]}))"
GAP = r"'\\text{gap}'"
TWO_LINES = r"\begin{aligned} <<lhs>> = {} & <<first>> \\ & <<second>> \end{aligned}"
THREE_LINES = r"\begin{aligned} & <<lhs>> \\ & {} = <<first>> \\ & \quad {} <<second>> \end{aligned}"


def right(s: Statement) -> sp.Expr:
    """The sum of the right side's lines."""
    return sp.Add(*(formula.expr for slot, formula in s.slots.items() if slot != "lhs"))


@cache
def at_two(expr: sp.Expr) -> Value:
    return exact(expr, symbolic(3), 2)


@equation("elbo-split-forward",
          Words(TWO_LINES, lhs=f"E_path({RATIO})", first=ENDS, second=f"-Sum({JOINT}, t, 1, T - 1)"),
          title="The split that keeps q(x_t | x_{t-1})", source="Xie and Gan, eqs. (13) to (19)",
          slips={"KL under the law of x_{t-1} and x_{t+1}":
                 Equation(f"E_path({RATIO})", f"{ENDS} - Sum({IN_PRINT}, t, 1, T - 1)")})
def _(s):
    yield ("T = 3 in rational numbers; for every T by induction, the three neighbours drawn together",
           same(s.lhs, right(s)))


@equation("elbo-split-forward-gap",
          Words(r"\begin{aligned} & <<lhs>> \\ & <<taken>> = <<rhs>>"
                r" \\ & \text{a pixel, if}\quad p_\theta(x_t \mid x_{t+1}) ="
                r" \mathcal N\left(x_t;\ c_{t+1}\,x_{t+1},\ \sigma_{t+1}^2 I\right) \end{aligned}",
                lhs=IN_PRINT, taken=f"-{JOINT}", rhs="c_next*sqrt(alpha_next)*beta_t/sigma_next**2"),
          title="How far the printed KL is from the term of the bound, for p's mean c_{t+1} x_{t+1}")
def _(s):
    world = symbolic(3)                                 # t = 2: the first step may be many, merged
    off = at_two(s.lhs) + at_two(s.taken)
    yield "the difference has no logarithm, and x_0 has left", off.P == 1 and not off.quad and off.n == 0
    names = {"sqrt(alpha_bar_prev)": world.a[1], "sqrt(alpha_t)": world.a[2], "sqrt(alpha_next)": world.a[3],
             "c_next": world.c[3], "sigma_next**2": world.s[3]}
    truth = off.r.as_expr().subs({k.as_expr(): S(name) for name, k in names.items()})
    yield "independent of x_{t+1}, x_t lacks the covariance sqrt(alpha_{t+1}) beta_t", s.rhs + truth / 2


@equation("elbo-linear-gaussian",
          Words(THREE_LINES, lhs="ln(p_theta(x_0))",
                first=f"-under({L_T}, 'L_T') - Sum(under({L_t}, 'L_{{t-1}}'), t, 2, T)",
                second=f"-under({L_0}, 'L_0') + under(KL(q(x_1T, x_0), p_theta(x_1T, x_0)), {GAP})"),
          title="Likelihood, parts and gap of linear-Gaussian chains", tier="exact")
def _(s):
    for made, T, told in ((rational, 2, "rational numbers"), (rational, 8, "rational numbers"),
                          (symbolic, 2, "symbols for all steps"), (symbolic, 3, "symbols for all steps")):
        world = made(T)
        yield f"T = {T}, {told}", (exact(s.lhs, world) - exact(right(s), world)).residual()


@equation("model-variance", Equation("nu_prev", "c_t**2*nu_t + sigma_t**2"),
          title="The variance of x_{t-1} under the model")
def _(s):
    step = S("c_t") * sp.sqrt(S("nu_t")) * noise("t") + S("sigma_t") * noise("step")
    var = moments(step)[1]
    yield "independent variances add", s.rhs - var
    yield "the name stands for it", s.lhs.subs(S("nu_prev"), var) - var


@equation("linear-gaussian-term",
          Words(r"\begin{gathered} \mu_\theta = c_t\,x_t,\quad t \ge 2: \\ L_{t-1} = <<rhs>> \end{gathered}",
                rhs="(beta_tilde_t + paren(sqrt(alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t) - c_t)**2"
                    "*(1 - alpha_bar_t) + paren(sqrt(alpha_bar_prev) - c_t*sqrt(alpha_bar_t))**2*x_0**2)"
                    "/(2*sigma_t**2) - 1/2 - log(beta_tilde_t/sigma_t**2)/2"),
          title="One term of the bound, for p's mean c_t x_t")
def _(s):
    number, ratio, put = term()
    told = s.rhs.xreplace(put)
    plain = told.replace(sp.log, lambda w: sp.Integer(0))
    yield "the KL of two bells, averaged over x_t given x_0", plain - number
    yield "its logarithm", sp.exp(-2 * (told - plain)) - ratio


@cache
def term() -> tuple[sp.Expr, sp.Expr, dict[sp.Expr, sp.Expr]]:
    """E KL = number - (1/2) log ratio at t = 2, where the first step may be many, merged; the names used."""
    world, truth = symbolic(3), at_two(S(L_t))
    a, c, v = (sp.symbols(names, positive=True) for names in ("a1:4", "c2:4", "v2:4"))
    used = dict(zip([*world.a[1:], *world.c[2:], *world.s[2:]], (*a, *c, *v), strict=True))
    clean = {k.as_expr(): symbol for k, symbol in used.items()}
    number = -(truth.r.as_expr() + truth.quad[0, 0].as_expr() * S("x_0") ** 2) / 2
    free = {S("alpha_bar_prev"): a[0] ** 2, S("alpha_t"): a[1] ** 2, S("alpha_prev"): a[2] ** 2}
    names = "alpha_bar_prev alpha_t alpha_prev alpha_bar_t alpha_bar_prev2 beta_t beta_tilde_t".split()
    known = {S(name): reduced(S(name)).subs(free) for name in names}
    known |= {S("c_t"): c[0], S("c_next"): c[1], S("sigma_t"): sp.sqrt(v[0]), S("sigma_prev"): sp.sqrt(v[1])}
    return sp.factor(number.subs(clean)), truth.P.as_expr().subs(clean), known


@equation("elbo-tight",
          Words(r"p_\theta(x_{1:T} \mid x_0) = q(x_{1:T} \mid x_0) \quad\text{if}\quad"
                r" c_t = <<c>>,\quad \sigma_t^2 = <<var>>\quad\text{for every } t",
                c="sqrt(alpha_t)", var="1 - alpha_t"),
          title="A model whose gap is 0: data of variance 1, stepped back exactly")
def _(s):
    x, y = S("x_prev"), S("x_t")
    forth = bell(x, 0, 1), bell(y, sp.sqrt(S("alpha_t")) * x, 1 - S("alpha_t"))
    back = bell(y, 0, 1), bell(x, s.c * y, s.var)
    yield ("N(x_{t-1}; 0, 1) q(x_t | x_{t-1}) = N(x_t; 0, 1) p(x_{t-1} | x_t): the exponents",
           forth[0][0] + forth[1][0] - back[0][0] - back[1][0])
    yield ("and the factors; so step by step p(x_0..x_T) = N(x_0; 0, 1) q(x_1..x_T | x_0)",
           forth[0][1] * forth[1][1] - back[0][1] * back[1][1])


@equation("elbo-optimum",
          Equation(label(r"\nu_0^\star"),
                   "V - alpha_bar_T**2*V**2*(V - 1)/(alpha_bar_T*V + 1 - alpha_bar_T)**2"),
          title="The best bound isn't the best likelihood: the model's variance, for data of variance V")
def _(s):
    root, before, beta, v = sp.symbols("root before beta v", positive=True)
    c, V, now = sp.Symbol("c", real=True), S("V"), root**2 * before + beta
    x = sp.sqrt(before) * noise("before")                   # x_{t-1} over the data; root^2 is alpha_t
    cost = sp.log(v) / 2 + moments(x - c * (root * x + sp.sqrt(beta) * noise("t")))[1] / (2 * v)
    best = {c: root * before / now, v: beta * before / now}
    for k in (c, v):
        yield (f"E[-log p(x_{{t-1}} | x_t)] is stationary in the {'weight' if k == c else 'variance'} of "
               "the data's own step back", sp.cancel(sp.diff(cost, k).subs(best)))
    yield "it bends up in the weight, whatever the variance", Positive(sp.factor(sp.diff(cost, c, 2)))
    yield ("and then falls in the variance up to that value, and rises after: the least cost of all",
           sp.diff(cost.subs(c, best[c]), v) - (v - best[v]) / (2 * v**2))
    yield ("that step takes V_t to V_{t-1}; so the excess nu_t - V_t shrinks by c_t^2",
           best[c] ** 2 * now + best[v] - before)
    yield ("c_t^2 is alpha_t V_{t-1}^2 / V_t^2: its product telescopes",
           best[c] ** 2 - (root * before / now) ** 2)
    wide = S("alpha_bar_T") * V + 1 - S("alpha_bar_T")
    excess = S("alpha_bar_T") * V**2 / wide**2 * (1 - wide)
    yield "what is left of the excess 1 - V_T at t = 0", s.rhs - V - excess
