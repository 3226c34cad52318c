"""What mkdocs calls: pages that are files of the repository's root, or notebooks, so that nothing is written twice."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# A page of one line, whose link is named after the file that it leads to.
_IS = re.compile(r"[^\[\]\n]*\[(.+)\]\((?:\.\./)+\1\)[^\[\]\n]*\s*")
# Both languages of a page have one name: the site itself picks the reader's.
_HOMES = {"README.md": "index.md", "README.zh-CN.md": "index.md"}
_HOMES |= {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}
# Links to a file of the root: from another one, and from a page below docs/.
_BESIDE, _ABOVE = (re.compile(r"\]\(" + up + r"([\w.-]+\.md)(#[^)]*)?\)") for up in ("()", r"((?:\.\./)*)\.\./"))

_IN_ENGLISH = '\n\n!!! note "本页只有英文"\n'


def on_page_markdown(markdown: str, page: Any, **__: Any) -> str:
    """Return what a page shows: the file of the root or the notebook that it stands for, or what it is itself."""
    if stands := _IS.fullmatch(markdown):
        file = ROOT / stands[1]
        markdown = (from_notebook if file.suffix == ".ipynb" else for_site)(file.read_text("utf-8"))
    else:
        markdown = _ABOVE.sub(_home, markdown)
    if page.file.dest_uri.startswith("zh/") and not page.file.src_uri.endswith(".zh.md"):
        heading, _, text = markdown.lstrip().partition("\n")
        markdown = heading + _IN_ENGLISH + text
    return markdown


def for_site(text: str) -> str:
    """Return a root page with its links as the site has them; what the site lacks becomes plain code."""
    text = re.sub(r"\]\(docs/([^)#]*?)(?:\.zh)?(\.\w+)(#[^)]*)?\)", r"](\1\2\3)", text).replace(".ipynb)", ".md)")
    text = _BESIDE.sub(_home, text)
    return re.sub(r"\[[^\]]*\]\(((?:examples|benchmarks)/[^)]*)\)", r"`\1`", text)


def _home(link: re.Match[str]) -> str:
    """Return a link to a file of the root as one to its page; any other as it is."""
    return f"]({link[1]}{_HOMES[link[2]]}{link[3] or ''})" if link[2] in _HOMES else link[0]


def from_notebook(text: str) -> str:
    """Return a notebook as Markdown: words, and code in blocks. Links to other notebooks lead to their pages."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        code = cell["cell_type"] == "code"
        parts.append(f"```python\n{source}\n```" if code else source.replace(".ipynb)", ".md)"))
    return "\n\n".join(parts) + "\n"
