"""Networks that need no training: the best eps, the score, and both for a mixture (notebooks 06, 09).

All of it is about one time t, so that alpha_bar_t is a free number here (`alone`).
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..kernel import S, bell, conditional, log_normal, moments, noise, path
from ..registry import equation
from ..statements import Equation, label
from ..symbols import symbol
from .sampling import within

symbol("q_xt", "q(x_t)", "positive", "x_t")
symbol("r_i", "r_i", "unit", "w_i")
symbol("w_i", "w_i", "unit", "r_i")
symbol("m_i", "m_i", mistaken_for="x_0")
symbol("v_i", "v_i", "positive", "m_i")
SIZE = 2                                                            # components or examples in proofs
BAR = S("alpha_bar_T")                                              # stands for alpha_bar_t, any number


def alone(expr: sp.Expr) -> sp.Expr:
    """alpha_bar_t as a free symbol, not as alpha_t times alpha_bar_{t-1}."""
    return expr.subs(S("alpha_bar_t"), BAR)


def given(x0: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Mean and variance of x_t given x_0 (`closed-form`)."""
    return sp.sqrt(BAR) * x0, 1 - BAR


def number(name: str, i: int) -> sp.Symbol:
    """The i-th of a family: r_2 of r_i."""
    return sp.Symbol(f"{name[:-2]}_{i}", real=True, positive=None if name == "m_i" else True)


def example(i: int) -> sp.Symbol:
    return sp.Symbol(f"example_{i}", real=True)


def spelled(expr: sp.Expr) -> sp.Expr:
    """Sums over i as SIZE terms."""
    def terms(term: sp.Expr, limits: sp.Tuple) -> sp.Expr:
        low, high = int(limits[1]), int(limits[2].subs(S("n"), SIZE))
        return sum((which(term, k) for k in range(low, high + 1)), sp.Integer(0))

    return alone(expr.replace(sp.Sum, terms))


def which(expr: sp.Expr, i: int) -> sp.Expr:
    """What an expression says of component or example i."""
    names = {S(name): number(name, i) for name in ("r_i", "w_i", "m_i", "v_i")}
    return expr.subs(names | {sp.Function("datum")(S("i")): example(i)})


def told(expr: sp.Expr) -> sp.Expr:
    """Every N(x, mean, var) by exponent and factor, held apart by a free tau: equal when both are equal."""
    def pair(x: sp.Expr, mean: sp.Expr, var: sp.Expr) -> sp.Expr:
        exponent, factor = bell(x, mean, var)
        return exponent + S("tau") * factor

    return expr.replace(sp.Function("N"), pair)


@cache
def component(i: int) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """x_t, its noise and x_0, for data from the i-th component N(m_i, v_i)."""
    e = noise("total")
    x0 = number("m_i", i) + sp.sqrt(number("v_i", i)) * noise("data")
    mean, var = given(x0)
    return mean + sp.sqrt(var) * e, e, x0


def slope(mean: sp.Expr, var: sp.Expr) -> sp.Expr:
    """d/dx_t log N(x_t; mean, var)."""
    return sp.diff(log_normal(S("x_t"), mean, var), S("x_t"))


def any_data() -> sp.Expr:
    """The score of q(x_t), whatever the data, when E[x_0 | x_t] = mu: it is the average over q(x_0 | x_t) of
    d/dx_t log q(x_t | x_0), and that is linear in x_0."""
    return slope(*given(S("x_0"))).subs(S("x_0"), S("mu"))


@cache
def fisher() -> tuple[str, sp.Expr]:
    """Two values of x_0 with any weights; the same holds under an integral."""
    logs = [log_normal(S("x_t"), *given(example(i))) for i in (1, 2)]
    parts = [number("w_i", i) * sp.exp(log) for i, log in enumerate(logs, 1)]
    average = sum(part * sp.diff(log, S("x_t")) for part, log in zip(parts, logs, strict=True)) / sum(parts)
    return ("q(x_t)' is a sum over x_0: the score is the average over q(x_0 | x_t) of the kernel's scores",
            sp.diff(sp.log(sum(parts)), S("x_t")) - average)


