"""The questions at the end of each notebook."""
import re
from pathlib import Path

import pytest

from ddpm_lite.course import quiz as show_quiz
from ddpm_lite.course.quiz import page, questions

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(path.name[:2] for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))


def test_every_notebook_has_its_questions_and_no_other():
    assert NOTEBOOKS == sorted(path.stem for path in (ROOT / "ddpm_lite/course/recall").iterdir())


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_five_questions_with_feedback_for_each_answer(notebook):
    asked = questions(notebook)
    assert len(asked) == 5 == len({one.text for one in asked})
    for one in asked:
        answers = [answer for answer, _ in one.answers()]
        assert 3 <= len(answers) == len(set(answers)) <= 4
        assert one.text.endswith("?") and all(len(feedback) > 25 for _, feedback in one.answers())
        assert [feedback.startswith("Right. ") for _, feedback in one.answers()].count(True) == 1
        for text in (one.text, *sum(one.answers(), ())):
            assert text.count("$") % 2 == 0 == text.count("`") % 2
            assert "\\" not in re.sub(r"\$[^$]*\$", "", text)                # no formula outside its dollars
    places = [[feedback[:5] for _, feedback in one.answers()].index("Right") for one in asked]
    assert len(set(places)) > 1                                         # not always the first, or the last


def test_a_page_of_questions_needs_no_kernel_and_hides_nothing_from_the_keyboard(capsys):
    html = page(questions("06"))
    assert html.count("<li>") == 5 and html.count("<details><summary ") == html.count("</p></details>") == 20
    assert "<script" not in html and "<input" not in html and " open" not in html.replace("opened", "")
    assert "&lt;" in page([questions("06")[0].__class__("a < b, `x`?", ("yes", "so it is"), ())])
    assert 'aria-label="Divide its guess by - sqrt 1 - bar alpha_t ."' in html         # typeset maths is mute
    show_quiz("06")
    assert "1. Why can the best guess" in capsys.readouterr().out


def test_an_unknown_notebook():
    with pytest.raises(ValueError, match="no notebook has the number '6'; it has two digits, such as '06'"):
        questions("6")
