"""Every notebook runs from an empty folder, is kept without its outputs, and is a page of the site."""

from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient
from pages import ROOT, load_script, read_page

NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["adapt_to_my_brand", "compare_fusions", "first_posts"]


@every
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@every
def test_a_page_of_the_site_shows_its_words_and_its_code(path: Path) -> None:
    hooks = load_script("site_hooks.py")
    english = SimpleNamespace(file=SimpleNamespace(src_uri=f"notebooks/{path.stem}.md", dest_uri="notebooks/"))
    page = hooks["on_page_markdown"](read_page(f"docs/notebooks/{path.stem}.md"), english)
    assert page.startswith("# ")
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert f"```python\n{cell.source}\n```\n" in page
    assert ".ipynb" not in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("first_posts", ["'positive'", "language_not_covered", "needs_review", "moved"]),
        ("compare_fusions", ["macro-F1", "concat without image", "held-out accuracy", "'positive'"]),
        ("adapt_to_my_brand", ["better than the model you have", "adapted: 5", "better than always answering"]),
    ],
)
def test_a_notebook_runs_and_tells_what_it_is_about(name: str, told: list[str], tmp_path: Path) -> None:
    notebook = nbformat.read(ROOT / f"docs/notebooks/{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=400, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = "".join(output.get("text") or output["data"]["text/plain"] for output in outputs)
    assert [line for line in told if line not in shown] == []
