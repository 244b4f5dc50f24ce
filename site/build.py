"""`python site/build.py`: the whole course as a static site in build/site, its links checked."""
import os
import shutil
import sys

import links
import pages
from sphinx.cmd.build import main as sphinx

BUILD = pages.ROOT / "build"


def main() -> int:
    pages.make()
    shutil.rmtree(BUILD / "site", ignore_errors=True)
    how = ["-q", "-E", "-W", "--keep-going", "-j", str(os.cpu_count() or 1), "-c", str(pages.HERE)]
    where = ["-d", str(BUILD / "site-doctrees"), str(pages.SOURCE), str(BUILD / "site")]
    if failed := sphinx(how + where):
        return failed
    if pages.DECKS.is_dir():
        shutil.copytree(pages.DECKS, BUILD / "site" / "slides",
                        ignore=lambda place, names: [n for n in names if not n.endswith((".html", ".pdf"))])
    if found := links.faults(BUILD / "site"):
        print("\n".join(found), f"site: {len(found)} links are broken", sep="\n", file=sys.stderr)
        return 1
    print(f"site: open {BUILD / 'site' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
