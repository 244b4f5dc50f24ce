"""Identities of the chapter for every T: what stands under E over the path, and induction over T.

w(t) = log q(x_t | x_{t-1}), m(t) = log q(x_t | x_0), r(t) = log p(x_{t-1} | x_t), g(T) = log p(x_T). The only
rule between them is Bayes': log q(x_{t-1} | x_t, x_0) = w(t) + m(t-1) - m(t), proved as `elbo-bayes-step`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import sympy as sp

from ..kernel import S
from ..registry import Absurd
from .elbo_language import PATHS, TIME, T, kind, no_value, t

w, m, r, g = (sp.Function(name) for name in "wmrg")
model = sp.Symbol("log_p_x0", real=True)


@cache
def pointwise(expr: sp.Expr) -> sp.Expr:
    """What stands under E over the path, where every E and KL inside may be opened; else Absurd."""
    if isinstance(expr, sp.Add):
        return sp.Add(*map(pointwise, expr.args))
    if isinstance(expr, sp.Mul):
        k, rest = expr.as_coeff_Mul()
        return k * pointwise(rest) if k != 1 else no_value(expr)
    if isinstance(expr, sp.log):
        return _logs(expr.args[0])
    if isinstance(expr, sp.Sum):
        return sp.Sum(pointwise(expr.args[0]), expr.args[1])
    match kind(expr), expr.args:
        case "Mean", (law, f) if law.args[0] not in PATHS:
            return _held_fixed(law, f, pointwise(f))
        case "Mean" | "E" | "E_q" | "E_path", (*_, f):
            return pointwise(f)
        case "KL", (a, b):
            return _held_fixed(a, b, _logs(a) - _logs(b))
    return no_value(expr)


def _held_fixed(law: sp.Expr, inside: sp.Expr, value: sp.Expr) -> sp.Expr:
    """The value, if what is averaged over q(x | given) depends on nothing else that is random."""
    if law.args[0] not in PATHS and not _free(inside) <= {*law.args, S("x_0")}:
        raise Absurd("there is an x inside that the law of this expectation doesn't hold fixed")
    return value


def _free(expr: sp.Basic) -> set[sp.Basic]:
    """The x that an expression depends on: not those that it averages over."""
    match kind(expr), expr.args:
        case "Mean", (law, f):
            return (_free(f) - {*law.args[:1 if kind(law) == "q" else None]}) | {*law.args[1:]}
        case "KL", (a, b):
            return (_free(a) | _free(b)) - {a.args[0]}
    parts = expr.args if not expr.is_Symbol else ()
    return set().union(*map(_free, parts)) if parts else {expr} & {*TIME}


def _logs(expr: sp.Expr) -> sp.Expr:
    if isinstance(expr, sp.Mul):
        return sp.Add(*map(_logs, expr.args))
    if isinstance(expr, sp.Pow):
        return expr.exp * _logs(expr.base)
    if isinstance(expr, sp.Product):
        return sp.Sum(_logs(expr.args[0]), expr.args[1])
    if not kind(expr):
        return no_value(expr)
    joint = g(T) + sp.Sum(r(t), (t, 1, T))
    if expr.args[0] in PATHS:
        whole = {"q": sp.Sum(w(t), (t, 1, T)), "p_theta": joint - (model if len(expr.args) == 2 else 0)}
        return whole[kind(expr)]
    k, *given = (TIME[x] for x in expr.args)
    match kind(expr), [given_k - k for given_k in given if given_k != 0], 0 in given:
        case "q", [-1], _:
            return w(k)
        case "q", [], True:
            return m(k)
        case "q", [1], True:
            return w(k + 1) + m(k) - m(k + 1)                   # Bayes: the equation elbo-bayes-step
        case "p_theta", [1], False:
            return r(k + 1)
        case "p_theta", [], False:
            return g(k) if k == T else model if k == 0 else no_value(expr)
    return no_value(expr)


def induction(lhs: sp.Expr, rhs: sp.Expr, first: int = 1) -> Iterator[sp.Expr]:
    """lhs - rhs under E, 0 at T = first and unchanged from T to T + 1."""
    gap = pointwise(lhs) - pointwise(rhs)
    yield plain(gap.subs(T, first).doit())
    grown = gap.subs(T, T + 1).replace(
        lambda e: isinstance(e, sp.Sum),
        lambda e: sp.Sum(e.args[0], (t, e.args[1][1], e.args[1][2] - 1)) + e.args[0].subs(t, e.args[1][2]))
    yield plain(grown - gap)


def plain(expr: sp.Expr) -> sp.Expr:
    """Logarithms of densities as numbers of their own; q(x_1 | x_0) has two names."""
    expr = sp.expand(expr).subs(m(1), w(1))
    atoms = expr.atoms(sp.core.function.AppliedUndef) | expr.atoms(sp.Sum)
    named = {atom: sp.Symbol(str(atom).replace(" ", ""), real=True) for atom in atoms}
    return sp.expand(expr.xreplace(named))
