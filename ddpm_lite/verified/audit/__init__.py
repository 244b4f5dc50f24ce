"""The audit of the five source documents: a verdict on each of their claims, and what it rests on.

One file a document. A verdict rests on a registered equation (its check must prove the corrected form and,
where the print is wrong, refute the printed one), on a check of its own, or on a reason why nothing can be
checked.
"""

from __future__ import annotations

import csv
import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ..formula import Formula
from ..registry import Check, entries, entry
from ..statements import Statement
from ..trial import refuted, run

VERDICTS = ("correct", "correct-up-to", "wrong", "not-checkable")


@dataclass(frozen=True)
class Claim:
    """One row: what the document says at this place, judged."""

    id: str
    verdict: str
    binding: str = ""                       # a registered equation; or what the own check proves, in words
    corrected: str = ""                     # the form that holds, LaTeX or words
    reason: str = ""
    printed: Statement | None = None        # the form as printed, fed to the check
    right: Statement | None = None          # the corrected form, where no registered equation states it
    check: Check | None = None              # the claim's own check; else that of the binding
    false: bool = False                     # the printed form must be refuted

    def trial(self) -> Check | None:
        return self.check or (entries()[self.binding].check if self.binding in entries() else None)


CLAIMS: dict[str, Claim] = {}


def _add(claim: Claim) -> None:
    if claim.id in CLAIMS:
        raise ValueError(f"two verdicts on {claim.id}")
    CLAIMS[claim.id] = claim


def correct(ids: str, binding: str, reason: str = "", *, printed: Statement | None = None,
            check: Check | None = None) -> None:
    """The claims (names with blanks between) hold as they stand. `printed`: their form where the registered
    equation has another."""
    for id in ids.split():
        _add(Claim(id, "correct", binding, "", reason, printed, None, check))


def up_to(ids: str, binding: str, reason: str, *, corrected: str = "", printed: Statement | None = None,
          right: Statement | None = None, check: Check | None = None, false: bool = False) -> None:
    """The claims hold up to what `reason` says: a constant, a sign, a condition, a notation. With
    `false=True` the form as printed must be refuted."""
    for id in ids.split():
        _add(Claim(id, "correct-up-to", binding, corrected or _latex(binding, right), reason, printed, right,
                   check, false))


def wrong(ids: str, binding: str, reason: str, *, corrected: str = "", printed: Statement | None = None,
          right: Statement | None = None, check: Check | None = None) -> None:
    """The claims are false. `printed` must be refuted; a claim in prose rests on a proved counter-fact."""
    for id in ids.split():
        _add(Claim(id, "wrong", binding, corrected or _latex(binding, right), reason, printed, right, check,
                   printed is not None))


def not_checkable(ids: str, reason: str) -> None:
    """Nothing here can be checked by a machine; the reason says why."""
    for id in ids.split():
        _add(Claim(id, "not-checkable", reason=reason))


def as_printed(binding: str, **texts: str) -> Statement:
    """The registered statement with some of its slots as the document prints them."""
    statement = entry(binding).statement
    if unknown := set(texts) - set(statement.slots):
        wrong_ones = ", ".join(map(repr, sorted(unknown)))
        raise ValueError(f"{binding} has the slots {', '.join(statement.slots)}, got {wrong_ones}")
    return Statement(statement.shell, statement.slots | {name: Formula(text) for name, text in texts.items()})


def _latex(binding: str, right: Statement | None) -> str:
    statement = right or (entries()[binding].statement if binding in entries() else None)
    return f"${statement.latex}$" if statement else ""


@cache
def told() -> dict[str, dict[str, str]]:
    """What the documents say, by the claim's name: the line in the document, the kind, the claim in short."""
    text = files(__name__).joinpath("claims.csv").read_text(encoding="utf-8")
    return {row["id"]: row for row in csv.DictReader(text.splitlines())}


@cache
def claims() -> dict[str, Claim]:
    """Every verdict, by the claim's name, in the order of the documents."""
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")
    order = {id: i for i, id in enumerate(told())}
    return dict(sorted(CLAIMS.items(), key=lambda item: order.get(item[0], len(order))))


def shortcomings() -> Iterator[str]:
    """What an audit may not leave: verdicts without ground, wrong forms that pass, right ones that fail."""
    for id in sorted(set(told()) ^ set(claims())):
        yield f"claim {id}: " + ("no verdict" if id in told() else "no document says this")
    for claim in claims().values():
        for fault in judge(claim):
            yield f"claim {claim.id}: {fault}"


def judge(claim: Claim) -> Iterator[str]:
    """What is wrong with one verdict."""
    if claim.verdict == "not-checkable":
        if not claim.reason:
            yield "not checkable, and no reason given"
        return
    if not claim.binding:
        yield "no binding"
        return
    if claim.binding not in entries() and claim.check is None:
        yield f"bound to {claim.binding!r}, which is neither registered nor comes with a check"
        return
    if claim.verdict != "correct" and not (claim.corrected and claim.reason):
        yield f"{claim.verdict}, but the corrected form or the reason is missing"
    check = claim.trial()
    if claim.verdict == "wrong" and check is None:
        yield "called wrong on the ground of something that isn't proved"
    if claim.printed is not None or claim.right is not None:
        if check is None:
            yield "a printed form, and no check to try it"
            return
        if claim.printed is not None and claim.false and refuted(check, claim.printed) is None:
            yield "the printed form is said to be wrong, and the check can't refute it"
        if claim.printed is not None and not claim.false:
            yield from _proved(check, claim.printed, "the printed form")
        if claim.right is not None:
            yield from _proved(check, claim.right, "the corrected form")
    if claim.check is not None and claim.printed is None and claim.right is None:
        yield "a check of its own, and no statement for it"
    if claim.check is not None and claim.false and claim.right is None:
        yield "refuted by its own check, and the corrected form isn't proved by it"


def _proved(check: Check, statement: Statement, what: str) -> Iterator[str]:
    steps = run(check, statement)
    if not steps:
        yield f"{what}: the check proves nothing"
    for step in steps:
        if not step.verdict:
            yield f"{what}: {step.verdict.kind}: {step.reason}: {step.verdict.why}"
