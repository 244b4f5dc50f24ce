"""DPM-Solver++(2M): few steps by looking back once (Lu et al. 2022), notebook 09."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..kernel import S
from ..registry import equation
from ..statements import Chain, Equation, Joined, label
from ..symbols import symbol
from .ddim import gathered
from .sampling import closed, posterior

symbol("x0_hat_old", r"\hat x_0^{\mathrm{old}}", mistaken_for="x0_hat")
symbol("x0_ahead", r"\hat x_0^{\mathrm{ahead}}", mistaken_for="x0_hat")
symbol("h_old", r"h_{\mathrm{old}}", "positive", "h")
symbol("lambda_t", r"\lambda_t", mistaken_for="lambda_prev")
symbol("lambda_prev", r"\lambda_{t-1}", mistaken_for="lambda_t")


@cache
def scales() -> tuple[sp.Expr, sp.Expr, sp.Expr, sp.Expr]:
    """Signal and spread at t, then at t - 1."""
    mean, spread = closed()
    at = sp.sqrt(S("alpha_bar_prev"))
    return sp.diff(mean, S("x_0")), spread, at, sp.sqrt(1 - S("alpha_bar_prev"))


@cache
def stride() -> sp.Expr:
    """lambda_{t-1} - lambda_t."""
    a, b, a_prev, b_prev = scales()
    return sp.log(a_prev / b_prev) - sp.log(a / b)


def ddim() -> sp.Expr:
    """DDIM's step with sigma_t = 0, from x_t and the guess."""
    a, b, a_prev, b_prev = scales()
    return a_prev * S("x0_hat") + b_prev * (S("x_t") - a * S("x0_hat")) / b


@cache
def exact(guess: str) -> sp.Expr:
    """The integral over u from 0 to h of e^(u - h) guess(u): what a step adds to x_t b'/b, over a'.

    DDIM says x'/b' - x/b = x0_hat (e^lambda' - e^lambda) for a step in which x0_hat rests. So, in the limit
    of short steps, d(x/b) = x0_hat e^lambda d lambda, and with e^lambda' b' = a' this integral."""
    u, h = sp.symbols("u h", real=True)
    return sp.integrate(sp.exp(u - h) * {"constant": 1, "linear": u}[guess], (u, 0, h))


@cache
def exact_with_noise(guess: str) -> sp.Expr:
    """The same for algorithm 2. A step whose guess rests is x'/b' = e^-h x/b + (1 - e^-2h) x0_hat a'/b',
    so d(x e^lambda/b) = 2 e^(2 lambda) x0_hat d lambda; over a', with e^lambda' b' = a'."""
    u, h = sp.symbols("u h", real=True)
    return sp.integrate(2 * sp.exp(2 * (u - h)) * {"constant": 1, "linear": u}[guess], (u, 0, h))


@equation("half-log-snr", Chain("lambda_t", "log(sqrt(alpha_bar_t)/sqrt(1 - alpha_bar_t))", "log(SNR_t)/2",
                                relations=(":=", "=")),
          title="The time of DPM-Solver", source="DPM-Solver, section 2",
          inline=[r"\lambda = \log(\sqrt{\bar\alpha}/\sqrt{1-\bar\alpha})"])
def _(s):
    a, b = scales()[:2]
    yield "lambda is the logarithm of signal over noise in x_t", s.line0 - sp.log(a / b)
    yield "half that of the ratio of variances", s.line1 - sp.log(a**2 / b**2) / 2
    yield "the left side is its name", s.lhs - S("lambda_t")


FIRST = "sqrt(1 - alpha_bar_prev)/sqrt(1 - alpha_bar_t)*x_t - sqrt(alpha_bar_prev)*(exp(-h) - 1)"
AHEAD = "(x0_hat + h/(2*h_old)*(x0_hat - x0_hat_old))"
STRIDE = Equation("h", "lambda_prev - lambda_t")


def _strides(s) -> sp.Expr:
    """h as the second equation has it, with the two lambdas as half-log-snr has them."""
    a, b, a_prev, b_prev = scales()
    return s.rhs1.subs({S("lambda_t"): sp.log(a / b), S("lambda_prev"): sp.log(a_prev / b_prev)})


@equation("dpm-first-order", Joined(Equation("x_prev", f"{FIRST}*x0_hat"), STRIDE),
          title="DPM-Solver++ of first order is DDIM", source="DPM-Solver++ section 4")
def _(s):
    yield "e^h is the ratio of the two signal-to-noise ratios' roots", _strides(s) - stride()
    yield "with this h: DDIM's step at sigma = 0", s.rhs0.subs(S("h"), stride()) - ddim()
    yield "the left sides: the next x, and its stride", \
        s.lhs0 - S("x_prev") + S("tau") * (s.lhs1 - S("h"))


