"""Every deck walked by keyboard, from disk and without a network, as a lecturer would."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe import violations
from deck import SIZES, Deck
from PIL import Image
from playwright.sync_api import Browser

from slides import OUT, ROOT

NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
SHEETS = OUT / "sheets"
# A handout's slides as large as in a hall, and on the same ground.
AS_SHOWN = """.handout .frame { width: 1280px; height: 720px; } .handout .frame > section { zoom: 1; }
html.handout, .handout body { background: var(--page); }"""
GO = """i => {
  const at = Reveal.getIndices(document.querySelectorAll('.player')[i].closest('section'));
  Reveal.slide(at.h, at.v);
  while (Reveal.nextFragment());
}"""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_leaves_a_slide(browser: Browser, walked: list[str], name: str, size: str) -> None:
    pictures: list[Image.Image] = []
    seen: set[int] = set()
    with Deck(browser, name, size) as deck:
        for page in deck.walk():
            number = deck.number()
            seen.add(number)
            faults = dict.fromkeys(deck.faults())
            deck.wrong += [f"slide {number}: {fault}" for fault in faults]
            if size == "1280x720":
                shot = OUT / "shot.png"
                page.screenshot(path=shot)
                pictures.append(Image.open(shot).convert("RGB").resize((426, 240)))
        total = deck.page.evaluate("Reveal.getTotalSlides()")
        assert seen == set(range(1, total + 1))
        walked.append(f"{name:<22}{size:>11}{total:>8} slides{len(deck.wrong):>6} problems")
        if pictures:
            sheet(pictures, SHEETS / f"{name}.png")
        assert not deck.wrong, f"{name}:\n" + "\n".join(deck.wrong)


@pytest.mark.parametrize("name", NAMES)
def test_slides_are_accessible_light_and_dark(browser: Browser, name: str) -> None:
    with Deck(browser, name, query="?handout") as deck:                 # all slides on one page
        deck.page.add_style_tag(content=AS_SHOWN)
        for scheme in ("light", "dark"):
            deck.page.evaluate("scheme => document.documentElement.classList.add(scheme)", scheme)
            found = [one for one in violations(deck.page, ours=".frame") if one.ours]
            assert not found, f"{name}, {scheme}:\n" + "\n".join(map(str, found))


def sheet(pictures: list[Image.Image], path: Path, columns: int = 6) -> None:
    """All slides of a deck on one picture, to look at."""
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * 434, rows * 248), "#888888")
    for i, picture in enumerate(pictures):
        page.paste(picture, (i % columns * 434 + 4, i // columns * 248 + 4))
    path.parent.mkdir(exist_ok=True)
    page.save(path)


@pytest.mark.parametrize("name", NAMES)
def test_players_move_by_keyboard(browser: Browser, name: str) -> None:
    shown = "i => document.querySelectorAll('.player')[i].querySelector('img.now').src.length"
    with Deck(browser, name) as deck:
        page = deck.page
        count = page.evaluate("document.querySelectorAll('.player').length")
        if not count:
            pytest.skip("no slider of this deck moves")
        for i in range(count):
            page.evaluate(GO, i)
            slider = page.locator(".player").nth(i).locator("input")
            for _ in range(20):                                         # Tab reaches it
                if slider.evaluate("one => one === document.activeElement"):
                    break
                page.keyboard.press("Tab")
            assert slider.evaluate("one => one === document.activeElement"), f"{name}, player {i}: no Tab"
            frames, told = set(), set()
            page.keyboard.press("Home")
            for _ in range(int(slider.get_attribute("max") or 0) + 1):
                frames.add(page.evaluate(shown, i))
                told.add(page.locator(".player").nth(i).locator("output").inner_text())
                page.keyboard.press("ArrowRight")
            assert len(told) == int(slider.get_attribute("max") or 0) + 1 <= 50
            assert len(frames) > 1, f"{name}, player {i}: its picture never changes"
            before = deck.number()
            page.keyboard.press("PageDown")                             # as a clicker sends
            assert deck.number() == before + 1, f"{name}, player {i}: PageDown stays"
        assert not deck.wrong


def test_the_speaker_has_notes_a_clock_and_the_next_slide(browser: Browser) -> None:
    with Deck(browser, "03_posterior") as deck:
        page = deck.page
        while "minutes)" not in page.evaluate("Reveal.getSlideNotes() ?? ''"):
            page.keyboard.press("Space")
        with page.expect_popup() as opened:
            page.keyboard.press("s")
        speaker = opened.value
        speaker.wait_for_selector(".speaker-controls-notes:not(.hidden)", timeout=20_000)
        assert "minutes)" in speaker.locator(".speaker-controls-notes").inner_text()
        assert re.search(r"\d\d:\d\d:\d\d|\d+:\d\d", speaker.locator(".speaker-controls-time").inner_text())
        assert speaker.locator("iframe").count() == 2                   # this slide and the next


def test_overview_dark_and_light(browser: Browser) -> None:
    with Deck(browser, "00_start_here") as deck:
        page, dark = deck.page, "document.documentElement.classList.contains('dark')"
        page.keyboard.press("Escape")
        assert page.evaluate("Reveal.isOverview()")
        page.keyboard.press("Escape")
        before = page.evaluate(dark)
        page.keyboard.press("d")
        assert page.evaluate(dark) is not before
        ink, paper = (page.evaluate(f"getComputedStyle(document.body).{what}")
                      for what in ("color", "backgroundColor"))
        assert ink != paper
        page.reload()
        page.evaluate("window.ready")
        assert page.evaluate(dark) is not before                        # it is remembered


def test_handouts_hold_all_slides(browser: Browser) -> None:
    for name in NAMES:
        file = OUT / f"{name}.pdf"
        if not file.is_file():
            pytest.skip("no handouts in build/slides: run `make slides`")
        pages = len(re.findall(rb"/Type\s*/Page\b", file.read_bytes()))
        with Deck(browser, name) as deck:
            total = deck.page.evaluate("Reveal.getTotalSlides()")
        assert pages == -(-total // 2), f"{name}: {pages} pages for {total} slides"
