"""The questions at a notebook's end. Each answer opens and says what is right or wrong about it.

Plain HTML (`details`), so it works by keyboard, without a kernel and on a page. The questions stand in
`recall/NN.toml`, which holds $maths$ and `code`.
"""

from __future__ import annotations

import html
import re
import tomllib
import zlib
from dataclasses import dataclass
from importlib.resources import files

from IPython.display import display


@dataclass(frozen=True)
class Question:
    text: str
    right: tuple[str, str]                                              # the answer, and why it is right
    wrong: tuple[tuple[str, str], ...]                                  # tempting answers: what they miss

    def answers(self) -> list[tuple[str, str]]:
        """All answers with their feedback, in an order that tells nothing and never changes."""
        (answer, why), wrong = self.right, [(other, f"No. {what}") for other, what in self.wrong]
        return sorted([(answer, f"Right. {why}"), *wrong], key=lambda one: zlib.crc32(one[0].encode()))


def questions(notebook: str) -> list[Question]:
    """The questions of a notebook, by its number: "06"."""
    path = files("ddpm_lite.course") / "recall" / f"{notebook}.toml"
    if not path.is_file():
        raise ValueError(f"no notebook has the number {notebook!r}; it has two digits, such as '06'")
    return [Question(one["text"], tuple(one["right"]), tuple(map(tuple, one["wrong"])))
            for one in tomllib.loads(path.read_text(encoding="utf-8"))["questions"]]


def quiz(notebook: str) -> None:
    """Shows a notebook's questions. A click on an answer, or Enter, says whether it is right, and why."""
    asked = questions(notebook)
    plain = [f"{i}. {one.text}" + "".join(f"\n   - {answer}" for answer, _ in one.answers())
             for i, one in enumerate(asked, 1)]
    display({"text/html": page(asked), "text/plain": "\n".join(plain)}, raw=True)


def page(asked: list[Question]) -> str:
    items = []
    for one in asked:
        opened = "".join(f'<details><summary aria-label="{_spoken(answer)}">{markup(answer)}</summary>'
                         f"<p>{markup(feedback)}</p></details>" for answer, feedback in one.answers())
        items.append(f"<li><p><b>{markup(one.text)}</b></p>{opened}</li>")
    return f"<ol>{''.join(items)}</ol>"


def markup(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def _spoken(text: str) -> str:
    """For screen readers, which leave typeset maths out of a button's name: the letters of its LaTeX."""
    words = re.sub(r"\\(mathcal|mathbb|mathrm|left|right|[,;!])|[\\${}`]", " ", text)
    return html.escape(" ".join(words.split()))
