"""The bound on -log p(x_0) and its parts: DDPM eqs. (3), (5) and appendix A, notebook 04."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import sympy as sp

from ..decide import Positive
from ..kernel import S, conditional, moments, path
from ..registry import definition, equation
from ..statements import Chain, Equation, Inequality, Words
from .elbo_chain import Value, rational, symbolic
from .elbo_language import exact, log_density
from .elbo_pointwise import induction, plain, pointwise

RATIO = "ln(p_theta(x_0T)/q(x_1T, x_0))"
POST = "q(x_prev, x_t, x_0)"
STEP = "p_theta(x_prev, x_t)"
L_T, L_t, L_0 = ("KL(q(x_T, x_0), p_theta(x_T))", f"Mean(q(x_t, x_0), KL({POST}, {STEP}))",
                 "Mean(q(x_1, x_0), -ln(p_theta(x_0, x_1)))")

definition("reverse-chain", Equation("p_theta(x_0T)", f"p_theta(x_T)*Prod({STEP}, t, 1, T)", ":="),
           title="The model: a chain of steps back", source="DDPM eq. (1)")
definition("elbo", Equation(r"E_path(" + RATIO + ")", r"Mean(q(x_1T, x_0), " + RATIO + ")", ":="),
           title="The bound, and what E_q is short for", source="DDPM section 2")


def same(left: sp.Expr, right: sp.Expr) -> sp.Expr:
    """0 if both are worth the same: for T = 3 in rational numbers, and for every T by induction."""
    return (_at_three(left) - _at_three(right)).residual() or first(induction(left, right))


@cache
def _at_three(expr: sp.Expr) -> Value:
    return exact(expr, rational(3))


def same_step(left: sp.Expr, right: sp.Expr) -> sp.Expr:
    """0 if both are worth the same, where T plays no part: in rational numbers, and with symbols at t = 2,
    where the first step stands for the t - 1 steps before it, merged into one."""
    worlds = (made(3) for made in (rational, symbolic))
    return first((exact(left, one, 2) - exact(right, one, 2)).residual() for one in worlds)


def same_density(left: sp.Expr, right: sp.Expr) -> sp.Expr:
    """0 if two products of densities are one function: T = 3 in rational numbers, every T by induction."""
    off = (log_density(left, rational(3)) - log_density(right, rational(3))).residual()
    return off or first(induction(sp.log(left), sp.log(right)))


def first(parts: Iterable[sp.Expr]) -> sp.Expr:
    """The first that isn't 0: each is a number, or has been brought to the form in which 0 is 0."""
    return next((part for part in parts if part != 0), sp.Integer(0))


def chain(lines: list[sp.Expr], lhs: sp.Expr, *reasons: str) -> Iterator[tuple[str, sp.Expr]]:
    """Each line against the one before."""
    for before, line, reason in zip([lhs, *lines], lines, reasons, strict=False):
        yield reason, same(line, before)


def kl_is_no_less_than_zero() -> Iterator[tuple[str, sp.Expr | Positive]]:
    """E_q[-log u] >= E_q[1 - u] = 1 - 1 for u = p/q."""
    u = sp.Symbol("u", positive=True)
    f = u - 1 - sp.log(u)
    yield "a KL is never negative: u - 1 - log u, u = p/q, is 0 at u = 1", f.subs(u, 1)
    yield "it has slope 0 there", sp.diff(f, u).subs(u, 1)
    yield "and curves upwards everywhere; E_q of u - 1 is 1 - 1", Positive(sp.diff(f, u, 2))


@equation("elbo-bound", Inequality("ln(p_theta(x_0))", f"E_path({RATIO})", r"\ge"),
          title="The evidence lower bound", source="DDPM eq. (3)",
          slips={"the joint of p written as the marginal":
                 Inequality("ln(p_theta(x_0))", "E_path(ln(p_theta(x_0)/q(x_1T, x_0)))", r"\ge")})
