r"""What an equation states: a fixed LaTeX shell with formulas in its slots.

A check reads a slot's SymPy value as an attribute (`s.rhs`, `s.mean`) and has no other copy of the formula.
Mutants change slots; what stands in the shell around them only names things: q(x_t | x_0), Var, KL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import sympy as sp

from .formula import Formula

SLOT = re.compile(r"<<(\w+)>>")


@dataclass(frozen=True)
class Statement:
    """A shell such as `<<lhs>> = <<rhs>>` and its formulas by slot."""

    shell: str
    slots: dict[str, Formula] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(SLOT.findall(self.shell)) != set(self.slots):
            raise ValueError(f"shell {self.shell!r} and slots {sorted(self.slots)} don't fit together")

    @property
    def latex(self) -> str:
        return SLOT.sub(lambda m: self.slots[m[1]].latex, self.shell)

    def __getattr__(self, name: str) -> sp.Expr:
        if name.startswith("_") or name not in self.__dict__.get("slots", {}):
            raise AttributeError(f"the statement has no slot {name!r}")
        return self.slots[name].expr

    def name_in(self, slot: str) -> str:
        """The text of a slot that holds one symbol, such as a law's variable."""
        return self.slots[slot].text

    def with_slot(self, slot: str, formula: Formula) -> Statement:
        return Statement(self.shell, {**self.slots, slot: formula})

    def lines(self) -> list[sp.Expr]:
        """A chain's lines: the slots line0, line1, ... in order."""
        return [self.slots[f"line{i}"].expr for i in range(sum(s.startswith("line") for s in self.slots))]


def _made(shell: str, **texts: str) -> Statement:
    return Statement(shell, {name: Formula(text) for name, text in texts.items()})


def label(latex: str) -> str:
    r"""A name for the formula beside it, such as `label(r"\operatorname{Var}(x_t)")`: it has no mutants."""
    return "\0" + latex


def _side(name: str, text: str, slots: dict[str, str]) -> str:
    """A slot for a formula; a label stands as it is."""
    if text.startswith("\0"):
        return text[1:]
    slots[name] = text
    return f"<<{name}>>"


def Equation(lhs: str, rhs: str, relation: str = "=") -> Statement:
    """lhs = rhs. Either may be a label. Slots lhs, rhs. Definitions may take the relation r":="."""
    slots: dict[str, str] = {}
    return _made(f"{_side('lhs', lhs, slots)} {relation} {_side('rhs', rhs, slots)}", **slots)


def Inequality(lhs: str, rhs: str, relation: str = r"\le") -> Statement:
    """lhs <= rhs. The check must state the exact gap: an inequality alone lets wrong sides pass."""
    return Equation(lhs, rhs, relation)


def GaussianLaw(variable: str, mean: str, var: str, given: str = "", by: str = "q",
                identity: bool = True) -> Statement:
    """q(variable | given) = N(variable; mean, var I). Slots variable, mean, var, given0, given1, ..."""
    slots = {"variable": variable, "mean": mean, "var": var}
    slots |= {f"given{i}": name for i, name in enumerate(given.split())}
    condition = r" \mid " + ", ".join(f"<<given{i}>>" for i in range(len(given.split()))) if given else ""
    spread = "<<var>>"
    if identity:
        spread = r"\left(<<var>>\right) I" if Formula(var).is_sum else r"<<var>>\,I"
    law = rf"\mathcal N\left(<<variable>>;\ <<mean>>,\ {spread}\right)"
    return _made(f"{by}(<<variable>>{condition}) = {law}", **slots)


def Chain(lhs: str, *lines: str, relations: tuple[str, ...] = (), endings: tuple[str, ...] = (),
          stacked: bool = False) -> Statement:
    r"""A derivation: lhs = line0 = line1 = ..., one below the other. `relations` (one a line) replaces "=";
    `endings` is fixed LaTeX after a line (`+ c_1`); `stacked` gives lhs a line of its own. Slots lhs, line0,
    line1, ..."""
    slots: dict[str, str] = {}
    head = _side("lhs", lhs, slots)
    rows = []
    for i, text in enumerate(lines):
        relation = relations[i] if relations else "="
        rows.append(rf"&{relation} {_side(f'line{i}', text, slots)}{endings[i] if endings else ''}")
    first = f"& {head} \\\\\n" if stacked else f"{head} "
    body = first + " \\\\\n".join(rows)
    return _made(f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}", **slots)


def Joined(*parts: Statement, by: str = r",\qquad ") -> Statement:
    """Several statements in one display. The slots of part i get its number: rhs0, rhs1, ..."""
    slots: dict[str, Formula] = {}
    shells = []
    for i, part in enumerate(parts):
        shells.append(SLOT.sub(rf"<<\g<1>{i}>>", part.shell))
        slots |= {f"{name}{i}": formula for name, formula in part.slots.items()}
    return Statement(by.join(shells), slots)


def Words(latex: str, **texts: str) -> Statement:
    """Anything else: a shell written by hand with <<slots>>."""
    return _made(latex, **texts)


def flat(latex: str) -> str:
    """LaTeX without blanks and sizes: two forms that look alike compare equal."""
    latex = re.sub(r"\\(left|right|[Bb]igg?[lrm]?)(?![A-Za-z])|\\[,;:! ]|\\q?quad|~|\s|&", "", latex)
    latex = re.sub(r"\\[dt]frac(?![A-Za-z])", r"\\frac", latex)
    return latex.replace("{", "").replace("}", "").rstrip(".,;")


TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[^\s&~]", re.S)
SIZES = re.compile(r"\\(left|right|[Bb]igg?[lrm]?|q?quad|[,;:! ])$")


def form(latex: str) -> str:
    """LaTeX as a reader sees it: as `flat`, but with the braces that matter. An index t-1 isn't t, less 1."""
    latex = re.sub(r"\\[dt]frac(?![A-Za-z])", r"\\frac", latex)
    tokens = [token for token in TOKEN.findall(latex) if not SIZES.match(token)]
    out: list[str] = []
    for token in tokens:
        if token == "}" and len(out) > 1 and out[-2] == "{":            # braces around one token
            out[-2:] = [out[-1]]
        else:
            out.append(token)
    return " ".join(out).rstrip(" .,;")
