"""The lecturer's kit in docs/teaching against the notebooks: quiz bank, pages, timetables, planted faults."""
import html
import importlib.util
import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
KIT = ROOT / "docs/teaching"
SPEC = importlib.util.spec_from_file_location("teaching", ROOT / ".ci/teaching.py")
teaching = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(teaching)
BOOKS = {one.number: one for one in teaching.notebooks()}
PAGES = {number: (KIT / f"{one.path.stem}.md").read_text(encoding="utf-8") for number, one in BOOKS.items()}
OVERVIEW = (KIT / "README.md").read_text(encoding="utf-8")
TEXTS = {number: one.path.read_text(encoding="utf-8") for number, one in BOOKS.items()}
VERDICTS = dict(re.findall(r"^\| (S\d\.\w+), .*? \| (correct|correct-up-to|wrong|not-checkable)(?: ⊢)? \| ",
                           (ROOT / "docs/audit.md").read_text(encoding="utf-8"), re.M))
EQUATIONS = {number for text in TEXTS.values() for number in re.findall(r"\\\\tag\{(\d+\.\d+)[ }]", text)}
TASKS = {number: [name for *_, name in teaching.tasks(one) if name] for number, one in BOOKS.items()}
MINUTES = {number: {part.title: part.noted + part.shared for part in one.sections}
           for number, one in BOOKS.items()}


# --- the quiz bank

ESCAPED = r"(?:\\[\\~=#{}:]|[^\\~=#{}:\n])+?"
QUESTION = re.compile(rf"::(\d\d\.\d)::\[html\]({ESCAPED}) \{{\n((?:  [=~]{ESCAPED}#{ESCAPED}\n)+)\}}")
ANSWER = re.compile(rf"  ([=~])({ESCAPED})#({ESCAPED})\n")


def plain(text: str) -> str:
    """What stands in the notebook, from GIFT."""
    text = re.sub(r"\\([\\~=#{}:])", r"\1", text)
    assert text.count(r"\(") == text.count(r"\)") and "$" not in text
    return html.unescape(re.sub(r"</?code>", "`", re.sub(r"\\[()]", "$", text)))


def parsed(text: str) -> dict[str, tuple[str, str, list[tuple[str, str, str]]]]:
    """By name: the category, the question, the answers as (mark, text, feedback). Strict."""
    found, category = {}, None
    for block in text.strip().split("\n\n"):
        if block.startswith("$CATEGORY: "):
            category = block.removeprefix("$CATEGORY: ")
        elif not block.startswith("//"):
            match = QUESTION.fullmatch(block)
            assert match and category and match[1] not in found, f"not a question: {block[:80]!r}"
            answers = [(mark, plain(answer), plain(said)) for mark, answer, said in ANSWER.findall(match[3])]
            found[match[1]] = (category, plain(match[2]), answers)
    return found


def wanted() -> dict[str, tuple[str, str, set[tuple[str, str, str]]]]:
    """The same from the questions that the notebooks call for, read without the generator."""
    found = {}
    for number, text in TEXTS.items():
        sources = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
        [title] = [source.split("\n")[0].removeprefix("# ") for source in sources if source.startswith("# ")]
        called = [name for source in sources for name in re.findall(r'^quiz\("(\d\d)"\)$', source, re.M)]
        for name in called:
            bank = tomllib.loads((ROOT / f"ddpm_lite/course/recall/{name}.toml").read_text(encoding="utf-8"))
            for k, one in enumerate(bank["questions"], 1):
                words = [("=", one["right"][0], f"Right. {one['right'][1]}"),
                         *(("~", answer, f"No. {why}") for answer, why in one["wrong"])]
                found[f"{number}.{k}"] = (f"ddpm_lite/{title.replace(' · ', ' ')}", one["text"], set(words))
    return found


def quiz_faults(text: str) -> list[str]:
    try:
        got, want = parsed(text), wanted()
    except AssertionError as error:
        return [str(error)]
    return [name for name in got.keys() | want.keys()
            if name not in got or name not in want or got[name][:2] != want[name][:2]
            or len(got[name][2]) != len(want[name][2]) or set(got[name][2]) != want[name][2]]


GIFT = (KIT / "quiz.gift").read_text(encoding="utf-8")


def test_gift_reads_back_as_the_notebooks_have_it():
    assert quiz_faults(GIFT) == [] and len(wanted()) == 5 * len(BOOKS)
    assert all([mark for mark, *_ in answers].count("=") == 1 for *_, answers in parsed(GIFT).values())


@pytest.mark.parametrize("fault", [
    (r"\{", "{"), (r"\:", ":"), (r"\=", "="), (r"\\(", "("), ("  =", "  ~"), ("#No. ", "#Right. "),
    ("\n}\n", "\n\n"), ("::[html]", "::"), ("::03.1::", "::03.2::"),
    ("$CATEGORY: ddpm_lite/00", "$CATEGORY: ddpm_lite/01"), ("<code>", ""), ("#Right. ", "Right. ")])
