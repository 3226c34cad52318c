"""What mkdocs calls: pages of the site that are files of the repository's root, so that nothing is written twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_IS = re.compile(r"On the site this page is \[(.+)\]\(\.\./\1\)\.\s*")
# Both languages of a page have one name: the site itself picks the reader's.
_HOMES = {"README.md": "index.md", "README.zh-CN.md": "index.md"}
_HOMES |= {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the file of the root that stands for a page, or the page as it is."""
    stands = _IS.fullmatch(markdown)
    return for_site((ROOT / stands[1]).read_text("utf-8")) if stands else markdown


def for_site(text: str) -> str:
    """Return a root page with its links as the site has them; what the site lacks becomes plain code."""
    text = re.sub(r"\]\(docs/(.*?)(?:\.zh)?(\.\w+)\)", r"](\1\2)", text)
    text = re.sub(r"\]\(([\w.-]+\.md)\)", lambda link: f"]({_HOMES.get(link[1], link[1])})", text)
    return re.sub(r"\[[^\]]*\]\(((?:examples|benchmarks)/[^)]*)\)", r"`\1`", text)
