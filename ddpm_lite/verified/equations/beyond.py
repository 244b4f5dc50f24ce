"""Flow matching in the course's symbols, and schedules that end without signal."""

from __future__ import annotations

import sympy as sp

from ..kernel import S, conditional, log_normal, moments, noise
from ..registry import equation
from ..statements import Chain, Equation, Joined, Words, label
from ..symbols import symbol
from .sampling import seen

symbol("alpha_bar_1", r"\bar\alpha_1", "unit", "alpha_bar_t")
symbol("x_u", "x_u", mistaken_for="x_0")
U = S("u")


def straight(x0: sp.Expr, eps: sp.Expr) -> sp.Expr:
    """The point at u on the straight line from x_0, at 0, to eps, at 1."""
    return x0 + U * (eps - x0)


@equation("flow-path", Equation("x_u", "(1 - u)*x_0 + u*eps"),
          title="Flow matching's path", source="Lipman et al. 2023")
def _(s):
    yield "u = 0: the data", s.rhs.subs(U, 0) - S("x_0")
    yield "u = 1: the noise", s.rhs.subs(U, 1) - S("eps")
    yield "a straight line between", sp.diff(s.rhs, U, 2)
    yield "the left side is the point at u", s.lhs - S("x_u")


@equation("flow-velocity",
          Chain(label(r"\frac{dx_u}{du}"), "eps - x_0", "(eps - x_u)/(1 - u)", "(x_u - x_0)/u"),
          title="Flow matching's target, by either end", source="Lipman et al. 2023")
def _(s):
    here = {S("x_u"): straight(S("x_0"), S("eps"))}
    speed = sp.diff(here[S("x_u")], U)
    yield "the path's slope", s.line0 - speed
    yield "told by the noise", s.line1.subs(here) - speed
    yield "told by the data", s.line2.subs(here) - speed


@equation("flow-ddpm",
          Joined(Equation("x_t/(sqrt(alpha_bar_t) + sqrt(1 - alpha_bar_t))", "(1 - u)*x_0 + u*eps"),
                 Equation("u", "sqrt(1 - alpha_bar_t)/(sqrt(alpha_bar_t) + sqrt(1 - alpha_bar_t))")),
          title="DDPM's x_t on flow matching's path")
def _(s):
    mean = seen(S("x_0"), S("eps"))
    total = seen(sp.Integer(1), sp.Integer(1))                          # of the weights of x_0 and eps
    yield "x_t over the sum of its two weights", s.lhs0.subs(S("x_t"), mean) - mean / total
    yield "u is the weight of eps then", s.rhs1 - seen(sp.Integer(0), sp.Integer(1)) / total
    yield "and the point lies on the path", s.rhs0.subs(U, s.rhs1) - mean / total
    yield "the left side is u", s.lhs1 - U


@equation("flow-marginals",
          Words(r"\begin{gathered} q_u(x \mid x_0) = \mathcal N\left(x;\ <<mean>>,\ <<var>>\right): \quad "
                r"\frac{\partial}{\partial u}\,q_u(x \mid x_0) = "
                r"-\frac{\partial}{\partial x}\left(<<speed>>\;q_u(x \mid x_0)\right) \\ "
                r"\Longrightarrow\quad "
                r"\frac{\partial}{\partial u}\,q_u(x) = -\frac{\partial}{\partial x}"
                r"\left(\mathbb E[\varepsilon - x_0 \mid x_u = x]\;q_u(x)\right) \end{gathered}",
                speed="(x - x_0)/u", mean="(1 - u)*x_0", var="u**2"),
          title="The best velocity keeps every marginal, whatever the data", source="Lipman et al. 2023")
def _(s):
    """What flows in at x makes the density rise there: the continuity equation."""
    x, x_0, u = S("x"), S("x_0"), sp.Symbol("u_", positive=True)
    e = noise("end")
    mean, var = moments(straight(x_0, e))
    yield "the law of x_u given x_0: its mean", s.mean - mean
    yield "and its variance", s.var - var
    yield "eps - x_0, where x_u = x", s.speed.subs(x, straight(x_0, e)) - (e - x_0)
    speed, log_q = s.speed.subs(U, u), log_normal(x, s.mean.subs(U, u), s.var.subs(U, u))
    yield "one datum", sp.diff(log_q, u) + sp.diff(speed, x) + speed * sp.diff(log_q, x)
    names = sp.symbols("one two", positive=True)
    laws = [sp.Function(name.name)(u, x) for name in names]             # w_i q_u(x | x_0 = datum i)
    speeds, logs = ([f.subs(x_0, S(datum)) for datum in ("mu", "nu")] for f in (speed, log_q))
    best = sum(q * v for q, v in zip(laws, speeds, strict=True)) / sum(laws)        # Bayes
    change = sp.diff(sum(laws), u) + sp.diff(best * sum(laws), x)
    known = {sp.diff(q, k): q * sp.diff(log, k) for q, log in zip(laws, logs, strict=True) for k in (u, x)}
    yield "two data with any weights: the same for q(x_u) and the mean velocity, since all is linear in q", \
        sp.cancel(change.subs(known).subs(dict(zip(laws, names, strict=True))))


