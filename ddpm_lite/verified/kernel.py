"""Where every proof starts: the forward kernel, and what a Gaussian is. No result of the course is in here.

Everything is per pixel: all covariances of the course are multiples of I, unless an equation says otherwise.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from .formula import value

S = value                                                               # a symbol of the table, in proofs


def noise(name: str) -> sp.Symbol:
    """An independent standard normal number."""
    return sp.Symbol(f"noise_{name}", real=True)


def step(before: sp.Expr, alpha: sp.Expr, e: sp.Symbol) -> sp.Expr:
    """One forward step, DDPM eq. (2): sqrt(1 - beta) times what was, plus sqrt(beta) times fresh noise."""
    return sp.sqrt(alpha) * before + sp.sqrt(1 - alpha) * e


@cache
def path(start: str = "prev") -> dict[str, sp.Expr]:
    """x_prev, x_t, x_next, each from x_0 and independent noises, by steps of the kernel. x_prev given x_0 is
    the closed form at t-1, which the induction of `closed-form` earns."""
    here = {"x_0": S("x_0")}
    bar = S("alpha_bar_prev")
    here["x_prev"] = sp.sqrt(bar) * S("x_0") + sp.sqrt(1 - bar) * noise("before")
    here["x_t"] = step(here["x_prev"], S("alpha_t"), noise("t"))
    here["x_next"] = step(here["x_t"], S("alpha_next"), noise("next"))
    return here


def moments(expr: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Mean and variance of an expression that is linear in its noises; ValueError when it isn't."""
    noises = [s for s in expr.free_symbols if s.name.startswith("noise_")]
    mean, opened = expr.subs(dict.fromkeys(noises, 0)), sp.expand(expr)
    factors = {e: opened.coeff(e) for e in noises}
    rest = sp.expand(opened - sum((sp.expand(c * e) for e, c in factors.items()), sp.Integer(0)))
    if any(part.has(*noises) for part in (rest, *factors.values()) if noises):
        raise ValueError(f"not linear in its noises: {expr}")
    return mean, sum((c**2 for c in factors.values()), sp.Integer(0))


def covariance(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """Covariance of two expressions that are linear in their noises."""
    noises = [s for s in a.free_symbols & b.free_symbols if s.name.startswith("noise_")]
    return sum((sp.expand(a).coeff(e) * sp.expand(b).coeff(e) for e in noises), sp.Integer(0))


def conditional(a: sp.Expr, b: sp.Expr, seen: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Mean and variance of a given b = seen, both linear in the same noises."""
    (mean_a, var_a), (mean_b, var_b) = moments(a), moments(b)
    k = covariance(a, b) / var_b
    return mean_a + k * (seen - mean_b), var_a - k**2 * var_b


def bell(x: sp.Expr, mean: sp.Expr, var: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """N(x; mean, var) = sqrt(f / 2 pi) exp(-e / 2) as the pair e, f: a claim on densities must get both."""
    return (x - mean) ** 2 / var, sp.Integer(1) / var                   # 1 / 1 would be a float


def log_normal(x: sp.Expr, mean: sp.Expr, var: sp.Expr) -> sp.Expr:
    """log N(x; mean, var)."""
    return -(x - mean) ** 2 / (2 * var) - sp.log(2 * sp.pi * var) / 2


def expectation(expr: sp.Expr, *noises: sp.Symbol) -> sp.Expr:
    """E of a polynomial in independent standard normal noises, each power by its moment (2k - 1)!!."""
    for e in noises:
        expr = sum((c * _moment(k) for (k,), c in sp.Poly(sp.expand(expr), e).terms()), sp.Integer(0))
    return expr


def _moment(k: int) -> sp.Integer:
    return sp.Integer(0) if k % 2 else sp.factorial2(k - 1) if k else sp.Integer(1)


def kl(p: tuple[sp.Expr, sp.Expr], q: tuple[sp.Expr, sp.Expr]) -> sp.Expr:
    """KL(p || q) in nats of two Gaussians (mean, variance), one dimension: E_p[log p - log q], by moments."""
    e = noise("kl")
    x = p[0] + sp.sqrt(p[1]) * e
    logs = (sp.log(q[1]) - sp.log(p[1])) / 2
    return logs + expectation(sp.expand((x - q[0]) ** 2 / (2 * q[1]) - e**2 / 2), e)
