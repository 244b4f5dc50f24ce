"""Judging a generator: the Frechet distance, its bias, coverage, the bound of Gaussian data. Notebook 10."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import sympy as sp

from ..decide import Positive
from ..formula import FUNCTIONS
from ..kernel import S, conditional, covariance, expectation, kl, noise
from ..matrices import value
from ..registry import entry, equation
from ..statements import Equation, Statement, Words, label
from ..symbols import DERIVED, symbol

FUNCTIONS["root"] = (sp.Function("root"), lambda a: rf"\left({a}\right)^{{1/2}}")       # of a matrix
symbol("V_T", "V_T", "positive", "V")
DERIVED["V_T"] = "alpha_bar_T*V + 1 - alpha_bar_T"


def pair() -> tuple[sp.Expr, sp.Expr]:
    """x and y of given means and spreads and correlation rho; of any coupling only these moments matter."""
    e, f = noise("e"), noise("f")
    return S("mu") + S("sigma") * e, S("nu") + S("tau") * (S("rho") * e + sp.sqrt(1 - S("rho") ** 2) * f)


def cost() -> sp.Expr:
    x, y = pair()
    return expectation((x - y) ** 2, noise("e"), noise("f"))


@equation("coupling-cost",
          Equation(label(r"\mathbb E\left[(x - y)^2\right]"),
                   "(mu - nu)**2 + sigma**2 + tau**2 - 2*rho*sigma*tau"),
          title="What it costs to move one bell onto another")
def _(s):
    x, y = pair()
    yield "the pair has correlation rho", covariance(x, y) - S("rho") * S("sigma") * S("tau")
    yield "the mean square of the way from x to y", s.rhs - cost()


@equation("frechet-1d",
          Equation(label(r"\min_{\text{pairings}}\ \mathbb E\left[(x - y)^2\right]"),
                   "(mu - nu)**2 + (sigma - tau)**2"),
          title="The Frechet distance of two bells, squared", source="Frechet 1957",
          slips={"variances for spreads": Equation(label("m"), "(mu - nu)**2 + (sigma**2 - tau**2)**2")})
def _(s):
    x, y = pair()
    rho = S("rho")
    apart = (x - S("mu")) / S("sigma") - (y - S("nu")) / S("tau")
    yield ("no pairing has a correlation above 1: 2 - 2 rho is a mean of squares",
           2 - 2 * rho - expectation(apart**2, noise("e"), noise("f")))
    yield "at correlation 1 the cost is the right side", s.rhs - cost().subs(rho, 1)
    yield "at any other it is more by this gap", cost() - s.rhs - 2 * (1 - rho) * S("sigma") * S("tau")
    yield "which is positive", Positive((2 * (1 - rho) * S("sigma") * S("tau")).subs(rho, 1 - 2 * S("eta")))


def _worlds() -> Iterator[tuple[str, dict[str, Any], sp.Matrix, sp.Matrix]]:
    """Means, covariances A = L L^T and B = T A T, and L and T: T carries the first bell onto the second."""
    a, b = sp.symbols("l t", positive=True)
    for what, m, n, root, map in (
            ("d = 2, exact numbers", [1, -2], [3, 1], [[2, 0], [1, 3]], [[2, 1], [1, 3]]),
            ("d = 2, other numbers", [0, 5], [-1, 1], [[1, 0], [-2, 1]], [[1, -1], [-1, 4]]),
            ("d = 1, symbols", [S("mu")], [S("nu")], [[a]], [[b]])):
        L, T = sp.Matrix(root), sp.Matrix(map)
        known = {"mu_0": sp.Matrix(m), "mu_1": sp.Matrix(n), "Sigma_0": L * L.T, "Sigma_1": T * L * L.T * T}
        yield what, known, L, T


def _frechet(right: str) -> Statement:
    name = r"\mathrm{FD}\left(\mathcal N(\mu_0, \Sigma_0),\ \mathcal N(\mu_1, \Sigma_1)\right)"
    return Equation(label(name), right)


@equation("frechet-matrix",
          _frechet("norm2(mu_0 - mu_1) + tr(Sigma_0 + Sigma_1 - 2*root(Sigma_0*Sigma_1))"),
          title="The Frechet distance of two Gaussians, squared", tier="exact",
          source="Dowson and Landau 1982; Heusel et al. 2017, eq. (6)",
          slips={"no root": _frechet("norm2(mu_0 - mu_1) + tr(Sigma_0 + Sigma_1 - 2*Sigma_0*Sigma_1)")})
def _(s):
    for what, known, L, T in _worlds():
        d, A, B = L.shape[0], known["Sigma_0"], known["Sigma_1"]
        e = sp.Matrix([noise(f"d{i}") for i in range(d)])
        way = known["mu_0"] + L * e - (known["mu_1"] + T * L * e)
        straight = expectation((way.T * way)[0], *e)
        yield f"{what}: the cost of x -> mu_1 + T(x - mu_0)", value(s.rhs, known) - straight
        cross = sp.Matrix(d, d, sp.symbols(f"c0:{d * d}", real=True))
        gap = (A * T).trace() + (B * T.inv()).trace() - 2 * cross.trace()
        off = known["mu_0"] - known["mu_1"]
        other = (off.T * off)[0] + A.trace() + B.trace() - 2 * cross.trace()
        yield ("any other pairing, of cross-covariance C, costs more by the mean of the squares "
               "(x - T^-1 y)^T T (x - T^-1 y), centred", other - value(s.rhs, known) - gap)


@equation("frechet-mean-bias",
          Equation(label(r"\mathbb E\left[(\bar x_n - \bar y_m)^2\right]"), "sigma**2/n + sigma**2/m"),
          title="Two samples of one law have different means")
def _(s):
    n, m, var = S("n"), S("m"), S("sigma") ** 2
    part = s.rhs.subs(n, m) / 2
    yield "one number each: twice the variance", s.rhs.subs({n: 1, m: 1}) - 2 * var
    yield ("one more number, independent of the others: (m mean_m + x)/(m + 1)",
           part.subs(m, m + 1) - (m**2 * part + var) / (m + 1) ** 2)
    yield "the two samples are independent: variances add", s.rhs - part - part.subs(m, n)


def _share(n: int, m: int, k: int) -> sp.Rational:
    """Of all orders, by distance, of n - 1 real and m made neighbours: those with one made before the k-th
    real one."""
    places = range(n - 1 + m)
    orders = list(combinations(places, m))                              # where the made ones stand
    return sp.Rational(sum(1 for made in orders if min(made) < k), len(orders))


@equation("coverage-expected",
          Words(r"\mathbb E\left[\text{coverage}\right] = <<rhs>> \;\longrightarrow\; <<limit>> "
                r"\quad (m = n \to \infty)",
                rhs="1 - Prod((n - i)/(n + m - i), i, 1, k)", limit="1 - 1/2**k"),
          title="The coverage that a perfect generator has", tier="exact", source="Naeem et al. 2020",
          slips={"no neighbour left out": Words(
              "<<rhs>> <<limit>>", rhs="1 - Prod((n - i + 1)/(n + m - i + 1), i, 1, k)", limit="1 - 1/2**k")})
def _(s):
    n, m, k = S("n"), S("m"), S("k")
    for real, made, near in ((4, 3, 2), (5, 5, 3), (6, 2, 1)):
        share = _share(real, made, near)
        yield (f"n = {real}, m = {made}, k = {near}: every order of the neighbours is as likely",
               s.rhs.subs({n: real, m: made, k: near}).doit() - share)
    for near in (1, 2, 5):
        yield (f"k = {near}, many points",
               sp.limit(sp.cancel(s.rhs.subs(k, near).doit().subs(m, n)), n, sp.oo) - s.limit.subs(k, near))


@equation("gaussian-bound-total",
          Equation(label(r"\mathbb E\left[L_T + \dots + L_0\right]"),
                   "under(1/2*(1 + log(2*pi*V)), '\\\\text{entropy of }x_0')"
                   " + under(1/2*(V_T - 1 - log(V_T)),"
                   " '\\\\text{KL of }x_T\\\\text{ to }\\\\mathcal N(0, 1)')"),
          title="The bound of Gaussian data, with the exact network and the best variance")
def _(s):
    bar, one = S("alpha_bar_T"), S("SNR_1")
    data = sp.sqrt(S("V")) * noise("data")
    prior = kl((sp.sqrt(bar) * data, 1 - bar), (sp.Integer(0), sp.Integer(1)))
    here = one / (1 + one)                                              # alpha_bar_1
    left = conditional(data, sp.sqrt(here) * data + sp.sqrt(1 - here) * noise("first"), S("x_1"))[1]
    last = (1 + sp.log(2 * sp.pi * left)) / 2                           # E[-log p(x_0 | x_1)]
    steps = entry("gaussian-bound-sum").statement.rhs
    yield ("L_T by the KL, the sum as in gaussian-bound-sum, L_0 by the entropy that x_1 leaves",
           s.rhs - expectation(prior, noise("data")) - steps - last)
    yield ("what it exceeds the entropy by is the KL of N(0, V_T) to N(0, 1)",
           s.rhs - (1 + sp.log(2 * sp.pi * S("V"))) / 2
           - kl((sp.Integer(0), S("V_T")), (sp.Integer(0), sp.Integer(1))))
