"""The trial of an equation: its proof, and then every mutant, each of which its check must refute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from .decide import Verdict, decide
from .mutate import mutants
from .registry import Absurd, Check, Entry
from .statements import Statement


@dataclass(frozen=True)
class Step:
    """One line of a proof, and how it went."""

    reason: str
    verdict: Verdict


@dataclass(frozen=True)
class Trial:
    """What became of an entry: its steps, and its mutants."""

    entry: Entry
    steps: tuple[Step, ...]
    rejected: tuple[str, ...]                       # mutants that the check refuted
    survived: tuple[str, ...]                       # mutants that it let pass: holes in the check
    excused: tuple[str, ...]                        # survivors with a reason
    same: int                                       # changes that left the formula's value as it was
    seconds: float
    fault: str = ""                                 # why the entry fails, if it does

    @property
    def made(self) -> int:
        return len(self.rejected) + len(self.survived) + len(self.excused)

    @property
    def ok(self) -> bool:
        return not self.fault


def run(check: Check, statement: Statement, *, symbols: bool = True) -> list[Step]:
    """The check's steps up to the first that isn't proved; without symbols, to the first that is refuted."""
    steps = []
    for reason, residual in check(statement):
        verdict = decide(residual, symbols=symbols)
        steps.append(Step(reason, verdict))
        if verdict.kind == "refuted" or (symbols and not verdict):
            break
    return steps


def refuted(check: Check, statement: Statement) -> Verdict | None:
    """The verdict that rejects a statement, or None when the check can't tell it from a true one."""
    try:
        steps = run(check, statement, symbols=False)
    except (ZeroDivisionError, Absurd) as fault:
        return Verdict("refuted", f"it has no meaning: {fault}")
    return next((step.verdict for step in steps if step.verdict.kind == "refuted"), None)


def attempt(entry: Entry) -> Trial:
    """The whole trial of an entry: its proof, then its mutants."""
    started = time.perf_counter()
    if entry.check is None:
        return Trial(entry, (), (), (), (), 0, 0.0)
    steps = tuple(run(entry.check, entry.statement))
    rejected, survived, excused, same = [], [], [], 0
    barren = [slot for slot in entry.statement.slots if not mutants(entry.statement.slots[slot])]
    for what, mutant in mutated(entry):
        if refuted(entry.check, mutant) is not None:
            rejected.append(what)
        elif _same(entry.statement, mutant):
            same += 1
        elif what in entry.excused and what not in excused:             # one excuse, one mutant
            excused.append(what)
        else:
            survived.append(what)
    fault = ""
    if not steps:
        fault = "the check proves nothing: it yields no residual"
    elif bad := [step for step in steps if not step.verdict]:
        fault = f"{bad[0].verdict.kind}: {bad[0].reason}: {bad[0].verdict.why}"
    elif survived:
        fault = f"{len(survived)} mutants survive: " + "; ".join(survived[:5])
    elif unused := set(entry.excused) - set(excused):
        fault = f"excused, but not among the survivors: {'; '.join(sorted(unused))}"
    elif not rejected:
        fault = "the check has rejected no mutant"
    elif barren:
        fault = f"no mutant was made of the slots {barren}"
    return Trial(entry, steps, tuple(rejected), tuple(survived), tuple(excused), same,
                 time.perf_counter() - started, fault)


def mutated(entry: Entry) -> Iterator[tuple[str, Statement]]:
    """An entry's mutants, the published slips last: what was changed, and the statement."""
    for slot, formula in entry.statement.slots.items():
        for what, changed in mutants(formula):
            yield f"{slot}: {what}", entry.statement.with_slot(slot, changed)
    for what, slip in entry.slips.items():
        yield f"published slip: {what}", slip


def _same(statement: Statement, mutant: Statement) -> bool:
    """The change left every slot's value as it was (alpha_bar_0 for 1, a factor of 1)."""
    if set(statement.slots) != set(mutant.slots):
        return False
    pairs = [(statement.slots[name], mutant.slots[name]) for name in statement.slots]
    return all(decide(a.expr - b.expr) for a, b in pairs if a != b)
