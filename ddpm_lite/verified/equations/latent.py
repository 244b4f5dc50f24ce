"""Latent variables: Jensen, log p = ELBO + KL, the bound of a VAE. Notebook 01."""

from __future__ import annotations

import sympy as sp
from sympy.core.function import AppliedUndef

from ..decide import Positive
from ..formula import value
from ..kernel import S
from ..registry import definition, equation
from ..statements import Chain, Equation, Statement, Words, label
from ..symbols import symbol
from ..world import evaluated, inside, summands
from .gaussians import LEMMA, lemma, log_mgf

symbol("p_x", "p(x)", "positive", "p_z")
symbol("p_z", "p(z)", "positive", "p_zx")
symbol("p_xz", "p(x, z)", "positive", "p_xgz p_x")
symbol("p_xgz", r"p(x \mid z)", "positive", "p_xz p_zx")
symbol("p_zx", r"p(z \mid x)", "positive", "p_z p_xgz p_xz")
symbol("q_zx", r"q(z \mid x)", "positive", "p_zx")
symbol("q_z", "q(z)", "positive", "p_z")
symbol("p_data", r"p_\text{data}(x)", "positive", "p_gen")
symbol("p_gen", r"p_\text{gen}(x)", "positive", "p_data")

LOG_P = sp.log(S("p_x"))
KL_POSTERIOR = value("KL(q_zx, p_zx)")
THREE, EVERY = "three values of z: ", "every latent space: "


@equation("marginal", Chain("p_x", "over_z(p_xz)", "over_z(p_xgz*p_z)"), title="The likelihood of a datum")
def _(s):
    yield THREE + "summing the joint leaves p(x)", evaluated(s.lhs - s.line0)
    yield THREE + "prior times decoder is the joint", evaluated(s.line1 - s.line0)
    yield EVERY + "the product rule, value by value", inside(_under(s.line1) - _under(s.line0))


def _under(integral: sp.Expr) -> sp.Expr:
    """What an integral sums (a mutant may be none)."""
    return integral.args[0] if isinstance(integral, AppliedUndef) else integral


@equation("latent-bayes", Equation("p_zx", "p_xgz*p_z/p_x"), title="Bayes: the true encoder")
def _(s):
    yield EVERY + "the joint over p(x), value by value", inside(s.lhs - s.rhs)
    yield "and so is the left side", inside(s.lhs) - S("p_xz") / S("p_x")


definition("latent-elbo", Equation(label(r"\mathcal L(x)"), "E_q(log(p_xz/q_zx))", ":="),
           title="The evidence lower bound (ELBO)", source="DDPM eq. (3), for one latent variable")
definition("kl-definition", Equation(label(r"\mathrm{KL}(q \,\|\, p)"), "E_q(log(q_z/p_z))", ":="),
           title="The Kullback-Leibler divergence, in nats")


def least(u: sp.Symbol, gap: sp.Expr):
    """gap >= 0 for u > 0, and 0 at u = 1 alone: it falls before 1 and rises after."""
    slope, h = sp.diff(gap, u), sp.Symbol("h", positive=True)
    yield "u - 1 - log u is 0 at u = 1", gap.subs(u, 1)
    yield "it rises after 1", Positive(sp.together(slope.subs(u, 1 + h)))
    yield "and falls before 1", Positive(sp.together(-slope.subs(u, 1 / (1 + h))))


@equation("kl-nonnegative", Words(r"p, q > 0: \quad \mathrm{KL}(q \,\|\, p) = "
                                  r"\mathbb E_q\left[<<gap>>\right] \ge 0", gap="p_z/q_z - 1 - log(p_z/q_z)"),
          title="KL is never negative, and 0 only for equal laws")
def _(s):
    p, q, u = S("p_z"), S("q_z"), sp.Symbol("u", positive=True)
    under = s.gap.subs(q, S("q_zx"))                                # E_q reads the weights of q(z | x)
    truth = value("KL(q_zx, p_z)")
    yield THREE + "this mean is KL(q || p)", evaluated(sp.Function("E_q")(under) - truth)
    yield EVERY + "log q/p, and p/q - 1, whose mean is 1 - 1", s.gap - (sp.log(q / p) + p / q - 1)
    yield from least(u, s.gap.subs(p, u * q))


@equation("jensen", Words(r"Y > 0: \quad <<lhs>> \le <<rhs>>", lhs="E(log(Y))", rhs="log(E(Y))"),
          title="Jensen's inequality for the logarithm",
          source="Jensen 1906")
def _(s):
    y, k = sp.symbols("y_1:4", positive=True), sp.symbols("k_1:4", positive=True)
    u, m, Y = sp.Symbol("u", positive=True), sp.Symbol("m", positive=True), sp.Symbol("Y", positive=True)

    def mean(f):
        return sum(w * f.subs(S("Y"), one) for w, one in zip(k, y, strict=True)) / sum(k)

    def under(f):
        return m if f == S("Y") else f.subs(S("Y"), Y)

    def each(expr, as_):
        return expr.replace(lambda e: isinstance(e, AppliedUndef), lambda e: as_(e.args[0]))

    ratio = S("Y") / mean(S("Y"))
    yield ("three values of Y: the gap is E[u - 1 - log u], u = Y/E[Y] (the logarithm under its tangent)",
           each(s.rhs - s.lhs, mean) - mean(ratio - 1 - sp.log(ratio)))
    yield ("every law of Y: the same under one E, since Y/m - 1 has mean 0 for m = E[Y]",
           each(s.rhs - s.lhs, under) + Y / m - 1 - (u - 1 - sp.log(u)).subs(u, Y / m))
    yield from least(u, u - 1 - sp.log(u))


