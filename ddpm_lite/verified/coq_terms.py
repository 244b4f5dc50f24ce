"""A formula of the registry as a term of Coq's real numbers, with what must hold of its variables.

Roots are variables: sqrt(w) becomes a product of variables r with r * r = p and 0 < r, one for each
irreducible factor p of w, and the theorem must prove of the product that its square is w. Division is by what
isn't 0: a factor of a divisor whose sign SymPy sees gets a proof, any other a hypothesis.
"""

from __future__ import annotations

import ast
import re
from functools import cached_property

import sympy as sp
from sympy.core.function import AppliedUndef

from .decide import witness
from .expressible import Inexpressible, factors, is_copy, is_unit, originals, what
from .formula import CONSTANTS, Formula, reduced, value
from .symbols import DERIVED, sympy_symbol

ONE = sp.Integer(1)


class Terms:
    """The terms of one theorem: `text` and `typed` write them, and collect their variables on the way."""

    def __init__(self, slots: dict[sp.Symbol, Formula] | None = None) -> None:
        self.slots = slots or {}                                        # names that stand for a typed formula
        self.names: dict[sp.Basic, str] = {}                            # variables, in order of appearance
        self.roots: dict[sp.Expr, sp.Symbol] = {}                       # p: r with r * r = p
        self.squares: list[tuple[str, str]] = []                        # (product, what it squares to)
        self.divisors: list[sp.Expr] = []

    def text(self, expr: sp.Basic) -> str:
        """A SymPy value as it stands. Inexpressible when it holds more than + - * /, powers and roots."""
        match expr:
            case sp.Rational():
                if expr.q > 1:
                    return f"({expr.p} / {expr.q})"
                return f"({expr.p})" if expr.p < 0 else str(expr.p)
            case sp.Symbol() if expr in self.slots:
                return f"({self.typed(self.slots[expr].tree)})"
            case sp.Symbol() | AppliedUndef():
                return self.name(expr)
            case sp.Add():
                return "(" + " + ".join(map(self.text, expr.args)) + ")"
            case sp.Mul():
                return "(" + " * ".join(map(self.text, expr.args)) + ")"
            case sp.Pow(exp=sp.Integer() as power):
                return self._power(self.text(expr.base), expr.base, int(power))
            case sp.Pow(exp=sp.Rational(q=2) as power):
                root = self.root(expr.base, lambda: self.text(expr.base))
                return self._power(self.text(root), root, int(2 * power))
            case sp.Abs():                                              # the root of a square
                return self.text(self.root(expr.args[0] ** 2, lambda: self.text(expr.args[0] ** 2)))
        if expr == sp.pi:
            return "PI"
        raise Inexpressible(what(expr))

    def typed(self, node: ast.expr) -> str:
        """A formula as it was typed, operation by operation."""
        match node:
            case ast.Constant(value=int() | float() as number):
                return self.text(sp.Rational(str(number)))
            case ast.Name(id=name):
                return self.text(CONSTANTS[name][0] if name in CONSTANTS else sympy_symbol(name))
            case ast.UnaryOp(op=ast.USub(), operand=x):
                return f"(- {self.typed(x)})"
            case ast.BinOp(left=a, op=ast.Add() | ast.Sub() | ast.Mult() as op, right=b):
                sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}[type(op)]
                return f"({self.typed(a)} {sign} {self.typed(b)})"
            case ast.BinOp(left=a, op=ast.Div(), right=b):
                self.divisors.append(value(ast.unparse(b)))
                return f"({self.typed(a)} / {self.typed(b)})"
            case ast.BinOp(left=a, op=ast.Pow(), right=b) if (power := value(ast.unparse(b))).is_Integer:
                return self._power(self.typed(a), value(ast.unparse(a)), int(power))
            case ast.Call(func=ast.Name(id="sqrt"), args=[x]):
                return self.text(self.root(value(ast.unparse(x)), lambda: self.typed(x)))
            case ast.Call(func=ast.Name(id="norm2"), args=[x]):
                return f"{self.typed(x)} ^ 2"
            case ast.Call(func=ast.Name(id="paren" | "under" | "fold"), args=[x, *_]):
                return self.typed(x)
        return self.text(value(ast.unparse(node)))

    def _power(self, base: str, value: sp.Expr, power: int) -> str:
        if power < 0:
            self.divisors.append(value)
            return f"/ {base}" if power == -1 else f"/ ({base} ^ {-power})"
        return base if power == 1 else f"{base} ^ {power}"

    def name(self, s: sp.Basic) -> str:
        """A variable. What follows from others brings those along."""
        if s not in self.names:
            plain = re.sub(r"\W+", "_", str(s)).strip("_")
            plain = plain + "'" if len(plain) == 1 or plain in self.names.values() else plain
            self.names[s] = plain
            if is_copy(s):
                self.name(originals(s))
            if str(s) in DERIVED:
                self.typed(Formula(DERIVED[str(s)]).tree)
        return self.names[s]

    def root(self, w: sp.Expr, as_typed) -> sp.Expr:
        """The root of w as a product of root variables; a sum of products of them is put in their place."""
        top, bottom = sp.fraction(sp.together(self.rational(w)))
        (c, over), (d, under) = factors(top), factors(bottom)
        number, product = sp.Rational(c) / sp.Rational(d), sp.Integer(1)
        parts = [*over, *((p, -k) for p, k in under)]
        for p, k in sorted(parts, key=lambda part: not self.sign(part[0])):     # those of known sign first
            if (sure := self.sign(p)) == 0 and k % 2 == 0 and k % 4:
                product *= self._root(p**2) ** (k // 2)                 # the root of a square: |p|
                continue
            side = sure or (1 if number > 0 or k % 2 == 0 else -1)      # the whole is positive: it has a root
            number, p = number * sp.Integer(side) ** k, p * side
            product *= p ** (k // 2) * (self._root(p) if k % 2 else 1)
        if number < 0:
            raise Inexpressible("the root of a negative number")
        for prime, k in sp.factorint(number).items():
            product *= sp.Integer(prime) ** (k // 2) * (self._root(sp.Integer(prime)) if k % 2 else 1)
        if self.roots.get(w) != product:
            text = self.text(product)
            self.squares.append((text, as_typed()))
        return product

    def _root(self, p: sp.Expr) -> sp.Symbol:
        if p not in self.roots:
            self.roots[p] = sp.Symbol(f"root{len(self.roots) + 1}", positive=True)
            self.text(p)
        return self.roots[p]

    def rational(self, expr: sp.Expr) -> sp.Expr:
        """The value with roots replaced by their variables, slots by their formulas' values."""
        expr = expr.xreplace({s: formula.expr for s, formula in self.slots.items()})
        return self._rational(reduced(originals(expr)))

    def _rational(self, expr: sp.Expr) -> sp.Expr:
        if expr.is_Pow and expr.exp.is_Rational and expr.exp.q == 2:
            return self.root(expr.base, lambda: self.text(expr.base)) ** (2 * expr.exp)
        if isinstance(expr, sp.Abs):
            return self.root(expr.args[0] ** 2, lambda: self.text(expr.args[0] ** 2))
        if expr.is_Add or expr.is_Mul or expr.is_Pow and expr.exp.is_Integer:
            return expr.func(*(self._rational(arg) for arg in expr.args))
        if expr.is_Symbol or expr.is_Rational or expr == sp.pi or isinstance(expr, AppliedUndef):
            return expr
        raise Inexpressible(what(expr))

    def sign(self, p: sp.Expr) -> int:
        """1 or -1 where `split` shows it, else 0."""
        return 1 if self.split(p) else -1 if self.split(-p) else 0

    def split(self, p: sp.Expr) -> str:
        """A polynomial as a sum of products of u, 1 - u, positive variables and squares, all added: its sign
        can be read off. Empty where there is no such form."""
        units = [s for s in p.free_symbols if is_unit(s) or s in self.short]
        rest = {s: sp.Symbol(f"rest_{s.name}", positive=True) for s in sorted(units, key=str)}
        whole = sp.expand(p)
        if whole == 0 or not whole.is_polynomial(*whole.free_symbols):
            return ""
        for u, v in rest.items():                                       # homogeneous in u and v = 1 - u
            terms = sp.Poly(whole, u).terms()
            most = max(k for (k,), _ in terms)
            whole = sp.expand(sum(c * u**k * (u + v) ** (most - k) for (k,), c in terms))
        parts = sp.Add.make_args(whole)
        squares = [part for part in parts if not part.is_positive]
        powers = [power for part in squares for power in part.as_powers_dict().items()]
        if len(squares) == len(parts) or any(part.as_coeff_Mul()[0] <= 0 for part in parts):
            return ""
        if any(k % 2 for base, k in powers if not base.is_positive):
            return ""
        return " + ".join(self._product(part, {v: u for u, v in rest.items()}) for part in parts)

    def _product(self, part: sp.Expr, rest: dict[sp.Symbol, sp.Symbol]) -> str:
        factors = []
        for base, power in part.as_powers_dict().items():
            text = f"(1 - {self.text(rest[base])})" if base in rest else self.text(base)
            if not base.is_positive:
                text, power = f"({text} ^ 2)", power // 2
            factors.append(text if power == 1 or base.is_Number else f"{text} ^ {power}")
        return "(" + " * ".join(factors) + ")"

    @property
    def short(self) -> set[sp.Symbol]:
        """Root variables below 1: those of what lives in (0, 1)."""
        return {r for p, r in self.roots.items() if p.is_Symbol and is_unit(p)}

    def at_witness(self, exprs: list[sp.Expr], scale: sp.Rational = ONE) -> list[sp.Expr]:
        """Values at one exact point, roots at what they square to; `scale` shrinks what is not in (0, 1)."""
        back = {r: sp.sqrt(p) for p, r in self.roots.items()}
        whole = sp.Tuple(*exprs).xreplace(back)
        point = {s: v if is_unit(s) else v * scale for s, v in witness(whole).items()}
        return [expr.xreplace(point).evalf(30) for expr in whole]

    @cached_property
    def derived(self) -> list[sp.Basic]:
        return [s for s in self.names if str(s) in DERIVED or is_copy(s)]
