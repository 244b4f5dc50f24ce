"""What rational functions and roots can say, and what they can't."""

from __future__ import annotations

import sympy as sp

from .symbols import TABLE


class Inexpressible(ValueError):
    """What no theorem on rational functions and roots can say."""


def is_unit(s: sp.Symbol) -> bool:
    """Does it live in (0, 1)?"""
    return s.name in TABLE and TABLE[s.name].domain == "unit"


def copy_of(s: sp.Symbol) -> sp.Symbol:
    """Another symbol for the same number: what a statement says of s, told apart from what its check says."""
    return sp.Symbol(f"{s.name} typed", **s.assumptions0)


def is_copy(s: sp.Basic) -> bool:
    return isinstance(s, sp.Symbol) and s.name.endswith(" typed")


def originals(expr: sp.Expr) -> sp.Expr:
    """The expression without copies."""
    return expr.xreplace({s: sp.Symbol(s.name.removesuffix(" typed"), **s.assumptions0)
                          for s in expr.free_symbols if is_copy(s)})


def factors(p: sp.Expr) -> tuple[sp.Rational, list[tuple[sp.Expr, int]]]:
    """Content and irreducible factors of a polynomial with rational coefficients."""
    p = sp.expand(p)
    number, found = sp.factor_list(p) if p.free_symbols or p.has(sp.pi) else (p, [])
    return sp.Rational(number), [(f, int(k)) for f, k in found]


def what(expr: sp.Basic) -> str:
    """What it is that can't be said, in words."""
    kind = type(expr).__name__
    kinds = {"Sum": "a sum of unknown length", "Product": "a product of unknown length", "log": "a logarithm",
             "exp": "an exponential", "cos": "a cosine", "sin": "a sine", "Integral": "an integral",
             "Pow": "a power with a symbol in the exponent", "Infinity": "infinity", "erf": "an integral"}
    return kinds.get(kind, kind)
