"""The exact world of notebook 04: a forward and a reverse chain of Gaussians, with all their logarithms.

q(x_t | x_{t-1}) = N(a_t x_{t-1}, 1 - a_t^2) with a_t = sqrt(alpha_t), from a given x_0; and
p(x_{t-1} | x_t) = N(c_t x_t, s_t), p(x_T) = N(0, 1). With rational a, c, s every value of the chapter is
r + (1/2) log P with r and P rational, so two values are equal or not, and it can be told: log P is irrational
unless P = 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import sympy as sp

from ..registry import Absurd

Number = Any                                        # Fraction, or an element of a field of rational functions


@dataclass(frozen=True)
class Value:
    """-1/2 (quadratic form in x_0..x_T + r + log P + n log 2 pi). `quad[i, j]`, i <= j, goes with x_i x_j."""

    quad: dict[tuple[int, int], Number] = field(default_factory=dict)
    r: Number = 0
    P: Number = 1
    n: int = 0

    def __add__(self, other: Value) -> Value:
        quad = dict(self.quad)
        for key, c in other.quad.items():
            quad[key] = quad.get(key, 0) + c
        quad = {key: c for key, c in quad.items() if c != 0}
        return Value(quad, self.r + other.r, self.P * other.P, self.n + other.n)

    def __mul__(self, k: int) -> Value:
        return Value({key: k * c for key, c in self.quad.items()}, k * self.r, self.P**k, k * self.n)

    def __sub__(self, other: Value) -> Value:
        return self + other * -1

    def residual(self) -> sp.Expr:
        """0 exactly if the value is 0 whatever the x, else the first part that isn't: for `decide`."""
        parts = [self.r, self.P - 1, self.n, *(c for _, c in sorted(self.quad.items()))]
        first = next((part for part in parts if part != 0), 0)
        return first.as_expr() if hasattr(first, "as_expr") else sp.sympify(first)

    def at(self, x0: Number) -> tuple[Fraction, Fraction, int]:
        """(r, P, n) of r + 1/2 log P - n/2 log 2 pi once x_0 is a number."""
        if set(self.quad) - {(0, 0)}:
            raise ValueError(f"still a function of x at the times {sorted(self.quad)}")
        return -(self.quad.get((0, 0), 0) * x0**2 + self.r) / 2, 1 / Fraction(self.P), self.n

    def nats(self, x0: Number) -> float:
        """The same as a float; P may have thousands of digits."""
        r, P, n = self.at(x0)
        return float(r) + (math.log(P.numerator) - math.log(P.denominator) - n * math.log(2 * math.pi)) / 2


