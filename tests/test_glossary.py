"""docs/glossary.md against the text: each term stands where the glossary says, and nowhere before that."""
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| \[(\d\d)\]\(\.\./(notebooks/\3_\w+\.ipynb)\) \|$", re.M)
TERMS = ROW.findall((ROOT / "docs/glossary.md").read_text(encoding="utf-8"))
TOLD = {("normaliser", "01"), ("SiLU", "01"), ("DDIM", "00"),           # said in passing what it is
        ("stride", "07")}                                               # of a convolution


def prose(path: Path) -> list[str]:
    """Lines that a reader reads: no code, formulas, tables of names, or lecturer's notes."""
    lines = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown" and cell.metadata.get("slideshow", {}).get("slide_type") != "notes":
            text = re.sub(r"\$\$.*?\$\$|```.*?```|`[^`]*`|<!--.*?-->", "", cell.source, flags=re.S)
            lines += [line for line in text.split("\n") if not line.startswith("|")]
    return lines


PROSE = {path.name[:2]: prose(path) for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))}


def test_the_glossary_is_a_sorted_table_without_gaps():
    rows = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").count("\n| ") - 2
    names = [term.lower() for term, *_ in TERMS]
    assert rows == len(TERMS) > 60 and names == sorted(set(names))
    assert all(meaning.endswith(".") and (ROOT / path).is_file() for _, meaning, _, path in TERMS)


@pytest.mark.parametrize(("term", "home"), [(term, home) for term, _, home, _ in TERMS])
def test_a_term_stands_in_its_notebook_and_not_before(term, home):
    word = re.escape(term).replace(r"\ ", r"\s+")
    marked = re.compile(rf"\*[^*]*\b{word}[^*]*\*|^#+ .*\b{word}", re.I)
    assert any(marked.search(line) for line in PROSE[home]), f"{term}: neither bold nor a heading in {home}"
    for notebook, lines in PROSE.items():
        early = [line for line in lines if re.search(rf"(?<!true )\b{word}\b", line, re.I)
                 and f"[{home}" not in line and "](" not in line]
        if notebook < home and (term, notebook) not in TOLD:
            assert not early, f"{term}, explained in {home}, stands in {notebook}: {early[0][:120]}"
