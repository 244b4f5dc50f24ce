"""What a network must know, and why its parts are as they are: notebook 07."""

from __future__ import annotations

from functools import cache

import sympy as sp
from sympy.core.function import AppliedUndef

from ..formula import INDEXED
from ..kernel import S, expectation, noise
from ..registry import Absurd, definition, equation
from ..statements import Equation, Joined, Words, label
from ..symbols import symbol
from .loss_floor import one_number, seen

INDEXED |= {"c": "c", "omega": r"\omega"}
for _i in (1, 2, 3, 4):
    symbol(f"z_{_i}", f"z_{_i}")

definition("residual-block", Words(r"x \mapsto x + f(x, t)"), title="A residual block",
           source="He et al. 2016, eq. (1)")
definition("time-embedding", Words(
    r"e(t) = \left(\sin\omega_0 t, \dots, \sin\omega_{d/2-1} t,\ "
    r"\cos\omega_0 t, \dots, \cos\omega_{d/2-1} t\right), \qquad \omega_i = <<rate>>",
    rate="10000**(-(2*i/d))"), title="The time as the hands of many clocks",
    source="Vaswani et al. 2017, section 3.5", inline=[r"\omega_i = 10000^{-2i/d}"])
definition("attention", Words(
    r"\text{out}_i = \sum_j w_{ij}\,v_j, \qquad "
    r"w_{ij} = \frac{\exp\left(q_i \cdot k_j/\sqrt d\right)}{\sum_l \exp\left(q_i \cdot k_l/\sqrt d\right)}"),
    title="Attention", source="Vaswani et al. 2017, eq. (1)")


def spelled(expr: sp.Expr) -> sp.Expr:
    """Sums and products between whole numbers, written out."""
    if not isinstance(expr, sp.Sum | sp.Product):
        return expr if expr.is_Atom else expr.func(*map(spelled, expr.args))
    term, (index, low, high) = expr.args
    if not (low.is_Integer and high.is_Integer):
        raise Absurd(f"no sum from {low} to {high}")
    parts = [spelled(term.subs(index, k)) for k in range(int(low), int(high) + 1)]
    return sp.Add(*parts) if isinstance(expr, sp.Sum) else sp.Mul(*parts)


def indexed(expr: sp.Expr) -> sp.Expr:
    """The same, and c(1), c(2), ... as plain positive symbols."""
    return spelled(expr).replace(lambda e: isinstance(e, AppliedUndef),
                        lambda e: sp.Symbol(f"{e.func.__name__}_{e.args[0]}", positive=True))


@cache
def linear_loss() -> sp.Expr:
    """The loss of eps_hat = c x_t on data of mean 0 and variance V: it holds means and variances alone."""
    x, e = seen(S("V"))
    return expectation((e - S("c") * x) ** 2, noise("data"), e)


@equation("best-factor", Joined(
    Equation(label("c_t"), "sqrt(1 - alpha_bar_t)/(alpha_bar_t*V + 1 - alpha_bar_t)"),
    Equation(label(r"\text{error}_t"), "alpha_bar_t*V/(alpha_bar_t*V + 1 - alpha_bar_t)")),
    title="The best single factor, and the error it leaves")
def _(s):
    c, bar = S("c"), {S("alpha_bar_t"): S("alpha_bar_s")}               # any number in (0, 1) will do
    loss, best, left = (expr.xreplace(bar) for expr in (linear_loss(), s.rhs0, s.rhs1))
    yield "the loss is flat there", loss.diff(c).subs(c, best)
    yield ("a parabola: every other factor loses the square of its distance times Var(x_t)",
           loss - loss.subs(c, best) - (c - best) ** 2 * S("V_s"))
    yield "the loss that is left", left - loss.subs(c, best)


@equation("best-factor-unit", Equation(label("c_t"), "sqrt(1 - alpha_bar_t)"),
          title="The best factor for pixels of variance 1")
def _(s):
    yield "the loss for V = 1 is flat there", linear_loss().subs(S("V"), 1).diff(S("c")).subs(S("c"), s.rhs)


@equation("blindness-cost", Words(r"\text{error}_{\text{blind}} - \text{error}_{\text{told}} = <<rhs>>",
                                  rhs="1/T*Sum(c(t)**2, t, 1, T) - (1/T*Sum(c(t), t, 1, T))**2"),
          title="What it costs not to know the time")
def _(s):
    def at(c_t):
        return one_number().subs(S("alpha_bar_t"), 1 - c_t**2)          # V = 1, where c_t^2 = 1 - alpha_bar_t

    three, c = sp.symbols("c_1:4", positive=True), S("c")
    blind = sum(at(c_t) for c_t in three) / 3
    best = sp.solve(blind.diff(c), c)[0]
    yield "T = 3: one factor for all times is best at the mean of the c_t", best - sum(three) / 3
    told = sum(at(c_t).subs(c, c_t) for c_t in three) / 3
    yield "T = 3: what it loses is the variance of the c_t", indexed(s.rhs.subs(S("T"), 3)) - (
        blind.subs(c, best) - told)
    time, total = S("t"), S("T")
    c_of, first, second = sp.Function("c", positive=True)(time), sp.Symbol("m"), sp.Symbol("m_2")
    means = {sp.Sum(c_of, (time, 1, total)): total * first, sp.Sum(c_of**2, (time, 1, total)): total * second}
    yield ("any T: the loss is a parabola in c whose coefficients are the means of c_t and c_t^2",
           s.rhs.subs(means) - ((1 - 2 * first * first + first**2) - (1 - second)))


