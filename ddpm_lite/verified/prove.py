"""`prove("posterior-mean")` in a notebook: the proof runs there and then, and shows itself."""

from __future__ import annotations

from dataclasses import dataclass

from .registry import TIERS, entry
from .trial import Trial, attempt


@dataclass(frozen=True, repr=False)
class Proof:
    """What a proof shows: statement, steps, verdict, mutants, seconds; as text and as Markdown with LaTeX."""

    trial: Trial

    def __repr__(self) -> str:
        return "\n".join([f"{self._head()}: {self.trial.entry.title}", *self._steps(), self._tail()])

    def _repr_markdown_(self) -> str:
        one = self.trial.entry
        head = f"**{self._head()}**: {one.title}" + (f" ({one.source})" if one.source else "")
        return "\n\n".join([head, f"$$\n{one.statement.latex}\n$$", "\n".join(self._steps()), self._tail()])

    def _head(self) -> str:
        return {"proved": "Proved", "exact": "Exact at the sizes tried", "numeric": "Computed",
                "definition": "A definition", "cited": "Cited, not checked"}[self.trial.entry.tier]

    def _steps(self) -> list[str]:
        return [f"{i}. {step.reason}" for i, step in enumerate(self.trial.steps, 1)]

    def _tail(self) -> str:
        if not self.trial.steps:
            return TIERS[self.trial.entry.tier][1] + "."
        some = "; ".join(f"“{what}”" for what in _spread(self.trial.rejected))
        return (f"{self.trial.made} mutants tried, {len(self.trial.rejected)} rejected, such as {some}; "
                f"{self.trial.seconds:.1f} s.")


def _spread(rejected: tuple[str, ...], count: int = 3) -> list[str]:
    """A few mutants from all over the list, the telling ones first: what was put for what."""
    names = list(dict.fromkeys(what.partition(": ")[2] for what in rejected))
    short = [n for n in names if " for " in n and len(n) < 60] or [n for n in names if len(n) < 60] or names
    return short[:: max(1, len(short) // count)][:count]


def prove(id: str) -> Proof:
    """Proves a registered equation and tries its mutants. AssertionError when the proof or a mutant fails."""
    trial = attempt(entry(id))
    assert trial.ok, f"{id}: {trial.fault}"
    return Proof(trial)