def test_a_fault_in_gift_is_seen(fault):
    assert fault[0] in GIFT and quiz_faults(GIFT.replace(*fault, 1))


def test_the_printed_quiz_has_every_question_and_every_slider():
    text = (KIT / "quiz.md").read_text(encoding="utf-8")
    assert [name for name in re.findall(r"^\*\*(\d\d\.\d)\*\* ", text, re.M)] == sorted(wanted())
    for name, (_, question, words) in wanted().items():
        block = text.split(f"**{name}** ")[1].split("</details>")[0]
        assert block.startswith(question) and all(a in block and said in block for _, a, said in words)
    called = sum(len(re.findall(r"\bexplore\(", "".join(cell["source"]))) for text in TEXTS.values()
                 for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
    asked = re.findall(r"the slider answers:\n\n((?:- .+\?.*\n)+)", text)
    assert sum(block.count("\n") for block in asked) == called > 20


# --- the pages

def by_hand(text: str) -> str:
    return re.sub(r"<!-- (\w+), made by.*?<!-- end of \1 -->\n", "", text, flags=re.DOTALL)


def sections_named(text: str) -> list[str]:
    """What stands in *italics*: on these pages, names of sections and nothing else."""
    return re.findall(r"\*([^*]+)\*", " ".join(text.replace("**", "").split()))


def skipped(number: str, text: str) -> int:
    """The minutes that are left if the lecturer follows "In 45 minutes"."""
    advice = " ".join(text.split("## In 45 minutes\n")[1].split())
    left, skip = dict(MINUTES[number]), re.search(r"Skip (.*?)(?:, and shorten|\. |\.$)", advice)
    for name in sections_named(skip[1]) if skip else []:
        left.pop(name, None)
    for name, minutes in re.findall(r"[Ss]horten \*([^*]+)\* to (\d+) minutes", advice):
        left[name] = int(minutes)
    return sum(left.values())


def page_faults(number: str, text: str) -> list[str]:
    own, faults = by_hand(text), []
    faults += [f"no section {name!r}" for name in sections_named(own) if name not in MINUTES[number]]
    for run in re.findall(r"\bequations?\s+((?:\d+\.\d+(?:,\s+|\s+and\s+|\s+to\s+)?)+)", own):
        faults += [f"no equation {one}" for one in re.findall(r"\d+\.\d+", run) if one not in EQUATIONS]
    cards = own.split("## Misconceptions\n")[1].split("\n## ")[0].split("\n### ")[1:]
    if not 2 <= len(cards) <= 3:
        faults.append(f"{len(cards)} misconceptions")
    for card in cards:
        ask, expect, then = (re.search(rf"^- \*\*{word}:\*\* (.+(?:\n  .+)*)", card, re.M)
                             for word in ("Ask", "Expect", "Then"))
        if not (ask and expect and then and "?" in ask[1]):
            faults.append(f"without a question: {card[:40]}")
    grading = own.split("## Grading (10 points)\n")[1].split("\n## ")[0]
    given = re.findall(r"^- `(\w+)`, (\d+) points?\b", grading, re.M)
    if [name for name, _ in given] != TASKS[number]:
        faults.append(f"graded: {given}, asked: {TASKS[number]}")
    points = sum(int(one) for _, one in given) + sum(map(int, re.findall(r"other (\d+) points", grading)))
    if points != 10:
        faults.append(f"{points} points")
    if skipped(number, own) > 45:
        faults.append(f"{skipped(number, own)} minutes are left, not 45")
    maths = [one for one in re.findall(r"\$([^$]+)\$", own) if not re.fullmatch(r"(t|T|V|\\eta) = \w+", one)]
    if "$$" in own or any(re.search(r"=|\\frac|\\sum", one) for one in maths):
        faults.append("an equation of its own")
    return faults


@pytest.mark.parametrize("number", BOOKS)
def test_every_notebook_has_a_page_without_a_fault(number):
    assert page_faults(number, PAGES[number]) == []
    steps = by_hand(PAGES[number]).split("## On the board\n")[1].split("\n## ")[0]
    numbers = [int(one) for one in re.findall(r"^(\d+)\. ", steps, re.M)]
    assert numbers == list(range(1, len(numbers) + 1)) and 5 <= len(numbers) <= 8
    for name in TASKS[number]:
        assert PAGES[number].count(f"Its check, `{name}`, knows") == 1
    assert PAGES[number].count("<details>") == len(TASKS[number]) == PAGES[number].count("</details>")


@pytest.mark.parametrize("fault", [
    ("equation 3.5", "equation 3.99"), ("*Misprints, each refuted by a number*", "*Misprints*"),
    ("Is $x_{t-1}$ known then?", "Say it."), ("- **Expect:** Silence", "- Silence"), ("2 points", "1 point"),
    ("- `stride`", "- `strike`"), ("Skip *Was anything dropped?*, ", "Skip "), ("1. Draw a line", "$$x$$"),
    ("Look at $t = 1$ first", r"$\bar\alpha_t = \alpha_t$")])
def test_a_fault_on_a_page_is_seen(fault):
    assert fault[0] in PAGES["03"] and page_faults("03", PAGES["03"].replace(*fault, 1))


# --- the overview

ROW = re.compile(r"^\| (\d+):(\d\d) \| (\d+) \| (\d\d|) \| (.+) \|$", re.M)


def timetable_faults(text: str) -> list[str]:
    faults = []
    tables = re.findall(r"^##+ (.+?): (\d+) minutes\n(.*?)(?=^#|\Z)", text, re.M | re.DOTALL)
    for title, claimed, body in tables:
        rows = ROW.findall(body)
        if not rows and "| claim |" not in body:
            faults.append(f"{title}: no rows")
        now = 60 * int(rows[0][0]) + int(rows[0][1]) if rows else 0
        for hour, minute, minutes, number, what in rows:
            if 60 * int(hour) + int(minute) != now:
                faults.append(f"{title}: {hour}:{minute} should be {now // 60}:{now % 60:02}")
            now += int(minutes)
            names = sections_named(what)
            faults += [f"{title}: {number} has no section {name!r}" for name in names
                       if name not in MINUTES.get(number, {})]
            faults += [f"{title}: {number} has no exercise {name}" for name in re.findall(r"`(\w+)`", what)
                       if name not in TASKS.get(number, [])]
            planned = sum(MINUTES.get(number, {}).get(name, 0) for name in names)
            if planned and not 0.4 * planned <= int(minutes) <= 1.6 * planned:
                faults.append(f"{title}: {minutes} minutes for {planned}: {what}")
        total = sum(int(row[2]) for row in rows) or sum(map(int, re.findall(r"^\| (\d+) \|", body, re.M)))
        if total != int(claimed):
            faults.append(f"{title}: {claimed} claimed, {total} found")
    judged = re.findall(r"^\| (S\d\.\w+) \| ([\w-]+) \|", text, re.M)
    faults += [f"{one} isn't {verdict}" for one, verdict in judged
               if VERDICTS.get(one) != verdict]
    faults += [f"no file {link}" for link in re.findall(r"\]\(([^)#]+)\)", text) if not (KIT / link).exists()]
    return faults


def test_the_timetables_add_up_and_name_what_is_there():
    assert timetable_faults(OVERVIEW) == []
    assert re.findall(r": (\d+) minutes$", OVERVIEW, re.M) == ["90"] * 8 + ["480", "120", "20"]
    assert len(ROW.findall(OVERVIEW)) > 80 and len(re.findall(r"^\| S\d", OVERVIEW, re.M)) == 7
    assert {path.name for path in KIT.iterdir()} == {"README.md", "hub.md", "quiz.md", "quiz.gift"} | {
        f"{one.path.stem}.md" for one in BOOKS.values()}
    assert all(f"({one.path.stem}.md)" in OVERVIEW for one in BOOKS.values())
    assert all(timetable_faults(page) == [] for page in PAGES.values())         # their links


@pytest.mark.parametrize("fault", [
    ("| 0:10 | 13 |", "| 0:10 | 14 |"), ("| 0:10 | 13 |", "| 0:11 | 13 |"), ("480 minutes", "470 minutes"),
    ("| 4 | Open the audit", "| 5 | Open the audit"), ("*Three schedules*", "*Four schedules*"),
    ("`q_sample`", "`q_simple`"), ("S2.15 | correct", "S2.15 | wrong"), ("S0.22", "S0.222"),
    ("(../audit.md)", "(../edit.md)"), ("| 8 | 06 | *The training set", "| 8 | 05 | *The training set")])
def test_a_fault_in_the_overview_is_seen(fault):
    assert fault[0] in OVERVIEW and timetable_faults(OVERVIEW.replace(*fault, 1))


# --- the generator

def test_a_page_without_its_marker_lines_is_refused():
    with pytest.raises(SystemExit, match="3.md: expected the lines .*plan, made by"):
        teaching.put("# 3\n", "plan", "new", "3.md")


def test_minutes_without_a_note_are_shared_by_slides():
    parts = [teaching.Section("title", 1), teaching.Section("a", 4, noted=7), teaching.Section("b", 3),
             teaching.Section("c", 1), teaching.Section("Exercises", 9)]
    teaching.share(parts, 19)
    assert [part.shared for part in parts] == [0, 0, 9, 3, 0]
    assert teaching.gift("$a = {b}$: `x~1` < #2") == r"\\(a \= \{b\}\\)\: <code>x\~1</code> &lt; \#2"


@pytest.mark.parametrize("number", MINUTES)
def test_the_sections_fill_the_time_of_the_header(number):
    assert abs(sum(MINUTES[number].values()) - BOOKS[number].minutes) <= 1


def test_minutes_are_read_from_every_way_to_say_them():
    said = {number: sum(part.noted for part in one.sections) for number, one in BOOKS.items()}
    assert min(said.values()) > 0 and said["02"] > 50 and said["05"] > 50      # (5 minutes), Five minutes.
