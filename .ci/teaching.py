"""Writes what the lecturer's kit in docs/teaching takes from the notebooks: plans, exercises, quizzes.

A page there is written by hand, but for two blocks between marker lines: the plan (goals, sections,
minutes) and the exercises with their solutions and the mistakes that their checks know.
"""
import ast
import html
import json
import re
import sys
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
KIT = "docs/teaching"
MARKS = "<!-- {0}, made by `make generated` -->\n", "<!-- end of {0} -->\n"
CLOSING = ("Exercises", "Summary", "Recall", "Read on")
NUMBERS = dict(zip("one two three four five six seven eight nine ten".split(), range(1, 11), strict=True))
MINUTES = re.compile(rf"\b(\d+|{'|'.join(NUMBERS)}) minutes?\b", re.IGNORECASE)
TASK = re.compile(r"^(?:\*\*|### )(\d)(?:\. | · )(.+?)\.?(?:\*\*\.?,?|$)[ \n]*", re.MULTILINE)
CHECK = re.compile(r'^check\("(\w+)", ', re.MULTILINE)


@dataclass
class Section:
    title: str
    slides: int = 0
    noted: int = 0                                                      # minutes, as its notes say
    shared: int = 0                                                     # its part of the minutes left
    cells: list[dict] = field(default_factory=list)


@dataclass(frozen=True)
class Notebook:
    path: Path
    number: str
    title: str
    goals: str
    minutes: int                                                        # as its header says
    sections: tuple[Section, ...]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def put(text: str, name: str, new: str, where: str) -> str:
    """The text with `new` between the two marker lines of that name."""
    begin, end = (mark.format(name) for mark in MARKS)
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"{where}: expected the lines {begin.strip()!r} and {end.strip()!r} once each")
    return text.split(begin)[0] + begin + new + end + text.split(end)[1]


@cache
def notebooks() -> tuple[Notebook, ...]:
    return tuple(map(notebook, sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))))


def notebook(path: Path) -> Notebook:
    read = json.loads(path.read_text(encoding="utf-8"))
    sections: list[Section] = []
    for cell in read["cells"]:
        kind = cell["metadata"].get("slideshow", {}).get("slide_type")
        if cell["cell_type"] == "markdown" and (heading := re.match("##? (.+)", source(cell))):
            sections.append(Section(heading[1]))
        sections[-1].cells.append(cell)
        sections[-1].slides += kind in ("slide", "subslide")
        if kind == "notes" and (said := MINUTES.search(source(cell))):
            sections[-1].noted += NUMBERS.get(said[1].lower()) or int(said[1])
    minutes = read["metadata"]["ddpm_lite"]["minutes"]
    share(sections, minutes)
    goals = source(sections[0].cells[0]).partition("**You will be able to**\n")[2].partition("\n\n")[0]
    return Notebook(path, path.name[:2], sections[0].title, goals, minutes, tuple(sections))


def share(sections: list[Section], minutes: int) -> None:
    """What the notes leave of the minutes goes to the sections without a note, slide by slide."""
    open_ = [one for one in sections[1:] if not one.noted and one.title not in CLOSING]
    left, slides = minutes - sum(one.noted for one in sections), sum(one.slides for one in open_)
    for one in open_:
        one.shared = max(1, round(left * one.slides / slides))
        left, slides = left - one.shared, slides - one.slides


def plan(one: Notebook) -> str:
    lines = ["## The plan\n", "Goals, as the notebook states them:\n", one.goals, "",
             "| section | minutes |", "| --- | --- |"]
    lecture = [part for part in one.sections if part.title not in CLOSING]
    for part in lecture:
        name = "(title and goals)" if part is lecture[0] else part.title
        lines.append(f"| {name} | {f'~{part.shared}' if part.shared else part.noted or ''} |")
    total = sum(part.noted + part.shared for part in lecture)
    lines += ["| exercises, summary, recall, reading | session |", f"| **all** | **{total}** |\n"]
    shares = "; a ~ marks a section whose notes name none: it gets its share by its length"
    said = f"Minutes are those of the lecturer's notes{shares * any(p.shared for p in lecture)}."
    return "\n".join([*lines, f"{said} The notebook's header says {one.minutes}.\n"])


def tasks(one: Notebook) -> list[tuple[str, str, str, str | None]]:
    """Number, title and text of each exercise, and the name that its check has (None: it has no check)."""
    found: list[tuple[str, str, str, str | None]] = []
    for cell in next(part for part in one.sections if part.title == "Exercises").cells:
        text = source(cell)
        if cell["cell_type"] == "markdown" and (head := TASK.search(text)):
            text = re.sub(r"\]\((?=\d\d_\w+\.ipynb)", "](../../notebooks/", text[head.end():].strip())
            found.append((head[1], head[2], text, None))
        elif cell["cell_type"] == "code" and (name := CHECK.search(text)):
            found[-1] = (*found[-1][:3], name[1])
    return found