@dataclass(frozen=True)
class World:
    """Both chains. Entry t of a list belongs to time t, entry 0 isn't used. `V` is the data's variance."""

    a: Sequence[Number]                             # sqrt(alpha_t)
    c: Sequence[Number]                             # p's factor
    s: Sequence[Number]                             # p's variance
    V: Number = Fraction(17, 6)

    @property
    def T(self) -> int:
        return len(self.a) - 1

    def signal(self, i: int, j: int) -> Number:
        """sqrt(alpha_bar_j / alpha_bar_i), i <= j."""
        return math.prod(self.a[i + 1:j + 1], start=self.a[1] ** 0)

    def covariance(self, which: str, i: int, j: int) -> Number:
        """Of x_i and x_j. For q as if x_0 were N(0, 1): what is conditional on x_0 doesn't depend on it."""
        i, j = min(i, j), max(i, j)
        if which == "q":
            return self.signal(i, j)
        return math.prod(self.c[i + 1:j + 1], start=self.model_variance(j))

    def model_variance(self, t: int) -> Number:
        """Var(x_t) under p: v_T = 1 and v_{t-1} = c_t^2 v_t + s_t."""
        v = self.c[1] ** 0
        for k in range(self.T, t, -1):
            v = self.c[k] ** 2 * v + self.s[k]
        return v

    def law(self, which: str, k: int, given: Sequence[int]) -> tuple[dict[int, Number], Number]:
        """x_k given others: its mean as {time: weight}, its variance. The nearest decide: Markov chains."""
        if which == "q" and 0 not in given and not any(g < k for g in given):
            raise Absurd(f"q's law of x_{k} without x_0 depends on the data")
        below, above = [g for g in given if g < k], [g for g in given if g > k]
        near = [max(below)] if below else []
        near += [min(above)] if above else []
        if len(set(given)) < len(given):
            raise Absurd("a variable is given twice")
        if k in given:
            raise Absurd(f"x_{k}, given itself, is a point: no density, and a KL from it is infinite")
        own = self.covariance(which, k, k)
        to = [self.covariance(which, k, g) for g in near]
        if not near:
            return {}, own
        if len(near) == 1:
            (g,), weights = near, [to[0] / self.covariance(which, near[0], near[0])]
        else:
            f, g = near
            ff, fg, gg = (self.covariance(which, *pair) for pair in ((f, f), (f, g), (g, g)))
            det = ff * gg - fg**2
            weights = [(gg * to[0] - fg * to[1]) / det, (ff * to[1] - fg * to[0]) / det]
        var = own - sum(w * v for w, v in zip(weights, to, strict=True))
        return dict(zip(near, weights, strict=True)), var

    def log(self, which: str, k: int, given: Sequence[int] = ()) -> Value:
        """log q(x_k | given) or log p(x_k | given)."""
        mean, var = self.law(which, k, given)
        if var == 0:
            raise Absurd(f"x_{k} is known here: a point has no density, a KL from it is infinite")
        off = {k: self.a[1] ** 0, **{g: -w for g, w in mean.items()}}
        quad: dict[tuple[int, int], Number] = {}
        for i, u in off.items():
            for j, w in off.items():
                key = (min(i, j), max(i, j))
                quad[key] = quad.get(key, 0) + u * w / var
        return Value(quad, 0, var, 1)

    def draw(self, value: Value, k: int, given: Sequence[int]) -> Value:
        """E over x_k from q(x_k | given)."""
        mean, var = self.law("q", k, given)
        out = Value({key: c for key, c in value.quad.items() if k not in key}, value.r, value.P, value.n)
        for (i, j), c in value.quad.items():
            if i == j == k:
                pairs = {(min(g, h), max(g, h)): 0 for g in mean for h in mean}
                for g, u in mean.items():
                    for h, w in mean.items():
                        pairs[min(g, h), max(g, h)] += u * w
                out = out + Value({key: c * w for key, w in pairs.items()}, c * var)
            elif k in (i, j):
                other = j if i == k else i
                out = out + Value({(min(g, other), max(g, other)): c * w for g, w in mean.items()})
        return out

    def average(self, value: Value, times: Sequence[int]) -> Value:
        """E over the joint law q(x_i, x_j, ... | x_0) of these times; the last is integrated out first."""
        for k in sorted(times, reverse=True):
            value = self.draw(value, k, [0, *(i for i in times if i < k)])
        return value

    def over_data(self, value: Value) -> Value:
        """E over x_0 from N(0, V)."""
        quad = {key: c for key, c in value.quad.items() if key != (0, 0)}
        return Value(quad, value.r + value.quad.get((0, 0), 0) * self.V, value.P, value.n)


def rational(T: int) -> World:
    """A world with T steps in rational numbers, all different, far from the best model."""
    times = range(1, T + 1)
    return World([0, *(Fraction(5 + 2 * t, 8 + 3 * t) for t in times)],
                 [0, *(Fraction(3 + t, 5 + 2 * t) for t in times)],
                 [0, *(Fraction(8, 5 + 2 * t) for t in times)])


def symbolic(T: int) -> World:
    """A world with T steps in symbols a_1.., c_1.., s_1.., V, in their field of rational functions."""
    names = [f"{name}_{t}" for name in "acs" for t in range(1, T + 1)] + ["V"]
    _, *made = sp.field(names, sp.QQ)
    return World([0, *made[:T]], [0, *made[T:2 * T]], [0, *made[2 * T:3 * T]], made[-1])
