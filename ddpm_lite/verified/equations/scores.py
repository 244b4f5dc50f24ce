"""Walks along a score: Langevin dynamics, and annealed importance sampling (notebooks 09, 11)."""

from __future__ import annotations

from functools import cache
from itertools import product

import sympy as sp

from ..decide import Positive
from ..kernel import S, log_normal, moments, noise
from ..registry import equation
from ..statements import Equation, Statement, Words, label
from ..symbols import symbol

symbol("x_new", "x'", mistaken_for="x")
symbol("score", r"\nabla\log p(x)")
symbol("f0_y0", "f_0(y_0)", "positive", "f1_y0")
symbol("f1_y0", "f_1(y_0)", "positive", "f1_y1 f0_y0")
symbol("f1_y1", "f_1(y_1)", "positive", "f1_y0 f2_y1")
symbol("f2_y1", "f_2(y_1)", "positive", "f1_y1")
symbol("Z_0", "Z_0", "positive", "Z_2")
symbol("Z_2", "Z_2", "positive", "Z_0")


@equation("langevin-step", Equation("x_new", "x + h/2*score + sqrt(h)*z"),
          title="A step of Langevin", source="Song, Ermon 2019, eq. (4)",
          slips={"the noise without its root": Equation("x_new", "x + h/2*score + h*z"),
                 "no half": Equation("x_new", "x + h*score + sqrt(h)*z")})
def _(s):
    """To first order in the step, any density p stays: the change of p in the Fokker-Planck equation is 0.

    p' = p u and p'' = p (u^2 + u'), where u is the score and u' its slope, two free numbers at a point."""
    u, slope, h = S("score"), S("tau"), S("h")
    mean, var = moments(s.rhs.subs(S("z"), noise("z")))
    push = sp.limit((mean - S("x")) / h, h, 0)
    spread = sp.limit(var / h, h, 0)
    yield "the score alone pushes, in proportion", push - sp.diff(push, u) * u
    stream = sp.diff(push, u) * (slope + u**2)                          # (push p)' / p
    yield "what flows in flows out, for any score and any slope of it", spread / 2 * (slope + u**2) - stream
    yield "time runs so that the noise has variance 1 per unit", spread - 1
    yield "z enters with the root of the step", sp.diff(s.rhs, S("z")) - sp.sqrt(h)
    yield "the left side is the next x", s.lhs - S("x_new")


@equation("langevin-bias", Equation(label(r"p = \mathcal N(0, \sigma^2),\ 0 < h < 4\sigma^2: \quad "
                                          r"\lim_{k \to \infty} \operatorname{Var}(x^{(k)})"),
                                    "sigma**2/(1 - h/(4*sigma**2))"),
          title="A finite step leaves Langevin's walk too wide",
          slips={"no bias": Equation(label(r"\lim"), "sigma**2")})
def _(s):
    """The target is N(0, sigma^2), so that a step is linear: x' = c x + sqrt(h) z."""
    h, x = S("h"), S("x")
    score = sp.diff(log_normal(x, sp.Integer(0), S("sigma") ** 2), x)
    factor = sp.diff(x + h / 2 * score, x)
    yield "the variance that a step keeps: c^2 V + h = V", factor**2 * s.rhs + h - s.rhs
    yield "the bias is of the step's order", sp.diff(s.rhs, h).subs(h, 0) - sp.Rational(1, 4)
    shrinks = (1 - factor**2).subs(h, 4 * S("sigma") ** 2 * S("alpha_t"))
    yield "the walk settles for every step below 4 sigma^2: c^2 < 1", Positive(shrinks)


@cache
def _states() -> list[tuple[sp.Expr, dict[sp.Expr, sp.Expr]]]:
    """Every path y_0, y_1 of a chain with two states: its probability, and the four values of f along it.

    y_0 comes from f_0/Z_0. The move to y_1 keeps f_1/Z_1: with two states every such move mixes
    "stay" with "draw from f_1/Z_1", by some kappa."""
    f = [[sp.Symbol(f"f_{k}{y}", positive=True) for y in (0, 1)] for k in range(3)]
    kappa = S("kappa")
    paths = []
    for y0, y1 in product((0, 1), repeat=2):
        move = (1 - kappa) * int(y0 == y1) + kappa * f[1][y1] / sum(f[1])
        values = {S("f0_y0"): f[0][y0], S("f1_y0"): f[1][y0], S("f1_y1"): f[1][y1], S("f2_y1"): f[2][y1]}
        paths.append((f[0][y0] / sum(f[0]) * move, values))
    return paths


def _average(weight: str) -> Statement:
    return Words(r"\begin{gathered} y_0 \sim f_0/Z_0,\quad y_1 \text{ by a move that keeps } f_1: \\ "
                 r"\mathbb E\left[<<weight>>\right] = <<ratio>> \end{gathered}",
                 weight=weight, ratio="Z_2/Z_0")


@equation("ais-unbiased",
          _average("f1_y0/f0_y0*(f2_y1/f1_y1)"),
          title="Annealed importance sampling is unbiased", source="Neal 2001",
          slips={"both factors at the last state": _average("f1_y1/f0_y0*(f2_y1/f1_y1)")})
def _(s):
    """Any space, any f and any move that keeps f_1; then two states, where every path is counted."""
    share = S("f0_y0") / S("Z_0") * s.weight / S("f1_y0")               # a path's part, over f_1(y_0) move
    yield "every space: a path counts as f_1(y_0) times the move times this, which knows y_1 alone", \
        sp.Matrix([sp.diff(share, S(name)) for name in ("f0_y0", "f1_y0")])
    yield "the move keeps f_1: over all y_0, f_1(y_0) times the move is f_1(y_1); what is left is f_2/Z_0", \
        share * S("f1_y1") - S("f2_y1") * s.ratio / S("Z_2")
    f = [[sp.Symbol(f"f_{k}{y}", positive=True) for y in (0, 1)] for k in range(3)]
    average = sum(chance * s.weight.subs(values) for chance, values in _states())
    ratio = s.ratio.subs({S("Z_0"): sum(f[0]), S("Z_2"): sum(f[2])})
    yield "the paths' probabilities add up to 1", sum(chance for chance, _ in _states()) - 1
    yield "the move keeps f_1: after it, y_1 has the shares of f_1 if y_0 had", _kept(f[1])
    yield "two states, two factors: the weights of all paths, averaged", average - ratio


def _kept(f: list[sp.Symbol]) -> sp.Expr:
    kappa = S("kappa")
    arrive = sum(f[y] / sum(f) * ((1 - kappa) * int(y == 1) + kappa * f[1] / sum(f)) for y in (0, 1))
    return arrive - f[1] / sum(f)
