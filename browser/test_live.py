"""The live way to present: a notebook as slides in JupyterLab itself, where its sliders move."""

from __future__ import annotations

from lab import OUT, Lab
from page import Notebook
from playwright.sync_api import Browser, expect

NAME = "02_forward_process"
SEEN = ".jp-NotebookPanel:visible .jp-Cell.jp-deck-mod-visible"


def test_a_slider_moves_on_a_live_slide(browser: Browser, lab: Lab) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    notebook = Notebook(page, lab, NAME)
    try:
        notebook.open()
        notebook.run_all()
        notebook.select(0)                                              # it starts at the cell in hand
        notebook.command("deck:start")
        page.wait_for_selector(f"{SEEN}:has-text('The forward process')")
        texts = [page.locator(SEEN).all_inner_texts()]
        for _ in range(3):
            notebook.command("deck:forward")
            page.wait_for_timeout(300)
            texts.append(page.locator(SEEN).all_inner_texts())
        assert all(a != b for a, b in zip(texts, texts[1:], strict=False)), "a slide doesn't come"
        number = notebook.find('explore(draw, play="t"')
        notebook.select(number)
        cell = notebook.cell(number)
        handle, picture = cell.locator(".noUi-handle").first, cell.locator("img").first
        handle.wait_for(state="visible")
        page.screenshot(path=OUT / "shots" / "live.png")
        before = picture.get_attribute("src") or ""
        handle.focus()
        page.keyboard.press("PageUp")
        expect(picture).not_to_have_attribute("src", before, timeout=30_000)
        notebook.command("deck:stop")
        page.wait_for_selector(SEEN, state="detached")
    finally:
        notebook.close()
        context.close()
