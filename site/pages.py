"""The pages that Sphinx reads, in build/site-source: the repository's own files, at the same places.

So a link of one file to another holds here too. What isn't a page, such as a source file, is linked on its
page of the reference or at the public address, or else it is just named.
"""
import html
import json
import re
import shutil
import sys
import tomllib
from pathlib import Path, PurePosixPath

import api

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[1]
sys.path.append(str(ROOT))
from slides.npm import asset  # noqa: E402

SOURCE, DECKS = ROOT / "build" / "site-source", ROOT / "build" / "slides"
NO_CONTENTS = "---\nhtml_theme.sidebar_secondary.remove: true\n---\n"               # a table of six columns
LINK = r"(?<!!)\[(?P<said>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<path>[^)\s#:]*)(?P<anchor>#[^)\s]*)?\)"
PARTS = re.compile(r"^```.*?^```|(?P<link>" + LINK + r")|(?P<ticks>`+)[^`].*?(?P=ticks)(?!`)",
                   re.MULTILINE | re.DOTALL)


def make() -> None:
    shutil.rmtree(SOURCE, ignore_errors=True)
    notebooks = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
    copied = ["README.md", "benchmarks/README.md", *texts("docs"), *(f"notebooks/{one}" for one in notebooks)]
    made = {"index.md", "about.md", "slides.md", *api.pages()}
    sites = {*copied, *made} - {"README.md"}
    shutil.copytree(ROOT / "notebooks" / "images", SOURCE / "notebooks" / "images")
    for path in texts("docs", pages=False):
        write(path, (ROOT / path).read_bytes())
    for name in copied:
        text = (ROOT / name).read_text(encoding="utf-8")
        if name == "README.md":
            write("index.md", linked(index(text, copied), name, sites))
            write("about.md", linked(about(text), name, sites))
        elif name.endswith(".md"):
            head = NO_CONTENTS if name == "docs/audit.md" else ""
            write(name, head + linked(text, name, sites) + beside(name, copied))
        else:
            write(name, notebook(json.loads(text), name, sites))
    write("slides.md", (HERE / "slides.md").read_text().replace("<!-- decks -->", decks(notebooks)))
    for name, text in api.pages().items():
        write(name, text)
    write("static/mathjax.js", asset("mathjax/es5/tex-svg-full.js").read_bytes())


def write(name: str, content: str | bytes) -> None:
    (SOURCE / name).parent.mkdir(parents=True, exist_ok=True)
    (SOURCE / name).write_bytes(content.encode() if isinstance(content, str) else content)


def texts(folder: str, pages: bool = True) -> list[str]:
    """The Markdown files of a folder, or all others."""
    found = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file())
    return [name for name in found if name.endswith(".md") == pages]


def linked(text: str, name: str, sites: set[str]) -> str:
    """The text with links that hold on the site; what stands between ticks is no link."""
    return PARTS.sub(lambda match: link(match, name, sites) if match["link"] else match[0], text)


def link(match: re.Match[str], name: str, sites: set[str]) -> str:
    said, path, anchor = match["said"], match["path"], (match["anchor"] or "").lower()      # as ids are
    there = resolved(PurePosixPath(name).parent / path) if path else name
    if there in sites or (ROOT / there).is_file() and there.startswith("docs/"):
        return f"[{said}]({path}{anchor})"
    readme = f"{there}/README.md"
    if page := api.page_of(there) or (readme if readme in sites else None):
        return f"[{said}]({'../' * name.count('/')}{page})"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    address = project.get("urls", {}).get("Repository")
    if not (ROOT / there).exists():
        return match[0]                                                 # Sphinx will say so
    return f"[{said}]({address}/blob/HEAD/{there})" if address else said


def resolved(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def notebook(content: dict, name: str, sites: set[str]) -> str:
    """Without the lecturer's notes, which belong to the slides."""
    cells = [cell for cell in content["cells"]
             if cell["metadata"].get("slideshow", {}).get("slide_type") != "notes"]
    for cell in cells:
        if cell["cell_type"] == "markdown":
            cell["source"] = linked("".join(cell["source"]), name, sites)
    return json.dumps(content | {"cells": cells})


def tree(names: list[str], caption: str = "") -> str:
    """An entry of the table of contents for each."""
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["```{toctree}", *options, "", *names, "```", ""])


def beside(name: str, copied: list[str]) -> str:
    """Under the README.md of a folder of docs/, the folder's other pages."""
    folder = PurePosixPath(name).parent
    others = [one for one in map(PurePosixPath, copied) if one.parent == folder and str(one) != name]
    wanted = name.startswith("docs/") and name.endswith("/README.md") and others
    return "\n" + tree([one.name for one in others]) if wanted else ""


def part(readme: str, name: str) -> str:
    """What `make generated` wrote there."""
    return readme.split(f"<!-- {name}, made by `make generated` -->\n")[1].split(f"<!-- end of {name} -->")[0]


def index(readme: str, copied: list[str]) -> str:
    [picture] = re.findall(r"^!\[.*\)$", readme, re.MULTILINE)

    def matching(pattern: str) -> list[str]:
        return [name for name in copied if re.fullmatch(pattern, name)]

    teaching = matching("docs/teaching/README.md") or matching("docs/teaching/.*")
    groups = {"The course": matching(r"notebooks/.*"),
              "Teaching": [*teaching, "slides.md"],
              "To look up": matching(r"docs/[^/]*|benchmarks/.*"),
              "The package": ["about.md", "api/index.md"]}
    trees = "\n".join(tree(names, caption) for caption, names in groups.items())
    text = (HERE / "index.md").read_text()
    for mark, put in {"picture": picture, "table": part(readme, "table"), "trees": trees}.items():
        text = text.replace(f"<!-- {mark} -->", put)
    return text


def about(readme: str) -> str:
    """README.md from its commands on, without the table of notebooks, which the first page has."""
    text = readme[readme.index("## Two commands"):]
    text = re.sub(r"^## The notebooks\n.*?(?=^## )", "", text, flags=re.DOTALL | re.MULTILINE)
    return f"# Run it, teach it, build on it\n\n{text}"


def decks(notebooks: list[str]) -> str:
    """A list of the decks that there are, with their hand-outs."""
    rows = []
    for path in (ROOT / "notebooks" / name for name in notebooks):
        first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        said = {".html": html.escape(first.splitlines()[0].lstrip("# ")), ".pdf": "hand-out (PDF)"}
        there = [f'<a href="slides/{path.stem}{kind}">{text}</a>' for kind, text in said.items()
                 if (DECKS / f"{path.stem}{kind}").is_file()]
        rows += [f"<li>{', '.join(there)}</li>"] if there else []
    none = "There are none here: this site was made before them."
    return "\n".join(["<ul>", *rows, "</ul>"]) if rows else none