def _(s):
    gap = S("KL(q(x_1T, x_0), p_theta(x_1T, x_0))")
    yield ("the gap is the KL from the forward path to the model's own posterior, for every T",
           same(s.lhs, s.rhs + gap))
    yield from kl_is_no_less_than_zero()


@equation("elbo-bound-cost", Inequality("E(-ln(p_theta(x_0)))", f"E(E_path(-{RATIO}))"),
          title="The same as a cost, on average over the data", source="DDPM eq. (3)")
def _(s):
    gap = S("E(KL(q(x_1T, x_0), p_theta(x_1T, x_0)))")
    yield ("the gap is the mean of the KL from the forward path to the model's own posterior",
           same(s.rhs, s.lhs + gap))
    yield from kl_is_no_less_than_zero()


@equation("elbo-gap", Equation("ln(p_theta(x_0))", f"E_path({RATIO}) + KL(q(x_1T, x_0), p_theta(x_1T, x_0))"),
          title="The bound and its gap", source="DDPM eq. (3)",
          slips={"KL from the joint p(x_0..x_T)":
                 Equation("ln(p_theta(x_0))", f"E_path({RATIO}) + KL(q(x_1T, x_0), p_theta(x_0T))")})
def _(s):
    yield ("Bayes, p(x_0..x_T) = p(x_0) p(x_1..x_T | x_0), once under E_q; and T = 3 in rational numbers",
           same(s.lhs, s.rhs))


@equation("elbo-gap-chain",
          Chain("ln(p_theta(x_0))", "E_path(ln(p_theta(x_0)))",
                "E_path(ln(p_theta(x_0T)/p_theta(x_1T, x_0)))",
                f"E_path({RATIO} + ln(q(x_1T, x_0)/p_theta(x_1T, x_0)))",
                f"E_path({RATIO}) + KL(q(x_1T, x_0), p_theta(x_1T, x_0))"),
          title="Where the bound comes from")
def _(s):
    yield from chain(s.lines(), s.lhs, "x_0 is fixed: an average over paths changes nothing",
                     "Bayes for the model: p(x_0) = p(x_0..x_T) / p(x_1..x_T | x_0)",
                     "multiplied and divided by q(x_1..x_T | x_0)", "what a KL is")


@equation("elbo-bayes-step",
          Chain("q(x_t, x_prev)", "q(x_t, x_prev, x_0)", f"{POST}*q(x_t, x_0)/q(x_prev, x_0)",
                endings=("", r" \qquad (t \ge 2)")),
          title="A forward step, turned round by Bayes", source="DDPM appendix A")
def _(s):
    for line, before, reason in ((s.line0, s.lhs, "Markov: once x_{t-1} is known, x_0 adds nothing"),
                                 (s.line1, s.line0, "Bayes given x_0, as normalised densities")):
        yield f"{reason} (rational numbers)", (log_density(line, rational(3), 2)
                                               - log_density(before, rational(3), 2)).residual()
        yield f"{reason} (symbols)", (log_density(line, symbolic(2), 2)
                                      - log_density(before, symbolic(2), 2)).residual()
    here, a, b = path(), sp.sqrt(S("alpha_bar_prev")), sp.sqrt(S("alpha_t"))
    world, (x, y) = symbolic(2), sp.symbols("a_1 a_2")
    for k, given, (mean, var) in ((2, [1], moments(here["x_t"].subs(here["x_prev"], S("x_prev")))),
                                  (1, [0, 2], conditional(here["x_prev"], here["x_t"], S("x_t")))):
        weights, own = world.law("q", k, given)
        told = sum(weight.as_expr() * S(("x_0", "x_prev", "x_t")[g]) for g, weight in weights.items())
        put = {x: a, y: b}
        yield (f"the law of {('x_{t-1} given x_0, x_t', 'x_t given x_{t-1}')[k - 1]} is the forward kernel's",
               sp.Matrix([told.subs(put) - mean, own.as_expr().subs(put) - var]))


