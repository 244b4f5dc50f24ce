"""The posterior q(x_{t-1} | x_t, x_0) by Bayes: DDPM eqs. (6) and (7), notebook 03."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import sympy as sp

from ..kernel import S, bell, conditional, moments, noise, path
from ..registry import Absurd, equation
from ..statements import Chain, Equation, Joined, Words, label


@cache
def law(variable: str, *given: str) -> tuple[sp.Expr, sp.Expr]:
    """Mean and variance of x_0, x_prev or x_t given others, from the kernel's steps. Without x_0
    given, the data are Gaussian with mean 0 and variance V."""
    names = ("x_0", "x_prev", "x_t")
    seen = [name for name in given if name != "x_0"]
    known = {variable, *given} <= set(names) and len({variable, *given}) == 1 + len(given)
    if not known or len(seen) > 1:
        raise Absurd(f"there is no law of {variable} given {', '.join(given)}")
    here = {name: path()[name] for name in names}
    if "x_0" not in given:
        here = {name: one.subs(S("x_0"), sp.sqrt(S("V")) * noise("data")) for name, one in here.items()}
    mean, var = conditional(here[variable], here[seen[0]], S(seen[0])) if seen else moments(here[variable])
    return sp.factor(mean), sp.factor(var)


def density(expr: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """A product or quotient of densities q(. | .) and N(.; ., .) as sqrt(f) exp(-e / 2): the pair e, f."""
    e, f = sp.Integer(0), expr**2
    if expr.as_coeff_Mul()[0].is_negative:
        raise Absurd("a density is positive")
    for call in expr.atoms(sp.core.function.AppliedUndef):
        names = [str(arg) for arg in call.args]
        x, mean, var = call.args if call.func.__name__ == "N" else (call.args[0], *law(*names))
        e += expr.as_powers_dict()[call] * (x - mean) ** 2 / var
        f = f.subs(call, 1 / sp.sqrt(2 * sp.pi * var))
    return e, f


def alike(reason: str, one: sp.Expr, other: sp.Expr) -> Iterator[tuple[str, sp.Expr]]:
    """The residuals of a claim on densities: nothing left over in the exponent, nor in front."""
    (e, f), (e_other, f_other) = density(one), density(other)
    yield reason, e - e_other
    yield "and the factors in front of the exponentials agree too", f - f_other


@cache
def squares() -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """-2 log of likelihood, prior and evidence, each without its factor in front."""
    return (bell(S("x_t"), *law("x_t", "x_prev"))[0], bell(S("x_prev"), *law("x_prev", "x_0"))[0],
            bell(S("x_t"), *law("x_t", "x_0"))[0])


@cache
def precision_and_pull() -> tuple[sp.Expr, sp.Expr]:
    """P and B of the exponent P x_{t-1}^2 - 2 B x_{t-1} + ..."""
    x, e = S("x_prev"), sum(squares()[:2])
    return sp.diff(e, x, 2) / 2, -sp.diff(e, x).subs(x, 0) / 2


@equation("likelihood-bell", Chain("q(x_t, x_prev)", "N(x_t, sqrt(alpha_t)*x_prev, beta_t)",
                                   "1/sqrt(alpha_t)*N(x_prev, x_t/sqrt(alpha_t), beta_t/alpha_t)"),
          title="The step, read as a function of where it came from",
          slips={"its centre put at x_t": Chain("q(x_t, x_prev)", "N(x_t, sqrt(alpha_t)*x_prev, beta_t)",
                                                "N(x_prev, x_t, beta_t)")})
def _(s):
    yield from alike("the step's density, DDPM eq. (2)", s.lhs, s.line0)
    yield from alike("the same, as a bell in x_{t-1}", s.line0, s.line1)


@equation("bayes-posterior", Chain("q(x_prev, x_t, x_0)", "q(x_t, x_prev, x_0)*q(x_prev, x_0)/q(x_t, x_0)",
                                   "q(x_t, x_prev)*q(x_prev, x_0)/q(x_t, x_0)"),
          title="Bayes' rule, with x_0 given throughout")
def _(s):
    yield from alike("Bayes' rule; each density by conditioning what the steps make", s.lhs, s.line0)
    yield from alike("the Markov property: from x_{t-1} on, x_0 adds nothing", s.line0, s.line1)


@cache
def area() -> sp.Expr:
    """The integral of exp(-P u^2/2 + B u) over all u, by SymPy."""
    bell = sp.exp(-S("V") * S("u") ** 2 / 2 + S("B") * S("u"))
    return sp.expand(sp.integrate(bell, (S("u"), -sp.oo, sp.oo)))


@equation("bell-integral", Words(r"\int_{-\infty}^{\infty} <<lhs>>\,\mathrm d u = <<rhs>>,\qquad P > 0",
                                 lhs="exp(-(P*u**2/2) + B*u)", rhs="sqrt(2*pi/P)*exp(B**2/(2*P))"),
          title="The area under a bell",
          excused={"lhs: sign of B * u": "true as well: the area is the same for B and -B"})
def _(s):
    """V stands for P: a positive symbol."""
    u, positive = S("u"), {S("P"): S("V")}
    exponent = sp.expand(sp.expand_log(sp.log(s.lhs.subs(positive)), force=True))
    if not exponent.is_polynomial(u) or sp.degree(exponent, u) != 2:
        raise Absurd("the integrand is no bell")
    p, b, c = -2 * exponent.coeff(u, 2), exponent.coeff(u, 1), exponent.coeff(u, 0)
    truth = area().subs({S("V"): p, S("B"): b}, simultaneous=True) * sp.exp(c)
    yield "integrated by SymPy for every P > 0", s.rhs.subs(positive) - truth


@equation("evidence", Words(r"\int <<lhs>>\,\mathrm d <<over>> = <<rhs>>", over="x_prev",
                            lhs="q(x_t, x_prev)*q(x_prev, x_0)",
                            rhs="N(x_t, sqrt(alpha_bar_t)*x_0, 1 - alpha_bar_t)"),
          title="The evidence makes the area 1",
          excused={"lhs: x_0 for x_prev": "true as well: q(x_t | x_0) times the area under another density"})
def _(s):
    """By `bell-integral`, with P and B read off the exponent."""
    if not s.over.is_Symbol:
        raise Absurd("an integral runs over a variable")
    e, f = density(s.lhs)
    P, B = sp.diff(e, s.over, 2) / 2, -sp.diff(e, s.over).subs(s.over, 0) / 2
    left, f_left = density(s.rhs)
    yield "the exponent that the integral leaves", e.subs(s.over, 0) - B**2 / P - left
    yield "and its factor in front", f * 2 * sp.pi / P - f_left
    yield "which is the closed form of notebook 02", left - squares()[2]


@equation("posterior-names", Joined(Equation(label("P"), "alpha_t/beta_t + 1/(1 - alpha_bar_prev)"),
                                    Equation(label("B"), "sqrt(alpha_t)*x_t/beta_t"
                                                         " + sqrt(alpha_bar_prev)*x_0/(1 - alpha_bar_prev)")),
          title="The two brackets, by name")
def _(s):
    P, B = precision_and_pull()
    yield "the coefficient of x_{t-1} squared", s.rhs0 - P
    yield "minus half the coefficient of x_{t-1}", s.rhs1 - B


NAME = r"-2\log q(x_{t-1} \mid x_t, x_0)"
BELLS = "(x_t - sqrt(alpha_t)*x_prev)**2/beta_t + (x_prev - sqrt(alpha_bar_prev)*x_0)**2/(1 - alpha_bar_prev)"
POWERS = ("(alpha_t/beta_t + 1/(1 - alpha_bar_prev))*x_prev**2"
          " - 2*(sqrt(alpha_t)*x_t/beta_t + sqrt(alpha_bar_prev)*x_0/(1 - alpha_bar_prev))*x_prev")


SQUARE = ("P*x_prev**2 - 2*B*x_prev", "P*(x_prev - B/P)**2")
ENDS = (" + c_1", " + c_2", " + c_2", " + c_3")


@equation("posterior-square", Chain(label(NAME), BELLS, POWERS, *SQUARE, endings=ENDS),
          title="Completing the square",
          slips={"sqrt(alpha_{t-1}) for sqrt(alpha_bar_{t-1}) (Xie and Gan, eq. 70)": Chain(
              label(NAME), BELLS, POWERS.replace("sqrt(alpha_bar_prev)", "sqrt(alpha_prev)"), *SQUARE,
              endings=ENDS)})
def _(s):
    x, (likelihood, prior, evidence), (P, B) = S("x_prev"), squares(), precision_and_pull()
    line2, line3 = (line.subs({S("P"): P, S("B"): B}) for line in (s.line2, s.line3))
    yield "line 1: the two bells multiplied", s.line0 - likelihood - prior
    yield "line 2: powers of x_{t-1} collected; the same slope in x_{t-1}", sp.diff(s.line1 - s.line0, x)
    yield "line 3: the brackets by name", line2 - s.line1
    yield "line 4: the square completed; the same slope in x_{t-1}", sp.diff(line3 - line2, x)
    yield "nothing dropped: line 4 is the exponent of the full ratio, evidence included", (
        line3 - likelihood - prior + evidence)
    yield "and c_3 is -log P + log 2 pi: the ratio's factors in front", (
        P / (2 * sp.pi) - density(sp.Function("q")(x, S("x_t"), S("x_0")))[1])


@equation("posterior-powers", Equation(label(NAME), POWERS, r"= c_2 +"),
          title="Everything without x_{t-1} in a constant")
def _(s):
    yield "the same slope in x_{t-1} as the two bells", sp.diff(s.rhs - sum(squares()[:2]), S("x_prev"))
    yield "no term without x_{t-1}", s.rhs.subs(S("x_prev"), 0)


THREE = (BELLS + " - (x_t - sqrt(alpha_bar_t)*x_0)**2/(1 - alpha_bar_t)")


@equation("posterior-exponent", Equation(label(NAME), THREE, r"= c +"),
          title="The full exponent: three bells",
          slips={"no bars (Xie and Gan, eq. 59)": Equation(label(NAME), THREE.replace("alpha_bar", "alpha")),
                 "alpha_bar_{t-1} for alpha_bar_{t-1} x_0^2 (Xie and Gan, eq. 63)": Equation(
                     label(NAME), "(x_t - sqrt(alpha_t)*x_prev)**2/beta_t + "
                     "(x_prev**2 - 2*sqrt(alpha_bar_prev)*x_prev*x_0 + alpha_bar_prev)/(1 - alpha_bar_prev)"
                     " - (x_t - sqrt(alpha_bar_t)*x_0)**2/(1 - alpha_bar_t)")})
def _(s):
    """Only logarithms of factors in front are left to c: no x."""
    likelihood, prior, evidence = squares()
    yield "likelihood, prior and evidence, as the kernel has them", s.rhs - likelihood - prior + evidence
    yield "a square again: the posterior's", s.rhs - density(
        sp.Function("q")(S("x_prev"), S("x_t"), S("x_0")))[0]
