"""What goes before the Coq kernel: the theorems of each algebraic statement, and mutants to be refused."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import sympy as sp

from .. import atomic
from .audit import claims as verdicts
from .decide import decide
from .expressible import Inexpressible
from .obligations import claims
from .registry import Absurd, Check, Entry, entries
from .statements import Statement
from .theorems import algebraic, same_value, theorem
from .trial import mutated

MUTANTS = 12                                        # that must be refused, or all there are


@dataclass(frozen=True)
class Case:
    """What goes before the kernel for one statement: theorems, and mutants that it must refuse."""

    id: str
    theorems: tuple[str, ...] = ()
    mutants: tuple[tuple[str, str], ...] = ()       # (what was changed, the theorem that must not be)
    why: str = ""                                   # why it can't be stated
    algebraic: bool = True                          # made of + - * /, whole powers and roots alone


def case(entry: Entry) -> Case:
    """An entry's theorems and mutants, by SymPy; no Coq yet."""
    assert entry.check is not None
    try:
        algebraic(entry.statement)
    except Inexpressible as fault:
        return Case(entry.id, why=str(fault), algebraic=False)
    try:
        proved = stated(entry.check, entry.statement)
    except Inexpressible as fault:
        return Case(entry.id, why=f"its proof needs {fault}")
    return Case(entry.id, proved, tuple(sampled(entry)))


def stated(check: Check, statement: Statement) -> tuple[str, ...]:
    """The theorems of a statement. Inexpressible when one of them is."""
    steps = [claim for claim in claims(check, statement) if not isinstance(claim.residual, bool)]
    if all(claim.empty for claim in steps):
        raise Inexpressible("no more than 0 = 0: SymPy cancels the rest as the check writes it down")
    texts = [theorem(claim).proved("NAME") for claim in steps]
    if not texts:
        raise Inexpressible("a comparison of names")
    seen = {formula for claim in steps for formula in claim.slots.values()}
    texts += [same_value(formula).proved("NAME") for formula in statement.slots.values()
              if formula not in seen and not formula.expr.is_Symbol]
    return tuple(dict.fromkeys(texts))


def sampled(entry: Entry) -> Iterator[tuple[str, str]]:
    """A few mutants that SymPy refutes, always the same ones."""
    assert entry.check is not None
    found = 0
    order = sorted(mutated(entry), key=lambda one: hashlib.sha256(one[0].encode()).digest())
    for what, mutant in order:
        if found < MUTANTS and (text := refutable(entry.check, mutant)):
            found += 1
            yield what, text


def refutable(check: Check, statement: Statement) -> str:
    """The first step that SymPy refutes, as a theorem that the kernel must refuse; empty when rational
    functions and roots can't say it."""
    try:
        for claim in claims(check, statement):
            if decide(claim.value, symbols=False).kind == "refuted":
                one = theorem(claim)
                return one.refused("NAME") if one.conclusion.endswith("= 0") else ""
    except (Inexpressible, Absurd, ArithmeticError, TypeError, ValueError, KeyError, NotImplementedError):
        pass
    return ""


def _case(id: str) -> Case:
    return case(entries()[id])


def audited(id: str) -> Case:
    """A wrong printed form of the sources, and what holds in its place."""
    claim = verdicts()[id]
    check = claim.trial()
    assert check is not None and claim.printed is not None
    right = claim.right or entries()[claim.binding].statement
    try:
        algebraic(right)
        proved = stated(check, right)
    except Inexpressible as fault:
        return Case(id, why=str(fault))
    if text := refutable(check, claim.printed):
        return Case(id, proved, (("as printed", text),))
    return Case(id, why="the printed form isn't algebraic")


def cases(folder: Path) -> tuple[list[Case], list[Case]]:
    """(the registry's, the audit's), made by two processes; kept while no file of `verified` changes."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py"))]
    seen = hashlib.sha256(b"".join([*sources, sp.__version__.encode()])).hexdigest()
    store = folder / "cases.json"
    if store.exists() and (kept := json.loads(store.read_text()))["seen"] == seen:
        one, other = ([Case(**row) for row in kept[name]] for name in ("registry", "audit"))
        return one, other
    checked = [id for id, entry in entries().items() if entry.check is not None]
    wrong = [id for id, claim in verdicts().items() if claim.false]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        one, other = pool.map(_case, checked, chunksize=1), pool.map(audited, wrong, chunksize=1)
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"seen": seen, "registry": list(map(asdict, one)), "audit": list(map(asdict, other))}
    atomic.write(store, [json.dumps(kept).encode()])
    return one, other
