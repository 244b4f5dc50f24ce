"""The best network of a finite set of examples: it remembers (notebooks 06, 09)."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..kernel import S, log_normal
from ..registry import equation
from ..statements import Equation, Words
from .exact import BAR, SIZE, alone, example, given, number, spelled


def _likelihood(i: int) -> sp.Expr:
    """log q(x_t | x_0 = example i)."""
    return log_normal(S("x_t"), *given(example(i)))


@cache
def _exponent() -> sp.Expr:
    """Log odds of example 2 against example 1."""
    return _likelihood(2) - _likelihood(1)


@equation("empirical-weights",
          Words(r"r_i \propto <<weight>>, \qquad r_1 + \dots + r_n = 1",
                weight="exp(-((x_t - sqrt(alpha_bar_t)*datum(i))**2/(2*(1 - alpha_bar_t))))"),
          title="How much each example counts", source="Bayes")
def _(s):
    """Equal priors: the shares are as the densities."""
    mean, var = given(example(1))
    bell = sp.exp(-sp.expand((S("x_t") - mean) ** 2 / (2 * var)))
    ours = alone(s.weight).subs(sp.Function("datum")(S("i")), example(1))
    yield "Bayes: the density of x_t given the example", ours - bell
    whole = sp.exp(_likelihood(1)).subs({S("x_t"): 0, example(1): 0})
    yield "up to a number that all examples share", sp.log(bell * whole) - _likelihood(1)


@equation("empirical-x0", Equation("x0_hat", "Sum(r_i*datum(i), i, 1, n)"),
          title="The best guess is a weighted mean of the examples", tier="exact")
def _(s):
    """Two examples. E[x_0 | x_t] is what the mean of their noises leaves of x_t."""
    eps = sum(number("r_i", i) * (S("x_t") - given(example(i))[0]) for i in range(1, SIZE + 1))
    shares = {number("r_i", SIZE): 1 - sum(number("r_i", i) for i in range(1, SIZE))}
    truth = ((S("x_t") - eps) / sp.sqrt(BAR)).subs(shares)
    yield "x_t less the mean noise, scaled back; the shares add up to 1", spelled(s.rhs).subs(shares) - truth
    yield "the left side is the best guess", s.lhs - S("x0_hat")


@equation("bayes-eps-empirical",
          Equation("eps_hat", "(x_t - sqrt(alpha_bar_t)*Sum(r_i*datum(i), i, 1, n))/sqrt(1 - alpha_bar_t)"),
          title="The best eps for a finite set", tier="exact")
def _(s):
    """A mixture without widths: given the example, the noise is known."""
    shares = {number("r_i", SIZE): 1 - sum(number("r_i", i) for i in range(1, SIZE))}
    noises = [(S("x_t") - mean) / sp.sqrt(var) for mean, var in map(given, map(example, range(1, SIZE + 1)))]
    truth = sum(number("r_i", i) * eps for i, eps in enumerate(noises, 1))
    yield "two examples: the noise that each leaves, averaged; the shares add up to 1", \
        (spelled(s.rhs) - truth).subs(shares)
    yield "the left side is the best guess", s.lhs - S("eps_hat")


@equation("empirical-last-step",
          Words(r"\begin{gathered} \frac{r_j}{r_i} = <<ratio>> \to <<limit>> \quad "
                r"\text{as } \bar\alpha_t \to 1, \\ \text{where } x^{(i)} \text{ is nearer to } x_t "
                r"\text{ than } x^{(j)} \end{gathered}",
                ratio="exp(((x_t - sqrt(alpha_bar_t)*datum(i))**2 - (x_t - sqrt(alpha_bar_t)*datum(j))**2)"
                      "/(2*(1 - alpha_bar_t)))", limit="0"),
          title="With or without noise, a training example comes out")
def _(s):
    """Every example has the same prior, so that shares are as q(x_t | x_0 = example)."""
    names = {sp.Function("datum")(S("i")): example(1), sp.Function("datum")(S("j")): example(2)}
    ratio = alone(s.ratio).subs(names)
    yield "Bayes with equal priors: one bell over the other", ratio - sp.exp(_exponent())
    here = {BAR: 1, example(1): S("x_t") + S("mu"), example(2): S("x_t") + S("nu")}
    top = sp.cancel(2 * (1 - BAR) * _exponent()).subs(here)
    yield "exponent times 2(1 - alpha_bar_t): at the end, a difference of squared distances", \
        top - (S("mu") ** 2 - S("nu") ** 2)
    gap, rest = sp.symbols("gap rest", positive=True)
    end = sp.limit(sp.exp(-gap / (2 * rest)), rest, 0, "+")
    yield "negative, and divided by what goes to 0: so the ratio dies out", s.limit - end
