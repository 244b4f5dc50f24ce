"""S4, equations (37) to (51): from one noisy step to any time in one jump."""

from __future__ import annotations

from functools import cache

import sympy as sp
from sympy.core.function import AppliedUndef

from ..kernel import S, moments, noise, step
from ..statements import Equation, GaussianLaw, label
from . import correct, up_to, wrong


def drawn(expr: sp.Expr) -> sp.Expr:
    """Each eps(..) becomes a standard normal number of its own."""
    def is_noise(e: sp.Basic) -> bool:
        return isinstance(e, AppliedUndef) and e.func.__name__ == "eps"

    return expr.replace(is_noise, lambda e: noise(str(e.args[0]).replace(" ", "")))


@cache
def two_steps() -> sp.Expr:
    """x_t from x_{t-2}; the noise of a step carries the time at which the step starts, as in the document."""
    before = step(S("x_prev2"), S("alpha_prev"), noise("t-2"))
    return step(before, S("alpha_t"), noise("t-1"))


def pointwise(s):
    """The line's x_{t-1}, if it has one, is the kernel's."""
    here = drawn(s.rhs).subs(S("x_prev"), step(S("x_prev2"), S("alpha_prev"), noise("t-2")))
    yield "two steps of the kernel, number for number", here - two_steps()


def _same_law(expr: sp.Expr, truth: sp.Expr):
    noises = [e for e in expr.free_symbols if e.name.startswith("noise_")]
    for e in noises:
        yield "the noise stands outside every root", sp.diff(expr, e, 2)
    (mean, var), (true_mean, true_var) = moments(expr), moments(truth)
    yield "the mean of what the kernel makes", mean - true_mean
    yield "and its variance", var - true_var


def in_law(s):
    """Two steps; the two noises have become one, so only the law can agree."""
    yield from _same_law(drawn(s.rhs), two_steps())


def jump(s):
    """t = 3, every alpha another: products written out against three steps of the kernel."""
    shares = [S("alpha_prev"), S("alpha_t"), S("alpha_next")]
    here = s.rhs.subs(S("alpha_bar_t"), sp.prod(shares)).subs(S("t"), 3).doit()
    here = here.replace(sp.Function("alpha", positive=True), lambda k: shares[int(k) - 1])
    truth = S("x_0")
    for i, share in enumerate(shares):
        truth = step(truth, share, noise(f"step{i}"))
    yield from _same_law(drawn(here), truth)


def line(text: str):
    """One printed line of the derivation: x_t."""
    return Equation(label("x_t"), text)


START = "sqrt(alpha_t*alpha_prev)*x_prev2"
STEPS, LAW = "two steps of the kernel, number for number", "the law of $x_t$ given $x_{t-2}$"
MERGED = line(f"{START} + sqrt(1 - alpha_t*alpha_prev)*eps(t - 2)")
ROOT = "As printed (the bars of the roots may have suffered in the scan) "

correct("S4.i16", "closed-form", "The jump is one draw instead of $t$.")
correct("S4.e37", "closed-form")
correct("S4.e38", STEPS, "The noise of a step carries the time at which the step starts.", check=pointwise,
        printed=line("sqrt(alpha_t)*x_prev + sqrt(1 - alpha_t)*eps(t - 1)"))
correct("S4.e39", STEPS, check=pointwise, printed=line(
    "sqrt(alpha_t)*(sqrt(alpha_prev)*x_prev2 + sqrt(1 - alpha_prev)*eps(t - 2))"
    " + sqrt(1 - alpha_t)*eps(t - 1)"))
correct("S4.e40 S4.e41", STEPS, check=pointwise, printed=line(
    f"{START} + sqrt(alpha_t - alpha_t*alpha_prev)*eps(t - 2) + sqrt(1 - alpha_t)*eps(t - 1)"))
up_to("S4.i17", "variance-of-sum", r"Only for independent (or jointly normal and uncorrelated) variables: "
      r"with a correlation $\rho$ the variance of the sum has a third term. The noises of two steps are "
      "independent, so the step holds.", false=True,
      printed=Equation(label(r"\operatorname{Var}(x + y)"), "sigma**2 + tau**2"))
wrong("S4.e42", LAW, ROOT + r"the first root holds no noise and shifts the mean, and $1-\alpha_t^2$ stands "
      r"where $\sqrt{1-\alpha_t}^2$ belongs; one root must cover the sum of both squares.", check=in_law,
      printed=line(f"{START} + sqrt(sqrt(alpha_t - alpha_t*alpha_prev)**2)"
                   " + sqrt(1 - alpha_t**2)*eps(t - 2)"),
      right=line(f"{START} + sqrt(sqrt(alpha_t - alpha_t*alpha_prev)**2 + sqrt(1 - alpha_t)**2)*eps(t - 2)"))
up_to("S4.e43", "merge-two-steps", "The new noise is the scaled mix of the two old ones, so the note is "
      "right that it is another variable; from (42) on the equality sign holds in law unless the noise is "
      "defined as that mix. The number is printed twice, once cut to “(4)”.")
wrong("S4.e44", LAW, ROOT + r"$1-\alpha_t\varepsilon$ stands outside the root: the mean gains constants and "
      "the variance is another.", check=in_law,
      printed=line(f"{START} + sqrt(alpha_t - alpha_t*alpha_prev) + 1 - alpha_t*eps(t - 2)"),
      right=line(f"{START} + sqrt(alpha_t - alpha_t*alpha_prev + 1 - alpha_t)*eps(t - 2)"))
wrong("S4.e45", LAW, ROOT + "the noise stands under the root: the line isn't linear in it, so not normal, "
      "and not real for large noise.", check=in_law,
      printed=line(f"{START} + sqrt(1 - alpha_t*alpha_prev*eps(t - 2))"), right=MERGED)
correct("S4.e46", "closed-form", "“Keep substituting” is an induction over $t$; the number is theirs.")
wrong("S4.e47", "the law of $x_t$ given $x_0$, three steps written out", ROOT + r"$x_0$ and the noise stand "
      r"under the roots: the mean must be proportional to $x_0$, the noise a factor outside.", check=jump,
      printed=line("sqrt(Prod(alpha(s), s, 1, t)*x_0) + sqrt(1 - Prod(alpha(s), s, 1, t)*eps(0))"),
      right=line("sqrt(Prod(alpha(s), s, 1, t))*x_0 + sqrt(1 - Prod(alpha(s), s, 1, t))*eps(0)"))
correct("S4.e48", "alpha-bar-product", "A definition.")
correct("S4.e49", "the law of $x_t$ given $x_0$, three steps written out", "Three steps; for every $t$ (37).",
        check=jump, printed=line("sqrt(alpha_bar_t)*x_0 + sqrt(1 - alpha_bar_t)*eps(0)"))
correct("S4.e50", "closed-form", printed=GaussianLaw(
    "x_t", "sqrt(alpha_bar_t)*x_0", "1 - alpha_bar_t", given="x_0"))
correct("S4.e51", "closed-form-sample", "No equation carries this number; the sentence holds.")
