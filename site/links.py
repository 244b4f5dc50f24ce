"""Do all links inside the site lead to a file, and to an id in it? Does any page fetch from outside?"""
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


class Page(HTMLParser):
    """The ids and links of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids, self.links, self.fetched = {"", "top"}, [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if FETCHED.get(tag) in found and found.get("rel") not in ("canonical", "author", "license"):
            self.fetched.append(found[FETCHED[tag]])


def faults(site: Path) -> list[str]:
    pages = {path: Page(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}
    return [f"{path.relative_to(site)}: {link} {why}" for path, page in pages.items()
            for link in dict.fromkeys(page.links + page.fetched)
            if (why := fault(link, path, pages, link in page.fetched))]


def fault(link: str, path: Path, pages: dict[Path, Page], fetched: bool) -> str:
    """What is wrong with a link, or nothing."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return "is no address"
    if parts.scheme in ("data", "javascript", "mailto"):
        return ""
    if parts.scheme or parts.netloc:
        if fetched:
            return "is fetched from outside"
        return "" if re.fullmatch(r"https?://[\w.-]+\.\w+(:\d+)?(/\S*)?", link) else "is no address"
    there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not there.is_file():
        return "leads nowhere"
    inside = parts.fragment.startswith("/")                             # a place in a deck, for its script
    if there in pages and not inside and unquote(parts.fragment) not in pages[there].ids:
        return "leads to no id"
    return ""


if __name__ == "__main__":
    found = faults(Path(sys.argv[1]).resolve())
    print("\n".join(found) or "links: all lead somewhere", file=sys.stderr if found else sys.stdout)
    sys.exit(bool(found))
