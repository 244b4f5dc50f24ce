"""What a network's arithmetic comes to: variances, counts, fields of view. Notebooks 07 and 08."""

from __future__ import annotations

from itertools import product

import sympy as sp

from ..formula import INDEXED
from ..kernel import S, conditional, expectation, noise
from ..registry import definition, equation
from ..statements import Equation, Joined, Words, label
from .loss_floor import seen
from .network import indexed

INDEXED |= {"k": "k", "s": "s", "theta": r"\theta"}

definition("ema-update", Words(r"\bar\theta \leftarrow d\,\bar\theta + (1 - d)\,\theta"),
           title="The moving average of the weights")
definition("ema-warmup", Words(r"d_n = \min\left(d, \frac{1 + n}{10 + n}\right)"),
           title="A decay that warms up")


@equation("ema-unrolled", Equation(label(r"\bar\theta_n"),
                                   "d**n*theta(0) + (1 - d)*Sum(d**(n - k)*theta(k), k, 1, n)"),
          title="What a moving average looks back on", tier="exact")
def _(s):
    decay = sp.Symbol("decay", positive=True)
    average = sp.Symbol("theta_0", positive=True)
    for n in (1, 2, 3, 4):
        average = decay * average + (1 - decay) * sp.Symbol(f"theta_{n}", positive=True)
        yield f"n = {n}: update after update", indexed(s.rhs.subs({S("n"): n, S("d"): decay})) - average


@equation("score-variance", Words(r"\operatorname{Var}\left(q \cdot k\right) = <<rhs>>", rhs="d"),
          title="The variance of a score grows with its length", source="Vaswani et al. 2017, section 3.2.1")
def _(s):
    q, k = [noise(f"q{i}") for i in (1, 2)], [noise(f"k{i}") for i in (1, 2)]
    one, two = q[0] * k[0], q[1] * k[1]
    yield "a product of two independent entries has mean 0", expectation(one, q[0], k[0])
    yield "and different products are uncorrelated", expectation(one * two, *q, *k)
    each = expectation(one**2, q[0], k[0])
    d = S("d")
    yield "so variances add: d = 1", s.rhs.subs(d, 1) - each
    yield "and d to d + 1", s.rhs.subs(d, d + 1) - s.rhs - each


@equation("mean-of-four", Words(r"\operatorname{Var}\left(<<mean>>\right) = <<rhs>>",
                                mean="(z_1 + z_2 + z_3 + z_4)/4", rhs="(1 + 3*rho)/4*Var(z_1)"),
          title="What halving keeps of the variance")
def _(s):
    pixels = [S(f"z_{i}") for i in (1, 2, 3, 4)]
    var, rho = sp.Symbol("var", positive=True), S("rho")
    share = [sp.expand(s.mean).coeff(z) for z in pixels]
    pairs = [(a, b) for a in range(4) for b in range(4)]
    truth = sum(share[a] * share[b] * (var if a == b else rho * var) for a, b in pairs)
    right = s.rhs.subs({sp.Function("Var")(z): var for z in pixels})
    yield "the 16 covariances of four pixels, every two of correlation rho", right - truth
    yield "it is a mean: its weights add up to 1", sum(share) - 1


SIZES = ((1, 1, 1), (2, 3, 3), (3, 2, 5), (16, 8, 3))                   # channels in, channels out, kernel


def counted(a: int, b: int, k: int) -> tuple[int, int, int]:
    """Entries of a convolution's, a linear layer's and a norm's arrays, index by index."""
    outs, ins, kernel = range(b), range(a), range(k)
    conv = len([*product(outs, ins, kernel, kernel)]) + len(outs)       # weight[out, in, row, column], bias
    return conv, len([*product(outs, ins)]) + len(outs), len(ins) + len(ins)


@equation("layer-parameters", Joined(Equation(label(r"P_{\text{conv}}"), "(k**2*a + 1)*b"),
                                     Equation(label(r"P_{\text{linear}}"), "(a + 1)*b"),
                                     Equation(label(r"P_{\text{norm}}"), "2*a")),
          title="Parameters from a to b channels", tier="exact")
def _(s):
    for a, b, k in SIZES:
        at = {S("a"): a, S("b"): b, S("k"): k}
        for name, formula, number in zip(("convolution", "linear", "norm"), (s.rhs0, s.rhs1, s.rhs2),
                                         counted(a, b, k), strict=True):
            yield f"{name}, a = {a}, b = {b}, k = {k}: {number:,} entries counted", formula.subs(at) - number


def parts(w: sp.Expr) -> sp.Expr:
    """The U-Net's layers, one by one, width w and else the defaults."""
    def conv(a: sp.Expr, b: sp.Expr, k: int = 3) -> sp.Expr:
        return (k**2 * a + 1) * b

    def residual(a: sp.Expr, b: sp.Expr) -> sp.Expr:
        skip = 0 if a == b else conv(a, b, 1)
        return 2 * a + conv(a, b) + (4 * w + 1) * b + 2 * b + conv(b, b) + skip

    time = (w + 1) * 4 * w + (4 * w + 1) * 4 * w
    down = conv(1, w) + residual(w, w) + conv(w, w)
    attention = 6 * w + conv(3 * w, 9 * w, 1) + conv(3 * w, 3 * w, 1)
    middle = residual(w, 3 * w) + attention + residual(3 * w, 3 * w)
    up = conv(3 * w, w) + residual(2 * w, w)
    return time + down + middle + up + 2 * w + conv(w, 1)


@equation("network-parameters", Equation(label("P(w)"), "444*w**2 + 107*w + 1"),
          title="Parameters of the U-Net of width w")
def _(s):
    """That the package's network has these layers, notebook 07 and its tests compare."""
    yield "the sum of its layers: time, down, middle, up, head", s.rhs - sp.expand(parts(S("w")))


@equation("receptive-field", Equation(label("r"), "1 + Sum((k(i) - 1)*Prod(s(j), j, 1, i - 1), i, 1, n)"),
          title="How many pixels one pixel sees", tier="exact")
def _(s):
    for n in (1, 2, 3, 4):
        field = sp.Integer(1)
        for i in range(n, 0, -1):                       # from one output pixel back to the input
            kernel, stride = sp.symbols(f"k_{i} s_{i}", positive=True)
            field = stride * (field - 1) + kernel
        yield f"n = {n}: back, layer by layer", indexed(s.rhs.subs(S("n"), n)) - sp.expand(field)


@equation("best-matrix", Words(r"A_t = <<factor>>\left(<<keep>>\,C + \left(<<add>>\right) I\right)^{-1}",
                               factor="sqrt(1 - alpha_bar_t)", keep="alpha_bar_t", add="1 - alpha_bar_t"),
          title="The best linear denoiser of a whole picture")
def _(s):
    x, e = seen(S("V"))
    slope = conditional(e, x, S("x_t"))[0].coeff(S("x_t"))
    here = s.factor / (s.keep * S("V") + s.add)
    yield "along a principal direction of variance V: the best slope", here - slope
    lower = sp.Matrix([[S("p"), 0], [S("q"), S("r")]])                  # C = L L^T: any covariance matrix
    root, rest = sp.sqrt(S("alpha_bar_t")), sp.sqrt(1 - S("alpha_bar_t"))
    cov = root**2 * lower * lower.T + rest**2 * sp.eye(2)
    of = s.keep * lower * lower.T + s.add * sp.eye(2)
    best = s.factor * of.inv()
    for i, covariance in enumerate(best * cov - rest * sp.eye(2), 1):
        yield (f"two pixels, covariance {i} of 4: what A_t x_t leaves of the noise is uncorrelated with x_t",
               -covariance)