def _row(row: int) -> str:
    return rf"<<m{row}0>> & <<m{row}1>>"


@equation("hands-turn", Words(
    r"\begin{pmatrix} <<later0>> \\ <<later1>> \end{pmatrix} = \begin{pmatrix} " + _row(0) + r" \\ " + _row(1)
    + r" \end{pmatrix} \begin{pmatrix} <<now0>> \\ <<now1>> \end{pmatrix}",
    later0="sin(omega*(t + k))", later1="cos(omega*(t + k))", now0="sin(omega*t)", now1="cos(omega*t)",
    m00="cos(omega*k)", m01="sin(omega*k)", m10="-sin(omega*k)", m11="cos(omega*k)"),
    title="k steps later, every hand has made one fixed turn")
def _(s):
    hand = sp.Matrix([sp.sin(S("omega*t")), sp.cos(S("omega*t"))])
    for i, (now, later) in enumerate(((s.now0, s.later0), (s.now1, s.later1))):
        yield f"entry {i}: the hand at t", now - hand[i]
        yield f"entry {i}: the same hand k steps later", later - hand[i].subs(S("t"), S("t") + S("k"))
    turn = sp.Matrix([[s.m00, s.m01], [s.m10, s.m11]])
    for i, (turned, later) in enumerate(zip(turn * hand, (s.later0, s.later1), strict=True)):
        yield f"entry {i}: the addition theorem", sp.expand_trig(sp.expand(turned - later, trig=False))
    for i, entry in enumerate(turn):
        yield f"number {i} of the turn is the same at every t", entry.diff(S("t"))


@equation("embedding-likeness", Equation(label(r"e(t) \cdot e(s)"), 
                                         "Sum(cos(omega(i)*(t - s)), i, 0, d/2 - 1)"),
          title="How alike two times look depends on their distance only")
def _(s):
    d, (t, u) = S("d"), sp.symbols("time other", real=True)             # no need for whole numbers
    right = s.rhs.subs({S("t"): t, S("s"): u})
    w = sp.symbols("omega_0:4", positive=True)
    products = [sp.sin(w_i * t) * sp.sin(w_i * u) + sp.cos(w_i * t) * sp.cos(w_i * u) for w_i in w]
    six = indexed(right.subs(d, 6))
    yield "d = 6: all products of numbers", sp.expand_trig(sp.expand(six)) - sum(products[:3])
    more = indexed(right.subs(d, 8)) - six
    yield "d = 8: one hand more gives its own products", sp.expand_trig(sp.expand(more)) - products[3]
    if not isinstance(s.rhs, sp.Sum):
        raise Absurd("no sum")
    (index, _, last), = s.rhs.limits
    yield "any d: two numbers more are one hand more", last.subs(d, d + 2) - last - 1
    w_i, one = sp.Symbol("omega_i", positive=True), sp.Function("omega", positive=True)(index)
    term = right.args[0].subs(one, w_i)
    yield "any hand: sine by sine and cosine by cosine", sp.expand_trig(sp.expand(term)) - (
        sp.sin(w_i * t) * sp.sin(w_i * u) + sp.cos(w_i * t) * sp.cos(w_i * u))


@cache
def norm(values: tuple[sp.Expr, ...]) -> list[sp.Expr]:
    """A group of numbers with mean 0 and variance 1."""
    centred = [v - sum(values) / len(values) for v in values]
    return [v / sp.sqrt(sp.factor(sum(c**2 for c in centred) / len(values))) for v in centred]


TRUE_TOO = "true as well: a norm forgets any shift and any positive scale"


@equation("norm-forgets", Words(r"\mathrm{norm}\left(<<moved>>\right) = \mathrm{norm}\left(<<plain>>\right), "
                                r"\qquad a > 0", moved="a*x + m", plain="x"),
          title="A norm forgets scale and mean", tier="exact",
          excused={f"moved: {what}": TRUE_TOO for what in ("sign of m", "m dropped", "factor a dropped")})
def _(s):
    a = sp.Symbol("scale", positive=True)
    group = sp.symbols("x_1:4", real=True)
    moved, plain = (norm(tuple(side.subs({S("a"): a, S("x"): x}) for x in group))
                    for side in (s.moved, s.plain))
    for i, (one, two) in enumerate(zip(moved, plain, strict=True), 1):
        yield f"a group of three numbers, number {i}", one - two
    for i, (one, two) in enumerate(zip(plain, norm(group), strict=True), 1):
        yield f"the right side is the norm of the numbers themselves, number {i}", one - two


@equation("attention-average", Words(r"\sum_j w_{ij} = <<rhs>>", rhs="1"), tier="exact",
          title="The weights of one pixel sum to 1")
def _(s):
    for n in (1, 2, 4):
        scores = [sp.exp(score) for score in sp.symbols(f"score_1:{n + 1}", real=True)]
        yield f"{n} pixels", s.rhs - sum(e / sum(scores) for e in scores)
