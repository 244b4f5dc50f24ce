r"""A formula, typed once in plain text: `sqrt(alpha_bar_t)*x_0 + sqrt(1 - alpha_bar_t)*eps`.

The LaTeX, in the order in which it was typed, and the SymPy value come from one text. Nothing parses LaTeX.
Python's own parser reads the text; names must stand in symbols.py, functions in `FUNCTIONS`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import sympy as sp

from .symbols import DERIVED, latex_of, sympy_symbol

SUM, PRODUCT, POWER, ATOM = 1, 2, 3, 4                              # how tightly a piece of LaTeX holds


def _call(command: str) -> Callable[..., str]:
    return lambda *args: rf"{command}\left({', '.join(args)}\right)"


def _given(args: tuple[str, ...]) -> str:
    return r" \mid ".join([args[0], ", ".join(args[1:])] if args[1:] else args)


_D = r"[pq](?:_\\theta)?\([^()]*\)"
DENSITY = re.compile(rf"{_D}|\\frac\{{{_D}\}}\{{{_D}\}}")               # log p(x) needs no brackets


def _function(name: str) -> Callable[..., sp.Expr]:
    return lambda *args: sp.Function(name)(*args)


# name: (SymPy value, LaTeX of the arguments' LaTeX). `norm2` is a square per dimension: proofs are per pixel.
FUNCTIONS: dict[str, tuple[Callable[..., sp.Expr], Callable[..., str]]] = {
    "sqrt": (sp.sqrt, lambda x: rf"\sqrt{{{x}}}"),
    "exp": (sp.exp, lambda x: f"e^{{{x}}}"),
    "log": (sp.log, lambda x: rf"\log {x}" if DENSITY.fullmatch(x) else rf"\log\left({x}\right)"),
    "cos": (sp.cos, _call(r"\cos")),
    "sin": (sp.sin, _call(r"\sin")),
    "paren": (lambda x: x, lambda x: rf"\left({x}\right)"),
    "norm2": (lambda x: x**2, lambda x: rf"\left\lVert {x} \right\rVert^2"),
    "E": (_function("E"), lambda *args: rf"\mathbb E\left[{_given(args)}\right]"),
    "Var": (_function("Var"), lambda *args: rf"\operatorname{{Var}}\left({_given(args)}\right)"),
    "q": (_function("q"), lambda *args: f"q({_given(args)})"),          # a density: q(x_t, x_0) is q(x_t|x_0)
    "N": (_function("N"), lambda x, mean, var: rf"\mathcal N\left({x};\ {mean},\ {var}\right)"),
    "datum": (_function("datum"), lambda i: f"x^{{({i})}}"),            # one example of a data set
    "E_q": (_function("E_q"), lambda f: rf"\mathbb E_q\left[{f}\right]"),               # of densities' values
    "KL": (_function("KL"), lambda q, p: rf"\mathrm{{KL}}\left({q} \,\|\, {p}\right)"),
    "over_z": (_function("over_z"), lambda f: rf"\int {f}\,dz"),
    "tr": (_function("tr"), _call(r"\operatorname{tr}")),                               # of matrices
    "det": (_function("det"), lambda a: rf"\det {a}"),
    "inv": (_function("inv"), lambda a: f"{a}^{{-1}}"),
    "quad": (_function("quad"), lambda x, a: rf"\left({x}\right)^\top {a} \left({x}\right)"),
}
# Symbols with a running index: beta(s) is beta_s.
INDEXED = {"alpha": r"\alpha", "alpha_bar": r"\bar\alpha", "beta": r"\beta", "x": "x", "eps": r"\varepsilon"}
CONSTANTS = {"pi": (sp.pi, r"\pi"), "oo": (sp.oo, r"\infty")}


@dataclass(frozen=True)
class Formula:
    """One formula. Two formulas are equal when their texts are, up to blanks."""

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", ast.unparse(self.tree))

    @cached_property
    def tree(self) -> ast.expr:
        try:
            return ast.parse(self.text.strip(), mode="eval").body
        except SyntaxError as fault:
            raise ValueError(f"{self.text!r} isn't a formula: {fault.msg}") from None

    @property
    def is_sum(self) -> bool:
        return isinstance(self.tree, ast.BinOp) and isinstance(self.tree.op, ast.Add | ast.Sub)

    @cached_property
    def latex(self) -> str:
        return _latex(self.tree)[0]

    @cached_property
    def expr(self) -> sp.Expr:
        return _value(self.tree)


@cache
def value(text: str) -> sp.Expr:
    """The SymPy value of a text, symbols as they are."""
    return Formula(text).expr


def reduced(expr: sp.Expr) -> sp.Expr:
    """The same in free symbols: alpha_bar_t = alpha_t alpha_bar_prev, beta_t = 1 - alpha_t, and so on."""
    expr = sp.sympify(expr)
    while known := {s: value(DERIVED[s.name]) for s in expr.free_symbols if s.name in DERIVED}:
        expr = expr.xreplace(known)                                     # quicker than subs, and at once
    return expr


def _value(node: ast.expr) -> sp.Expr:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return sp.Rational(str(number))
        case ast.Name(id=name):
            return CONSTANTS[name][0] if name in CONSTANTS else sympy_symbol(name)
        case ast.UnaryOp(op=ast.USub(), operand=x):
            return -_value(x)
        case ast.BinOp(left=a, op=op, right=b):
            left, right = _value(a), _value(b)
            match op:
                case ast.Add():
                    return left + right
                case ast.Sub():
                    return left - right
                case ast.Mult():
                    return left * right
                case ast.Div():
                    return left / right
                case ast.Pow():
                    return left**right
        case ast.Call(func=ast.Name(id="under" | "fold"), args=[x, *_]):
            return _value(x)
        case ast.Call(func=ast.Name(id="Sum" | "Prod" as kind), args=[term, index, low, high]):
            limits = (_value(index), _value(low), _value(high))
            return sp.Sum(_value(term), limits) if kind == "Sum" else sp.Product(_value(term), limits)
        case ast.Call(func=ast.Name(id=name), args=args) if name in FUNCTIONS:
            return FUNCTIONS[name][0](*map(_value, args))
        case ast.Call(func=ast.Name(id=name), args=[index]) if name in INDEXED:
            return sp.Function(name, positive=name not in ("x", "eps") or None)(_value(index))
    raise ValueError(f"a formula can't hold {ast.unparse(node)!r}")


def _latex(node: ast.expr) -> tuple[str, int]:
    """LaTeX, and how tightly it holds together."""
    match node:
        case ast.Constant(value=number):
            return f"{number!r}", ATOM
        case ast.Name(id=name):
            return (CONSTANTS[name][1] if name in CONSTANTS else latex_of(name)), ATOM
        case ast.UnaryOp(op=ast.USub(), operand=x):
            return f"-{_within(x, PRODUCT)}", SUM
        case ast.BinOp(left=a, op=ast.Add() | ast.Sub() as op, right=b):
            sign, tight = ("+", SUM) if isinstance(op, ast.Add) else ("-", PRODUCT)
            fold = r"\\ & \quad {} " if isinstance(b, ast.Call) and ast.unparse(b.func) == "fold" else ""
            return f"{_within(a, SUM)} {fold}{sign} {_within(b, tight)}", SUM
        case ast.BinOp(left=a, op=ast.Mult(), right=b):
            return _product(a, b), PRODUCT
        case ast.BinOp(left=a, op=ast.Div(), right=b):
            return rf"\frac{{{_latex(a)[0]}}}{{{_latex(b)[0]}}}", PRODUCT
        case ast.BinOp(left=a, op=ast.Pow(), right=b):
            base = _within(a, ATOM)
            return (f"{{{base}}}" if "^" in base else base) + f"^{{{_latex(b)[0]}}}", POWER
        case ast.Call(func=ast.Name(id="under"), args=[x, ast.Constant(value=str() as words)]):
            return rf"\underbrace{{{_latex(x)[0]}}}_{{{words}}}", _latex(x)[1]
        case ast.Call(func=ast.Name(id="fold"), args=[x]):              # a term on a line of its own
            return _latex(x)
        case ast.Call(func=ast.Name(id="Sum" | "Prod" as kind), args=[term, index, low, high]):
            command = r"\sum" if kind == "Sum" else r"\prod"
            limits = rf"_{{{_latex(index)[0]}={_latex(low)[0]}}}^{{{_latex(high)[0]}}}"
            return rf"{command}{limits} {_within(term, PRODUCT)}", PRODUCT
        case ast.Call(func=ast.Name(id=name), args=args) if name in FUNCTIONS:
            tight = POWER if name == "exp" else ATOM
            return FUNCTIONS[name][1](*(_latex(x)[0] for x in args)), tight
        case ast.Call(func=ast.Name(id=name), args=[index]) if name in INDEXED:
            return f"{INDEXED[name]}_{{{_latex(index)[0]}}}", ATOM
    raise ValueError(f"a formula can't hold {ast.unparse(node)!r}")


def _within(node: ast.expr, tight: int) -> str:
    """LaTeX of a part, in brackets when it holds together less tightly than its surroundings."""
    latex, own = _latex(node)
    return rf"\left({latex}\right)" if own < tight else latex


def _product(a: ast.expr, b: ast.expr) -> str:
    left, right = _within(a, PRODUCT), _within(b, PRODUCT)
    if right[0].isdigit():
        return rf"{left} \cdot {right}"
    return rf"{left}\,{right}"