@equation("jensen-gap", Words(r"\begin{gathered} Y = e^{\mu + \sigma\,\varepsilon}: \quad "
                              r"\log \mathbb E[Y] = <<upper>>,\quad \mathbb E[\log Y] = <<lower>>, \\ "
                              r"\log \mathbb E[Y] - \mathbb E[\log Y] = <<gap>> \end{gathered}",
                              upper="mu + sigma**2/2", lower="mu", gap="sigma**2/2"),
          title="Jensen's gap in an example: a log-normal number")
def _(s):
    u = sp.Symbol("u", real=True)
    exponent = log_mgf(S("mu"), S("sigma") ** 2, u)                 # log E exp(u (mu + sigma eps))
    yield "the integral of exp over a Gaussian", s.upper - exponent.subs(u, 1)
    yield "log Y is the Gaussian: its mean is the slope at 0", s.lower - sp.diff(exponent, u).subs(u, 0)
    yield "the gap", s.gap - (s.upper - s.lower)
    yield LEMMA, lemma()


@equation("elbo-jensen", Chain("log(p_x)", "log(over_z(p_xz))", "log(over_z(q_zx*(p_xz/q_zx)))",
                               "log(E_q(p_xz/q_zx))", "E_q(log(p_xz/q_zx))",
                               relations=("=", "=", "=", r"\ge"), endings=("", "", "", r" = \mathcal L(x)")),
          title="The ELBO by Jensen's inequality")
def _(s):
    yield "the marginal", evaluated(s.lhs - s.line0)
    yield "times q over q, value by value", summands(s.line0 - s.line1)
    yield "that is a mean under q, value by value", summands(s.line1 - s.line2)
    yield ("Jensen: the logarithm goes in; what is lost is exactly KL(q(z|x) || p(z|x))",
           evaluated(s.line2 - s.line3 - KL_POSTERIOR))
    yield EVERY + "the same gap, value by value", inside(LOG_P - s.line3 - KL_POSTERIOR)


@equation("log-p-elbo-kl",
          Equation("log(p_x)", r"under(E_q(log(p_xz/q_zx)), '\\mathcal L(x)') + KL(q_zx, p_zx)"),
          title="The log-likelihood is the ELBO plus a KL",
          slips={"KL with exchanged arguments": Equation("log(p_x)", "E_q(log(p_xz/q_zx)) + KL(p_zx, q_zx)"),
                 "KL to the joint": Equation("log(p_x)", "E_q(log(p_xz/q_zx)) + KL(q_zx, p_xz)"),
                 "KL of the joint to q": Equation("log(p_x)", "E_q(log(p_xz/q_zx)) + KL(p_xz, q_zx)"),
                 "KL to the prior": Equation("log(p_x)", "E_q(log(p_xz/q_zx)) + KL(q_zx, p_z)")})
def _(s):
    yield THREE + "Bayes, and logarithms of products", evaluated(s.lhs - s.rhs)
    yield "the left side is what it says", evaluated(s.lhs - LOG_P)
    yield EVERY + "under one E_q the two logarithms add up, value by value", inside(s.lhs - s.rhs)


def _vae(line: str) -> Statement:
    return Chain(label(r"\mathcal L(x)"), "E_q(log(p_xz/q_zx))", line)


@equation("vae-elbo", _vae(r"under(E_q(log(p_xgz)), '\\text{reconstruction}')"
                           r" - under(KL(q_zx, p_z), '\\text{distance to the prior}')"),
          title="The ELBO of a VAE", source="Kingma and Welling 2014, eq. (3)",
          slips={"KL to the posterior": _vae("E_q(log(p_xgz)) - KL(q_zx, p_zx)"),
                 "the joint for the decoder": _vae("E_q(log(p_xz)) - KL(q_zx, p_z)"),
                 "KL with exchanged arguments": _vae("E_q(log(p_xgz)) - KL(p_z, q_zx)"),
                 "the KL is added": _vae("E_q(log(p_xgz)) + KL(q_zx, p_z)")})
def _(s):
    yield "log p(x) less the gap", evaluated(s.line0 - LOG_P + KL_POSTERIOR)
    yield THREE + "the joint is prior times decoder", evaluated(s.line1 - s.line0)
    yield EVERY + "under one E_q, value by value", inside(s.line1 - s.line0)


@equation("gan-discriminator", Equation(label(r"D^\star(x)"), "p_data/(p_data + p_gen)"),
          title="What the best critic of a GAN says", source="Goodfellow et al. 2014, proposition 1")
def _(s):
    D, h = sp.Symbol("D", positive=True), sp.Symbol("h", positive=True)
    score = S("p_data") * sp.log(D) + S("p_gen") * sp.log(1 - D)
    yield "at each x the score has slope 0 there", sp.diff(score, D).subs(D, s.rhs)
    yield "and bends down everywhere: a maximum", Positive(-sp.diff(score, D, 2).subs(D, 1 / (1 + h)))
