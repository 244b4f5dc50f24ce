"""From a registered statement to Coq's theorems: one for each step of its check.

The check runs a second time with a name in the place of every formula; where nothing but arithmetic happens
to the name, the theorem holds the formula as it was typed. Where the check takes it apart (substitutes,
differentiates), the theorem holds what SymPy made of it, and a further one says that the formula as typed has
the value that SymPy took.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp

from .coq_terms import Inexpressible, Terms, factors, is_unit
from .decide import Positive, Residual, decide
from .formula import DERIVED, INDEXED, Formula
from .registry import Absurd, Check
from .statements import Statement

LIMIT = "Timeout 20"                              # seconds that a proof's last step may take


class Named(Statement):
    """A statement whose slots give names in place of formulas' values."""

    def __getattr__(self, slot: str) -> sp.Expr:
        if slot.startswith("_") or slot not in self.__dict__.get("slots", {}):
            raise AttributeError(slot)
        return name_of(self.slots[slot])

    def lines(self) -> list[sp.Expr]:
        return [getattr(self, f"line{i}") for i in range(len(super().lines()))]


def name_of(formula: Formula) -> sp.Expr:
    """The name that stands for a formula; a bare symbol or number stands for itself."""
    if formula.expr.is_Symbol or formula.text.isdigit():
        return formula.expr
    return sp.Symbol(f"typed: {formula.text}", real=True, positive=formula.expr.is_positive)


@dataclass(frozen=True)
class Claim:
    """What one step of a check says: a residual that is 0, or positive."""

    reason: str
    residual: Residual
    slots: dict[sp.Symbol, Formula]                 # the names in it, and what they stand for

    @property
    def value(self) -> Residual:
        """The residual with SymPy's values in place of the names."""
        values = {name: formula.expr for name, formula in self.slots.items()}
        if isinstance(self.residual, Positive):
            return Positive(self.residual.expr.xreplace(values), self.residual.strict)
        return self.residual.xreplace(values) if isinstance(self.residual, sp.Expr) else self.residual


def claims(check: Check, statement: Statement) -> Iterator[Claim]:
    """The steps of a check, each with the formulas as typed where that can be."""
    plain = list(check(statement))
    try:
        named = [residual for _, residual in check(Named(statement.shell, statement.slots))]
    except (Absurd, ArithmeticError, AttributeError, TypeError, ValueError, KeyError, NotImplementedError):
        named = []
    slots = {name: formula for formula in statement.slots.values()
             if (name := name_of(formula)) != formula.expr}
    for i, (reason, residual) in enumerate(plain):
        if len(named) == len(plain) and _agree(named[i], residual, slots):
            used = _parts(named[i])[0].free_symbols
            yield Claim(reason, named[i], {s: f for s, f in slots.items() if s in used})
        elif isinstance(residual, sp.MatrixBase):
            yield from (Claim(reason, part, {}) for part in residual)
        else:
            yield Claim(reason, residual, {})


def _parts(residual: Residual) -> tuple[sp.Expr, object]:
    if isinstance(residual, Positive):
        return residual.expr, residual.strict
    return residual, None


def _agree(named: Residual, plain: Residual, slots: dict[sp.Symbol, Formula]) -> bool:
    """Is this the same residual, but for the names?"""
    (one, strict), (other, strictly) = _parts(named), _parts(plain)
    if not (isinstance(one, sp.Expr) and isinstance(other, sp.Expr)) or strict != strictly:
        return False
    for power in one.atoms(sp.Pow):
        if not power.exp.is_Integer and power.free_symbols & set(slots):
            return False
    difference = one.xreplace({s: formula.expr for s, formula in slots.items()}) - other
    return difference == 0 or decide(difference, symbols=False).kind == "undecided"


@dataclass(frozen=True)
class Theorem:
    """A theorem as Coq reads it, less its name."""

    reason: str
    variables: str
    hypotheses: tuple[tuple[str, str], ...]
    conclusion: str
    steps: tuple[str, ...]                          # of the proof, up to the last
    last: str                                       # the tactic that closes it, and that a mutant must defy

    def proved(self, name: str) -> str:
        """The theorem and its proof."""
        return (f"(* {_comment(self.reason)} *)\nTheorem {name} : {self._claim()}.\nProof.\n{self._begin()}\n"
                f"{LIMIT} {self.last}; nonzero.\nQed.\n")

    def refused(self, name: str) -> str:
        """The same words for a mutant: the last tactic must fail, and says so."""
        return (f"Goal {self._claim()}.\nProof.\n{self._begin()}\n"
                f'{LIMIT} tryif {self.last} then nonzero else idtac "refused {name}".\nAbort.\n')

    def _claim(self) -> str:
        forall = f"forall {self.variables} : R,\n" if self.variables else ""
        return forall + "".join(f"{claim} ->\n" for _, claim in self.hypotheses) + self.conclusion

    def _begin(self) -> str:
        names = " ".join(name for name, _ in self.hypotheses)
        return "\n".join([" ".join(f"intros {self.variables} {names}".split()) + ".", *self.steps])


def _comment(words: str) -> str:
    return words.replace("(*", "( *").replace("*)", "* )").replace('"', "'")


def theorem(claim: Claim) -> Theorem:
    """The theorem that a claim is. Inexpressible when it isn't about rational functions and roots."""
    terms = Terms(claim.slots)
    expr, strict = _parts(claim.residual)
    if not isinstance(expr, sp.Expr):
        raise Inexpressible("a comparison of names")
    whole = terms.text(expr)
    steps, last = [], ""
    if isinstance(claim.residual, Positive):
        conclusion = f"0 {'<' if strict else '<='} {whole}"
        form = _positive_form(terms, expr)
        if form:
            steps.append(f"replace ({whole}) with ({form}) by (RATIONAL; nonzero).")
            steps.append("" if strict else "apply Rlt_le.")
        last = "positive" if form else "nra"
    else:
        conclusion, last = f"{whole} = 0", "RATIONAL"
    return _assembled(claim.reason, terms, conclusion, steps, last)


