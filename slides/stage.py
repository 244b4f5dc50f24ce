"""What of a notebook stands on slides, and how: sections of slides of parts, as HTML.

A hall sees the text, the equations with their ticks, the pictures, and code where the code is the point:
if it shows no picture and no tag `slide-result` hides it.
"""
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nbconvert.filters import Highlight2HTML, markdown2html, strip_ansi

from ddpm_lite.course.quiz import Question, markup, questions

SHOWS = {"text/html", "text/markdown", "image/png"}                     # an output that is to be looked at
EXERCISE = re.compile(r"^(check|hint)\(", re.MULTILINE)
QUIZ = re.compile(r'^quiz\("(\d\d)"\)', re.MULTILINE)
PROOF = re.compile(r"^(?:Proved|Exact).*?(\d+) mutants? tried, (\d+) rejected", re.DOTALL)
DRAWS = re.compile(r"\bsubplots\(|\bax\.\w+\(")
MARKER = re.compile(r"<!--.*?-->\n?", re.DOTALL)


@dataclass
class Part:
    """What comes in at one key press, or with its slide."""

    html: str
    fragment: bool = False


@dataclass
class Slide:
    section: str                                                        # the last H2, as HTML
    parts: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    proofs: list[tuple[str, str]] = field(default_factory=list)         # mutants made and rejected


    @property
    def headed(self) -> bool:
        return re.match(r"\s*<h[123]", self.parts[0].html) is not None


Deck = list[list[Slide]]                                                # columns of slides


def deck(notebook: Any, players: dict[str, str]) -> Deck:
    """`players`: what stands for a widget without a kernel, by the id of its cell."""
    columns: Deck = []
    section, fragment = "", False
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type")
        if heading := re.search(r"^## +(.+)$", cell.source, re.MULTILINE) if is_text(cell) else None:
            section = re.sub(r"^<p>|</p>\s*$", "", markdown(heading[1]))
        if kind == "skip":
            continue
        if kind == "notes":
            columns[-1][-1].notes.append(markdown(cell.source))
            continue
        proved = proof(cell)
        parts = [] if proved else [part for part in contents(cell, players) if part.strip()]
        if kind == "slide":
            columns.append([])
        if kind in ("slide", "subslide") and not (proved and columns[-1]):
            columns[-1].append(Slide(section))
        columns[-1][-1].proofs += proved
        fragment = kind == "fragment" or fragment and kind is None
        for i, part in enumerate(parts):
            if i and part.startswith(QUESTION):                         # a question has its own slide
                columns[-1].append(Slide(section))
            columns[-1][-1].parts.append(Part(part, fragment))
    return [kept for column in columns if (kept := [slide for slide in column if slide.parts])]


def is_text(cell: Any) -> bool:
    return cell.cell_type == "markdown"


def contents(cell: Any, players: dict[str, str]) -> Iterator[str]:
    if is_text(cell):
        yield markdown(cell.source)
    elif found := QUIZ.search(cell.source):
        yield from map(question, questions(found[1]))
    elif not (EXERCISE.search(cell.source) or draws(cell)):
        picture = any(SHOWS & set(output.get("data", {})) for output in cell.outputs)
        if not picture and "slide-result" not in cell.metadata.get("tags", []):
            yield code(cell.source)
        if cell.source.startswith("spot("):
            yield from cards(cell.outputs[0]["data"]["text/html"])
        elif cell.id in players:
            yield players[cell.id]
        else:
            yield from map(result, cell.outputs)


def proof(cell: Any) -> list[tuple[str, str]]:
    """What a proof's output says of its mutants; nothing for other cells."""
    texts = [output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", [])]
    return [(found[1], found[2]) for text in texts if (found := PROOF.search(text))]


def draws(cell: Any) -> bool:
    """Whether this only says how a later cell draws."""
    return not cell.outputs and DRAWS.search(cell.source) is not None


def markdown(text: str) -> str:
    """Links to notebooks lead to their decks; to other files of the repository a deck has none."""
    page = markdown2html(MARKER.sub("", text))
    page = re.sub(r'(<h\d) id="[^"]*"|<a class="anchor-link".*?</a>', r"\1", page)
    page = re.sub(r'href="(\d\d_\w+)\.ipynb(#[^"]*)?"', r'href="\1.html"', page)
    return re.sub(r'<a href="(?!https?:|\d\d_\w+\.html")[^"]*">(.*?)</a>', r"\1", page, flags=re.DOTALL)


def code(source: str) -> str:
    """Comments stand two blanks after the code: a slide is narrower than a notebook."""
    near = re.sub(r"(?<=\S) {3,}#", "  #", source)
    return Highlight2HTML(pygments_lexer="python")(near)


def result(output: Any) -> str:
    if output.output_type == "stream":
        return f'<pre class="printed">{html.escape(strip_ansi(output.text).rstrip())}</pre>'
    data = output.get("data", {})
    if "text/html" in data:
        pictures = re.split(r'(?<=">)\n(?=<img )', data["text/html"])  # two of them may need two slides
        return "\n".join(f'<div class="shown">{one}</div>' for one in pictures)
    if "text/markdown" in data:
        return markdown(data["text/markdown"])
    return f'<pre class="printed">{html.escape(data.get("text/plain", ""))}</pre>'


QUESTION = '<div class="question">'


def question(asked: Question) -> str:
    """The answer comes with the next key."""
    answers = "".join(f"<li>{markup(answer)}</li>" for answer, _ in asked.answers())
    right, why = map(markup, asked.right)
    return (f'{QUESTION}<p><b>{markup(asked.text)}</b></p><ol type="A">{answers}</ol>'
            f'<p class="fragment answer">✓ {right} <em>{why}</em></p></div>')


def cards(page: str) -> list[str]:
    """The equations to vote on, one by one; the verdict comes with the next key."""
    folded = re.compile(r"<details><summary>.*?</summary><p>(.*?)</p></details>", re.DOTALL)
    opened = folded.sub(r'<p class="fragment answer">\1</p>', page)
    return [f"{QUESTION}{one}</div>" for one in re.split(r"\n(?=<div )", opened)]
