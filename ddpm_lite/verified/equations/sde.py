"""Ever smaller steps: the score SDE, the ways back, and DDIM (Song et al. 2021)."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..formula import reduced
from ..kernel import S, log_normal, moments, noise, step
from ..registry import equation
from ..statements import Equation, Statement, Words, label
from ..symbols import symbol
from .dpm import ddim
from .sampling import closed, of_data

symbol("beta_u", r"\beta(u)", "positive", "beta_t")
symbol("alpha_bar_u", r"\bar\alpha(u)", "unit", "alpha_bar_t")
symbol("score_u", r"\nabla\log q_u(x)", mistaken_for="x")
SLOPE = sp.Symbol("slope", real=True)                               # of the score, at any point


@cache
def limits() -> tuple[sp.Expr, sp.Expr]:
    """Drift and diffusion of the forward kernel with beta = beta(u) du, as du goes to 0."""
    du = sp.Symbol("du", positive=True)
    after = step(S("x"), 1 - S("beta_u") * du, noise("u"))
    drift = sp.limit((moments(after)[0] - S("x")) / du, du, 0, "+")
    return drift, sp.limit(after.coeff(noise("u")) / sp.sqrt(du), du, 0, "+")


def divergence(stream: sp.Expr) -> sp.Expr:
    """(stream times q)' / q, where q' = q score and the score's slope is SLOPE."""
    score = S("score_u")
    return sp.diff(stream, S("x")) + sp.diff(stream, score) * SLOPE + stream * score


def spreading() -> sp.Expr:
    """g^2 q'' / 2q."""
    return limits()[1] ** 2 / 2 * (SLOPE + S("score_u") ** 2)


def _sde(drift: str) -> Statement:
    return Words(r"dx = <<drift>>\,du + <<diffusion>>\,dw", drift=drift, diffusion="sqrt(beta_u)")


@equation("sde-link", _sde("-(beta_u/2*x)"),
          title="The forward process with ever smaller steps", source="Song et al. 2021, eq. (11)",
          slips={"no half": _sde("-(beta_u*x)")})
def _(s):
    drift, diffusion = limits()
    yield "the mean's change in a step, over du, as du goes to 0", s.drift - drift
    yield "the noise of a step, over the root of du", s.diffusion - diffusion


@equation("sde-alpha-bar", Equation(label(r"\frac{d\bar\alpha(u)}{du}"), "-(beta_u*alpha_bar_u)"),
          title="alpha_bar with ever smaller steps")
def _(s):
    du = sp.Symbol("du", positive=True)
    after = (1 - S("beta_u") * du) * S("alpha_bar_u")
    yield "one more factor 1 - beta(u) du", s.rhs - sp.limit((after - S("alpha_bar_u")) / du, du, 0)


@equation("reverse-sde",
          Words(r"dx = \left(<<drift>>\right) du + <<diffusion>>\,d\bar w, \qquad du < 0",
                drift="-(beta_u/2*x) - beta_u*score_u", diffusion="sqrt(beta_u)"),
          title="The way back, with noise", source="Song et al. 2021, eq. (6); Anderson 1982")
def _(s):
    """u falls. Fokker-Planck's equation of the way there and of the way back must agree, for any density."""
    forward = spreading() - divergence(limits()[0])                     # change of q over q, per du
    back = spreading() + divergence(s.drift)                            # the same per -du
    yield "what the way there does to any density, the way back undoes", forward + back
    yield "with the noise of the way there", s.diffusion - limits()[1]


@equation("probability-flow", Equation(label(r"\frac{dx}{du}"), "-(beta_u/2*(x + score_u))"),
          title="The way without noise: the probability flow", source="Song et al. 2021, eq. (13)",
          slips={"the whole score, as with noise":
                 Equation(label(r"\frac{dx}{du}"), "-(beta_u/2*x) - beta_u*score_u")})
def _(s):
    """The continuity equation of the flow against the Fokker-Planck equation of the SDE, at a point where the
    score and its slope are any two numbers: so for every density."""
    forward = spreading() - divergence(limits()[0])
    yield "both change every density alike, so all marginals are the same", -divergence(s.rhs) - forward


@equation("probability-flow-gaussian",
          Words(r"x_0 \sim \mathcal N(\mu, V): \quad <<lhs>> = <<rhs>>", lhs="x_s",
                rhs="sqrt(alpha_bar_s)*mu + sqrt(V_s/V_t)*(x_t - sqrt(alpha_bar_t)*mu)"),
          title="A random way there, a way back without chance")
def _(s):
    """Data N(mu, V), and s before or after t: every x keeps its number of standard deviations."""
    bar = S("alpha_bar_s")
    mean_t, var_t = moments(of_data("x_t"))
    mean_s, var_s = (part.subs(S("alpha_bar_prev"), bar) for part in moments(of_data("x_prev")))
    here = reduced(s.rhs)
    arrived = moments(here.subs(S("x_t"), mean_t + sp.sqrt(var_t) * noise("all")))
    yield "x_t drawn from q(x_t) arrives with the mean of q(x_s)", arrived[0] - mean_s
    yield "and its variance", arrived[1] - var_s
    yield "at s = t nothing moves", here.subs(bar, reduced(S("alpha_bar_t"))) - S("x_t")
    x = S("x")
    score = sp.diff(log_normal(x, mean_s, var_s), x)
    flow = -(x + score) / 2 / -bar                                      # dx/du over d alpha_bar/du
    yield "it solves the equation of the probability flow", sp.diff(here, bar) - flow.subs(x, here)
    yield "the left side is x at the time s", s.lhs - S("x_s")


@equation("ddim-euler",
          Equation("x_prev/sqrt(alpha_bar_prev)",
                   "x_t/sqrt(alpha_bar_t) + (sqrt((1 - alpha_bar_prev)/alpha_bar_prev)"
                   " - sqrt((1 - alpha_bar_t)/alpha_bar_t))*eps_hat"),
          title="DDIM is Euler's step for the probability flow", source="DDIM eq. (13)")
def _(s):
    """In y = x/a, r = b/a the flow reads dy = eps_hat dr, for the score is -eps_hat/b."""
    bar, x = S("alpha_bar_s"), S("x")
    a, b = sp.sqrt(bar), sp.sqrt(1 - bar)
    dx = -(x - S("eps_hat") / b) / 2 / -bar                             # per d alpha_bar
    dy = dx / a + x * sp.diff(1 / a, bar)
    yield "the flow in these coordinates", dy - S("eps_hat") * sp.diff(b / a, bar)
    guess = (S("x_t") - closed()[1] * S("eps_hat")) / sp.diff(closed()[0], S("x_0"))
    left = s.lhs.subs(S("x_prev"), ddim().subs(S("x0_hat"), guess))
    yield "the left side, by DDIM's step: Euler's step with eps_hat held", left - s.rhs
    signal, spread = sp.diff(closed()[0], S("x_0")), closed()[1]
    yield "it starts where x_t stands", s.rhs.subs(S("eps_hat"), 0) - S("x_t") / signal
    back = sp.diff(s.rhs, S("eps_hat")) - sp.sqrt(1 / S("alpha_bar_prev") - 1)
    yield "and is as long as the change of b/a", back + spread / signal