def same_value(formula: Formula) -> Theorem:
    """The formula as typed has the value that SymPy took."""
    terms = Terms()
    conclusion = f"{terms.typed(formula.tree)} = {terms.text(formula.expr)}"
    return _assembled(f"as typed: {formula.text}", terms, conclusion, [], "RATIONAL")


def _positive_form(terms: Terms, expr: sp.Expr) -> str:
    """A positive expression as a product of factors whose sign can be seen; empty where SymPy finds none."""
    value = terms.rational(expr)
    value = value.subs({p: r**2 for p, r in terms.roots.items() if p.is_Symbol})
    top, bottom = sp.fraction(sp.together(value))
    (c, over), (d, under) = factors(top), factors(bottom)
    number, parts = sp.Rational(c) / sp.Rational(d), []
    for p, k in [*over, *((p, -k) for p, k in under)]:
        sign = terms.sign(p)
        if not sign and k % 2:
            return ""
        number *= sp.Integer(sign or 1) ** k
        form = terms.split(p * sign) if sign else terms.text(p)
        parts.append(f"({form}) ^ {k}" if k > 0 else f"/ (({form}) ^ {-k})")
    return " * ".join([terms.text(number), *parts]) if number > 0 else ""


def _assembled(reason: str, terms: Terms, conclusion: str, steps: list[str], last: str) -> Theorem:
    squares = list(dict.fromkeys(f"{text} * {text} = {w}" for text, w in terms.squares if text != w))
    facts, needed = _divisors(terms)
    hypotheses = [h for s, name in list(terms.names.items()) for h in _domain(terms, s, name)]
    for p, r in terms.roots.items():
        if not terms.at_witness(p).is_positive:
            raise Inexpressible("a root that is real nowhere near")
        hypotheses += [(f"{r}_sq", f"{r} * {r} = {terms.text(p)}"), (f"{r}_pos", f"0 < {r}")]
    hypotheses += [(f"side{i}", f"{f} <> 0") for i, f in enumerate(needed)]
    begin = [f"subst {terms.names[s]}." for s in terms.derived]
    begin += [f"pose proof (radicand _ _ {r}_sq {r}_pos)." for r in terms.roots.values()]
    begin += [f"pose proof (root_below_1 _ _ {r}_sq {r}_pos {terms.names[p]}_below)."
              for p, r in terms.roots.items() if r in terms.short]
    rules = " ".join(f"{r}_sq" for r in terms.roots.values())
    rational = f"field [{rules}]" if rules else "field"
    middle = [*begin, *facts, *(["each ltac:(RATIONAL; nonzero)."] if squares else []), *filter(None, steps)]
    variables = " ".join(dict.fromkeys(terms.names.values()))
    return Theorem(reason, variables, tuple(hypotheses), " /\\\n".join([*squares, conclusion]),
                   tuple(re.sub("RATIONAL", rational, step) for step in middle),
                   last.replace("RATIONAL", rational))


def _domain(terms: Terms, s: sp.Basic, name: str) -> list[tuple[str, str]]:
    if str(s) in DERIVED:
        return [(f"{name}_is", f"{name} = {terms.typed(Formula(DERIVED[str(s)]).tree)}")]
    if s in terms.roots.values():
        return []
    if isinstance(s, sp.Symbol) and is_unit(s):
        return [(f"{name}_pos", f"0 < {name}"), (f"{name}_below", f"{name} < 1")]
    if s.is_integer and s.is_positive:
        return [(f"{name}_from_1", f"1 <= {name}")]
    return [(f"{name}_pos", f"0 < {name}")] if s.is_positive else []


def _divisors(terms: Terms) -> tuple[list[str], list[str]]:
    """(proofs that divisors are positive, divisors that must be told not to be 0)."""
    facts, needed = [], []
    done: set[sp.Expr] = set()                                          # divisors
    told: set[sp.Expr] = set()                                          # their factors
    i = 0
    while i < len(terms.divisors):                                      # writing one may bring others
        d = terms.rational(terms.divisors[i])
        i += 1
        if d in done:
            continue
        done.add(d)
        number, parts = factors(sp.fraction(sp.together(d))[0])
        for f in (f for f, _ in parts if not (f in told or f.is_Symbol and f.is_positive)):
            told.add(f)
            if side := terms.sign(f):
                text, form = terms.text(f * side), terms.split(f * side)
                facts.append(f"assert (0 < {text}) by "
                             f"(replace ({text}) with ({form}) by (RATIONAL; nonzero); positive).")
            elif abs(terms.at_witness(f)) > 1e-20:
                needed.append(terms.text(f))
            else:
                raise Inexpressible("a divisor that is 0")
        if d.is_Add and (len(parts) > 1 or abs(number) != 1):
            form = " * ".join([terms.text(number), *(f"{terms.text(f)} ^ {k}" for f, k in parts)])
            facts.append(f"assert ({terms.text(d)} <> 0) by (replace ({terms.text(d)}) with ({form}) by "
                         "(RATIONAL; nonzero); nonzero).")
    return facts, needed


def algebraic(statement: Statement) -> None:
    """Inexpressible unless every formula of the statement is made of + - * /, whole powers and roots."""
    for formula in statement.slots.values():
        terms = Terms()
        terms.typed(formula.tree)
        calls = [s for s in terms.names if not s.is_Symbol and s.func.__name__ not in INDEXED]
        if calls:
            raise Inexpressible(f"{calls[0].func.__name__}(...), an average, a law or a density")