@equation("elbo-telescoping",
          Equation("Prod(q(x_prev, x_0)/q(x_t, x_0), t, 2, T)", "q(x_1, x_0)/q(x_T, x_0)"),
          title="Only the ends of the product remain", source="DDPM appendix A")
def _(s):
    yield "T = 3 in rational numbers; then T = 1, and the step from T to T + 1", same_density(s.lhs, s.rhs)


@equation("backward-chain",
          Equation("q(x_1T, x_0)", f"q(x_T, x_0)*Prod({POST}, t, 2, T)"),
          title="The forward path, read backwards", source="DDIM eq. (6)")
def _(s):
    yield "each step turned round by Bayes, then telescoped, by induction over T", same_density(s.lhs, s.rhs)


@equation("elbo-reindex", Equation(f"Prod({STEP}, t, 2, T)", "Prod(p_theta(x_t, x_next), t, 1, T - 1)"),
          title="The same steps, counted from 1")
def _(s):
    yield "the same factors: T = 1, and the step from T to T + 1", same_density(s.lhs, s.rhs)


FORWARD, FIRST = f"ln({STEP}/q(x_t, x_prev))", "p_theta(x_0, x_1)"
TURNED = f"ln(paren({STEP}/{POST}*(q(x_prev, x_0)/q(x_t, x_0))))"


@equation("elbo-chain",
          Chain(f"E_path(-{RATIO})",
                f"E_path(-ln(p_theta(x_T)) - Sum({FORWARD}, t, 1, T))",
                f"E_path(-ln(p_theta(x_T)) - Sum({FORWARD}, t, 2, T) - ln({FIRST}/q(x_1, x_0)))",
                f"E_path(-ln(p_theta(x_T)) - Sum({TURNED}, t, 2, T) - ln({FIRST}/q(x_1, x_0)))",
                f"E_path(-ln(p_theta(x_T)/q(x_T, x_0)) - Sum(ln({STEP}/{POST}), t, 2, T) - ln({FIRST}))",
                f"{L_T} + Sum({L_t}, t, 2, T) + fold({L_0})", stacked=True),
          title="From the bound to its parts", source="DDPM eqs. (17) to (22)")
def _(s):
    yield from chain(s.lines(), s.lhs, "both chains are products, so the logarithm is a sum",
                     "the step t = 1 is taken out: for it there is no posterior density",
                     "Bayes given x_0, for t = 2, ..., T",
                     "the products telescope: only t = 1 and t = T remain",
                     "each term averaged over its own variables only")


@equation("elbo-tower",
          Words(r"\begin{aligned} & <<lhs>> \\ & {} = <<rhs>> \qquad (t \ge 2) \end{aligned}",
                lhs=f"Mean(joint(x_prev, x_t), ln({POST}/{STEP}))", rhs=L_t),
          title="Averaging in two stages makes a KL")
def _(s):
    yield ("q(x_{t-1}, x_t | x_0) = q(x_t | x_0) q(x_{t-1} | x_t, x_0): draw x_t, then x_{t-1}",
           same_step(s.lhs, s.rhs))
    yield "under E_q both are the same", plain(pointwise(s.lhs) - pointwise(s.rhs))


@equation("elbo-split",
          Words(r"\begin{aligned} & <<lhs>> \\ & {} = <<rhs>> \end{aligned}", lhs=f"E_path(-{RATIO})",
                rhs=f"under({L_T}, 'L_T') + Sum(under({L_t}, 'L_{{t-1}}'), t, 2, T)"
                    f" + fold(under({L_0}, 'L_0'))"),
          title="The bound in three parts", source="DDPM eq. (5)",
          slips={"sum from t = 1, no prior term (a blog)":
                 Equation(f"E_path(-{RATIO})", f"E_path(Sum(KL({POST}, {STEP}), t, 1, T) - ln({FIRST}))"),
                 "no prior term": Equation(f"E_path(-{RATIO})", f"Sum({L_t}, t, 2, T) + {L_0}")})
def _(s):
    yield "T = 3 in rational numbers; for every T by Bayes, telescoping and induction", same(s.lhs, s.rhs)
