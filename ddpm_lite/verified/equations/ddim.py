"""DDIM's family: any amount of fresh noise, the same marginals (notebook 09)."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..formula import reduced
from ..kernel import S, conditional, moments, noise, path
from ..registry import equation
from ..statements import Chain, Equation, GaussianLaw, Joined, Statement, label
from .sampling import closed, of_data, posterior, seen, within


def gathered(rows: Statement) -> Statement:
    return Statement(rf"\begin{{gathered}} {rows.shell} \end{{gathered}}", rows.slots)


def _step(direction: str, var: str) -> Statement:
    return Joined(Equation("x_prev", f"sqrt(alpha_bar_prev)*x0_hat + sqrt({direction})*eps_hat + sigma_t*z"),
                  Equation(label(r"\sigma_t^2"), f"{var}*((1 - alpha_bar_prev)/(1 - alpha_bar_t)*beta_t)"))


DDPM = sp.sqrt(posterior()[1])                                      # the posterior's


def member(mean: sp.Expr) -> sp.Expr:
    """The mean at sigma_t^2 = beta_tilde_t. With the other sign of the old noise the marginals would stay,
    too; this tells the two apart."""
    return mean.subs(S("sigma_t"), DDPM)


@equation("ddim-step", _step("1 - alpha_bar_prev - sigma_t**2", "eta**2"),
          title="DDIM's step", source="DDIM eqs. (12), (16)",
          slips={"eta outside the square": _step("1 - alpha_bar_prev - sigma_t**2", "eta"),
                 "direction without sigma": _step("1 - alpha_bar_prev", "eta**2"),
                 "direction with eta^2 (1 - alpha_bar_t)":
                 _step("1 - alpha_bar_prev - eta**2*(1 - alpha_bar_t)", "eta**2"),
                 "direction with eta^2 (1 - alpha_bar_{t-1})":
                 _step("1 - alpha_bar_prev - eta**2*(1 - alpha_bar_prev)", "eta**2")})
def _(s):
    """A perfect guess, x0_hat = x_0: eps_hat is the noise of x_t, and z is fresh."""
    old, z = noise("old"), noise("fresh")
    perfect = {S("x0_hat"): S("x_0"), S("eps_hat"): old, S("z"): z}
    mean, var = moments(s.rhs0.subs(perfect))
    want = moments(within(s.lhs0))
    yield "any sigma: the mean of x_{t-1} given x_0 stays", mean - want[0]
    yield "and its variance, for old and fresh noise are independent", var - want[1]
    yield "z enters with standard deviation sigma_t", sp.diff(s.rhs0, S("z")) - S("sigma_t")
    known = {S("x0_hat"): S("x_0"), S("eps_hat"): (S("x_t") - closed()[0]) / closed()[1], S("z"): 0}
    yield "at eta = 1 it is algorithm 2: the posterior's mean", member(s.rhs0.subs(known)) - posterior()[0]
    yield "and its variance", s.rhs1.subs(S("eta"), 1) - posterior()[1]
    yield "the step knows x_0 only by its guess", sp.diff(s.rhs0, S("x_0"))
    yield "eta scales the standard deviation", sp.sqrt(s.rhs1) - S("eta") * DDPM


@equation("ddim-deterministic",
          Equation("x_prev", "sqrt(alpha_bar_prev)*x0_hat + sqrt(1 - alpha_bar_prev)*eps_hat"),
          title="DDIM at eta = 0: nothing is random but the start", source="DDIM section 4.1")
def _(s):
    mean, var = moments(s.rhs.subs({S("x0_hat"): S("x_0"), S("eps_hat"): noise("old")}))
    want = moments(within(s.lhs))
    yield "a perfect guess: the mean of x_{t-1} given x_0 stays", mean - want[0]
    yield "and its variance", var - want[1]
    still = s.rhs.subs(S("alpha_bar_prev"), reduced(S("alpha_bar_t")))
    yield "a step of no length leaves x_t where it is", still - seen(S("x0_hat"), S("eps_hat"))


@equation("ddim-marginals", gathered(
          Joined(GaussianLaw("x_prev", "sqrt(alpha_bar_prev)*x_0 + sqrt(1 - alpha_bar_prev - sigma_t**2)"
                             "*((x_t - sqrt(alpha_bar_t)*x_0)/sqrt(1 - alpha_bar_t))", "sigma_t**2",
                             given="x_t x_0", by=r"q_\sigma"),
                 GaussianLaw("x_t", "sqrt(alpha_bar_t)*x_0", "1 - alpha_bar_t", given="x_0",
                             by=r"0 < \sigma_t^2 \le 1 - \bar\alpha_{t-1}, \quad q_\sigma"),
                 GaussianLaw("x_prev", "sqrt(alpha_bar_prev)*x_0", "1 - alpha_bar_prev", given="x_0",
                             by=r"\Longrightarrow\quad q_\sigma"), by=r" \\ ")),
          title="One family, and every sigma keeps the marginals", source="DDIM eq. (7), lemma 1")
def _(s):
    """x_t as the kernel makes it, and sigma_t z on top: two independent noises."""
    slots = "variable0 given00 given10 variable1 given01 variable2 given02".split()
    yield "it is about x_{t-1} given x_t and x_0; then x_t, and x_{t-1}, given x_0", \
        [getattr(s, slot) for slot in slots] == [S(f"x_{k}") for k in "prev t 0 t 0 prev 0".split()]
    mean, var = moments(path()["x_t"])
    yield "x_t as the kernel makes it: at T by definition, then by this very step", s.mean1 - mean
    yield "and its variance", s.var1 - var
    drawn = s.mean0.subs(S("x_t"), s.mean1 + sp.sqrt(s.var1) * noise("old"))
    mean, var = moments(drawn)
    want = moments(path()["x_prev"])
    yield "x_t averaged out, any sigma: the kernel's mean", mean - want[0]
    yield "and its variance", var + s.var0 - want[1]
    yield "the last law's mean is this", s.mean2 - want[0]
    yield "and its variance", s.var2 - want[1]
    yield "sigma_t is the spread of a step", s.var0 - S("sigma_t") ** 2
    yield "among them is DDPM's posterior", member(s.mean0) - posterior()[0]


@equation("ddim-direction", Equation("1 - alpha_bar_prev - beta_tilde_t",
                                     "alpha_t*((1 - alpha_bar_prev)**2/(1 - alpha_bar_t))"),
          title="What stands under DDIM's root at eta = 1")
def _(s):
    weight = sp.diff(posterior()[0], S("x_t"))                          # of x_t in the posterior's mean
    yield "the posterior's weight of x_t, squared, times the variance of x_t", \
        s.rhs - weight**2 * moments(path()["x_t"])[1]
    yield "what the posterior's own noise leaves of the variance", \
        s.lhs - (moments(path()["x_prev"])[1] - posterior()[1])


@equation("ddim-eta-one",
          Chain("sqrt(alpha_bar_prev)*x_0 + sqrt(1 - alpha_bar_prev - beta_tilde_t)"
                "*((x_t - sqrt(alpha_bar_t)*x_0)/sqrt(1 - alpha_bar_t))",
                "sqrt(alpha_bar_prev)*x_0"
                " + sqrt(alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t)*(x_t - sqrt(alpha_bar_t)*x_0)",
                "sqrt(alpha_bar_prev)*beta_t/(1 - alpha_bar_t)*x_0"
                " + sqrt(alpha_t)*(1 - alpha_bar_prev)/(1 - alpha_bar_t)*x_t"),
          title="DDIM at eta = 1 is DDPM", source="DDIM section 4.1")
def _(s):
    mean = posterior()[0]
    yield "the last line is the posterior's mean", s.line1 - mean
    yield "the line before, by the root of ddim-direction", s.line0 - mean
    yield "the first, with DDIM's step", s.lhs - mean


@cache
def _gaussian() -> sp.Expr:
    """By how much DDIM's step with the best network stretches x_t, for data N(mu, V) and sigma_t = 0."""
    x0 = S("mu") + sp.sqrt(S("V")) * noise("data")
    x_t = seen(x0, noise("old"))
    (x0_hat, _), (eps_hat, _) = (conditional(what, x_t, S("x_t")) for what in (x0, noise("old")))
    after = sp.sqrt(S("alpha_bar_prev")) * x0_hat + sp.sqrt(1 - S("alpha_bar_prev")) * eps_hat
    return sp.diff(after, S("x_t"))


@equation("ddim-spread",
          Equation(label(r"x_0 \sim \mathcal N(\mu, V): \quad "
                         r"\operatorname{Var}\left(x_{t-1}^{\mathrm{DDIM}}\right)"),
                   "V_prev - V/V_t*(sqrt(alpha_bar_prev*(1 - alpha_bar_t))"
                   " - sqrt(alpha_bar_t*(1 - alpha_bar_prev)))**2"),
          title="What a step of DDIM without noise loses")
def _(s):
    """Gaussian data of variance V and the best network for them; x_t is drawn from q(x_t)."""
    now = moments(of_data("x_t"))[1]
    yield "the variance of x_t, stretched by the step", s.rhs - _gaussian() ** 2 * now
    still = reduced(s.rhs).subs(S("alpha_t"), 1)
    yield "a step of no length loses nothing", still - reduced(S("V_prev"))
    slope = sp.diff(reduced(s.rhs - S("V_prev")), S("alpha_t")).subs(S("alpha_t"), 1)
    yield "nor does it to first order in beta_t: the loss falls with the stride's square", slope
