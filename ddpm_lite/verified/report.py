"""The whole suite at once: every equation proved, every mutant tried, every claim of the sources judged."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from .audit import VERDICTS, claims, shortcomings
from .certificates import certified, stale, stored
from .registry import TIERS, entries
from .trial import attempt


@dataclass(frozen=True)
class Line:
    """A trial, small enough to travel between processes."""

    id: str
    tier: str
    made: int
    rejected: int
    excused: int
    seconds: float
    fault: str


def _try(id: str) -> Line:
    trial = attempt(entries()[id])
    return Line(id, trial.entry.tier, trial.made, len(trial.rejected), len(trial.excused), trial.seconds,
                trial.fault)


def trials(ids: list[str] | None = None) -> list[Line]:
    """A line for each equation, in the registry's order; two processes where there are two cores."""
    names = list(entries()) if ids is None else ids
    if len(names) < 4 or (os.cpu_count() or 1) < 2:
        return [_try(name) for name in names]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        return pool.map(_try, names, chunksize=1)


def report() -> tuple[dict[str, Any], list[str]]:
    """(the numbers, what is short)."""
    started = time.perf_counter()
    lines = trials()
    short = [f"{line.id}: {line.fault}" for line in lines if line.fault] + list(shortcomings()) + stale()
    tiers = Counter(line.tier for line in lines)
    verdicts = Counter(claim.verdict for claim in claims().values())
    slowest = sorted(lines, key=lambda line: -line.seconds)[:5]
    numbers = {
        "equations": {tier: tiers[tier] for tier in TIERS},
        "mutants": {kind: sum(getattr(line, kind) for line in lines)
                    for kind in ("made", "rejected", "excused")},
        "kernel": {"certified by Coq": sum(map(certified, entries())), "algebraic": stored()["algebraic"]},
        "claims": {verdict: verdicts[verdict] for verdict in VERDICTS},
        "slowest": {line.id: round(line.seconds, 1) for line in slowest},
        "short": short,
        "seconds": round(time.perf_counter() - started, 1),
    }
    return numbers, short


def text(numbers: dict[str, Any]) -> str:
    """The report as a reader sees it."""
    rows = [f"{kind:10s} " + ", ".join(f"{count} {name}" for name, count in numbers[kind].items())
            for kind in ("equations", "mutants", "kernel", "claims")]
    rows.append("slowest    " + ", ".join(f"{name} {took} s" for name, took in numbers["slowest"].items()))
    rows += [f"SHORT      {line}" for line in numbers["short"]]
    return "\n".join([*rows, f"{numbers['seconds']} s"])
