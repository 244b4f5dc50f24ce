"""A step back when x_0 isn't known, and steps of any size: notebook 03."""

from __future__ import annotations

from functools import cache

import sympy as sp
from sympy.core.function import AppliedUndef

from ..decide import Positive
from ..formula import FUNCTIONS, reduced
from ..kernel import S, conditional, expectation, noise, step
from ..registry import Absurd, equation
from ..statements import Chain, Equation, GaussianLaw, Joined, Words, label
from ..symbols import DERIVED, symbol
from .posterior import law
from .posterior_result import MEAN, truth

FUNCTIONS["weight"] = (lambda i: sp.Function("weight")(i), lambda i: rf"\pi_{{{i}}}(x_t)")
symbol("alpha_ts", r"\alpha_{t \mid s}", "unit", "alpha_bar_t alpha_t")
DERIVED["alpha_ts"] = "alpha_bar_t/alpha_bar_s"
REVERSE = r"q(x_{t-1} \mid x_t)"
SPREAD = r"\operatorname{Var}(x_{t-1} \mid x_t)"


def _density(i: int, *names: str) -> sp.Expr:
    """A density given example i; `step` is q(x_t | x_{t-1}); the posterior by Bayes' rule."""
    before, now, fresh = sp.symbols(f"before_{i} now_{i} step", positive=True)
    known = {("x_prev", "x_t"): fresh * before / now, ("x_prev",): before, ("x_t",): now}
    if names not in known:
        raise Absurd(f"no density of {names}")
    return known[names]


def _opened(expr: sp.Expr, n: int) -> sp.Expr:
    """Sums over a data set of n examples written out, densities by name."""
    def one(call: sp.Expr) -> sp.Expr:
        *names, datum = call.args
        if not (isinstance(datum, AppliedUndef) and datum.func.__name__ == "datum"):
            raise Absurd("which example?")
        return _density(datum.args[0], *map(str, names))

    return expr.replace(sp.Sum, lambda *args: sp.Sum(*args).subs(S("n"), n).doit()).replace(
        lambda e: isinstance(e, AppliedUndef) and e.func.__name__ == "q", one)


@equation("reverse-mixture", Joined(
    Equation(label(REVERSE), "Sum(weight(i)*q(x_prev, x_t, datum(i)), i, 1, n)"),
    Equation("weight(i)", "q(x_t, datum(i))/Sum(q(x_t, datum(j)), j, 1, n)")),
    title="A mixture, one posterior an example")
def _(s):
    """Any data, any x: before_i is q(x_{t-1} | x^(i)), now_i is q(x_t | x^(i))."""
    if not isinstance(s.lhs1, AppliedUndef):
        raise Absurd("a weight is named, nothing else")
    for n in (1, 2, 3):
        before, now = ([_density(i, x) for i in range(1, n + 1)] for x in ("x_prev", "x_t"))
        truth = sp.Symbol("step", positive=True) * (sum(before) / n) / (sum(now) / n)
        weights = {s.lhs1.subs(S("i"), k): _opened(s.rhs1.subs(S("i"), k), n) for k in range(1, n + 1)}
        mixture = _opened(s.rhs0, n).subs(weights)
        yield f"n = {n}: Bayes' rule with the averages over the data set", mixture - truth
        yield f"n = {n}: the weights sum to 1", sum(weights.values()) - 1
    i, total = S("i"), sp.Symbol("total", positive=True)
    term = s.rhs0.function.subs(s.lhs1, s.rhs1.replace(sp.Sum, lambda *_: total))
    yield "every n: term i is q(x_t | x_{t-1}) q(x_{t-1} | x_i) over the sum of all q(x_t | x_j)", (
        _opened(term, 1) - sp.Symbol("step", positive=True) * _density(i, "x_prev") / total)
    yield "and the terms are summed over the whole data set", s.rhs0.limits == ((i, 1, S("n")),)


