"""S4, equations (52) to (76): the posterior of the forward process by completing the square."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..kernel import S, bell, conditional, log_normal, moments, noise, path, step
from ..statements import Equation, GaussianLaw, Joined, Words, label
from . import correct, up_to, wrong


@cache
def laws() -> list[tuple[sp.Expr, sp.Expr, sp.Expr]]:
    """q(x_t | x_{t-1}), q(x_{t-1} | x_0), q(x_t | x_0) as (variable, mean, variance), from the kernel."""
    return [(S("x_t"), *moments(step(S("x_prev"), S("alpha_t"), noise("t")))),
            (S("x_prev"), *moments(path()["x_prev"])), (S("x_t"), *moments(path()["x_t"]))]


@cache
def exponent() -> sp.Expr:
    """The exponent of Bayes' ratio of the three, complete."""
    two, one, far = (bell(*law)[0] for law in laws())
    return -(two + one - far) / 2


@cache
def kept() -> sp.Expr:
    """Its terms that hold x_{t-1}."""
    return sp.expand(exponent()) - sp.expand(exponent()).subs(S("x_prev"), 0)


def whole_exponent(s):
    yield "Bayes' ratio of three bells, terms free of x_{t-1} included", s.rhs - exponent()


def kept_exponent(s):
    yield "the part of the exponent that x_{t-1} moves, its value included", s.rhs - kept()


def left_out(s):
    yield "no x_{t-1} in it", sp.diff(s.rhs, S("x_prev"))
    yield "what is left out and what is kept make the whole exponent", s.rhs + kept() - exponent()


def factor(s):
    """What stands before the exponentials."""
    two, one, far = (log_normal(*law) for law in laws())
    yield "the ratio of the densities over the exponential", two + one - far - exponent() - sp.log(s.rhs)


def three_laws(s):
    for i, (variable, mean, var) in enumerate(laws()):
        yield f"factor {i + 1}: its variable", s.slots[f"variable{i}"].expr - variable
        yield f"factor {i + 1}: its mean", s.slots[f"mean{i}"].expr - mean
        yield f"factor {i + 1}: its variance", s.slots[f"var{i}"].expr - var


def density(s):
    yield "the kernel's density of N(y; mu, sigma^2)", \
        sp.log(s.rhs) - log_normal(S("y"), S("mu"), S("sigma") ** 2)


def sides(s):
    yield "both sides multiplied out", s.lhs - s.rhs


@cache
def posterior_mean() -> sp.Expr:
    return conditional(path()["x_prev"], path()["x_t"], S("x_t"))[0]


def whole(text: str):
    """A printed line: log q(x_{t-1} | x_t, x_0) up to what holds alphas alone."""
    return Words(r"\log q(x_{t-1} \mid x_t, x_0) = <<rhs>> + c_1", rhs=text)


def part(text: str):
    """A printed line: the same up to all that is free of x_{t-1}."""
    return Words(r"\log q(x_{t-1} \mid x_t, x_0) = <<rhs>> + c_2", rhs=text)


WHOLE, KEPT = "the whole exponent of Bayes' ratio", "the part of the exponent that holds $x_{t-1}$"
MEAN = ("sqrt(alpha_bar_prev)*beta_t/(1 - alpha_bar_t)*x_0"
        " + sqrt(alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t)*x_t")

wrong("S4.i18", "posterior", r"The forward process is $q(x_t \mid x_{t-1})$. What $p_\theta$ is compared "
      r"with is its posterior, another law: it runs back in time, and its mean leans on $x_0$. DDPM's own "
      "words are “forward process posteriors”.")
wrong("S4.i19", "closed-form", r"Given $x_0$ only the law of $x_t$ is known: its variance $1-\bar\alpha_t$ "
      r"is not 0, so $x_t$ and $x_{t-1}$ stay random. What is gained is that their joint law is a known "
      "Gaussian.",
      printed=GaussianLaw("x_t", "sqrt(alpha_bar_t)*x_0", "0", given="x_0"))
correct("S4.e52 S4.e53", "posterior", printed=GaussianLaw(
    "x_prev", MEAN, "(1 - alpha_bar_prev)/(1 - alpha_bar_t)*beta_t", given="x_t x_0"))
correct("S4.e54", "bayes-posterior", r"Bayes' rule with $x_0$ given throughout, for $t \ge 2$.")

