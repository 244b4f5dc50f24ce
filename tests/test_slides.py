"""Which part of a notebook stands on which slide. How slides look, browser/test_slides.py sees."""
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from slides import deck, stage
from slides.players import packed, plays

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9]*.ipynb"))
IMAGE = new_output("display_data", {"text/html": '<img alt="A line." src="x">', "text/plain": "A line."})
PRINTED = new_output("stream", name="stdout", text="two < three\n")


def text(source, kind=None):
    return new_markdown_cell(source, metadata={"slideshow": {"slide_type": kind}} if kind else {})


def code(source, kind=None, outputs=(), tags=()):
    meta = {"tags": list(tags)} | ({"slideshow": {"slide_type": kind}} if kind else {})
    return new_code_cell(source, metadata=meta, outputs=list(outputs))


def staged(*cells, players=None):
    return stage.deck(new_notebook(cells=list(cells)), players or {})


def shown(*cells, **options):
    """The HTML of all slides."""
    slides = [slide for column in staged(*cells, **options) for slide in column]
    return "\n".join(part.html for slide in slides for part in slide.parts)


def test_slide_types_make_columns_slides_and_fragments():
    columns = staged(
        text("# Title", "slide"), text("## One\n$x_t$", "slide"), text("more"), text("then", "fragment"),
        text("still then"), text("### Two", "subslide"), text("gone", "skip"), text("say", "notes"),
        text("## Last, with $y$", "slide"))
    assert [len(column) for column in columns] == [1, 2, 1]
    first, second = columns[1]
    assert [part.fragment for part in first.parts] == [False, False, True, True]
    assert first.headed and first.section == "One" and columns[2][0].section == "Last, with $y$"
    assert second.notes == ["<p>say</p>\n"] and "gone" not in second.parts[0].html


def test_a_picture_hides_its_code_and_so_does_a_tag():
    cell = "plot(x)"
    assert "<img" in (page := shown(text("## A", "slide"), code(cell, None, [IMAGE]))) and "plot" not in page
    page = shown(text("## A", "slide"), code(cell, None, [PRINTED]))
    assert "plot" in page and "two &lt; three" in page
    assert "plot" not in shown(text("## A", "slide"), code(cell, None, [PRINTED], ["slide-result"]))


@pytest.mark.parametrize("source", [
    'check("f", f)', 'def f():\n    raise NotImplementedError\n\n\ncheck("f", f)', 'hint("f")',
    "def draw(t):\n    fig, ax = subplots()\n    return fig"])
def test_a_stub_and_what_only_draws_stay_in_the_notebook(source):
    assert len(staged(text("## A", "slide"), code(source, "subslide"))[0]) == 1


def test_a_proof_is_a_tick_on_the_slide_of_its_equation():
    said = "Proved: The step\n1. a line\n45 mutants tried, 44 rejected, such as x; 1.0 s."
    output = new_output("display_data", {"text/plain": said, "text/markdown": "**Proved**"})
    [[slide]] = staged(text("## A", "slide"), code('prove("a")', "subslide", [output]))
    assert slide.proofs == [("45", "44")] and len(slide.parts) == 1


def test_each_question_has_a_slide_and_its_answer_comes_last():
    [slides] = staged(text("## Recall", "slide"), code('quiz("03")', "fragment"))
    assert len(slides) == 5
    for slide in slides:
        html = slide.parts[-1].html
        assert html.count('class="fragment answer"') == 1 and html.index("</ol>") < html.index("answer")


def test_players_stand_for_their_sliders():
    cell = code('explore(draw, play="t", t=(0, 9))', "subslide", [IMAGE])
    assert plays(cell) and not plays(code("explore(draw, t=(0, 9))"))
    assert "PLAYER" in shown(text("## A", "slide"), cell, players={cell.id: "<p>PLAYER</p>"})


def test_packing_keeps_every_pixel():
    import base64
    import io

    from PIL import Image
    file, image = io.BytesIO(), Image.effect_noise((20, 10), 90).convert("RGB")
    image.save(file, "png")
    page = packed(f'<img src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">')
    data = page.split("base64,")[1].split('"')[0]
    assert "image/webp" in page
    assert Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB").tobytes() == image.tobytes()


def test_links_lead_to_decks_or_nowhere():
    page = stage.markdown("[a](03_posterior.ipynb#x) [b](../docs/audit.md) [c](https://a.org) [d](#there)")
    assert '<a href="03_posterior.html">a</a> b <a href="https://a.org">c</a> d' in page


def test_a_script_cannot_end_its_element():
    assert "</script" not in deck.inline("a = '</script>'") and "<!--" not in deck.inline("'<!--'")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_is_a_deck_with_notes(path):
    columns = stage.deck(nbformat.read(path, 4), {})
    slides = [slide for column in columns for slide in column]
    assert len(columns) >= 8 and all(slide.parts for slide in slides)
    assert any("minute" in note for slide in slides for note in slide.notes)
    assert "raise NotImplementedError" not in "".join(part.html for slide in slides for part in slide.parts)