@cache
def _total() -> sp.Expr:
    """Var(x_{t-1} | x_t), when x_0 given x_t has a mean m and a variance V, of any law: the posterior's mean
    plus its noise, E[x^2] - E[x]^2. Only the first two moments of x_0 enter."""
    mean, var = truth()
    x0 = S("m") + sp.sqrt(S("V")) * noise("data")
    x = mean.subs(S("x_0"), x0) + sp.sqrt(var) * noise("rest")
    both = noise("data"), noise("rest")
    return sp.factor(expectation(x**2, *both) - expectation(x, *both) ** 2)


@equation("reverse-variance", Equation(label(SPREAD), "beta_tilde_t + w_0**2*Var(x_0, x_t)"),
          title="What not knowing x_0 costs")
def _(s):
    names = {"x_0, x_t": S("V"), "x_t, x_t": sp.Integer(0), "x_0, x_0": sp.Integer(0)}
    rhs = s.rhs.replace(sp.Function("Var"), lambda *x: names.get(", ".join(map(str, x)), S("sigma")))
    yield "the law of total variance: E[x^2] - E[x]^2", rhs - _total()


@equation("spread-over-width", Equation(
    "w_0**2/beta_tilde_t", "alpha_bar_prev/((1 - alpha_bar_prev)*(1 - alpha_bar_t))*beta_t"),
    title="When one bell is enough")
def _(s):
    mean, var = truth()
    yield "slope squared over variance of the posterior", s.lhs - sp.diff(mean, S("x_0")) ** 2 / var
    yield "cancelled", s.rhs - s.lhs


@equation("marginal-variance", Chain("V_t", "alpha_bar_t*V + 1 - alpha_bar_t", "alpha_t*V_prev + beta_t"),
          title="The variance of x_t, for data of variance V",
          inline=[r"V_t = \bar\alpha_t V + 1 - \bar\alpha_t"])
def _(s):
    yield "from the steps", s.line0 - law("x_t")[1]
    yield "one step on from t - 1", s.line1 - s.line0
    yield "and the left side is the name for it", s.lhs - s.line0


@equation("reverse-gaussian", Equation(label(SPREAD), "beta_t*V_prev/V_t"),
          title="The width of a step back, Gaussian data of variance V")
def _(s):
    yield "conditioning the pair (x_{t-1}, x_t), now without x_0", s.rhs - law("x_prev", "x_t")[1]
    given = law("x_0", "x_t")[1]
    yield "the law of total variance says the same", s.rhs - S("beta_tilde_t + w_0**2*m").subs(S("m"), given)


@equation("reverse-law", GaussianLaw("x_prev", "sqrt(alpha_t)*V_prev/V_t*x_t", "beta_t*V_prev/V_t",
                                     given="x_t"),
          title="A step back for Gaussian data of mean 0 and variance V",
          slips={"the posterior's law, x_0 lost on the left (a slide deck)":
                 GaussianLaw("x_prev", MEAN, "beta_tilde_t", given="x_t")})
def _(s):
    if (s.variable, s.given0) != (S("x_prev"), S("x_t")):
        raise Absurd("this proof is about x_{t-1} given x_t")
    mean, var = law("x_prev", "x_t")
    yield "conditioning the pair: mean", s.mean - mean
    yield "and variance", s.var - var


@cache
def _wide() -> sp.Expr:
    return sp.limit(reduced(law("x_prev", "x_t")[1]), S("V"), sp.oo)


@equation("reverse-cases", Words(
    r"<<lhs>> = \begin{cases} <<point>> & V = <<none>>\quad\text{(one point)} \\[2pt] "
    r"<<unit>> & V = <<one>>\quad\text{(unit variance)} \\[2pt] "
    r"<<wide>> & V \to \infty\quad\text{(no prior at all)} \end{cases}", lhs="beta_t*(V_prev/V_t)",
    point="beta_tilde_t", none="0", unit="beta_t", one="1", wide="beta_t/alpha_t"),
    title="The two standard choices, and a third", source="DDPM section 3.2")
