"""The stored certificate: what the Coq kernel accepted, kept with the package; nobody needs Coq to read it.

`make certify` writes coq/certificate.json: for each certified statement a hash of what was certified (the
statement and its check), the number of its theorems and of the mutants refused. A statement that has changed
since has no certificate until the next run.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from functools import cache
from importlib.resources import files
from typing import Any

from .audit import claims
from .registry import Check, Entry, entries

NAME = "certificate.json"
BADGE = "⊢"                                         # "proves", as logicians write it


@cache
def _source(check: Check) -> str:
    return inspect.getsource(check)


def content(entry: Entry) -> str:
    """A hash of a statement, formulas and shell, and of the check that makes its theorems."""
    slots = sorted((slot, formula.text) for slot, formula in entry.statement.slots.items())
    check = _source(entry.check) if entry.check else ""
    return hashlib.sha256(repr((entry.statement.shell, slots, check)).encode()).hexdigest()[:16]


def written(summary: Any, version: str) -> str:
    """The certificate's text, from a run of the kernel."""
    good = [one for one in summary.results if one.verdict == "certified"]
    statements = {one.id: {"content": content(entries()[one.id]), "theorems": one.theorems,
                           "refused": one.refused} for one in good}
    inside = sum(one.algebraic for one in summary.results)
    refuted = [one.id for one in summary.audit if one.verdict == "certified"]
    whole = {"coq": version, "algebraic": inside, "refuted_claims": refuted}
    rows = ",\n".join(f"  {json.dumps(id)}: {json.dumps(row)}" for id, row in statements.items())
    head = json.dumps(whole, indent=1).removesuffix("\n}")
    return f'{head},\n "statements": {{\n{rows}\n }}\n}}\n'


def alike(one: str, other: str) -> bool:
    """Do two certificates certify the same? Coq's version may differ."""
    first, second = json.loads(one), json.loads(other)
    return {**first, "coq": ""} == {**second, "coq": ""}


@cache
def stored() -> dict[str, Any]:
    """The certificate as shipped."""
    path = files(__package__).joinpath("coq", NAME)
    if not path.is_file():
        return {"coq": "", "algebraic": 0, "refuted_claims": [], "statements": {}}
    return json.loads(path.read_text(encoding="utf-8"))


def certified(id: str) -> bool:
    """Did the kernel accept this equation as it stands now?"""
    row = stored()["statements"].get(id)
    return row is not None and id in entries() and row["content"] == content(entries()[id])


def stale() -> list[str]:
    """What the certificate speaks of and is no longer so, a line each."""
    again = "; run make certify"
    changed = [id for id in stored()["statements"] if not certified(id)]
    gone = [id for id in stored()["refuted_claims"] if id not in claims() or not claims()[id].false]
    return ([f"{id}: changed since the kernel saw it{again}" for id in changed]
            + [f"claim {id}: not among the wrong ones any more{again}" for id in gone])


def badge(id: str) -> str:
    """The third badge, or nothing."""
    return BADGE if certified(id) else ""