E55 = Joined(GaussianLaw("x_t", "sqrt(alpha_t)*x_prev", "1 - alpha_t"),
             GaussianLaw("x_prev", "sqrt(alpha_bar_prev)*x_0", "1 - alpha_bar_prev"),
             GaussianLaw("x_t", "sqrt(alpha_bar_t)*x_0", "1 - alpha_bar_t"))
up_to("S4.e55", "the three laws, from the kernel", r"A bracket closes too early, after "
      r"$\sqrt{\bar\alpha_{t-1}}\,x_0$, and leaves the variance outside the second law; all three are right.",
      check=three_laws, printed=E55,
      corrected=r"$\mathcal N\left(x_{t-1};\ \sqrt{\bar\alpha_{t-1}}\,x_0,\ (1-\bar\alpha_{t-1})I\right)$")
correct("S4.e56", "bayes-posterior", "The number stands apart from its line, which only says what (55) did.")
correct("S4.e57", "the density of a Gaussian, by its logarithm", "In one dimension.", check=density,
        printed=Equation(label(r"\mathcal N(y; \mu, \sigma^2)"),
                         "1/(sigma*sqrt(2*pi))*exp(-1/2*((y - mu)/sigma)**2)"))
correct("S4.e58", "the factor that is left out", r"It holds nothing but $\alpha$s: a constant in "
        "$x_{t-1}$, and in $x_t$ and $x_0$ too.", check=factor, printed=Equation(label("f"),
        "sqrt((1 - alpha_bar_t)/(2*pi*(1 - alpha_t)*(1 - alpha_bar_prev)))"))

FIRST = "-(1/2*((x_t - sqrt(alpha_t)*x_prev)/sqrt(1 - alpha_t))**2)"
wrong("S4.e59", WHOLE, r"The second and third exponential have $\alpha$ for $\bar\alpha$: given $x_0$ the "
      r"mean is $\sqrt{\bar\alpha}\,x_0$ and the variance $1-\bar\alpha$. Line (60) has the bars again.",
      check=whole_exponent,
      printed=whole(FIRST + " - 1/2*((x_prev - sqrt(alpha_prev)*x_0)/sqrt(1 - alpha_prev))**2"
                   " + 1/2*((x_t - sqrt(alpha_t)*x_0)/sqrt(1 - alpha_t))**2"),
      right=whole(FIRST + " - 1/2*((x_prev - sqrt(alpha_bar_prev)*x_0)/sqrt(1 - alpha_bar_prev))**2"
                 " + 1/2*((x_t - sqrt(alpha_bar_t)*x_0)/sqrt(1 - alpha_bar_t))**2"))
correct("S4.e60", WHOLE, check=whole_exponent, printed=whole(
    FIRST + " - 1/2*((x_prev - sqrt(alpha_bar_prev)*x_0)/sqrt(1 - alpha_bar_prev))**2"
    " + 1/2*((x_t - sqrt(alpha_bar_t)*x_0)/sqrt(1 - alpha_bar_t))**2"))
correct("S4.e61", WHOLE, check=whole_exponent, printed=whole(
    "-(1/2*((x_t - sqrt(alpha_t)*x_prev)**2/(1 - alpha_t)"
    " + (x_prev - sqrt(alpha_bar_prev)*x_0)**2/(1 - alpha_bar_prev)"
    " - (x_t - sqrt(alpha_bar_t)*x_0)**2/(1 - alpha_bar_t)))"))
correct("S4.e62", "multiplied out", check=sides, printed=Equation("(a - b)**2", "a**2 - 2*a*b + b**2"))

SQUARE1 = "(x_t**2 - 2*sqrt(alpha_t)*x_prev*x_t + alpha_t*x_prev**2)/(1 - alpha_t)"
CROSS2 = "x_prev**2 - 2*sqrt(alpha_bar_prev)*x_prev*x_0"
SQUARE3 = "(x_t**2 - 2*sqrt(alpha_bar_t)*x_0*x_t + alpha_bar_t*x_0**2)/(1 - alpha_bar_t)"
wrong("S4.e63", WHOLE, "The last term of the second square lacks its $x_0^2$. No $x_{t-1}$ is in it, so the "
      "posterior comes out right all the same: only the whole exponent shows the slip.",
      check=whole_exponent,
      printed=whole(f"-(1/2*({SQUARE1} + ({CROSS2} + alpha_bar_prev)/(1 - alpha_bar_prev) - {SQUARE3}))"),
      right=whole(f"-(1/2*({SQUARE1} + ({CROSS2} + alpha_bar_prev*x_0**2)/(1 - alpha_bar_prev)"
                  f" - {SQUARE3}))"))
