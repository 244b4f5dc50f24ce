"""Every symbol of the course, once: its name in formulas, its LaTeX, where it lives, what it is mistaken for.

The table is injective both ways: no two names share a LaTeX form, so what a reader sees is one symbol.

Times are part of a name: `_t` is t, `_prev` t-1, `_prev2` t-2, `_next` t+1, `_s` an earlier time s < t, `_T`
the last. `alpha_t` and `alpha_bar_prev` are free in (0, 1); what follows from them stands in `DERIVED`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sympy as sp

TIMES = {"t": "t", "prev": "t-1", "prev2": "t-2", "next": "t+1", "s": "s", "T": "T"}


@dataclass(frozen=True)
class Entry:
    """One row of the table."""

    name: str
    latex: str
    domain: str = "real"                    # where it lives: unit (0, 1), positive, real, integer
    mistaken_for: tuple[str, ...] = ()      # names that a slip would put here


TABLE: dict[str, Entry] = {}


def symbol(name: str, latex: str, domain: str = "real", mistaken_for: str = "") -> None:
    """A new row. A name or a LaTeX form that is there already is refused."""
    if domain not in ("unit", "positive", "real", "integer"):
        raise ValueError(f"domain of {name} must be unit, positive, real or integer, got {domain!r}")
    if name in TABLE:
        raise ValueError(f"the symbol {name} is in the table already")
    for other in TABLE.values():
        if _squeezed(other.latex) == _squeezed(latex):
            raise ValueError(f"{name} and {other.name} would both print as {latex}")
    TABLE[name] = Entry(name, latex, domain, tuple(mistaken_for.split()))


def _squeezed(latex: str) -> str:
    return latex.replace(" ", "").replace("{", "").replace("}", "")


def _timed(stem: str, latex: str, domain: str, times: str, mistaken_for: str = "") -> None:
    """The symbol at several times. In `mistaken_for` the mark # stands for the own time; the neighbours in
    time are added: t for t-1 is the commonest slip of the field."""
    names = times.split()
    neighbours = {"t": "prev", "prev": "t", "prev2": "prev", "next": "t", "s": "t", "T": "t"}
    for time in names:
        slips = [slip.replace("#", time) for slip in mistaken_for.split()]
        if neighbours[time] in names:
            slips.append(f"{stem}_{neighbours[time]}")
        where = TIMES[time] if len(TIMES[time]) == 1 else f"{{{TIMES[time]}}}"
        symbol(f"{stem}_{time}", latex.replace("#", where), domain, " ".join(slips))


_timed("alpha", r"\alpha_#", "unit", "t prev prev2 next s T", "alpha_bar_# beta_#")
_timed("alpha_bar", r"\bar\alpha_#", "unit", "t prev prev2 next s T", "alpha_#")
_timed("beta", r"\beta_#", "unit", "t prev prev2 next s T", "alpha_#")
_timed("x", "x_#", "real", "t prev prev2 next s T", "x_0")
_timed("sigma", r"\sigma_#", "positive", "t prev")
_timed("V", "V_#", "positive", "t prev s", "V")                    # variance of x_t for Gaussian data
_timed("SNR", r"\mathrm{SNR}_#", "positive", "t prev T")
symbol("beta_tilde_t", r"\tilde\beta_t", "positive", "beta_t")
symbol("mu_tilde_t", r"\tilde\mu_t", mistaken_for="mu_hat")
symbol("mu_hat", r"\mu_\theta", mistaken_for="mu_tilde_t")
symbol("x_0", "x_0", mistaken_for="x_t")
symbol("x0_hat", r"\hat x_0", mistaken_for="x_0")
symbol("x_1", "x_1", mistaken_for="x_0")
symbol("beta_1", r"\beta_1", "unit", "beta_t")
symbol("eps", r"\varepsilon", mistaken_for="x_0")
symbol("eps_hat", r"\hat\varepsilon", mistaken_for="eps")
_timed("eps", r"\varepsilon_#", "real", "t prev", "eps")            # fresh noise of one step
symbol("eps_bar", r"\bar\varepsilon", mistaken_for="eps_t")       # the merged noise of several steps
_timed("eps_bar", r"\bar\varepsilon_#", "real", "t prev", "eps_#")
symbol("beta", r"\beta", "unit")                                  # when every step has the same
symbol("v", "v", mistaken_for="eps")
symbol("v_hat", r"\hat v", mistaken_for="v")
symbol("z", "z")
symbol("eta", r"\eta", "unit")
symbol("score_t", r"\nabla\log q(x_t)")
symbol("V", "V", "positive")                                        # variance of the data
for _letter in "a b c e f g h k l m p q r u w x y A B C D M N P Q R S X Y Z".split():
    symbol(_letter, _letter)
for _greek in "mu nu lambda_ rho omega delta gamma kappa theta phi xi".split():
    symbol(_greek, "\\" + _greek.rstrip("_"))
symbol("sigma", r"\sigma", "positive", "tau")
symbol("tau", r"\tau", "positive", "sigma")
symbol("T", "T", "integer")
symbol("t", "t", "integer")
symbol("s", "s", "integer")
symbol("d", "d", "integer")
symbol("i", "i", "integer")
symbol("j", "j", "integer")
symbol("n", "n", "integer")


@cache
def sympy_symbol(name: str) -> sp.Symbol:
    """The SymPy symbol of a name. ValueError when the table hasn't it."""
    if name not in TABLE:
        raise ValueError(f"unknown symbol {name!r}; symbols.py holds the table")
    domain = TABLE[name].domain
    if domain == "integer":
        return sp.Symbol(name, integer=True, positive=True)
    return sp.Symbol(name, real=True) if domain == "real" else sp.Symbol(name, positive=True)