def _(s):
    truth = law("x_prev", "x_t")[1]
    yield "for every V: conditioning the pair", s.lhs - truth
    yield "a point: beta_tilde", s.point - truth.subs(S("V"), s.none)
    yield "unit variance: beta", s.unit - truth.subs(S("V"), s.one)
    yield "very wide data: the likelihood bell's", s.wide - _wide()
    yield "always rising in V", Positive(sp.diff(reduced(s.lhs), S("V")))


@equation("strided-alpha", Equation("alpha_ts", "alpha_bar_t/alpha_bar_s"), title="The alpha of a long step")
def _(s):
    yield "its root leads from the mean of x_s to that of x_t", (
        sp.sqrt(s.rhs) * sp.sqrt(S("alpha_bar_s")) - sp.sqrt(S("alpha_bar_t")))
    yield "its noise fills up the variance", (
        s.rhs * (1 - S("alpha_bar_s")) + (1 - s.rhs) - (1 - S("alpha_bar_t")))
    yield "and the left side is the name for it", s.lhs - s.rhs


@equation("posterior-strided", GaussianLaw(
    "x_s", "sqrt(alpha_bar_s)*(1 - alpha_ts)/(1 - alpha_bar_t)*x_0"
    " + sqrt(alpha_ts)*(1 - alpha_bar_s)/(1 - alpha_bar_t)*x_t",
    "(1 - alpha_ts)*(1 - alpha_bar_s)/(1 - alpha_bar_t)", given="x_t x_0"),
    title="Steps back of any size", source="DDPM eqs. (6), (7), for any s < t")
def _(s):
    """By the jump from s to t, which `jump-between` earns; the steps of the kernel agree below."""
    if (s.variable, s.given0, s.given1) != (S("x_s"), S("x_t"), S("x_0")):
        raise Absurd("this proof is about x_s given x_t and x_0")
    bar_s, bar_t, x0 = S("alpha_bar_s"), S("alpha_bar_t"), S("x_0")
    first = sp.sqrt(bar_s) * x0 + sp.sqrt(1 - bar_s) * noise("first")
    mean, var = conditional(first, step(first, bar_t / bar_s, noise("jump")), S("x_t"))
    yield "conditioning the pair (x_s, x_t): mean", s.mean - mean
    yield "and variance", s.var - var

    def back(later: sp.Expr, earlier: sp.Expr, x: sp.Expr) -> list[sp.Expr]:
        """The statement at other times: mean and variance of the earlier, from alpha_bar at both."""
        at = {S("alpha_ts"): later / earlier, bar_t: later, bar_s: earlier, S("x_t"): x}
        return [part.subs(at, simultaneous=True) for part in (s.mean, s.var)]

    bars = S("alpha_t") * S("alpha_prev") * bar_s, S("alpha_prev") * bar_s  # at t and t - 1, s = t - 2
    single = back(S("alpha_t*alpha_bar_prev"), S("alpha_bar_prev"), S("x_t"))
    yield "s = t - 1: the posterior's mean", single[0] - truth()[0]
    yield "s = t - 1: the posterior's variance", single[1] - truth()[1]
    two = step(step(first, S("alpha_prev"), noise("prev")), S("alpha_t"), noise("t"))
    direct, forced = back(bars[0], bar_s, S("x_t")), conditional(first, two, S("x_t"))
    yield "s = t - 2, by two steps of the kernel: mean", direct[0] - forced[0]
    yield "s = t - 2: variance", direct[1] - forced[1]
    middle, spread = back(*bars, S("x_t"))
    end = back(bars[1], bar_s, middle)                                          # linear in x: put the mean in
    slope = sp.diff(back(bars[1], bar_s, S("x_t"))[0], S("x_t"))
    yield "two single steps back land there too: mean", end[0] - direct[0]
    yield "and variance", end[1] + slope**2 * spread - direct[1]
