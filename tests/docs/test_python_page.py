"""The examples of docs/python.md run, in order, as somebody would type them."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pages import read_page
from PIL import Image

from moodfuse import read_posts

BLOCKS = re.findall(r"^```python\n(.*?)^```", read_page("docs/python.md"), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_examples_run(synthetic_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 48), "orange").save("photo.jpg")
    posts = read_posts(synthetic_folder)[:60]
    rows = [(post.text, None if post.image is None else str(post.image.source), post.label) for post in posts]
    pd.DataFrame(rows, columns=["text", "image", "label"]).to_csv("posts.csv", index=False)
    names: dict[str, Any] = {}
    for block in BLOCKS:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert names["answer"].label == "positive"
    assert names["model"].score(names["X"], names["y"]) > 0.5
    assert names["features"][0].get_feature_names_out()[-1] == "image_1279"
