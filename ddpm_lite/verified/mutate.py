"""Small slips, made on purpose: each mutant is a formula as a tired author would have typed it.

One change at one place: a symbol or an index mistaken for its neighbour, a sign flipped, a term, factor, root
or square dropped, a number changed. A check that lets a mutant pass can't be trusted with the original.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import cast

from .formula import FUNCTIONS, INDEXED, Formula
from .symbols import TABLE

# What a symbol with an index is mistaken for: alpha(s).
SWAPS = {"alpha": ("alpha_bar", "beta"), "alpha_bar": ("alpha",), "beta": ("alpha",)}


def mutants(formula: Formula) -> list[tuple[str, Formula]]:
    """(what was changed, the changed formula), each text once, none equal to the original's."""
    found: dict[str, str] = {}
    for what, tree in _changed(formula.tree):
        text = ast.unparse(tree)
        if text != formula.text and text not in found:
            found[text] = what
    return [(what, Formula(text)) for text, what in found.items()]


def _changed(tree: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    whole = ast.unparse(tree)
    yield f"sign of {whole}", ast.UnaryOp(ast.USub(), copy.deepcopy(tree))
    for node in list(_formulas(tree)):
        for what, other in _slips(node):
            yield what, _swap(tree, node, other)


def _formulas(node: ast.expr) -> Iterator[ast.expr]:
    """Every subformula; an index, a bound of a sum and an underbrace's words are none."""
    yield node
    match node:
        case ast.Call(func=ast.Name(id=name), args=args) if name in INDEXED and name not in FUNCTIONS:
            parts = []
        case ast.Call(func=ast.Name(id="Sum" | "Prod"), args=[term, _, low, high]):
            parts = [term, low, high]
        case ast.Call(func=ast.Name(id="under"), args=[x, _]):
            parts = [x]
        case ast.Call(args=args):
            parts = args
        case ast.BinOp(left=a, right=b, op=op):
            parts = [a] if isinstance(op, ast.Pow) else [a, b]
        case ast.UnaryOp(operand=x):
            parts = [x]
        case _:
            parts = []
    for part in parts:
        yield from _formulas(part)


def _slips(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    text = ast.unparse(node)
    match node:
        case ast.Name(id=name) if name in TABLE:
            for other in TABLE[name].mistaken_for:
                yield f"{other} for {name}", ast.Name(other)
        case ast.Constant(value=int() as number):
            yield f"{number + 1} for {number}", ast.Constant(number + 1)
        case ast.Call(func=ast.Name(id=name), args=[index]) if name in INDEXED and name not in FUNCTIONS:
            for other in SWAPS.get(name, ()):
                yield f"{other} for {text}", ast.Call(ast.Name(other), [index], [])
            one, earlier = ast.Constant(1), not isinstance(index, ast.Constant)
            shifted = ast.BinOp(index, ast.Sub() if earlier else ast.Add(), one)
            yield f"neighbour of {text}", ast.Call(ast.Name(name), [shifted], [])
        case ast.UnaryOp(operand=x):
            yield f"sign of {text}", x
        case ast.BinOp(left=a, op=ast.Add() | ast.Sub() as op, right=b):
            flipped = ast.Sub() if isinstance(op, ast.Add) else ast.Add()
            yield f"sign of {ast.unparse(b)}", ast.BinOp(a, flipped, b)
            yield f"{ast.unparse(b)} dropped", a
            yield f"{ast.unparse(a)} dropped", b if isinstance(op, ast.Add) else ast.UnaryOp(ast.USub(), b)
        case ast.BinOp(left=a, op=ast.Mult(), right=b):
            yield f"factor {ast.unparse(b)} dropped", a
            yield f"factor {ast.unparse(a)} dropped", b
        case ast.BinOp(left=a, op=ast.Div(), right=b):
            yield f"divisor {ast.unparse(b)} dropped", a
            if not isinstance(a, ast.Constant):
                yield f"1 for {ast.unparse(a)}", ast.BinOp(ast.Constant(1), ast.Div(), b)
        case ast.BinOp(left=a, op=ast.Pow(), right=ast.Constant(value=int())):
            yield f"power of {ast.unparse(a)} dropped", a
        case ast.Call(func=ast.Name(id="sqrt"), args=[x]):
            yield f"root of {ast.unparse(x)} dropped", x
        case ast.Call(func=ast.Name(id="norm2"), args=[x]):
            yield f"square of {ast.unparse(x)} dropped", x
        case ast.Call(func=ast.Name(id="log" | "exp" as name), args=[x]):
            yield f"{name} of {ast.unparse(x)} dropped", x


def _swap(tree: ast.expr, node: ast.expr, other: ast.expr) -> ast.expr:
    """A copy of the tree in which `node`, found by identity, is `other`."""
    class Swap(ast.NodeTransformer):
        def visit(self, here: ast.AST) -> ast.AST:
            return copy.deepcopy(other) if here is marked else self.generic_visit(here)

    memo: dict[int, ast.expr] = {}
    whole = copy.deepcopy(tree, memo)
    marked = memo[id(node)]
    return cast(ast.expr, Swap().visit(whole))
