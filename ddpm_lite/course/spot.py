"""Spot the error: equations as printed, right and wrong mixed. You vote, the machine answers with numbers.

A card is a claim of the audit ("S4.e106"), a published slip ("posterior-variance: its name"), or a registered
equation. Nothing is stated here: the printed form, the verdict and the corrected form all come from there.
"""

from __future__ import annotations

import html
import itertools
from dataclasses import dataclass, replace
from functools import cached_property

import ipywidgets as W
import sympy as sp
from IPython.display import display
from sympy.core.function import AppliedUndef

from ..verified.audit import as_printed, claims
from ..verified.audit_table import SOURCES
from ..verified.decide import decide
from ..verified.formula import Formula, reduced
from ..verified.registry import Check, entries, entry
from ..verified.statements import Statement
from ..verified.symbols import TABLE, latex_of
from ..verified.trial import refuted, run
from .widgets import bundle, heard_while_busy

SMALL = {"unit": "1/2 1/4 3/4 1/3 2/3", "positive": "1 2 4 1/2 3", "real": "1 2 0 -1 3", "integer": "3 4 5"}
LONG = 300                                                              # letters of LaTeX that fill a line


@dataclass(frozen=True)
class Card:
    """One equation to judge."""

    name: str
    printed: Statement
    right: Statement
    check: Check
    where: str
    why: str

    @cached_property
    def wrong(self) -> bool:
        """What the machine says, computed now: refuted at a point, or every step proved."""
        if refuted(self.check, self.printed) is not None:
            return True
        steps = run(self.check, self.printed)
        assert steps and all(step.verdict for step in steps), f"{self.name}: neither refuted nor proved"
        return False

    def answer(self) -> str:
        """HTML with LaTeX: the verdict, numbers to plug in, the corrected form, the reason, the place."""
        where = html.escape(self.where)
        why = f" {html.escape(self.why)}" if self.why else ""
        if not self.wrong:
            return f"<b>Right.</b> The machine proved it as it stands.{why} <i>({where})</i>"
        return (f"<b>Wrong.</b> {self.counterexample()}<br>It should read ${_plain(self.right.latex)}$.{why} "
                f"<i>({where})</i>")

    def counterexample(self) -> str:
        """The simplest numbers at which the printed form and the true one part."""
        for slot, formula in self.printed.slots.items():
            other = self.right.slots.get(slot)
            found = other and _parting(formula, other)
            if found:
                point, mine, theirs = found
                told = ", ".join(f"${latex_of(name)} = {_number(value)}$" for name, value in point.items())
                return f"Plug in {told}: printed {mine}, true {theirs}."
        verdict = refuted(self.check, self.printed)
        return "" if verdict is None else f"The check finds {html.escape(verdict.why)}."


def shown(number: int, one: Card) -> str:
    """HTML of a card's equation; a long one scrolls, by keyboard too."""
    latex = _broken(_plain(one.printed.latex))
    return (f'<div style="overflow-x: auto" tabindex="0" role="group" aria-label="equation {number}">'
            f'<b>{number}.</b> $\\displaystyle {latex}$</div>')


def _broken(latex: str) -> str:
    """A long equation on two lines, parted before its sign."""
    left, sign, right = latex.partition(" = ")
    if len(latex) < LONG or not sign or left.count("{") != left.count("}") or "aligned" in latex:
        return latex
    return rf"\begin{{aligned}} & {left} \\ & \quad = {right} \end{{aligned}}"


def _plain(latex: str) -> str:
    return " ".join(latex.split())


def _parting(printed: Formula, right: Formula) -> tuple[dict[str, sp.Expr], str, str] | None:
    """The simplest point where two formulas part (every symbol that the reader meets, with its value; what
    follows from the free ones too), and the values of both there."""
    mine, theirs = reduced(printed.expr), reduced(right.expr)
    free = sorted(mine.free_symbols | theirs.free_symbols, key=lambda s: s.name)
    if mine == theirs or any(s.name not in TABLE for s in free):
        return None
    choices = [list(enumerate(map(sp.Rational, SMALL[TABLE[s.name].domain].split()))) for s in free]
    points = sorted(itertools.islice(itertools.product(*choices), 3000), key=lambda p: sum(i for i, _ in p))
    for chosen in points[:200]:
        point = dict(zip(free, (value for _, value in chosen), strict=True))
        a, b = mine.subs(point), theirs.subs(point)
        gap = sp.Abs(sp.N(a - b))
        if a.atoms(AppliedUndef, sp.Product) or b.atoms(AppliedUndef, sp.Product):
            return None                                                 # a law, a product: no number
        if gap.is_comparable and gap > 1e-9 and _possible(point):
            met = sorted(printed.expr.free_symbols | right.expr.free_symbols, key=lambda s: s.name)
            return {s.name: reduced(s).subs(point) for s in met}, _number(a), _number(b)
    return None


