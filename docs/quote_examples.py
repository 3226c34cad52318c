"""Fill the quotations in CONTRIBUTING.md with the files that they name.

    python docs/quote_examples.py            write them
    python docs/quote_examples.py --check    say which are not what the file holds

A quotation is a marker, `<!-- examples/plugins/my_fusion.py -->`, and the fenced block below it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"

_QUOTATION = re.compile(r"^<!-- (?P<path>\S+) -->\n(?P<fence>`{3,})python\n(?P<code>.*?)^(?P=fence)$", re.S | re.M)


def quotations(page: str) -> dict[str, str]:
    """Return what a page quotes: the code of each block, by the path that stands above it."""
    return {match["path"]: match["code"] for match in _QUOTATION.finditer(page)}


def filled(page: str, root: Path = ROOT) -> str:
    """Return the page with every quotation as its file is now; that of a file which is not there stays."""

    def quote(match: re.Match[str]) -> str:
        path = root / match["path"]
        code = path.read_text("utf-8") if path.is_file() else match["code"]
        return f"<!-- {match['path']} -->\n{match['fence']}python\n{code}{match['fence']}"

    return _QUOTATION.sub(quote, page)


def stale(page: str, root: Path = ROOT) -> list[str]:
    """Return the paths of quotations that are not what their file holds, files that are not there included."""
    return [
        path
        for path, code in quotations(page).items()
        if not (root / path).is_file() or (root / path).read_text("utf-8") != code
    ]


def main(arguments: list[str]) -> int:
    """Fill the quotations, or with `--check` name the stale ones; return 1 where any is stale in the end."""
    page = PAGE.read_text("utf-8")
    if "--check" not in arguments:
        page = filled(page)
        PAGE.write_text(page, "utf-8")
    for path in (old := stale(page)):
        print(f"CONTRIBUTING.md does not quote {path} as it is: run python docs/quote_examples.py", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
