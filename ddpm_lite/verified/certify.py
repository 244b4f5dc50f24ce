"""The second referee: every algebraic statement of the registry, proved again by the Coq kernel.

    certified         each step of its check is a theorem that the kernel accepts, and its mutants are refused
    not expressible   rational functions and roots can't say it (a logarithm, a sum of unknown length)
    failed            the kernel refuses what SymPy proved, or proves a mutant that SymPy refuted

Nothing is typed twice: statements, checks, mutants and domains are the registry's.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import sympy as sp

from .. import atomic
from .audit import claims as verdicts
from .coq_terms import Inexpressible
from .coqc import HOW, INDUCTIONS, REALS, Kernel, assumptions, found, theorems_in
from .decide import decide
from .registry import Absurd, Check, Entry, entries
from .statements import Statement
from .theorems import algebraic, claims, same_value, theorem
from .trial import _mutated

MUTANTS, TRIES = 5, 40                              # how many must be refused; how many are looked at


@dataclass(frozen=True)
class Case:
    """What goes before the kernel for one statement: theorems, and mutants that it must refuse."""

    id: str
    theorems: tuple[str, ...] = ()
    mutants: tuple[tuple[str, str], ...] = ()       # (what was changed, the theorem that must not be)
    why: str = ""                                   # why it can't be stated
    algebraic: bool = True                          # made of + - * /, whole powers and roots alone


@dataclass(frozen=True)
class Result:
    """What became of it."""

    id: str
    verdict: str                                    # certified, not expressible, failed
    why: str = ""
    theorems: int = 0
    refused: int = 0
    algebraic: bool = True


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
    order = sorted(_mutated(entry), key=lambda one: hashlib.sha256(one[0].encode()).digest())
    for what, mutant in order[:TRIES]:
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


def _audited(id: str) -> Case:
    """A wrong printed form of the sources, and what holds in its place."""
    claim = verdicts()[id]
    check = claim.trial()
    assert check is not None and claim.printed is not None
    right = claim.right or entries()[claim.binding].statement
    try:
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
        one, other = pool.map(_case, checked, chunksize=1), pool.map(_audited, wrong, chunksize=1)
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"seen": seen, "registry": list(map(asdict, one)), "audit": list(map(asdict, other))}
    atomic.write(store, [json.dumps(kept).encode()])
    return one, other


def inductions(folder: Path) -> tuple[int, list[str]]:
    """(theorems of the files written by hand, what is wrong with them)."""
    faults = []
    for name in INDUCTIONS:
        try:
            if more := assumptions(folder, name) - REALS:
                faults.append(f"coq/{name}.v rests on {', '.join(sorted(more))}")
        except ValueError as fault:
            faults.append(str(fault))
    return sum(len(theorems_in(name)) for name in INDUCTIONS), faults


def certify(folder: Path) -> Summary:
    """The whole run; results are kept in the folder. FileNotFoundError, saying how to get Coq, without it."""
    started = time.perf_counter()
    if not found():
        raise FileNotFoundError(HOW)
    registry, audit = cases(folder)
    kernel = Kernel(folder)
    results = judge(kernel, [*registry, *audit])
    by_hand, faults = inductions(folder)
    return Summary(results[:len(registry)], results[len(registry):], by_hand, faults,
                   time.perf_counter() - started)


def judge(kernel: Kernel, all_cases: list[Case]) -> list[Result]:
    """The kernel's verdict on each case."""
    said = kernel.judge(text for one in all_cases for text in (*one.theorems, *(t for _, t in one.mutants)))
    return [_result(one, said) for one in all_cases]


def _result(one: Case, said: dict[str, str]) -> Result:
    if one.why:
        return Result(one.id, "not expressible", one.why, algebraic=one.algebraic)
    result = Result(one.id, "certified", "", len(one.theorems), len(one.mutants))
    for text in one.theorems:
        if said[text]:
            return replace(result, verdict="failed", why=f"SymPy proves it, the kernel says: {said[text]}")
    for what, text in one.mutants:
        if said[text] != "refused":
            says = said[text] or "it holds"
            why = f"SymPy refutes the mutant “{what}”, the kernel says: {says}"
            return replace(result, verdict="failed", why=why)
    if not one.mutants:
        return replace(result, verdict="failed", why="no mutant was refused: the theorem may say nothing")
    return result


@dataclass(frozen=True)
class Summary:
    """The whole run."""

    results: list[Result]
    audit: list[Result]
    by_hand: int                                    # theorems of the inductions
    faults: list[str]                               # what is wrong with those
    seconds: float

    def failed(self) -> list[str]:
        lines = [f"{one.id}: {one.why}" for one in [*self.results, *self.audit] if one.verdict == "failed"]
        return lines + self.faults

    def text(self) -> str:
        """The report as a reader sees it."""
        inside = [one for one in self.results if one.algebraic]
        good = [one for one in inside if one.verdict == "certified"]
        share = 100 * len(good) / max(1, len(inside))
        rows = [f"certified        {len(good)} of {len(inside)} algebraic statements ({share:.0f} %), "
                f"{sum(one.theorems for one in good)} theorems",
                f"not expressible  {sum(one.verdict == 'not expressible' for one in inside)} of them"]
        rows += _grouped(one for one in inside if one.verdict == "not expressible")
        outside = [one for one in self.results if not one.algebraic]
        rows += [f"not algebraic    {len(outside)} further statements"] + _grouped(outside)
        rows.append(f"mutants          {sum(one.refused for one in good)} refused, at least "
                    f"{min((one.refused for one in good), default=0)} for each statement")
        refuted = [one for one in self.audit if one.verdict == "certified"]
        rows.append(f"sources          {len(refuted)} of {len(self.audit)} wrong printed equations refused, "
                    "their corrections certified")
        rows += _grouped(one for one in self.audit if one.verdict == "not expressible")
        rows.append(f"by hand          {self.by_hand} theorems and lemmas, no axioms but those of Coq's R")
        rows += [f"FAILED           {line}" for line in self.failed()]
        return "\n".join([*rows, f"{self.seconds:.0f} s"])


def _grouped(results) -> list[str]:
    count = Counter(one.why for one in results)
    return [f"                 {n:3d} {why}" for why, n in count.most_common()]
