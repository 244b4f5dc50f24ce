"""The second referee: what is put before the Coq kernel, what it says, and the certificate that is kept."""
import os
import re
from dataclasses import replace
from importlib.resources import files

import pytest

from ddpm_lite.verified import cases, certificates, certify, coqc, sync
from ddpm_lite.verified.__main__ import main
from ddpm_lite.verified.audit_table import table
from ddpm_lite.verified.coq_terms import Terms
from ddpm_lite.verified.decide import Positive
from ddpm_lite.verified.expressible import Inexpressible
from ddpm_lite.verified.formula import Formula, value
from ddpm_lite.verified.obligations import Claim, claims
from ddpm_lite.verified.registry import entries, entry
from ddpm_lite.verified.statements import Equation
from ddpm_lite.verified.theorems import algebraic, same_value, theorem

needs_coq = pytest.mark.skipif(not coqc.found(), reason="coqc isn't installed (apt-get install coq)")


def of(text: str, other: str = "0") -> str:
    """The theorem text = other, both typed."""
    return theorem(Claim("a test", value(text) - value(other), {})).proved("NAME")


# --- without Coq: what the theorems say

def test_a_theorem_holds_the_formula_as_typed():
    first, *_ = claims(entry("posterior-variance").check, entry("posterior-variance").statement)
    said = theorem(first)
    assert "((1 - alpha_bar_prev) / (1 - alpha_bar_t)) * beta_t" in said.conclusion
    assert ("alpha_bar_t_is", "alpha_bar_t = (alpha_t * alpha_bar_prev)") in said.hypotheses
    assert ("alpha_t_below", "alpha_t < 1") in said.hypotheses


def test_a_root_is_a_variable_whose_square_is_proved():
    said = theorem(Claim("", value("sqrt(alpha_bar_t)*x_0"), {}))
    assert "(root1 * root2) * (root1 * root2) = alpha_bar_t" in said.conclusion
    assert {("root1_sq", "root1 * root1 = alpha_bar_prev"), ("root1_pos", "0 < root1"),
            ("root2_sq", "root2 * root2 = alpha_t"), ("root2_pos", "0 < root2")} <= set(said.hypotheses)


def test_a_root_that_is_not_always_real_becomes_a_side_condition():
    """DDIM's direction: sigma_t^2 may be at most 1 - alpha_bar_{t-1}."""
    said = theorem(Claim("", value("sqrt(1 - alpha_bar_prev - sigma_t**2)"), {}))
    (_, square), = [one for one in said.hypotheses if one[0] == "root1_sq"]
    assert square.startswith("root1 * root1 = (1 + ") and "sigma_t ^ 2" in square
    with pytest.raises(Inexpressible, match="the root of a negative number"):
        theorem(Claim("", value("sqrt(-alpha_t - beta_t*sigma**2)"), {}))


def test_a_divisor_of_unknown_sign_becomes_a_side_condition():
    assert ("side0", "a' <> 0") in theorem(Claim("", value("x_0/a"), {})).hypotheses
    known = theorem(Claim("", value("x_0/(1 - alpha_bar_t)"), {}))
    assert not any("<> 0" in claim for _, claim in known.hypotheses)


def test_a_divisor_that_is_0_makes_no_theorem():
    with pytest.raises(Inexpressible, match="a divisor that is 0"):
        theorem(Claim("", value("1/(beta_t + alpha_t - 1)"), {}))


def test_positivity_is_read_off_a_form_with_plus_signs_only():
    assert Terms().split(value("1 - alpha_t*alpha_prev")).count("-") == 4
    assert Terms().split(value("alpha_t - alpha_prev")) == ""
    assert Terms().split(value("x_0")) == ""
    assert theorem(Claim("", Positive(value("1 - alpha_t*alpha_prev")), {})).last == "positive"


@pytest.mark.parametrize("text, why", [("log(1 - beta_t)", "logarithm"), ("exp(a)", "exponential"),
                                       ("a**n", "exponent"),
                                       ("Sum(beta(s), s, 1, t)", "sum of unknown length"),
                                       ("Prod(alpha(s), s, 1, t)", "product of unknown length"),
                                       ("Var(x_t)", "a variance by name")])
