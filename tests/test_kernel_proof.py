"""Notebook 12's section on the second referee: what it shows of Coq is what Coq says."""
import json
import re
from pathlib import Path

import pytest

from ddpm_lite.course.kernel_proof import passage
from ddpm_lite.verified import coqc
from ddpm_lite.verified.formula import Formula
from ddpm_lite.verified.obligations import claims
from ddpm_lite.verified.registry import entry
from ddpm_lite.verified.theorems import theorem

needs_coq = pytest.mark.skipif(not coqc.found(), reason="coqc isn't installed (apt-get install coq)")
BOOK = Path(__file__).parent.parent / "notebooks/12_spot_the_error.ipynb"
CELLS = {cell["id"]: cell for cell in json.loads(BOOK.read_text(encoding="utf-8"))["cells"]}
SHOWN = {"closed_form_variance": "referee-induction", "closed_form_mean": "referee-root"}


def goals(cell: str) -> list[str]:
    """The goal states on the page, line by line: in fences, and in the text."""
    text = "".join(CELLS[cell]["source"])
    fences = "".join(re.findall(r"^```\n(.*?)^```$", text, re.M | re.S))
    return re.findall(r"`([^`\n]* <?= [^`\n]*)`", text) + fences.splitlines()


def printed(cell: str) -> str:
    return "".join("".join(output["text"]) for output in CELLS[cell]["outputs"])


def said(name: str, folder: Path) -> str:
    """Every goal that Coq states on the way through a proof of forward.v."""
    before, proof = re.search(rf"(.*^Theorem {name} .*?)^Proof\.\n(.*?)^Qed\.", coqc.source("forward.v"),
                              re.M | re.S).groups()
    asked = re.sub(r"\.(?=\s)", ". Show.", re.sub(r"\(\*.*?\*\)", "", proof))
    run = coqc.coqc(folder / f"{name}.v", f"{before}Proof.\n{asked}Qed.\nEnd Schedule.\n")
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_passages_shown_are_the_shipped_file():
    for cell, name in (("referee-variance", "closed_form_variance"), ("referee-mean", "closed_form_mean")):
        lines, own = printed(cell).splitlines(), coqc.source("forward.v").splitlines()
        assert [line for line in lines if not any(one.startswith(line) for one in own)] == []
        assert f"Theorem {name} : " in printed(cell) and lines[-1] == "Qed."


def test_a_passage_that_is_not_there():
    with pytest.raises(ValueError, match="^0 lines of coq/forward.v start with 'Theorem closed_form'; its "
                                         "theorems: alpha_range, alpha_bar_positive"):
        passage("Theorem closed_form")


@needs_coq
@pytest.mark.parametrize("name", SHOWN)
def test_the_goals_on_the_page_are_coqs(name, tmp_path):
    lines, stated = goals(SHOWN[name]), [line.strip() for line in said(name, tmp_path).splitlines()]
    assert len(lines) >= 2 and [line for line in lines if line not in stated] == []
    assert lines[-1].replace("alpha", "beta", 1) not in stated


@needs_coq
def test_the_kernel_says_of_the_theorems_shown_what_the_page_says(tmp_path):
    mean, right = entry("closed-form"), entry("posterior-variance")
    shown = theorem(claims(mean.check, mean.statement)[2])
    form, other = (theorem(claims(right.check, right.statement.with_slot("rhs", rhs))[1])
                   for rhs in (right.statement.slots["rhs"], Formula("beta_t")))
    texts = [shown.proved("NAME"), form.proved("NAME"), other.proved("NAME"), other.refused("NAME")]
    answers = coqc.Kernel(tmp_path).judge(texts)
    first, second, third, fourth = (answers[text] for text in texts)
    assert first == second == "" and "not a valid field equation" in third and fourth == "refused"
    for text, cell in ((shown.proved("one_step").partition("\nProof")[0], "referee-generated"),
                       (form.conclusion, "referee-mutant"), (other.conclusion, "referee-mutant")):
        assert "".join(text.split()) in "".join(printed(cell).split())