def exercises(one: Notebook) -> str:
    from ddpm_lite.course.exercises import find
    from ddpm_lite.course.notebooks.solutions import code, needs
    lines = ["## The exercises, with expected answers\n",
             "`make solutions` writes the notebook with all of them solved.\n"]
    for number, title, text, name in tasks(one):
        lines.append(f"### {number}. {title}\n\n{text}\n")
        if name is None:
            lines.append("No check: talk about what came out.\n")
            continue
        task = find(name)
        if callable(task.solution):
            imports, parts = needs(task.solution)
            answer = "\n\n\n".join(["\n".join(imports)] * bool(imports) + [*parts, code(task.solution)])
        else:
            answer = f"{name} = {task.solution!r}"
        lines += [f"Its check, `{name}`, knows these mistakes, and asks:\n",
                  *(f"- {what}: {mistake.hint}" for what, mistake in task.mistakes.items()), "",
                  "<details><summary>Expected answer</summary>\n", f"```python\n{answer}\n```\n",
                  "</details>\n"]
    return "\n".join(lines)


def page(one: Notebook) -> str:
    """The page, with its two blocks made anew; nothing but these where nobody has written one yet."""
    where, blocks = f"{KIT}/{one.path.stem}.md", {"plan": plan(one), "exercises": exercises(one)}
    empty = f"# {one.title}\n\n" + "\n".join("".join(MARKS).format(name) for name in blocks)
    text = (ROOT / where).read_text(encoding="utf-8") if (ROOT / where).exists() else empty
    for name, new in blocks.items():
        text = put(text, name, new, where)
    return text


def calls(one: Notebook, function: str) -> list[ast.Call]:
    code = [source(cell) for part in one.sections for cell in part.cells if cell["cell_type"] == "code"]
    return [node for text in code for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function]


def asked(one: Notebook) -> list:
    """The recall questions that the notebook shows."""
    from ddpm_lite.course.quiz import questions
    return [question for call in calls(one, "quiz") for question in questions(ast.literal_eval(call.args[0]))]


def quiz_markdown() -> str:
    lines = ["# The quiz bank\n",
             "Made by `make generated` from the notebooks' recall questions and sliders; not edited by hand.",
             "[`quiz.gift`](quiz.gift) holds the recall questions for a learning platform.\n"]
    for one in notebooks():
        lines.append(f"## {one.title}\n")
        for number, question in enumerate(asked(one), 1):
            letters = list(zip("abcd", question.answers(), strict=False))
            lines += [f"**{one.number}.{number}** {question.text}\n",
                      *(f"- {letter}) {answer}" for letter, (answer, _) in letters),
                      "\n<details><summary>Answer</summary>\n",
                      *(f"- {letter}) {feedback}" for letter, (_, feedback) in letters), "\n</details>\n"]
        if keys := [key for call in calls(one, "explore") for key in call.keywords if key.arg == "question"]:
            lines += ["For the room, before a slider moves; the slider answers:\n",
                      *(f"- {ast.literal_eval(key.value)}" for key in keys), ""]
    return "\n".join(lines)


def gift(text: str) -> str:
    """Text for GIFT, as HTML: its special characters escaped, maths between \\( and \\)."""
    text = re.sub(r"\$([^$]*)\$", r"\\(\1\\)", html.escape(text, quote=False))
    text = re.sub("`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"([\\~=#{}:])", r"\\\1", " ".join(text.split()))


def quiz_gift() -> str:
    lines = ["// The recall questions of ddpm_lite. Made by `make generated`; not edited by hand.\n"]
    for one in notebooks():
        lines.append(f"$CATEGORY: ddpm_lite/{one.title.replace(' · ', ' ')}\n")
        for number, question in enumerate(asked(one), 1):
            lines += [f"::{one.number}.{number}::[html]{gift(question.text)} {{",
                      *(f"  {'=' if answer == question.right[0] else '~'}{gift(answer)}#{gift(feedback)}"
                        for answer, feedback in question.answers()), "}\n"]
    return "\n".join(lines)


FILES = {f"{KIT}/{one.path.stem}.md": partial(page, one) for one in notebooks()}
FILES |= {f"{KIT}/quiz.md": quiz_markdown, f"{KIT}/quiz.gift": quiz_gift}