@equation("dpm-step",
          Joined(Equation("x_prev", f"{FIRST}*{AHEAD}"), STRIDE),
          title="DPM-Solver++(2M): look back once", source="DPM-Solver++ algorithm 2")
def _(s):
    """Exact for a guess that rests; for one that moves in a straight line in lambda, right up to h^2."""
    yield "h is the stride in lambda", _strides(s) - stride()
    yield "the left sides: the next x, and its stride", s.lhs0 - S("x_prev") + S("tau") * (s.lhs1 - S("h"))
    a, b, a_prev, b_prev = scales()
    yield "DDIM adds the guess times the change of e^lambda = a/b to x/b; short steps make it the integral", \
        ddim() / b_prev - S("x_t") / b - S("x0_hat") * (a_prev / b_prev - a / b)
    rests = s.rhs0.subs(S("x0_hat_old"), S("x0_hat"))
    truth = b_prev / b * S("x_t") + a_prev * exact("constant") * S("x0_hat")
    yield "a guess that rests: the exact step, which is DDIM's", rests - truth
    moves = sp.diff(s.rhs0, S("x0_hat_old")) * -S("h_old") / a_prev     # what a slope of 1 in lambda adds
    gap = moves - exact("linear")
    for order in range(3):
        here = sp.diff(gap, S("h"), order).subs(S("h"), 0)
        yield f"a guess that moves: the power {order} of h is right", here
    yield "it is told by two guesses alone", sp.diff(s.rhs0, S("x0_hat"), 2)


@equation("dpm-local-error",
          Equation(label(r"x_{t-1}^{\mathrm{2M}} - x_{t-1}^{\mathrm{exact}}"),
                   "sqrt(alpha_bar_prev)*(1 - exp(-h) - h/2*(1 + exp(-h)))*((x0_hat - x0_hat_old)/h_old)"),
          title="The error of one step, for a guess that is straight in lambda")
def _(s):
    a_prev = scales()[2]
    slope = (S("x0_hat") - S("x0_hat_old")) / S("h_old")
    ours = -(sp.exp(-S("h")) - 1) * S("h") / 2                          # the 2M term for a slope of 1
    yield "the 2M term less the exact integral", s.rhs - a_prev * (ours - exact("linear")) * slope
    for order in range(3):
        yield f"the power {order} of h is 0", sp.diff(s.rhs, S("h"), order).subs(S("h"), 0)
    third = sp.diff(s.rhs / (a_prev * slope), S("h"), 3).subs(S("h"), 0) / 6
    yield "the power 3 isn't: -1/12", third + sp.Rational(1, 12)


@equation("dpm-sde-step",
          gathered(Joined(Equation("x_prev", "sqrt(1 - alpha_bar_prev)/sqrt(1 - alpha_bar_t)*exp(-h)*x_t"
                                             " + sqrt(alpha_bar_prev)*(1 - exp(-(2*h)))*x0_ahead"
                                             " + sqrt(1 - alpha_bar_prev)*sqrt(1 - exp(-(2*h)))*z"),
                          Equation("x0_ahead", AHEAD), by=r" \\ ")),
          title="DPM-Solver++(2M) with noise", source="DPM-Solver++, SDE-DPM-Solver++(2M)")
def _(s):
    """Algorithm 2 for a guess that rests; for one that moves straight in lambda, right up to h^2."""
    step = s.rhs0.subs(S("x0_ahead"), s.rhs1)
    yield "the left sides: the next x, and the guess extended", \
        s.lhs0 - S("x_prev") + S("tau") * (s.lhs1 - S("x0_ahead"))
    still = step.subs({S("x0_hat_old"): S("x0_hat"), S("h"): stride()})
    mean, var = (v.subs(S("x_0"), S("x0_hat")) for v in posterior())
    yield "a guess that rests: the posterior's mean", still.subs(S("z"), 0) - mean
    yield "and its standard deviation", sp.diff(still, S("z")) - sp.sqrt(var)
    a_prev = scales()[2]
    rests = sp.diff(step.subs(S("x0_hat_old"), S("x0_hat")), S("x0_hat")) / a_prev
    yield "it is the exact step, too", rests - exact_with_noise("constant")
    moves = sp.diff(step, S("x0_hat_old")) * -S("h_old") / a_prev       # what a slope of 1 in lambda adds
    gap = moves - exact_with_noise("linear")
    for order in range(3):
        here = sp.diff(gap, S("h"), order).subs(S("h"), 0)
        yield f"a guess that moves: the power {order} of h is right", here
    yield "it is told by two guesses alone", sp.diff(step, S("x0_hat"), 2)
