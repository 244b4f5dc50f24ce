"""What x_t is made of: the shares of picture and noise, their ratio, and which noise it is. Notebook 02."""

from __future__ import annotations

import sympy as sp

from ..decide import Positive
from ..kernel import S, covariance, kl, moments, noise, path
from ..registry import equation
from ..statements import Equation, Joined, Words, label
from .forward import variances, walked


@equation("total-variance", Equation("Var(x_t)", "alpha_bar_t*Var(x_0) + paren(1 - alpha_bar_t)"),
          title="The variance over all pictures and all noise")
def _(s):
    truth = variances(sp.Function("Var")(S("x_t")))
    yield "picture and noise are independent: the variance of the jump", variances(s.lhs) - truth
    yield "is the sum of the two shares", variances(s.rhs) - truth


@equation("terminal-kl", Equation(label(r"\mathrm{KL}\left(q(x_T \mid x_0)\,\|\,\mathcal N(0, 1)\right)"),
                                  "1/2*(alpha_bar_T*(x_0**2 - 1) - log(1 - alpha_bar_T))"),
          title="The distance of the end from pure noise, per pixel")
def _(s):
    end = sp.sqrt(S("alpha_bar_T")) * S("x_0") + sp.sqrt(1 - S("alpha_bar_T")) * noise("total")
    truth = kl(moments(end), (sp.Integer(0), sp.Integer(1)))
    yield "the logarithm of the ratio of the two densities, averaged over the jump to T", s.rhs - truth
    yield "it is 0 when nothing of the picture is left", s.rhs.subs(S("alpha_bar_T"), 0)
    least = s.rhs.subs(S("x_0"), 0)
    yield "and grows with what is left, whatever x_0 is", Positive(sp.diff(least, S("alpha_bar_T")))


@equation("snr", Joined(Equation("SNR_t", "alpha_bar_t/(1 - alpha_bar_t)"),
                        Equation("alpha_bar_t", "SNR_t/(1 + SNR_t)"),
                        by=r"\qquad\Longleftrightarrow\qquad "),
          title="Signal to noise", source="Kingma et al. 2021, section 3")
def _(s):
    mean, var = moments(path()["x_t"])
    ratio = sp.diff(mean, S("x_0")) ** 2 / var
    yield "the share of a picture of variance 1, over the variance of the noise", s.rhs0 - ratio
    yield "this is what the name stands for", s.lhs0 - ratio
    snr = sp.Symbol("SNR", positive=True)
    back = s.rhs1.subs(S("SNR_t"), snr)
    yield "put into the first equation, the second gives the ratio back", (
        s.rhs0.subs(S("alpha_bar_t"), back) - snr)
    yield "and the share is that of the picture", s.lhs1 - sp.diff(mean, S("x_0")) ** 2


@equation("snr-falls", Words(r"<<lhs>> = <<rhs>>,\qquad t \ge 2", lhs="SNR_t",
                             rhs="SNR_prev*(1 - beta_t/(1 - alpha_bar_t))"),
          title="Each step lowers the ratio")
def _(s):
    laws = [moments(path()[x]) for x in ("x_t", "x_prev")]
    now, before = ((sp.diff(mean, S("x_0")) ** 2 / var) for mean, var in laws)
    yield "the ratio before the step times this factor", s.rhs.subs(S("SNR_prev"), before) - now
    yield "is the ratio after it", s.lhs - now
    yield "the factor is positive", Positive(now / before)
    yield "and less than 1", Positive(1 - now / before)
    yield "t = 1 is no case of it: the ratio before the first step has a divisor of 0", (
        sp.denom(before).subs(S("alpha_bar_prev"), 1))


@equation("invert-eps", Equation("eps", "(x_t - sqrt(alpha_bar_t)*x_0)/sqrt(1 - alpha_bar_t)"),
          title="The noise from x_t and x_0",
          inline=[r"\varepsilon = (x_t - \sqrt{\bar\alpha_t}\,x_0)/\sqrt{1-\bar\alpha_t}"])
def _(s):
    yield "put in the walk to x_t: its whole noise, scaled to variance 1, is left", (
        s.lhs - s.rhs).xreplace(walked())


@equation("invert-x0", Equation("x_0", "(x_t - sqrt(1 - alpha_bar_t)*eps)/sqrt(alpha_bar_t)"),
          title="The picture from x_t and the noise", source="DDPM eq. (15)")
