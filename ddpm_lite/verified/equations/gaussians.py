"""Gaussians: scaled, summed, multiplied, compared. Notebook 01, first half."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..decide import Positive
from ..kernel import S, bell, expectation, log_normal, noise
from ..registry import equation
from ..statements import Equation, Words, label
from ..symbols import symbol

symbol("mu_0", r"\mu_0", "real", "mu_1")
symbol("mu_1", r"\mu_1", "real", "mu_0")
symbol("Sigma_0", r"\Sigma_0", "positive", "Sigma_1")
symbol("Sigma_1", r"\Sigma_1", "positive", "Sigma_0")


@cache
def log_area(log_density: sp.Expr, x: sp.Symbol) -> sp.Expr:
    """log of the integral over x of exp(log_density), quadratic in x: the lemma, coefficients read off."""
    square, linear, rest = (sp.Poly(sp.expand(log_density), x).coeff_monomial(x**k) for k in (2, 1, 0))
    P = -2 * square
    return sp.log(2 * sp.pi / P) / 2 + linear**2 / (2 * P) + rest


@cache
def lemma() -> sp.Expr:
    """The integral of exp(-P x^2/2 + B x), less what `log_area` makes of it."""
    P, B, x = sp.Symbol("P", positive=True), sp.Symbol("B", real=True), sp.Symbol("x", real=True)
    exponent = -P * x**2 / 2 + B * x
    return sp.integrate(sp.exp(exponent), (x, -sp.oo, sp.oo)) - sp.exp(log_area(exponent, x))


def log_mgf(mean: sp.Expr, var: sp.Expr, u: sp.Symbol) -> sp.Expr:
    """log E exp(u x) for x ~ N(mean, var); it belongs to one law alone."""
    x = sp.Symbol("x_", real=True)
    return log_area(log_normal(x, mean, var) + u * x, x)


LEMMA = "the lemma used: the integral of exp(-P x^2/2 + B x) is sqrt(2 pi/P) exp(B^2/(2P))"
U = sp.Symbol("u", real=True)


@equation("gaussian-scaling",
          Words(r"x \sim \mathcal N\left(<<m>>, <<v>>\right),\ a \ne 0 \quad\Longrightarrow\quad "
                r"<<y>> \sim \mathcal N\left(<<mean>>,\ <<var>>\right)",
                m="mu", v="sigma**2", y="a*x + b", mean="a*mu + b", var="a**2*sigma**2"),
          title="A Gaussian, scaled and shifted", source="linear maps keep Gaussians")
def _(s):
    slope, shift = sp.diff(s.y, S("x")), s.y.subs(S("x"), 0)
    yield ("E exp(u y), which names the law: shift it, and scale u",
           log_mgf(s.mean, s.var, U) - (U * shift + log_mgf(s.m, s.v, slope * U)))
    yield LEMMA, lemma()


@equation("gaussian-sum",
          Words(r"\begin{gathered} x \sim \mathcal N\left(<<m>>, <<v>>\right),\ "
                r"y \sim \mathcal N\left(<<n>>, <<w>>\right)\ \text{independent} \quad\Longrightarrow \\ "
                r"<<sum>> \sim \mathcal N\left(<<mean>>,\ <<var>>\right) \end{gathered}",
                m="mu", v="sigma**2", n="nu", w="tau**2", sum="x + y", mean="mu + nu",
                var="sigma**2 + tau**2"),
          title="A sum of independent Gaussians",
          slips={"standard deviations add": Words(
              r"x \sim N(<<m>>, <<v>>), y \sim N(<<n>>, <<w>>): <<sum>> \sim N(<<mean>>, <<var>>)",
              m="mu", v="sigma**2", n="nu", w="tau**2", sum="x + y", mean="mu + nu", var="(sigma + tau)**2")})
def _(s):
    x, total = S("x"), sp.Symbol("total", real=True)
    yield ("independent: E exp(u(x + y)) is the product of the two",
           log_mgf(s.mean, s.var, U) - log_mgf(s.m, s.v, sp.diff(s.sum, x) * U)
           - log_mgf(s.n, s.w, sp.diff(s.sum, S("y")) * U))
    yield ("the same by convolution: all ways to reach a total, every factor kept",
           log_area(log_normal(x, s.m, s.v) + log_normal(total - x, s.n, s.w), x)
           - log_normal(total, s.mean, s.var))
    yield LEMMA, lemma()


@equation("variance-of-sum",
          Equation(label(r"\operatorname{Var}(x + y)"), "sigma**2 + tau**2 + 2*rho*sigma*tau"),
          title="The variance of a sum, with correlation rho")
def _(s):
    e, f = noise("e"), noise("f")
    x, y = S("sigma") * e, S("tau") * (S("rho") * e + sp.sqrt(1 - S("rho")**2) * f)
    yield "the second number has standard deviation tau", expectation(y**2, e, f) - S("tau")**2
    yield "and correlation rho with the first", expectation(x * y, e, f) - S("rho") * S("sigma") * S("tau")
    yield "the second moment of the sum", s.rhs - expectation((x + y) ** 2, e, f)


@equation("sum-not-gaussian",
          Words(r"\begin{gathered} x \sim \mathcal N(0, 1),\ \ y = \pm x\ \text{by a fair coin}: \quad "
                r"\operatorname{Cov}(x, y) = <<cov>>, \\ \mathbb E\left[(x + y)^4\right] = <<fourth>> "
                r"\neq <<bell>> = 3\operatorname{Var}(x + y)^2 \end{gathered}",
                cov="0", fourth="24", bell="12"),
          title="Uncorrelated Gaussians whose sum is no Gaussian")
def _(s):
    x = noise("x")

    def mean(f):
        return expectation(sum(f(sign * x) for sign in (1, -1)) / 2, x)

    yield "y is standard normal too: heads and tails give the same law", log_mgf(0, 1, -U) - log_mgf(0, 1, U)
    yield "E[xy] is 0: uncorrelated", s.cov - mean(lambda y: x * y)
    yield "the sum's fourth moment: (2x)^4 or 0", s.fourth - mean(lambda y: (x + y) ** 4)
    yield "what a Gaussian of the same variance has", s.bell - 3 * mean(lambda y: (x + y) ** 2) ** 2
    yield "they differ", Positive(s.fourth - s.bell)


@equation("reparametrisation",
          Words(r"\begin{gathered} \varepsilon \sim \mathcal N(0, 1),\quad z = <<z>> "
                r"\quad\Longleftrightarrow \\ z \sim \mathcal N\left(<<mean>>,\ <<var>>\right),\quad "
                r"\varepsilon = <<back>> \end{gathered}",
                z="mu + sigma*eps", mean="mu", var="sigma**2", back="(z - mu)/sigma"),
          title="Reparametrisation: a draw as a formula",
          source="Kingma and Welling 2014, section 2.4")
def _(s):
    z, eps = S("z"), S("eps")
    yield "there and back again", s.back.subs(z, s.z) - eps
    exponent, factor = bell(s.back, 0, 1)                           # the density of eps, written in z
    yield "change of variables: the exponent", exponent - bell(z, s.mean, s.var)[0]
    yield ("and the factor, with the map's stretch",
           factor * sp.diff(s.back, z) ** 2 - bell(z, s.mean, s.var)[1])


@equation("gradient-through-noise",
          Words(r"\begin{aligned} \frac{\partial}{\partial\mu}\,\mathbb E\left[z^2\right] &= "
                r"\mathbb E\left[<<by_mu>>\right] = <<mu>> \\ "
                r"\frac{\partial}{\partial\sigma}\,\mathbb E\left[z^2\right] &= "
                r"\mathbb E\left[<<by_sigma>>\right] = <<sigma>> \end{aligned}",
                by_mu="2*paren(mu + sigma*eps)", mu="2*mu", by_sigma="2*paren(mu + sigma*eps)*eps",
                sigma="2*sigma"),
          title="A gradient passes through a draw")
def _(s):
    mu, sigma, eps = S("mu"), S("sigma"), S("eps")
    drawn = (mu + sigma * eps) ** 2
    for name, slope, mean in (("mu", s.by_mu, s.mu), ("sigma", s.by_sigma, s.sigma)):
        yield f"under the sign E: the slope of one draw in {name}", slope - sp.diff(drawn, S(name))
        yield "its mean over eps", mean - expectation(slope.subs(eps, noise("e")), noise("e"))
        truth = expectation(drawn.subs(eps, noise("e")), noise("e"))
        yield "is the slope of the mean", mean - sp.diff(truth, S(name))
