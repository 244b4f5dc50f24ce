"""A latent variable model that can be solved: everything in it is Gaussian and linear. Notebook 01."""

from __future__ import annotations

from functools import cache

import sympy as sp

from ..decide import Positive
from ..formula import reduced
from ..kernel import S, expectation, kl, log_normal, moments, noise
from ..registry import Absurd, definition, equation
from ..statements import Equation, GaussianLaw, Joined, Words, label
from ..symbols import DERIVED, symbol
from .gaussians import LEMMA, lemma, log_area
from .latent import least

symbol("var_x", r"\sigma_x^2", "positive", "sigma")
symbol("x_hat", r"\hat x", "real", "x")
DERIVED["var_x"] = "w**2 + sigma**2"


def _law(variable: str, mean: str, var: str, given: str = "", by: str = "p"):
    return GaussianLaw(variable, mean, var, given=given, by=by, identity=False)


W, A, X, Z = S("w"), S("a"), S("x"), S("z")
SIGMA2, TAU2, VAR_X = S("sigma") ** 2, S("tau") ** 2, S("w") ** 2 + S("sigma") ** 2

definition("toy-model", Joined(_law("z", "0", "1"), _law("x", "w*z", "sigma**2", given="z"),
                               _law("z", "a*x", "tau**2", given="x", by="q")),
           title="A linear Gaussian model: prior, decoder, encoder")


@cache
def log_p() -> sp.Expr:
    """log p(x): prior times decoder, integrated over z."""
    return log_area(log_normal(Z, sp.Integer(0), sp.Integer(1)) + log_normal(X, W * Z, SIGMA2), Z)


@cache
def elbo() -> sp.Expr:
    """E_q[log p(x|z) + log p(z) - log q(z|x)], by the moments of q."""
    e = noise("q")
    z = A * X + S("tau") * e
    return expectation(log_normal(X, W * z, SIGMA2) + log_normal(z, sp.Integer(0), sp.Integer(1))
                       - log_normal(z, A * X, TAU2), e)


@equation("toy-variance", Words(r"\operatorname{Var}(x) = <<name>> = <<value>>",
                                name="var_x", value="w**2 + sigma**2"),
          title="The variance of x in the linear Gaussian model")
def _(s):
    var = moments(W * noise("z") + S("sigma") * noise("x"))[1]
    yield "x is w z plus noise; variances of independent parts add", s.value - var
    yield "the short name", s.name - var


@equation("toy-marginal", _law("x", "0", "var_x"), title="The likelihood in the linear Gaussian model")
def _(s):
    if s.variable != X:
        raise Absurd("this is the law of x")
    yield "prior times decoder, integrated over z, every factor kept", log_p() - log_normal(X, s.mean, s.var)
    yield LEMMA, lemma()


@equation("toy-posterior", _law("z", "w*x/var_x", "sigma**2/var_x", given="x"),
          title="The true encoder in the linear Gaussian model")
def _(s):
    if (s.variable, s.given0) != (Z, X):
        raise Absurd("this is the law of z given x")
    joint = log_normal(Z, sp.Integer(0), sp.Integer(1)) + log_normal(X, W * Z, SIGMA2)
    yield "Bayes, every factor kept", joint - log_p() - log_normal(Z, s.mean, s.var)


@equation("toy-log-p", Equation(label(r"\log p(x)"), "-(log(2*pi*var_x)/2) - x**2/(2*var_x)"),
          title="The log-likelihood, exactly")
def _(s):
    yield "the log of the integral over z", s.rhs - log_p()


@equation("toy-elbo", Equation(label(r"\mathcal L(x)"),
                               "under(-(((1 - w*a)**2*x**2 + w**2*tau**2)/(2*sigma**2))"
                               r" - log(2*pi*sigma**2)/2, '\\text{reconstruction}')"
                               " - under(1/2*paren(a**2*x**2 + tau**2 - 1 - log(tau**2)),"
                               r" '\\text{distance to the prior}')"),
          title="The ELBO, exactly: reconstruction, then distance to the prior")
def _(s):
    yield "E_q[log p(x, z)/q(z|x)], by moments", s.rhs - elbo()


@equation("toy-gap", Equation(label(r"\log p(x) - \mathcal L(x)"),
                              "1/2*paren((a - w/var_x)**2*x**2*var_x/sigma**2 + tau**2*var_x/sigma**2"
                              " - 1 - log(tau**2*var_x/sigma**2))"), title="The gap, exactly")
def _(s):
    yield "log p less the ELBO", s.rhs - (log_p() - elbo())
    yield "it is KL(q(z|x) || p(z|x))", s.rhs - kl((A * X, TAU2), (W * X / VAR_X, SIGMA2 / VAR_X))


@equation("encoder-optimum", Joined(Equation(label(r"a^\star"), "w/var_x"),
                                    Equation(label(r"(\tau^\star)^2"), "sigma**2/var_x")),
          title="The encoder that closes the gap")