def _possible(point: dict[sp.Symbol, sp.Rational]) -> bool:
    """Some schedule has these values: alpha_bar_{t-1} is at most alpha_{t-1}."""
    value = {s.name: v for s, v in point.items()}
    return bool(value.get("alpha_bar_prev", 0) <= value.get("alpha_prev", 1))


def _number(value: sp.Expr) -> str:
    if value.is_Rational:
        return str(value)
    value = sp.N(value, 4)
    return str(value) if value.is_real else str(value).replace("I", "i")


def card(name: str) -> Card:
    """The card of a claim ("S4.e106"), a published slip ("equation: slip") or a registered equation."""
    if name in claims():
        claim = claims()[name]
        check, bound = claim.trial(), entries().get(claim.binding)
        right = claim.right or (bound.statement if bound else claim.printed)
        if claim.printed is None or check is None or right is None:
            raise ValueError(f"{name} has no printed form that a check can judge")
        where = f"{SOURCES[name.partition('.')[0]]}; {name}"
        return Card(name, claim.printed, right, check, where, claim.reason)
    id, _, slip = name.partition(": ")
    one = entry(id)
    if one.check is None:
        raise ValueError(f"{id} is a definition: there is nothing to judge")
    if not slip:
        return Card(name, one.statement, one.statement, one.check, one.source or one.title, "")
    if slip not in one.slips:
        raise ValueError(f"{id} has no slip {slip!r}; there are {', '.join(one.slips) or 'none'}")
    return Card(name, one.slips[slip], one.statement, one.check, f"published: {slip}", "")


class Ballot:
    """Some cards, a vote for each, and the score."""

    def __init__(self, *names: str) -> None:
        self.cards = [card(name) for name in names]
        self.votes: dict[str, bool] = {}
        self.score = W.HTML("<i>No votes yet.</i>")
        self.plain, self.look = W.Layout(), W.ButtonStyle()             # shared: a page makes few models
        rows = [self._row(i, one) for i, one in enumerate(self.cards, 1)]
        self.buttons = [button for row in rows for button in row.children[1].children]
        self.box = W.VBox([*rows, self.score])

    def _row(self, number: int, one: Card) -> W.VBox:
        equation, told = W.HTMLMath(shown(number, one), layout=self.plain), W.HTMLMath(layout=self.plain)
        right, wrong = (W.Button(description=said, layout=self.plain, style=self.look)
                        for said in ("right", "wrong"))
        right.tooltip, wrong.tooltip = f"Equation {number} is right", f"Equation {number} is wrong"
        right.on_click(lambda _: self.vote(one, False, told))
        wrong.on_click(lambda _: self.vote(one, True, told))
        votes = W.HBox([right, wrong], layout=self.plain)
        return W.VBox([equation, votes, told], layout=self.plain)

    def vote(self, one: Card, wrong: bool, told: W.HTMLMath) -> None:
        """Counts the first vote on a card, and shows what the machine says."""
        self.votes.setdefault(one.name, wrong == one.wrong)
        told.value = one.answer()
        self.score.value = f"<b>Score: {sum(self.votes.values())} of {len(self.votes)}</b>"

    @property
    def static(self) -> str:
        """The page without a kernel: each answer folded away."""
        return "\n".join(f"{shown(i, one)}\n"
                         f"<details><summary>Vote first, then open</summary><p>{one.answer()}</p></details>"
                         for i, one in enumerate(self.cards, 1))


def spot(*names: str) -> None:
    """Shows equations to vote on. Without a kernel, each answer is folded away below its equation."""
    ballot = Ballot(*names)
    text = "\n".join(f"{i}. {_plain(one.printed.latex)}" for i, one in enumerate(ballot.cards, 1))
    display(bundle(ballot.box, ballot.static, text), raw=True)
    heard_while_busy(*ballot.buttons)


def judge(id: str, **slots: str) -> None:
    """Tries your own form of a registered equation, typed in plain text: judge("snr", rhs="alpha_bar_t").

    ValueError for an unknown equation, slot or symbol.
    """
    true = card(id)
    yours = replace(true, printed=as_printed(id, **slots))
    mine, theirs = yours.printed.slots, true.printed.slots
    if all(decide(mine[slot].expr - theirs[slot].expr) for slot in slots):
        print("Right: proved equal to the registered form.")
    elif yours.wrong:
        parted = (_parting(mine[slot], theirs[slot]) for slot in slots)
        point, gives, right = next(filter(None, parted), ({}, "?", "?"))
        told = ", ".join(f"{name} = {_number(value)}" for name, value in point.items())
        print(f"Wrong. Plug in {told}: yours gives {gives}, the true form {right}.")
    else:
        print("Right: the check proves it.")
