"""A notebook as one HTML file that needs nothing else: reveal.js, MathJax, fonts and pictures are in it."""
import base64
import re
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import Environment, StrictUndefined
from pygments.formatters import HtmlFormatter

from slides import HERE, stage
from slides.npm import asset

FONTS = [("Source Sans 3", "source-sans-3", weight, style, subset)
         for weight, style in ((400, "normal"), (400, "italic"), (600, "normal"))
         for subset in ("latin", "greek")]
FONTS += [("Source Code Pro", "source-code-pro", 400, "normal", subset) for subset in ("latin", "greek")]
RANGES = {"greek": "U+0370-03FF", "latin": "U+0000-036F, U+2000-22FF"}
SCRIPTS = ("mathjax/es5/tex-svg-full.js", "reveal.js/dist/reveal.js", "reveal.js/dist/plugin/notes.js")


def make(path: Path, players: dict[str, str]) -> str:
    """The deck of a notebook. `players`: see `stage.deck`."""
    notebook = nbformat.read(path, 4)
    scripts = [inline(asset(name).read_text(encoding="utf-8")) for name in SCRIPTS]
    return render("deck.html.j2", title=title(notebook), deck=stage.deck(notebook, players), styles=styles(),
                  before=(HERE / "before.js").read_text(),
                  scripts=[*scripts, (HERE / "deck.js").read_text()])


def render(template: str, **names: Any) -> str:
    return Environment(undefined=StrictUndefined, autoescape=False).from_string(
        (HERE / template).read_text()).render(**names)


def title(notebook: Any) -> str:
    return re.search(r"^# +(.+)$", notebook.cells[0].source, re.MULTILINE)[1]


def inline(script: str) -> str:
    """A script that can stand in a page: no text in it ends the element it stands in."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def styles() -> str:
    light, dark = HtmlFormatter(style="default"), HtmlFormatter(style="github-dark")
    return "\n".join([*map(face, FONTS), asset("reveal.js/dist/reveal.css").read_text(),
                      light.get_style_defs(".highlight"), dark.get_style_defs(".dark .highlight"),
                      ".reveal .highlight { background: none; }", (HERE / "deck.css").read_text()])


def face(font: tuple[str, str, int, str, str]) -> str:
    family, package, weight, style, subset = font
    file = asset(f"@fontsource/{package}/files/{package}-{subset}-{weight}-{style}.woff2")
    data = base64.b64encode(file.read_bytes()).decode()
    return (f'@font-face {{ font-family: "{family}"; font-weight: {weight}; font-style: {style}; '
            f"unicode-range: {RANGES[subset]}; src: url(data:font/woff2;base64,{data}) format('woff2'); }}")
