"""Gaussians multiplied and compared: products of bells, KL divergences. Notebook 01."""

from __future__ import annotations

from typing import Any

import sympy as sp

from ..kernel import S, bell, expectation, kl, noise
from ..matrices import value
from ..registry import equation
from ..statements import Equation, Statement, Words, label


@equation("product-of-bells",
          Words(r"\begin{gathered} "
                r"\mathcal N\left(x; <<m>>, <<v>>\right)\,\mathcal N\left(x; <<n>>, <<w>>\right) = \\ "
                r"\mathcal N\left(<<at>>;\ <<centre>>,\ <<spread>>\right)\;"
                r"\mathcal N\left(x;\ <<mean>>,\ <<var>>\right) \end{gathered}",
                m="mu", v="sigma**2", n="nu", w="tau**2", at="mu", centre="nu", spread="sigma**2 + tau**2",
                mean="(tau**2*mu + sigma**2*nu)/(sigma**2 + tau**2)",
                var="sigma**2*tau**2/(sigma**2 + tau**2)"),
          title="The product of two bells")
def _(s):
    x = S("x")
    (e1, f1), (e2, f2) = bell(x, s.m, s.v), bell(x, s.n, s.w)
    (e3, f3), (e4, f4) = bell(s.at, s.centre, s.spread), bell(x, s.mean, s.var)
    yield "the exponents agree, at every x", e1 + e2 - e3 - e4
    yield "and the factors in front", f1 * f2 - f3 * f4


_KL = r"\mathrm{KL}\left(\mathcal N(<<m>>, <<v>>) \,\|\, \mathcal N(<<n>>, <<w>>)\right) = <<rhs>>"


def _in_1(right: str) -> Statement:
    return Words(_KL, m="mu", v="sigma**2", n="nu", w="tau**2", rhs=right)


@equation("kl-gaussians", _in_1("log(tau/sigma) + (sigma**2 + (mu - nu)**2)/(2*tau**2) - 1/2"),
          title="KL of two Gaussians in one dimension",
          slips={"swapped arguments": _in_1("log(sigma/tau) + (tau**2 + (mu - nu)**2)/(2*sigma**2) - 1/2"),
                 "log of variances without its half":
                     _in_1("log(tau**2/sigma**2) + (sigma**2 + (mu - nu)**2)/(2*tau**2) - 1/2"),
                 "the half is missing": _in_1("log(tau/sigma) + (sigma**2 + (mu - nu)**2)/tau**2 - 1")})
def _(s):
    yield "E_p[log p - log q], by the moments of p", s.rhs - kl((s.m, s.v), (s.n, s.w))


def _standard(right: str) -> Statement:
    name = r"\mathrm{KL}\left(\mathcal N(\mu, \sigma^2) \,\|\, \mathcal N(0, 1)\right)"
    return Equation(label(name), right)


@equation("kl-standard", _standard("1/2*paren(mu**2 + sigma**2 - 1 - log(sigma**2))"),
          title="KL to the standard Gaussian: a VAE's second term, per latent dimension",
          source="Kingma and Welling 2014, appendix B",
          slips={"log of sigma for log of variance":
                     _standard("1/2*paren(mu**2 + sigma**2 - 1 - log(sigma))"),
                 "the half is missing": _standard("mu**2 + sigma**2 - 1 - log(sigma**2)")})
def _(s):
    yield "E_p[log p - log q], by the moments of p", s.rhs - kl((S("mu"), S("sigma") ** 2),
                                                                (sp.Integer(0), sp.Integer(1)))


_RIGHT = ("1/2*paren(tr(inv(Sigma_1)*Sigma_0) - d + quad(mu_1 - mu_0, inv(Sigma_1))"
          " + log(det(Sigma_1)/det(Sigma_0)))")


def _in_d(right: str) -> Statement:
    lines = _KL.replace("=", r"\\ & {} =")
    return Words(rf"\begin{{aligned}} & {lines} \end{{aligned}}",
                 m="mu_0", v="Sigma_0", n="mu_1", w="Sigma_1", rhs=right)


def _worlds() -> Any:
    """Means and covariances L L^T of dimensions 3 (numbers), 1 and 2 (symbols)."""
    yield 3, ([1, -2, 3], [4, 1, 2]), ([[2, 0, 0], [1, 3, 0], [-1, 2, 1]], [[3, 0, 0], [2, 1, 0], [1, -1, 2]])
    for d in (1, 2):
        mean = [sp.symbols(f"m{k}_0:{d}", real=True) for k in (0, 1)]
        root = [sp.Matrix(d, d, lambda i, j, k=k: sp.Symbol(f"l{k}_{i}{j}", positive=True) if j <= i else 0)
                for k in (0, 1)]
        yield d, mean, root


@equation("kl-gaussians-d", _in_d(_RIGHT), title="KL of two Gaussians in d dimensions", tier="exact",
          slips={what: _in_d(_RIGHT.replace(old, new)) for what, old, new in (
              ("determinants exchanged", "det(Sigma_1)/det(Sigma_0)", "det(Sigma_0)/det(Sigma_1)"),
              ("covariances exchanged in the trace", "inv(Sigma_1)*Sigma_0", "inv(Sigma_0)*Sigma_1"))})
def _(s):
    for d, mean, root in _worlds():
        means, roots = [sp.Matrix(m) for m in mean], [sp.Matrix(r) for r in root]
        known = {"d": sp.Integer(d)}
        for k in (0, 1):
            known |= {f"mu_{k}": means[k], f"Sigma_{k}": roots[k] * roots[k].T}
        (m, v), (n, w) = (value(s.m, known), value(s.v, known)), (value(s.n, known), value(s.w, known))
        e = sp.Matrix([noise(f"kl{i}") for i in range(d)])
        x = m + roots[0] * e
        squares = ((x - n).T * w.inv() * (x - n) - (x - m).T * v.inv() * (x - m))[0]
        truth = expectation(squares, *e) / 2 + (sp.log(w.det()) - sp.log(v.det())) / 2
        how = "exact numbers" if d == 3 else "symbols"
        yield f"E[log N_0 - log N_1] by moments, d = {d}, {how}", value(s.rhs, known) - truth