def latex_of(name: str) -> str:
    """The LaTeX form of a name. ValueError when the table hasn't it."""
    if name not in TABLE:
        raise ValueError(f"unknown symbol {name!r}; symbols.py holds the table")
    return TABLE[name].latex


# What follows from the free symbols, in plain text. Each is registered as an equation too; a test says so.
DERIVED = {
    "alpha_bar_t": "alpha_t*alpha_bar_prev",
    "alpha_bar_next": "alpha_next*alpha_bar_t",
    "alpha_bar_prev2": "alpha_bar_prev/alpha_prev",
    "beta_t": "1 - alpha_t",
    "beta_prev": "1 - alpha_prev",
    "beta_next": "1 - alpha_next",
    "beta_prev2": "1 - alpha_prev2",
    "beta_s": "1 - alpha_s",
    "beta_T": "1 - alpha_T",
    "beta_tilde_t": "(1 - alpha_bar_prev)/(1 - alpha_bar_t)*beta_t",
    "SNR_t": "alpha_bar_t/(1 - alpha_bar_t)",
    "SNR_prev": "alpha_bar_prev/(1 - alpha_bar_prev)",
    "SNR_T": "alpha_bar_T/(1 - alpha_bar_T)",
    "V_t": "alpha_bar_t*V + 1 - alpha_bar_t",
    "V_prev": "alpha_bar_prev*V + 1 - alpha_bar_prev",
    "V_s": "alpha_bar_s*V + 1 - alpha_bar_s",
}

# Exact witness values: t >= 3, all betas different, alpha_bar_prev < alpha_prev, unequal variances.
WITNESS = {
    "alpha_t": sp.Rational(7, 9), "alpha_prev": sp.Rational(11, 13), "alpha_next": sp.Rational(5, 8),
    "alpha_bar_prev": sp.Rational(3, 7), "alpha_bar_s": sp.Rational(8, 11), "alpha_bar_T": sp.Rational(2, 19),
    "V": sp.Rational(17, 6), "rho": sp.Rational(-2, 5),                # a correlation
}
