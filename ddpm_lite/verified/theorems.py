"""From a registered statement to Coq's theorems: one for each step of its check, one for each formula that a
check takes apart, saying that the formula as typed has the value that SymPy took.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import sympy as sp

from .coq_terms import Terms
from .decide import Positive
from .expressible import Inexpressible, factors, is_copy, is_unit, originals
from .formula import DERIVED, INDEXED, Formula
from .obligations import Claim, parts
from .statements import Statement

KINDS = {"Var": "a variance by name", "tr": "a matrix",
         **dict.fromkeys(["E", "E_q", "E_path", "Mean"], "an average"), "over_z": "an integral"}
SCALES = [sp.Rational(1, n) for n in (1, 3, 9, 27)]
LIMIT = "Timeout 20"                              # seconds that a proof's last step may take


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
    expr, strict = parts(claim.residual)
    if not isinstance(expr, sp.Expr):
        raise Inexpressible("a comparison of names")
    whole = terms.text(expr)
    steps, last = [], ""
    if isinstance(claim.residual, Positive):
        conclusion = f"0 {'<' if strict else '<='} {whole}"
        form = _positive_form(terms, expr)
        if form:
            steps.append("" if strict else "apply Rlt_le.")
            steps.append(f"match goal with |- 0 < ?e => replace e with ({form}) by (RATIONAL; nonzero) end.")
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
    if not any(all(p.is_positive for p in terms.at_witness(list(terms.roots), scale)) for scale in SCALES):
        raise Inexpressible("roots that are real nowhere near")
    for p, r in terms.roots.items():
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
    if is_copy(s):
        return [(f"{name}_is", f"{name} = {terms.names[originals(s)]}")]
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
    facts, whole, needed = [], [], []
    done: set[sp.Expr] = set()                                          # divisors
    told: set[sp.Expr] = set()                                          # their factors
    i = 0
    while i < len(terms.divisors):                                      # writing one may bring others
        d = terms.rational(terms.divisors[i])
        i += 1
        if d in done:
            continue
        done.add(d)
        top = sp.fraction(sp.together(d))[0]
        number, found = factors(top)
        for f in (f for f, _ in found if not (f in told or f.is_Symbol and f.is_positive)):
            told.add(f)
            if side := terms.sign(f):
                text, form = terms.text(f * side), terms.split(f * side)
                facts.append(f"assert (0 < {text}) by "
                             f"(replace ({text}) with ({form}) by (RATIONAL; nonzero); positive).")
            elif abs(terms.at_witness([f])[0]) > 1e-20:
                needed.append(terms.text(f))
            else:
                raise Inexpressible("a divisor that is 0")
        if number == 0:
            raise Inexpressible("a divisor that is 0")
        top = sp.expand(top)
        if top.is_Add and (len(found) > 1 or abs(number) != 1 or found[0][1] > 1):
            form = " * ".join([terms.text(number), *(f"{terms.text(f)} ^ {k}" for f, k in found)])
            text = terms.text(top)
            whole.append(f"assert ({text} <> 0) by (replace ({text}) with ({form}) by (RATIONAL; nonzero); "
                         "nonzero).")
    return facts + whole, needed


def algebraic(statement: Statement) -> None:
    """Inexpressible unless every formula of the statement is made of + - * /, whole powers and roots."""
    for formula in statement.slots.values():
        terms = Terms()
        terms.typed(formula.tree)
        for name in (s.func.__name__ for s in terms.names if not s.is_Symbol):
            if name not in INDEXED:
                raise Inexpressible(KINDS.get(name, "a law or a density"))
