"""A deck in a browser without a network: what its slides get wrong, and a walk through them by keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from ddpm_lite.course.plots import mpl
from slides import OUT

SIZES = {"1280x720": (1280, 720), "1920x1080": (1920, 1080)}
LEAST = 20                                                              # px of text, on a slide of 1280 x 720
LETTERS = mpl.rcParams["font.size"] / 72 * mpl.rcParams["figure.dpi"]   # px, in a picture as it is drawn
# What leaves the slide or is too small, and what should have been typeset or loaded, of the slide in view.
FAULTS = """([least, letters]) => {
  const slide = Reveal.getCurrentSlide(), scale = Reveal.getScale(), found = [];
  const frame = document.querySelector('.reveal .slides').getBoundingClientRect();
  const words = one => (one.textContent || one.alt || '').trim().slice(0, 40);
  const name = one => `${one.tagName.toLowerCase()} "${words(one)}"`;
  for (const one of slide.querySelectorAll('.part *, footer')) {
    if (one.closest('mjx-assistive-mml') || one.closest('svg') && one.tagName !== 'svg') continue;
    const box = one.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    const right = (box.right - frame.left) / scale, bottom = (box.bottom - frame.top) / scale;
    const low = one.closest('footer') ? 720 : 676;
    if (box.left < frame.left - 1 || right > 1281 || bottom > low) found.push(`${name(one)} leaves it`);
    const says = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    const size = parseFloat(getComputedStyle(one).fontSize);
    if ((says || one.tagName === 'MJX-CONTAINER') && size < least) found.push(`${name(one)} at ${size} px`);
    if (one.tagName === 'IMG' && !one.naturalWidth) found.push(`${name(one)} isn't shown`);
    if (one.tagName === 'IMG' && letters * box.width / scale / one.naturalWidth < least - 0.1)
      found.push(`${name(one)} has letters of ${letters * box.width / scale / one.naturalWidth} px`);
    if (one.tagName === 'IMG' && !one.alt) found.push('a picture without alt text');
  }
  for (const one of slide.querySelectorAll('a[href]'))
    if (!/^https?:|^\\d\\d_\\w+\\.html$/.test(one.getAttribute('href')))
      found.push(`${name(one)} leads nowhere`);
  const text = slide.cloneNode(true);
  text.querySelectorAll('pre, code, mjx-container, aside').forEach(one => one.remove());
  const raw = text.textContent.match(/\\$[^$]+\\$|\\\\(frac|sqrt|alpha|begin|tag)\\b/);
  if (raw) found.push(`raw LaTeX: ${raw[0].slice(0, 40)}`);
  if (slide.querySelector('mjx-merror, [data-mjx-error]')) found.push('MathJax reports an error');
  return found;
}"""
WAITING = "Reveal.getCurrentSlide().querySelectorAll('.fragment:not(.visible)').length"


class Deck:
    """A deck in a page without a network, and what went wrong in it."""

    def __init__(self, browser: Browser, name: str, size: str = "1280x720", query: str = "") -> None:
        width, height = SIZES[size]
        self.context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
        self.name, self.page, self.wrong = name, self.context.new_page(), list[str]()
        self.page.on("console", lambda said: said.type == "error" and self.wrong.append(said.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", self.asked)
        path = OUT / f"{name}.html"
        if not path.is_file():
            pytest.skip("no decks in build/slides: run `make slides`")
        self.page.goto(path.as_uri() + query)
        self.page.evaluate("window.ready")

    def asked(self, request: object) -> None:
        url = request.url                                               # type: ignore[attr-defined]
        if not url.startswith(("data:", "blob:", (OUT / f"{self.name}.html").as_uri())):
            self.wrong.append(f"asked for {url[:80]}")

    def __enter__(self) -> Deck:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def walk(self) -> Iterator[Page]:
        """By the space bar to the last slide; each slide when all of it has come."""
        total = self.page.evaluate("Reveal.getTotalSlides()")
        for _ in range(total):
            while self.page.evaluate(WAITING):
                before = self.page.evaluate(WAITING)
                self.page.keyboard.press("Space")
                if self.page.evaluate(WAITING) >= before:
                    self.wrong.append(f"slide {self.number()}: a part doesn't come at a key")
                    break
            yield self.page
            self.page.keyboard.press("Space")
        if not self.page.evaluate("Reveal.isLastSlide()"):
            self.wrong.append(f"{total} slides, and the last isn't reached")

    def faults(self) -> list[str]:
        """Of the slide in view."""
        return self.page.evaluate(FAULTS, [LEAST, LETTERS])

    def number(self) -> int:
        return self.page.evaluate("Reveal.getSlidePastCount() + 1")