def _(s):
    best_a, best_var, u = reduced(s.rhs0), reduced(s.rhs1), sp.Symbol("u", positive=True)
    gap = log_p() - elbo()
    square = (A - best_a) ** 2 * X**2 * VAR_X / SIGMA2
    yield "the gap: a square, and u - 1 - log u for u = tau^2 over the best", (
        gap - (square + TAU2 / best_var - 1 - sp.log(TAU2 / best_var)) / 2)
    yield "the square is 0 at the best a, and only there", square.subs(A, best_a)
    yield from least(u, u - 1 - sp.log(u))
    yield "there the gap is 0", gap.subs({A: best_a, S("tau"): sp.sqrt(best_var)})


@equation("encoder-gradient",
          Words(r"\begin{gathered} \frac{\partial\mathcal L}{\partial a} = <<slope>> = "
                r"-\frac{\partial}{\partial a}\mathrm{KL}\left(q(z \mid x) \,\|\, p(z \mid x)\right), \\ "
                r"\frac{\partial \log p(x)}{\partial a} = <<none>> \end{gathered}",
                slope="x**2*(w - a*var_x)/sigma**2", none="0"),
          title="The encoder moves the bound, not the likelihood")
def _(s):
    posterior = W * X / VAR_X, SIGMA2 / VAR_X
    yield "the slope of the ELBO", s.slope - sp.diff(elbo(), A)
    yield "is that of the gap, turned around", s.slope + sp.diff(kl((A * X, TAU2), posterior), A)
    yield "log p holds no a", s.none - sp.diff(log_p(), A)


@equation("decoder-gradient",
          Words(r"\left.\frac{\partial\mathcal L}{\partial w}\right|_{q = p(z \mid x)} = "
                r"\frac{\partial \log p(x)}{\partial w} = <<slope>>",
                slope="w*(x**2 - var_x)/paren(var_x)**2"),
          title="With the best encoder, the decoder sees the true slope")
def _(s):
    yield "the slope of log p", s.slope - sp.diff(log_p(), W)
    best = {A: W / VAR_X, S("tau"): S("sigma") / sp.sqrt(VAR_X)}
    yield "the slope of the ELBO, the encoder held at its best", s.slope - sp.diff(elbo(), W).subs(best)


@equation("elbo-other-maximum",
          Words(r"\begin{gathered} \tau \text{ fixed},\ \sigma^2 < V,\ \sigma\tau < \sqrt V: \\ "
                r"\arg\max_{w^2}\,\mathbb E\left[\log p(x)\right] = <<rhs0>>, \\ "
                r"\arg\max_{w^2}\,\max_a\,\mathbb E\left[\mathcal L(x)\right] = <<rhs1>> \end{gathered}",
                rhs0="V - sigma**2", rhs1="sigma*sqrt(V)/tau - sigma**2"),
          title="With too stiff an encoder the ELBO has its maximum elsewhere",
          slips={"optimising the ELBO is optimising the likelihood":
                 Joined(Equation(label("w^2"), "V - sigma**2"), Equation(label("w^2"), "V - sigma**2"))})
def _(s):
    """tau is held fixed; V = E[x^2] over the data; both curves are linear in x^2."""
    square, V, sigma, tau = sp.Symbol("square", positive=True), S("V"), S("sigma"), S("tau")

    def mean(curve):
        return sp.expand(curve).subs(X**2, V)

    def slope(curve):
        return sp.diff(mean(curve).subs(W, sp.sqrt(square)), square)

    best_a = {A: W / VAR_X}
    yield "the best a is the true encoder's, whatever tau: slope 0", sp.diff(mean(elbo()), A).subs(best_a)
    yield "and bent down: a maximum", Positive(-sp.diff(mean(elbo()), A, 2))
    var = square + sigma**2
    yield ("log p rises in w^2 up to this value, then falls: its slope's sign is that of a difference",
           slope(log_p()) - (s.rhs0 - square) / (2 * var**2))
    yield ("so does the ELBO, up to its own value",
           slope(elbo().subs(best_a)) - tau**2 * (s.rhs1 - square) * (s.rhs1 + sigma**2 + var)
           / (2 * sigma**2 * var**2))
    yield ("the two agree only where tau^2 is the true encoder's variance, sigma^2/V",
           s.rhs0 - s.rhs1 - sp.sqrt(V) * (sp.sqrt(V) - sigma / tau))


@equation("decoder-nll", Equation(label(r"-\log p(x \mid z)"),
                                  "(x - x_hat)**2/(2*sigma**2) + log(2*pi*sigma**2)/2"),
          title="A Gaussian decoder's loss is a squared error, per pixel")
def _(s):
    yield "minus the log of N(x; x_hat, sigma^2)", s.rhs + log_normal(X, S("x_hat"), SIGMA2)


@equation("decoder-variance", Words(
    r"\frac{\partial}{\partial \sigma^2} \left(\frac{<<error>>}{2\sigma^2} + "
    r"\frac{1}{2}\log 2\pi\sigma^2\right) = 0 \quad\Longleftrightarrow\quad \sigma^2 = <<best>>",
    error="M", best="M"),
          title="The best noise level of a decoder is its mean squared error M")
def _(s):
    v = sp.Symbol("v_", positive=True)
    yield "the slope's sign is that of v - M", (
        sp.diff(s.error / (2 * v) + sp.log(2 * sp.pi * v) / 2, v) - (v - s.best) / (2 * v**2))