@equation("flow-gaussian",
          Equation(label(r"x_0 \sim \mathcal N(\mu, V): \quad \mathbb E[\varepsilon - x_0 \mid x_u]"),
                   "(u - (1 - u)*V)/((1 - u)**2*V + u**2)*(x_u - (1 - u)*mu) - mu"),
          title="The best velocity for Gaussian data keeps every marginal")
def _(s):
    """Data N(mu, V): the least squares answer is a conditional mean."""
    e, x0 = noise("end"), S("mu") + sp.sqrt(S("V")) * noise("data")
    here = straight(x0, e)
    yield "the mean of eps - x_0 given x_u, by conditioning", s.rhs - conditional(e - x0, here, S("x_u"))[0]
    mean, var = moments(here)
    yield "its flow moves the mean as the path does", s.rhs.subs(S("x_u"), mean) - sp.diff(mean, U)
    yield "and the variance: v' = 2 slope v", 2 * sp.diff(s.rhs, S("x_u")) * var - sp.diff(var, U)


@equation("terminal-snr",
          Words(r"\mathrm{SNR}_T = 0:\; x_T = <<input>>, \quad \mathbb E[\varepsilon \mid x_T] = <<best>>, "
                r"\quad \mathbb E[x_0 \mid x_T] = <<blind>>, \quad v_T = <<v>>",
                input="eps", best="x_T", blind="mu", v="-x_0"),
          title="No signal at the end: eps says nothing, v says x_0", source="Lin et al. 2023")
def _(s):
    """Data of mean mu. On the circle x_t = cos(p) x_0 + sin(p) eps the target v is the slope in p."""
    p = sp.Symbol("p", positive=True)
    circle = sp.cos(p) * S("x_0") + sp.sin(p) * S("eps")
    yield "x_T is the noise itself", s.input - circle.subs(p, sp.pi / 2)
    e, x0 = noise("end"), S("mu") + sp.sqrt(S("V")) * noise("data")
    end = circle.subs(p, sp.pi / 2).subs({S("eps"): e, S("x_0"): x0})
    best = conditional(e, end, S("x_T"))[0]
    yield "so the best eps is the input, whatever the data: nothing is learned", s.best - best
    yield "and of x_0 only the mean is known", s.blind - conditional(x0, end, S("x_T"))[0]
    yield "v asks for x_0", s.v - sp.diff(circle, p).subs(p, sp.pi / 2)


@equation("terminal-snr-rescale",
          Equation(label(r"\sqrt{\bar\alpha_t'}"),
                   "sqrt(alpha_bar_1)*((sqrt(alpha_bar_t) - sqrt(alpha_bar_T))"
                   "/(sqrt(alpha_bar_1) - sqrt(alpha_bar_T)))"),
          title="A schedule mended to end without signal", source="Lin et al. 2023, algorithm 1")
def _(s):
    """Shift and scale: the only line in sqrt(alpha_bar_t) through two points."""
    A, first, end = S("alpha_bar_t"), S("alpha_bar_1"), S("alpha_bar_T")
    root = sp.Symbol("root", positive=True)
    yield "no signal at T", s.rhs.subs(A, end)
    yield "at t = 1 all is as it was", s.rhs.subs(A, first) - sp.sqrt(first)
    yield "a straight line in between", sp.diff(s.rhs.subs(A, root**2), root, 2)


@equation("edm-scaling",
          Joined(Equation("x_t/sqrt(alpha_bar_t)", "x_0 + sigma*eps"), Equation("sigma", "1/sqrt(SNR_t)")),
          title="DDPM's x_t in the scale of Karras et al.", source="Karras et al. 2022, table 1")
def _(s):
    yield "x_t over its signal's weight", s.lhs0.subs(S("x_t"), seen(S("x_0"), S("eps"))) - s.rhs0.subs(
        S("sigma"), s.rhs1)
    unit = seen(sp.Integer(0), sp.Integer(1)) / seen(sp.Integer(1), sp.Integer(0))
    yield "sigma is noise over signal", s.rhs1 - unit
    yield "the left side is sigma", s.lhs1 - S("sigma")
