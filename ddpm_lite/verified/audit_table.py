"""docs/audit.md, made from the audit."""

from __future__ import annotations

from collections import Counter

from .audit import VERDICTS, Claim, claims, told
from .certificates import BADGE, certified, stored

SOURCES = {
    "S0": "Fatim Majumder, Diffusion Models, lecture notes (2025)",
    "S1": "Diffusion-based models, lecture slides",
    "S2": "nonlineark, slides on Bishop and Bishop, Deep Learning, chapter 20 (2025)",
    "S3": "Diffusion Models, a blog post (2024)",
    "S4": "Huidong Xie and Weijie Gan, Introduction to Diffusion Models",
}
HEAD = """# The audit of the five sources

Made by `make generated` from `ddpm_lite/verified/audit/`; not edited by hand.

- **correct**: proved as printed, or a definition.
- **correct-up-to**: holds once a constant, a sign, a condition or a notation is mended.
- **wrong**: the printed form is refuted at an exact point and the corrected one proved, or a statement in
  prose contradicts a proved fact.
- **not-checkable**: no mathematics that a machine could judge.

- **⊢** beside a verdict: the Coq kernel, a second referee, has accepted a proof of the equation it rests on;
  beside **wrong**, of the corrected one, and that proof breaks on the printed form.

"It says" is the claim in short, in plain notation, with its line in the document's transcription. A name in
`code` under "rests on" is a registered equation: `python -m ddpm_lite.verified show NAME` proves it.
"""


def table() -> str:
    """The whole page, Markdown."""
    parts = [HEAD, _counts()]
    for source, title in SOURCES.items():
        mine = [claim for claim in claims().values() if claim.id.partition(".")[0] == source]
        head = "| claim | it says | verdict | rests on | corrected form | reason |\n|" + " --- |" * 6
        parts.append(f"## {source}: {title}\n\n{head}\n" + "\n".join(map(_row, mine)) + "\n")
    return "\n".join(parts)


def _counts() -> str:
    rows = ["| source | " + " | ".join(VERDICTS) + " |", "| --- |" + " --- |" * len(VERDICTS)]
    for source in SOURCES:
        count = Counter(c.verdict for c in claims().values() if c.id.partition(".")[0] == source)
        rows.append(f"| {source} | " + " | ".join(str(count[verdict]) for verdict in VERDICTS) + " |")
    return "\n".join(rows) + "\n"


def mark(claim: Claim) -> str:
    """The kernel's badge, where it has seen what the verdict rests on."""
    if claim.false:
        seen = claim.id in stored()["refuted_claims"]
    else:
        seen = claim.check is None and claim.printed is None and certified(claim.binding)
    return f" {BADGE}" if seen else ""


def _row(claim: Claim) -> str:
    says = told()[claim.id]
    rests = claim.binding if claim.check else f"`{claim.binding}`" if claim.binding else ""
    short = "`" + says["claim"].replace("|", r"\|") + "`"
    columns = [f"{claim.id}, line {says['line']}", short, claim.verdict + mark(claim), rests,
               _cell(claim.corrected), _cell(claim.reason)]
    return f"| {' | '.join(columns)} |"


def _cell(words: str) -> str:
    return words.replace(r"\|", r"\Vert ").replace("|", r"\vert ").replace("\n", " ")