correct("S4.e63b", "multiplied out", "The second row of (63) is right; its number is garbled.", check=sides,
        printed=Equation("-(x_t - sqrt(alpha_bar_t)*x_0)**2/(1 - alpha_bar_t)", f"-{SQUARE3}"))
correct("S4.e64 S4.e65", "the terms without $x_{t-1}$", "They make a factor without $x_{t-1}$: a constant "
        "for a law of $x_{t-1}$, though not for a law of $x_t$ or $x_0$.", check=left_out, printed=Equation(
            label("r"), "-(1/2*(x_t**2/(1 - alpha_t) + alpha_bar_prev*x_0**2/(1 - alpha_bar_prev)"
            " - (x_t - sqrt(alpha_bar_t)*x_0)**2/(1 - alpha_bar_t)))"))
correct("S4.e66", KEPT, check=kept_exponent, printed=part(
    "-(1/2*((-2*sqrt(alpha_t)*x_prev*x_t + alpha_t*x_prev**2)/(1 - alpha_t)"
    " + (x_prev**2 - 2*sqrt(alpha_bar_prev)*x_prev*x_0)/(1 - alpha_bar_prev)))"))
correct("S4.e67", KEPT, check=kept_exponent, printed=part(
    "-(1/2*(-2*sqrt(alpha_t)*x_prev*x_t/(1 - alpha_t) + alpha_t*x_prev**2/(1 - alpha_t)"
    " + x_prev**2/(1 - alpha_bar_prev) - 2*sqrt(alpha_bar_prev)*x_prev*x_0/(1 - alpha_bar_prev)))"))

LINEAR = "(sqrt(alpha_bar_prev)*x_0/(1 - alpha_bar_prev) + sqrt(alpha_t)*x_t/(1 - alpha_t))"
SLIP = "(sqrt(alpha_prev)*x_0/(1 - alpha_bar_prev) + sqrt(alpha_t)*x_t/(1 - alpha_t))"
PRECISION = "(1 - alpha_bar_t)/((1 - alpha_t)*(1 - alpha_bar_prev))"
correct("S4.e68", KEPT, check=kept_exponent, printed=part(
    f"-(1/2*(x_prev**2*(alpha_t/(1 - alpha_t) + 1/(1 - alpha_bar_prev)) - 2*x_prev*{LINEAR}))"))
correct("S4.e69", KEPT, check=kept_exponent, printed=part(
    f"-(1/2*(x_prev**2*({PRECISION}) - 2*x_prev*{LINEAR}))"))


def e70(linear: str):
    return part(f"-(1/2*({PRECISION})*(x_prev**2 - 2*x_prev*({linear}/({PRECISION}))))")


def e71(linear: str):
    return part(f"-(1/2*({PRECISION})*(x_prev**2 - 2*x_prev*({linear}*(1 - alpha_t)*(1 - alpha_bar_prev)"
                "/(1 - alpha_bar_t))))")


for _name, _form in (("S4.e70", e70), ("S4.e71", e71)):
    wrong(_name, KEPT, r"The bar over $\alpha_{t-1}$ in front of $x_0$ is missing; (69) and (72) have it.",
          check=kept_exponent, printed=_form(SLIP), right=_form(LINEAR))
correct("S4.e72", KEPT, check=kept_exponent, printed=part(
    f"-(1/2*({PRECISION})*(x_prev**2 - 2*x_prev*((sqrt(alpha_bar_prev)*x_0*(1 - alpha_t)"
    " + sqrt(alpha_t)*x_t*(1 - alpha_bar_prev))/(1 - alpha_bar_t))))"))
CENTRE = ("sqrt(alpha_bar_prev)*(1 - alpha_t)/(1 - alpha_bar_t)*x_0"
          " + sqrt(alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t)*x_t")
correct("S4.e73", KEPT, check=kept_exponent, printed=part(
    "-(1/2*(1/((1 - alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t)))"
    f"*(x_prev**2 - 2*x_prev*({CENTRE})))"))
correct("S4.e74 S4.e75 S4.i36", "posterior", "Both are densities of $x_{t-1}$, so proportional means equal.",
        printed=GaussianLaw("x_prev", CENTRE, "(1 - alpha_bar_prev)/(1 - alpha_bar_t)*(1 - alpha_t)",
                            given="x_t x_0"))
correct("S4.e76", "alpha", r"The definition of $\alpha_t$, read backwards.")