def test_what_cannot_be_stated_says_why(text, why):
    with pytest.raises(Inexpressible, match=why):
        algebraic(Equation("a", text))


def test_a_true_form_makes_no_mutant():
    check = entry("posterior-variance").check
    same = Equation("beta_tilde_t", "(1 - alpha_bar_prev)*beta_t/(1 - alpha_bar_t)")
    assert cases.refutable(check, same) == ""
    assert "refused NAME" in cases.refutable(check, Equation("beta_tilde_t", "beta_t"))


def test_sampling_mutants_is_deterministic():
    one = list(cases.sampled(entry("posterior-mean")))
    assert len(one) == cases.MUTANTS and one == list(cases.sampled(entry("posterior-mean")))


def test_nothing_is_taken_on_trust():
    for path in files("ddpm_lite.verified").joinpath("coq").iterdir():
        if path.name.endswith(".v"):
            text = re.sub(r"\(\*.*?\*\)", "", path.read_text(encoding="utf-8"), flags=re.S)
            found = re.search(r"\b(Admitted|admit|Axioms?|Parameters?|Conjecture|Abort)\b", text)
            assert not found, path.name
    assert all(len(coqc.theorems_in(name)) >= 2 for name in coqc.INDUCTIONS)


def test_without_coq_one_line_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["certify", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err.strip()
    assert "apt-get install coq" in said and "\n" not in said
    assert not os.path.exists(tmp_path / "out")


# --- the stored certificate

def test_the_certificate_is_fresh_and_covers_nine_tenths():
    assert certificates.stale() == []
    kept = certificates.stored()
    assert sum(map(certificates.certified, entries())) == len(kept["statements"])
    assert len(kept["statements"]) >= 0.9 * kept["algebraic"] > 100
    assert all(row["refused"] > 0 for row in kept["statements"].values())


def test_a_changed_statement_has_no_certificate(monkeypatch):
    one = entry("closed-form")
    assert certificates.certified("closed-form")
    other = one.statement.with_slot("var", Formula("1 - alpha_t"))
    monkeypatch.setitem(entries(), "closed-form", replace(one, statement=other))
    assert not certificates.certified("closed-form")
    assert any("closed-form" in line and "make certify" in line for line in certificates.stale())


def test_a_changed_check_has_no_certificate(monkeypatch):
    other = replace(entry("closed-form"), check=entry("alpha-bar-product").check)
    monkeypatch.setitem(entries(), "closed-form", other)
    assert not certificates.certified("closed-form")


def test_the_badge_stands_where_the_kernel_agreed():
    assert "\\tag{2.1 ✓⊢}" in sync.block(entry("closed-form"), "2.1")
    assert "⊢" not in sync.block(entry("terminal-kl"), "2.2")                  # a logarithm
    assert re.search(r"^\| S4\.e63, .*\| wrong ⊢ \|", table(), re.M)


# --- with Coq

@needs_coq
@pytest.mark.parametrize("name", coqc.INDUCTIONS)
def test_the_inductions_rest_on_the_real_numbers_alone(name, tmp_path):
    assert coqc.assumptions(tmp_path, name) <= coqc.REALS


SLIPS = [("forward", "sqrt (alpha t') * mean x0 t'", "alpha t' * mean x0 t'"),
         ("forward", "variance t = 1 - alpha_bar t", "variance t = sqrt (1 - alpha_bar t)"),
         ("forward", "alpha t' * variance t' + beta t'", "alpha t' * variance t' + beta t' ^ 2"),
         ("posterior", "rb * (1 - a) / (1 - b * a) * xt", "ra * (1 - a) / (1 - b * a) * xt"),
         ("posterior", "(1 - a) * (1 - b) / (1 - b * a).", "(1 - a) * (1 - b) / (1 - b)."),
         ("bound", "marginal (pred t) - marginal t", "marginal t - marginal (pred t)"),
         ("ddim", "sqrt (1 - alpha_bar t - sigma t ^ 2) /", "sqrt (1 - alpha_bar t - sigma t) /")]


@needs_coq
@pytest.mark.parametrize("name, right, slip", SLIPS)
def test_the_inductions_refuse_slips(name, right, slip, tmp_path):
    text = coqc.source(f"{name}.v")
    assert text.count(right) == 1
    run = coqc.coqc(tmp_path / "slip.v", text.replace(right, slip))
    assert run.returncode != 0 and "Error" in run.stderr and "Syntax" not in run.stderr


@needs_coq
def test_axioms_are_seen(tmp_path, monkeypatch):
    real = coqc.source

    def assumed(name: str) -> str:
        text = "Axiom easy : 1 = 2.\nTheorem t : 1 = 2.\nProof. apply easy. Qed.\n"
        return text if name == "x.v" else real(name)

    monkeypatch.setattr(coqc, "source", assumed)
    assert coqc.assumptions(tmp_path, "x") == {"easy"}


@needs_coq
def test_a_false_theorem_is_named_and_the_others_pass(tmp_path):
    true, other = of("(a + b)**2", "a**2 + 2*a*b + b**2"), of("sqrt(beta_t)**4", "beta_t**2")
    false = of("sqrt(alpha_bar_t)", "alpha_bar_t")
    said = coqc.Kernel(tmp_path).judge([true, false, other])
    assert said[true] == said[other] == "" and "not a valid field equation" in said[false]


@needs_coq
def test_the_kernel_sees_a_value_that_differs_from_what_is_typed(tmp_path):
    good = same_value(Formula("(1 - alpha_t)/(1 - alpha_bar_t)"))
    bad = replace(good, conclusion=good.conclusion.replace("1 - alpha_t)", "1 + alpha_t)", 1))
    said = coqc.Kernel(tmp_path).judge([good.proved("NAME"), bad.proved("NAME")])
    assert said[good.proved("NAME")] == "" and said[bad.proved("NAME")]


@needs_coq
def test_statements_and_a_wrong_print_before_the_kernel(tmp_path):
    ids = ["closed-form", "posterior-mean", "posterior-variance", "ddim-eta-one"]
    before = [*(cases.case(entry(id)) for id in ids), cases.audited("S4.e63")]
    results = certify.judge(coqc.Kernel(tmp_path), before)
    assert [one.verdict for one in results] == ["certified"] * 5
    assert all(one.refused == cases.MUTANTS for one in results[:4])


@needs_coq
def test_a_disagreement_fails_and_names_the_statement(tmp_path):
    truth = theorem(Claim("", value("(a + b)**2") - value("a**2 + 2*a*b + b**2"), {}))
    wrong = theorem(Claim("", value("(a + b)**2") - value("a**2 + b**2"), {}))
    accepted = cases.Case("accepted", (truth.proved("NAME"),), (("a mutant", truth.refused("NAME")),))
    refused = cases.Case("refused", (wrong.proved("NAME"),), (("a mutant", wrong.refused("NAME")),))
    results = certify.judge(coqc.Kernel(tmp_path), [accepted, refused])
    said = certify.Summary(results, [], 0, [], 0.0).failed()
    assert said[0] == "accepted: SymPy refutes the mutant “a mutant”, the kernel says: it holds"
    assert said[1].startswith("refused: SymPy proves it, the kernel says: ")


@needs_coq
def test_answers_are_kept_by_content(tmp_path):
    text = of("(a - b)*(a + b)", "a**2 - b**2")
    coqc.Kernel(tmp_path).judge([text])
    again = coqc.Kernel(tmp_path)
    assert again.answers == {coqc.key(text): ""}
    for path in tmp_path.glob("batch_*"):
        path.unlink()
    assert again.judge([text]) == {text: ""} and not list(tmp_path.glob("batch_*"))


def test_where_sympy_cancels_everything_the_kernel_still_sees_both_sides():
    one = entry("flow-path")
    found = claims(one.check, one.statement)
    assert not all(claim.empty for claim in found)
    said = [theorem(claim) for claim in found]
    assert any("_typed_is" in name for each in said for name, _ in each.hypotheses)
