"""Spot the error: cards come from the audit and the registry, and the machine's answers are computed."""

import pytest
import sympy as sp

from ddpm_lite.course import spot as module
from ddpm_lite.course.spot import Ballot, Card, card, judge, spot
from ddpm_lite.verified import audit, entries, entry
from ddpm_lite.verified.statements import Equation
from ddpm_lite.verified.symbols import DERIVED

SLIP = "closed-form: covariance sqrt(1 - alpha_bar) (diffusion-models-class, issue 18)"
WRONG = Equation("beta_tilde_t", "(1 - alpha_bar_prev)/(1 - alpha_t)*beta_t")


def mine(statement):
    one = entry("posterior-variance")
    return Card("mine", statement, one.statement, one.check, "a page", "A bar was lost.")


def test_the_machine_judges_what_is_printed():
    assert mine(WRONG).wrong and not mine(entry("posterior-variance").statement).wrong
    assert card(SLIP).wrong and not card("closed-form").wrong


def test_an_answer_has_numbers_that_part_the_two_forms():
    said = mine(WRONG).answer()
    assert said.startswith("<b>Wrong.</b> Plug in") and "A bar was lost." in said and "(a page)" in said
    assert entry("posterior-variance").statement.latex in said
    assert mine(entry("posterior-variance").statement).answer().startswith("<b>Right.</b>")


def test_the_counterexample_is_simple_consistent_and_true():
    slot = entry("posterior-variance").statement.slots["rhs"]
    point, printed, true = module._parting(WRONG.slots["rhs"], slot)
    assert set(point) == {"alpha_t", "alpha_bar_prev", "alpha_bar_t", "beta_t"} and "beta_t" in DERIVED
    assert point["beta_t"] == 1 - point["alpha_t"]
    assert point["alpha_bar_t"] == point["alpha_t"] * point["alpha_bar_prev"]
    values = {sp.Symbol(name): value for name, value in point.items()}
    for formula, told in ((WRONG.slots["rhs"], printed), (slot, true)):
        plain = formula.expr.subs({s: sp.Symbol(s.name) for s in formula.expr.free_symbols})
        assert plain.subs(values) == sp.Rational(told)
    assert printed != true and all(value.q <= 4 for value in point.values())


def test_every_wrong_equation_of_the_audit_gets_a_card_with_an_answer():
    wrong = [c for c in audit.claims().values() if c.verdict == "wrong" and c.printed is not None]
    assert len(wrong) >= 10
    for claim in wrong:
        one = card(claim.id)
        assert one.wrong, claim.id
        assert len(one.counterexample()) > 10, claim.id


def test_every_published_slip_is_refuted():
    slips = [f"{one.id}: {slip}" for one in entries().values() for slip in one.slips]
    assert len(slips) >= 8
    for name in slips:
        assert card(name).wrong, name


def test_votes_are_counted_once_a_card():
    ballot = Ballot(SLIP, "closed-form")
    right, wrong = ballot.buttons[:2]
    assert "No votes" in ballot.score.value
    wrong.click()
    assert "Score: 1 of 1" in ballot.score.value
    right.click()                                                       # a change of mind counts not
    assert "Score: 1 of 1" in ballot.score.value
    ballot.buttons[3].click()                                           # "wrong" on a right one
    assert "Score: 1 of 2" in ballot.score.value
    assert all(button.tooltip for button in ballot.buttons)


def test_the_page_without_a_kernel_folds_the_answers(monkeypatch):
    shown = []
    monkeypatch.setattr(module, "display", lambda data, raw: shown.append(data))
    spot(SLIP, "closed-form")
    page = shown[0]["text/html"]
    assert page.count("<details>") == page.count("</details>") == 2 and "Vote first" in page
    assert entry("closed-form").statement.latex in shown[0]["text/plain"]


def test_judge_takes_the_readers_form(capsys):
    judge("closed-form", mean="x_0*sqrt(alpha_t*alpha_bar_prev)")
    judge("closed-form", var="1 - alpha_t")
    judge("posterior-variance", rhs="beta_t - alpha_bar_prev*beta_t**2/(1 - alpha_bar_t)")
    same, other, gap = capsys.readouterr().out.splitlines()
    assert same.startswith("Right") and gap.startswith("Right")
    assert other.startswith("Wrong. Plug in") and "alpha_t = " in other and "yours gives" in other


@pytest.mark.parametrize("call, said", [
    (lambda: judge("closed-form", rhs="x_0"), "has the slots variable, mean, var, given0, got 'rhs'"),
    (lambda: judge("closed-form", mean="x_5"), "unknown symbol 'x_5'"),
    (lambda: judge("closed-from", mean="x_0"), "did you mean"),
    (lambda: judge("alpha", rhs="x_0"), "is a definition"),
    (lambda: card("closed-form: no such slip"), "has no slip 'no such slip'"),
    (lambda: card("alpha"), "is a definition"),
])
def test_what_can_not_be_judged_is_said(call, said):
    with pytest.raises(ValueError, match=said):
        call()
