"""How Sphinx makes the site from build/site-source (see pages.py). No page asks the network for anything."""
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[1]

project, author, language = "ddpm_lite", "The ddpm_lite authors", "en"
copyright = "the ddpm_lite authors. Code: MIT. Prose: CC BY 4.0"
extensions = ["myst_nb", "sphinx.ext.mathjax"]
exclude_patterns = ["static"]
smartquotes = False                                                     # the text as it was typed
suppress_warnings = ["ref.python"]                                     # two modules have a Step

nb_execution_mode = "off"                                               # the outputs that are stored
nb_merge_streams = True
nb_ipywidgets_js: dict[str, dict] = {}                                  # a static picture stands for a widget
nb_render_markdown_format = "myst"                                      # a proof's output holds equations
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_dmath_double_inline = True
myst_heading_anchors = 4
myst_update_mathjax = False

# In the text MathJax sees what is marked as maths; in HTML that a cell wrote, such as a quiz, all between $.
mathjax_path = "mathjax.js"
mathjax3_config = {
    "tex": {"inlineMath": [["$", "$"], ["\\(", "\\)"]], "displayMath": [["$$", "$$"], ["\\[", "\\]"]],
            "processEscapes": True, "tags": "none"},
    "svg": {"fontCache": "global"},
    "options": {"enableMenu": False, "ignoreHtmlClass": "mathjax_ignore|bd-container",
                "processHtmlClass": "math|text_html"},
}

python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_title = "ddpm_lite: diffusion from first principles"
html_favicon = str(HERE / "static" / "icon.svg")
html_static_path = [str(HERE / "static"), str(ROOT / "build" / "site-source" / "static")]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = html_show_sourcelink = False
html_context = {"default_mode": "auto"}                                  # dark and light as the reader has it
html_theme_options: dict[str, Any] = {
    "use_download_button": False, "use_fullscreen_button": False, "show_navbar_depth": 1, "show_toc_level": 2,
    "navigation_with_keys": False, "navbar_persistent": [],
    "footer_content_items": ["copyright"],
}


def whole_equations(app: Sphinx, document: nodes.document) -> None:
    r"""An equation of several lines as it stands: Sphinx would put it into `split`, where no \tag may be."""
    for node in document.findall(nodes.math_block):
        if not node.get("nowrap"):
            text = rf"\[{node.astext()}\]"
            node["nowrap"], node.rawsource, node.children = True, text, []
            node += nodes.Text(text)


def plain_signatures(app: Sphinx, page: str, template: str, context: dict[str, Any], *_: Any) -> None:
    """A signature of several lines without the list of no terms that Sphinx makes of it."""
    def plain(match: re.Match[str]) -> str:
        return re.sub(r"<(/?)d[ld]>", r"<\1span>", match[0])

    if "body" in context:
        context["body"] = re.sub(r'<dt class="sig .*?</dt>', plain, context["body"], flags=re.DOTALL)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", whole_equations)
    app.connect("html-page-context", plain_signatures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
