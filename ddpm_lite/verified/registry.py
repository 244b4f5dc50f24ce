"""The registry: one entry an equation, with its statement, its check and its tier.

    @equation("posterior-variance", Equation("beta_tilde_t", "(1 - alpha_bar_prev)/(1 - alpha_bar_t)*beta_t"),
              title="The posterior's variance", source="DDPM eq. (7)")
    def _(s):
        yield "one over the precision that completing the square leaves", s.rhs - 1 / precision

The check is a generator of (reason, residual); the statement it is given is its only copy of the formula.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

from .decide import Residual
from .statements import Statement, form

TIERS = {                                           # tier: (tick, what the tick promises)
    "proved": ("✓", "proved by SymPy with symbols: every schedule, every t"),
    "exact": ("✓(T)", "exact, with rational numbers or symbols, at the sizes named in its proof"),
    "numeric": ("✓(≈)", "computed within the tolerance named in its proof"),
    "definition": ("", "a definition: it names things and claims nothing"),
    "cited": ("", "taken from the cited source, not checked here"),
}
TICKED = ("proved", "exact", "numeric")
Check = Callable[[Statement], Iterator[tuple[str, Residual]]]


@dataclass(frozen=True)
class Entry:
    """One equation of the course."""

    id: str
    statement: Statement
    check: Check | None
    tier: str
    title: str
    source: str
    inline: tuple[str, ...] = ()                    # further forms that running text may print, LaTeX
    slips: dict[str, Statement] = field(default_factory=dict)       # published slips: mutants by name
    excused: dict[str, str] = field(default_factory=dict)           # the mutant's change: why it may survive

    @property
    def tick(self) -> str:
        return TIERS[self.tier][0]

    def forms(self) -> set[str]:
        """The forms that inline mathematics may take."""
        return {form(latex) for latex in (self.statement.latex, *self.inline)}


ENTRIES: dict[str, Entry] = {}


def equation(id: str, statement: Statement, *, title: str, source: str = "", tier: str = "proved",
             inline: tuple[str, ...] | list[str] = (), slips: dict[str, Statement] | None = None,
             excused: dict[str, str] | None = None) -> Callable[[Check], Check]:
    """Registers a checked equation; decorates its check."""
    if tier not in TICKED:
        raise ValueError(f"{id}: a checked equation has one of the tiers {TICKED}, got {tier!r}")

    def add(check: Check) -> Check:
        _add(Entry(id, statement, check, tier, title, source, tuple(inline), slips or {}, excused or {}))
        return check

    return add


def definition(id: str, statement: Statement, *, title: str, source: str = "", tier: str = "definition",
               inline: tuple[str, ...] | list[str] = ()) -> None:
    """Registers what claims nothing, or what isn't checked here (`tier="cited"`, with its source)."""
    if tier not in ("definition", "cited") or (tier == "cited" and not source):
        raise ValueError(f"{id}: expected the tier definition, or cited with a source")
    _add(Entry(id, statement, None, tier, title, source, tuple(inline)))


def _add(entry: Entry) -> None:
    if entry.id in ENTRIES:
        raise ValueError(f"two equations are called {entry.id}")
    ENTRIES[entry.id] = entry


@cache
def entries() -> dict[str, Entry]:
    """All entries, by id."""
    from . import equations
    for module in sorted(m.name for m in pkgutil.iter_modules(equations.__path__)):
        importlib.import_module(f"{equations.__name__}.{module}")
    return ENTRIES


def entry(id: str) -> Entry:
    """The entry of this name; ValueError with the nearest names when there is none."""
    if id not in entries():
        import difflib
        near = ", ".join(difflib.get_close_matches(id, entries(), 3, 0.4)) or "none is near"
        raise ValueError(f"no equation is called {id!r}; did you mean one of: {near}?")
    return entries()[id]


class Absurd(Exception):
    """Raised by a check for a statement about nothing (the law of x_0 given x_0)."""
