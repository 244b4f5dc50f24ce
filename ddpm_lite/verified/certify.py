"""The second referee: every algebraic statement of the registry, proved again by the Coq kernel.

    certified         each step of its check is a theorem that the kernel accepts, and its mutants are refused
    not expressible   rational functions and roots can't say it (a logarithm, a sum of unknown length)
    failed            the kernel refuses what SymPy proved, or proves a mutant that SymPy refuted

Nothing is typed twice: statements, checks, mutants and domains are the registry's.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from .cases import MUTANTS, Case, cases
from .coqc import HOW, INDUCTIONS, REALS, Kernel, assumptions, found, theorems_in


@dataclass(frozen=True)
class Result:
    """What became of it."""

    id: str
    verdict: str                                    # certified, not expressible, failed
    why: str = ""
    theorems: int = 0
    refused: int = 0
    algebraic: bool = True


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
        fewer = sum(one.refused < MUTANTS for one in good)
        refused = sum(one.refused for one in good)
        rows.append(f"mutants          {refused} refused: {MUTANTS} of each statement, fewer of {fewer}")
        refuted = [one for one in self.audit if one.verdict == "certified"]
        rows.append(f"sources          {len(refuted)} of {len(self.audit)} wrong printed equations refused, "
                    "their corrections certified")
        rows += _grouped(one for one in self.audit if one.verdict == "not expressible")
        rows.append(f"by hand          {self.by_hand} theorems and lemmas, no axioms but those of Coq's R")
        rows += [f"FAILED           {line}" for line in self.failed()]
        return "\n".join([*rows, f"{self.seconds:.0f} s"])


def _grouped(results: Iterable[Result]) -> list[str]:
    count = Counter(one.why for one in results)
    return [f"                 {n:3d} {why}" for why, n in count.most_common()]