def _(s):
    yield "put in the walk to x_t and its whole noise: the picture is left", (
        s.lhs - s.rhs).xreplace(walked())


@equation("total-noise",
          Equation("eps_bar_t", "(sqrt(alpha_t*(1 - alpha_bar_prev))*eps_bar_prev + sqrt(beta_t)*eps_t)"
                   "/sqrt(1 - alpha_bar_t)"),
          title="The total noise, one step further")
def _(s):
    yield "the noise of the walk to t, from that of the walk to t - 1 and the new one", (
        s.lhs - s.rhs).xreplace(walked())
    yield "its variance is 1", moments(s.rhs.xreplace(walked()))[1] - 1


@equation("step-noise-correlation", Equation(label(r"\operatorname{corr}(\bar\varepsilon_t, \varepsilon_t)"),
                                             "sqrt(beta_t/(1 - alpha_bar_t))"),
          title="How much of the last step is in the total noise")
def _(s):
    total, last = walked()[S("eps_bar_t")], walked()[S("eps_t")]
    yield "both have variance 1: the total", moments(total)[1] - 1
    yield "and the last step's", moments(last)[1] - 1
    yield "so the correlation is the average of their product", s.rhs - covariance(total, last)
    yield "what is left of the last noise doesn't correlate with the total", (
        covariance(last - s.rhs * total, total))


@equation("x0-error", Equation("x0_hat - x_0", "-((eps_hat - eps)/sqrt(SNR_t))"),
          title="From an error in the noise to one in the picture")
def _(s):
    guess = (S("x_t") - sp.sqrt(1 - S("alpha_bar_t")) * S("eps_hat")) / sp.sqrt(S("alpha_bar_t"))
    missed = (guess.xreplace(walked()) - S("x_0"))
    yield "the guess of x_0 that belongs to a guess of the noise, less x_0", (
        s.lhs.xreplace({S("x0_hat"): guess}).xreplace(walked()) - missed)
    yield "is the error of the noise, divided and with its sign changed", s.rhs.xreplace(walked()) - missed


@equation("bumps", Words(r"\text{mean } \pm <<mean>>, \qquad \text{variance } <<var>>",
                         mean="sqrt(alpha_bar_t)*mu", var="alpha_bar_t*v + 1 - alpha_bar_t"),
          title="How two bumps travel")
def _(s):
    for side in (1, -1):
        bump = side * S("mu") + sp.sqrt(S("v")) * noise("bump")
        mean, var = moments(sp.sqrt(S("alpha_bar_t")) * bump + sp.sqrt(1 - S("alpha_bar_t")) * noise("jump"))
        name = "right" if side == 1 else "left"
        yield f"the jump from the {name} bump: mean", side * s.mean - mean
        yield "and variance", s.var - var


@equation("bumps-merge", Words(r"<<lhs>> = <<rhs>>,\qquad \mu^2 > v", lhs="alpha_bar_t",
                               rhs="1/(1 + mu**2 - v)"), title="When two bumps become one",
          inline=[r"(\text{mean})^2 = \text{variance}"])
def _(s):
    x, mean, var = sp.Symbol("x", real=True), sp.Symbol("M", positive=True), sp.Symbol("W", positive=True)
    density = sum(sp.exp(-(x - side * mean) ** 2 / (2 * var)) for side in (1, -1))
    excess = S("alpha_bar_t") * S("mu") ** 2 - (S("alpha_bar_t") * S("v") + 1 - S("alpha_bar_t"))
    yield "the curvature at 0 has the sign of mean^2 - variance", (
        sp.diff(density, x, 2).subs(x, 0) - 2 * sp.exp(-mean**2 / (2 * var)) * (mean**2 - var) / var**2)
    yield "which changes its sign just there", excess - sp.diff(excess, S("alpha_bar_t")) * (s.lhs - s.rhs)
    apart = S("mu") ** 2 - sp.Symbol("apart", positive=True)            # a v below mu^2
    yield "two bumps above that share, one below: it rises with alpha_bar_t", Positive(
        sp.diff(excess, S("alpha_bar_t")).subs(S("v"), apart))
    yield "at a share between 0 and 1: above 0", Positive(s.rhs.subs(S("v"), apart))
    yield "and below 1", Positive(1 - s.rhs.subs(S("v"), apart))
