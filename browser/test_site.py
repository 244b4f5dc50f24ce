"""The site of `make site`, opened from disk without a network: nothing is fetched, maths and search work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import axe
import pytest
from lab import REPO
from playwright.sync_api import Browser, Page

SITE = REPO / "build" / "site"
PAGES = ["index", "about", "slides", "notebooks/00_start_here", "notebooks/02_forward_process",
         "notebooks/12_spot_the_error", "docs/audit", "docs/glossary", "docs/scale", "benchmarks/README",
         "docs/teaching/README", "docs/teaching/02_forward_process", "api/index", "api/loss", "api/models"]
OURS = "article.bd-article, .prev-next-area"                            # the rest comes with the theme
TOO_WIDE = """() => {
    const wide = document.documentElement.scrollWidth - innerWidth;
    const shown = document.querySelectorAll('.bd-article :is(table, pre, img, mjx-container)');
    const cut = [...shown].filter(one => {
        for (let box = one; box.matches('.bd-article, .bd-article *'); box = box.parentElement)
            if (['auto', 'scroll'].includes(getComputedStyle(box).overflowX)) return false;
        return one.getBoundingClientRect().right > innerWidth + 1;
    });
    return [wide, ...cut.map(one => one.outerHTML.slice(0, 80))];
}"""
RAW = r"""() => {
    const text = document.querySelector('.bd-article').cloneNode(true);
    text.querySelectorAll('pre, code').forEach(one => one.remove());
    return text.textContent.match(/(\$|\\(frac|sqrt|mathbb|tag|begin)\b).*/);
}"""

pytestmark = pytest.mark.skipif(not (SITE / "index.html").is_file(), reason="no site: run `make site` first")


@dataclass
class Visit:
    """A page, and all that it complained of."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def open(self, name: str) -> None:
        self.page.goto(f"{SITE.as_uri()}/{name}")
        self.page.evaluate("window.MathJax?.startup?.promise")

    def heard(self, request) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.faults.append(f"asked for {request.url}")


def visit(browser: Browser, width: int) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    context.set_default_timeout(120_000)
    one = Visit(context.new_page())
    one.page.on("request", one.heard)
    one.page.on("requestfailed", lambda request: one.faults.append(f"failed: {request.url}"))
    one.page.on("pageerror", lambda error: one.faults.append(str(error)))
    one.page.on("console", lambda said: said.type == "error" and one.faults.append(said.text))
    yield one
    context.close()


@pytest.fixture
def desk(browser: Browser) -> Iterator[Visit]:
    yield from visit(browser, 1300)


@pytest.fixture
def phone(browser: Browser) -> Iterator[Visit]:
    yield from visit(browser, 390)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_and_is_accessible(desk: Visit, name: str):
    desk.open(f"{name}.html")
    assert desk.page.locator("[data-mml-node=merror]").count() == 0
    assert desk.page.evaluate(RAW) is None                              # LaTeX that nobody typeset
    assert desk.faults == []                                            # axe fetches style sheets, in vain
    desk.page.wait_for_function("document.readyState == 'complete'")
    found = axe.violations(desk.page, OURS)
    assert found == [], "\n".join(f"{'ours' if one.ours else 'theme'}, {one}" for one in found)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone(phone: Visit, name: str):
    phone.open(f"{name}.html")
    assert phone.page.evaluate(TOO_WIDE) == [0]
    assert phone.faults == []


def test_equations_have_their_numbers(desk: Visit):
    desk.open("notebooks/02_forward_process.html")
    first = desk.page.locator("div.math mjx-container").first
    assert "2.1" in first.inner_text().replace("\u2006", "") and "✓" in first.inner_text()
    assert desk.page.get_by_text("3 minutes. Run the cell").count() == 0              # the lecturer's notes


def test_the_search_finds_the_posterior(desk: Visit):
    desk.open("search.html?q=posterior")
    results = desk.page.locator("#search-results li a")
    results.filter(has_text="03 · The posterior").first.wait_for()
    assert desk.faults == []
