"""A world with three values of z: E_q, KL and integrals are sums there, so claims on densities can be tried.

With symbols for all its probabilities an identity is proved for three values. Where two sides agree under the
sign E_q, value by value, it holds for every latent space, since E_q is linear: `inside`.
"""

from __future__ import annotations

from functools import cache

import sympy as sp
from sympy.core.function import AppliedUndef

from .formula import value

DENSITIES = ("p_z", "p_xz", "p_xgz", "p_zx", "q_zx", "q_z")


@cache
def tables() -> dict[str, list[sp.Expr]]:
    """Every density's three values, for one fixed x, from nine free positive numbers."""
    joint, prior, encoder = (sp.symbols(f"{n}_1:4", positive=True) for n in ("joint", "prior", "encoder"))
    p_z = [p / sum(prior) for p in prior]
    q = [r / sum(encoder) for r in encoder]
    return {"p_z": p_z, "p_xz": list(joint), "p_xgz": [j / p for j, p in zip(joint, p_z, strict=True)],
            "p_zx": [j / sum(joint) for j in joint], "q_zx": q, "q_z": q}


def _replaced(expr: sp.Expr, **by_name) -> sp.Expr:
    """Each E_q(...), KL(...) by what its function makes of it."""
    return expr.replace(lambda e: isinstance(e, AppliedUndef) and e.func.__name__ in by_name,
                        lambda e: by_name[e.func.__name__](*e.args))


@cache
def evaluated(expr: sp.Expr) -> sp.Expr:
    """The expression in that world: each E_q, KL and integral as its sum, p(x) as the sum of the joint."""
    table = tables()

    def at(f: sp.Expr, k: int) -> sp.Expr:
        return f.xreplace({value(name): table[name][k] for name in DENSITIES})

    def over_z(f: sp.Expr) -> sp.Expr:
        return sum((at(f, k) for k in range(3)), sp.Integer(0))

    expr = expr.xreplace({value("p_x"): sum(table["p_xz"])})
    return _replaced(expr, over_z=over_z, E_q=lambda f: over_z(value("q_zx") * f),
                     KL=lambda a, b: over_z(a * sp.log(a / b)))


def summands(expr: sp.Expr) -> sp.Expr:
    """An integral's integrand, and q f of E_q[f], in their places: two integrals, value by value."""
    return _replaced(expr, over_z=lambda f: f, E_q=lambda f: value("q_zx") * f)


def inside(expr: sp.Expr) -> sp.Expr:
    """What stands under one E_q: KL(q || b) is E_q[log q/b]; with Bayes' rule put in."""
    expr = _replaced(expr, E_q=lambda f: f, KL=lambda a, b: sp.log(a / b))
    joint = value("p_xz")
    bayes = {value("p_zx"): joint / value("p_x"), value("p_xgz"): joint / value("p_z")}
    return expr.xreplace(bayes)
