"""What axe-core finds in a page, parted into what is ours and what JupyterLab brings along."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Page

from slides.npm import asset

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
OURS = ".jp-RenderedMarkdown, .jp-OutputArea-output"            # the notebook's markdown and its outputs
# A slider's handle has no accessible name: ipywidgets 8 writes the label beside it and offers no way to tie
# the two together. To be taken out once ipywidgets can.
KNOWN = {"aria-input-field-name": "noUi-handle"}
FIND = """async ([levels, ours]) => {
    const chrome = element => !element?.closest(ours);
    const found = await axe.run(document, {runOnly: levels, elementRef: true, resultTypes: ['violations'],
                                           iframes: false});
    return found.violations.flatMap(one => one.nodes.map(node => ({
        rule: one.id, impact: one.impact, ours: !chrome(node.element), target: node.target.flat().join(' '),
        cell: [...document.querySelectorAll('.jp-Notebook .jp-Cell')].indexOf(
            node.element?.closest('.jp-Cell')),
        html: node.html.slice(0, 160), why: node.failureSummary.split('\\n').slice(1, 2).join('').trim()})))
}"""


@dataclass(frozen=True)
class Violation:
    """One element that breaks one rule."""

    rule: str
    impact: str
    ours: bool
    target: str
    cell: int
    html: str
    why: str

    @property
    def known(self) -> bool:
        return self.rule in KNOWN and KNOWN[self.rule] in self.html

    def __str__(self) -> str:
        return f"cell {self.cell}: {self.rule} ({self.impact}): {self.why} | {self.target} | {self.html}"


def heard(page: Page) -> list[str]:
    """The names that Chromium hands to a screen reader for what opens and closes (`summary`)."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    return [node["name"]["value"] for node in nodes
            if node.get("role", {}).get("value") == "DisclosureTriangle"]


def violations(page: Page, ours: str = OURS) -> list[Violation]:
    """Of levels A and AA, in the whole page."""
    page.add_script_tag(path=asset("axe-core/axe.min.js"))
    page.set_default_timeout(300_000)
    return [Violation(**one) for one in page.evaluate(FIND, [LEVELS, ours])]
