"""Densities inside formulas, and what they are worth in an exact world of Gaussians.

`q(x_prev, x_t, x_0)` is q(x_{t-1} | x_t, x_0), `p_theta(x_prev, x_t)` the model's step; `x_1T` and `x_0T` are
whole paths, `KL(q(..), p_theta(..))` is a divergence, `ln(..)` a logarithm. Expectations: `E_path(f)` over
the path given x_0; `Mean(law, f)` with the law `q(x_t, x_0)`, `q(x_t, x_prev)`, `q(x_1T, x_0)` or
`joint(x_prev, x_next)`, the true joint law given x_0; `E(f)` over the data; `E_q(f)` over data and path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import sympy as sp

from ..formula import FUNCTIONS
from ..kernel import S
from ..registry import Absurd
from ..symbols import symbol
from .elbo_chain import Value, World

symbol("x_1T", "x_{1:T}", mistaken_for="x_0T")
symbol("x_0T", "x_{0:T}", mistaken_for="x_1T")
symbol("x_Tprev", "x_{T-1}", mistaken_for="x_T")


def _named(name: str, latex: Callable[..., str]) -> None:
    """A new function for formulas: SymPy knows its name alone."""
    FUNCTIONS[name] = (lambda *args: sp.Function(name)(*args), latex)


def _density(first: str, *given: str) -> str:
    condition = rf" \mid {', '.join(given)}" if given else ""
    return ("p" if (first, *given) == ("x_T",) else r"p_\theta") + f"({first}{condition})"


_named("p_theta", _density)
_named("joint", lambda *args: rf"q({', '.join(args)} \mid x_0)")
_named("Mean", lambda law, f: rf"\mathbb E_{{{law}}}\left[{f}\right]")
_named("E_path", lambda f: rf"\mathbb E_q\left[{f}\right]")
FUNCTIONS["ln"] = (sp.log, lambda f: rf"\log {f}")                       # of a density: no brackets
T, t = S("T"), S("t")
TIME = {S("x_t"): t, S("x_prev"): t - 1, S("x_next"): t + 1, S("x_0"): sp.Integer(0), S("x_1"): sp.Integer(1),
        S("x_T"): T, S("x_Tprev"): T - 1, S("x_prev2"): t - 2}
PATHS = {S("x_1T"): 1, S("x_0T"): 0}


def kind(expr: sp.Basic) -> str:
    return expr.func.__name__ if isinstance(expr, sp.core.function.AppliedUndef) else ""


def exact(expr: sp.Expr, world: World, now: int | None = None) -> Value:
    """The value of a formula with logarithms, expectations and divergences; `now` is t."""
    def again(part: sp.Basic) -> Value:
        return exact(part, world, now)

    if isinstance(expr, sp.Add):
        return sum(map(again, expr.args), Value())
    if expr.is_Rational:
        return Value(r=-2 * sp.Rational(expr).p / sp.Rational(expr).q) if expr.is_Integer else no_value(expr)
    if isinstance(expr, sp.Mul):
        k, rest = expr.as_coeff_Mul()
        return again(rest) * int(k) if k.is_Integer and k != 1 else no_value(expr)
    if isinstance(expr, sp.log):
        return log_density(expr.args[0], world, now)
    if isinstance(expr, sp.Sum):
        term, (_, low, high) = expr.args
        return sum((exact(term, world, k) for k in _range(low, high, world)), Value())
    match kind(expr), expr.args:
        case "Mean", (law, f) if kind(law) == "q" and law.args[0] not in PATHS:
            k, *given = (_at(x, world, now) for x in law.args)
            return world.draw(again(f), k, given)
        case "Mean", (law, f):
            return world.average(again(f), _drawn(law, world, now))
        case "E_path", (f,):
            return world.average(again(f), range(1, world.T + 1))
        case "E", (f,):
            return world.over_data(again(f))
        case "E_q", (f,):
            return world.over_data(world.average(again(f), range(1, world.T + 1)))
        case "KL", (a, b) if kind(a) == "q":
            ratio = log_density(a, world, now) - log_density(b, world, now)
            if a.args[0] in PATHS:
                return world.average(ratio, range(1, world.T + 1))
            k, *given = (_at(x, world, now) for x in a.args)
            return world.draw(ratio, k, given)
    return no_value(expr)


def log_density(expr: sp.Expr, world: World, now: int | None = None) -> Value:
    """log of a product of densities."""
    if expr == 1:
        return Value()
    if isinstance(expr, sp.Mul):
        return sum((log_density(part, world, now) for part in expr.args), Value())
    if isinstance(expr, sp.Pow) and expr.exp.is_Integer:
        return log_density(expr.base, world, now) * int(expr.exp)
    if isinstance(expr, sp.Product):
        term, (_, low, high) = expr.args
        return sum((log_density(term, world, k) for k in _range(low, high, world)), Value())
    which = {"q": "q", "p_theta": "p"}.get(kind(expr)) or no_value(expr)
    first, *given = expr.args
    if first in PATHS:
        return _path(which, PATHS[first], [_at(x, world, now) for x in given], world)
    return world.log(which, _at(first, world, now), [_at(x, world, now) for x in given])


def _path(which: str, start: int, given: list[int], world: World) -> Value:
    if (which, start, given) not in (("q", 1, [0]), ("p", 0, []), ("p", 1, [0])):
        raise Absurd("of whole paths the course has q(x_1..x_T | x_0), p(x_0..x_T) and p(x_1..x_T | x_0)")
    if which == "q":
        return sum((world.log("q", k, [k - 1]) for k in range(1, world.T + 1)), Value())
    whole = sum((world.log("p", k - 1, [k]) for k in range(1, world.T + 1)), world.log("p", world.T))
    return whole - world.log("p", 0) if given else whole


def _at(x: sp.Basic, world: World, now: int | None) -> int:
    if x not in TIME:
        raise Absurd(f"{x} is no point of the path")
    k = TIME[x].subs({T: world.T, **({t: now} if now is not None else {})})
    if not k.is_Integer or not 0 <= k <= world.T:
        raise Absurd(f"there is no x at the time {k}")
    return int(k)


def _range(low: sp.Expr, high: sp.Expr, world: World) -> range:
    ends = [sp.sympify(end).subs(T, world.T) for end in (low, high)]
    if not all(end.is_Integer for end in ends):
        raise Absurd(f"a sum from {low} to {high}")
    return range(int(ends[0]), int(ends[1]) + 1)


def _drawn(law: sp.Expr, world: World, now: int | None) -> list[int]:
    """The times that an expectation draws, from their true joint law given x_0."""
    if kind(law) == "q" and law.args == (S("x_1T"), S("x_0")):
        return list(range(1, world.T + 1))
    if kind(law) != "joint":
        raise Absurd("an expectation over what isn't a law given x_0")
    times = [_at(x, world, now) for x in law.args]
    if len(set(times)) < len(times):
        raise Absurd("nothing is drawn twice")
    return [k for k in times if k]                                      # x_0 is given


def no_value(expr: sp.Basic) -> NoReturn:
    raise Absurd(f"{expr} has no value here")