@equation("tweedie", Equation(label(r"\mathbb E[x_0 \mid x_t]"),
                              "(x_t + (1 - alpha_bar_t)*score_t)/sqrt(alpha_bar_t)"),
          title="Tweedie's formula", source="Efron 2011")
def _(s):
    rhs = alone(s.rhs)
    yield fisher()
    yield "any data: the average of the kernel's own scores", rhs.subs(S("score_t"), any_data()) - S("mu")
    x_t, _, x_0 = component(1)
    best = conditional(x_0, x_t, S("x_t"))[0]
    yield "Gaussian data, by conditioning", rhs.subs(S("score_t"), slope(*moments(x_t))) - best


@equation("score-eps",
          Equation(label(r"\mathbb E[\varepsilon \mid x_t]"), "-(sqrt(1 - alpha_bar_t)*score_t)"),
          title="The best eps is the score, scaled", source="Song, Ermon 2019; DDPM section 3.2")
def _(s):
    mean, var = given(S("mu"))
    eps = (S("x_t") - mean) / sp.sqrt(var)
    rhs = alone(s.rhs).subs(S("score_t"), any_data())
    yield fisher()
    yield "any data: the noise that E[x_0 | x_t] leaves of x_t", rhs - eps


@equation("ancestral-score-form",
          Equation("x_prev", "1/sqrt(alpha_t)*(x_t + beta_t*score_t) + sigma_t*z"),
          title="Algorithm 2 is a step up the score, and noise", source="DDPM section 3.2")
def _(s):
    score = any_data().subs(BAR, S("alpha_bar_t"))
    mean = conditional(within(s.lhs), path()["x_t"], S("x_t"))[0].subs(S("x_0"), S("mu"))
    here = s.rhs.subs({S("z"): 0, S("score_t"): score})
    yield "without z: the posterior's mean at E[x_0 | x_t]", here - mean
    yield "z enters with the step's standard deviation", sp.diff(s.rhs, S("z")) - S("sigma_t")


@equation("mixture-density",
          Equation(label("q(x_t)"), "Sum(w_i*N(x_t, sqrt(alpha_bar_t)*m_i, "
                                    "alpha_bar_t*v_i + 1 - alpha_bar_t), i, 1, n)"),
          title="A mixture stays a mixture", tier="exact")
def _(s):
    """Noise is added to each component by itself."""
    laws = [bell(S("x_t"), *moments(component(i)[0])) for i in range(1, SIZE + 1)]
    truth = sum(number("w_i", i) * (e + S("tau") * f) for i, (e, f) in enumerate(laws, 1))
    yield "two components: the sum of their laws by the kernel", told(spelled(s.rhs)) - truth


@equation("mixture-weights",
          Equation("r_i", "w_i*N(x_t, sqrt(alpha_bar_t)*m_i, alpha_bar_t*v_i + 1 - alpha_bar_t)/q_xt"),
          title="Which component x_t came from", source="Bayes")
def _(s):
    exponent, factor = bell(S("x_t"), *moments(component(1)[0]))
    joint = number("w_i", 1) * (exponent + S("tau") * factor)
    share = told(alone(which(s.rhs, 1)))
    yield "Bayes: prior times likelihood, over the density of x_t", share - joint / S("q_xt")
    yield "the left side is this share", s.lhs - S("r_i")


@equation("bayes-eps-mixture",
          Equation("eps_hat", "sqrt(1 - alpha_bar_t)*Sum(r_i*((x_t - sqrt(alpha_bar_t)*m_i)"
                              "/(alpha_bar_t*v_i + 1 - alpha_bar_t)), i, 1, n)"),
          title="The best eps for a mixture", tier="exact")
def _(s):
    """r_i is the probability of component i given x_t (`mixture-weights`)."""
    rhs, truth, score = spelled(s.rhs), sp.Integer(0), sp.Integer(0)
    for i in range(1, SIZE + 1):
        x_t, e, _ = component(i)
        truth += number("r_i", i) * conditional(e, x_t, S("x_t"))[0]
        score += number("r_i", i) * slope(*moments(x_t))
    yield "two components: their conditional means of eps, averaged", rhs - truth
    yield "the same from the score of the mixture", rhs + sp.sqrt(1 - BAR) * score
    yield "the left side is the best guess", s.lhs - S("eps_hat")
