"""Data frames: `df.moodfuse` of pandas and polars, and polars wherever posts are read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import moodfuse
import moodfuse.pandas
from moodfuse.data.formats.readers import read_posts, stream_posts
from moodfuse.errors import DataError

TEXTS = ["what a lovely day", "this is awful", None]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return pd.DataFrame({"tweet": TEXTS, "label": ["mine", "mine", "mine"]}, index=[7, 3, 5])


def test_pandas_frames_have_an_accessor(frame: pd.DataFrame, trained_run: Path) -> None:
    answers = frame.moodfuse.predict(trained_run)
    expected = [moodfuse.load(trained_run).predict(text) for text in TEXTS]
    assert answers.index.tolist() == [7, 3, 5]
    assert answers["moodfuse_label"].tolist() == [one.label for one in expected]  # the frame has a `label` of its own
    assert answers["confidence"].tolist() == pytest.approx([one.confidence for one in expected], abs=2e-6)
    assert answers["status"].tolist() == [
        "image_missing",
        "image_missing",
        "text_missing|image_missing|nothing_to_read",
    ]
    assert answers["needs_review"].dtype == bool
    assert frame.join(answers).columns.tolist()[:4] == ["tweet", "label", "moodfuse_label", "confidence"]
    assert frame.columns.tolist() == ["tweet", "label"]


def test_columns_are_named_as_for_every_source(frame: pd.DataFrame) -> None:
    strange = frame.rename(columns={"tweet": "what was said"})
    with pytest.raises(DataError, match=r"found \['what was said', 'label'\]"):
        strange.moodfuse.predict()
    answers = strange.moodfuse.predict(columns={"text": "what was said"})
    pd.testing.assert_frame_equal(answers, frame.moodfuse.predict())
    assert frame[:0].moodfuse.predict().columns.tolist() == answers.columns.tolist()


def test_polars_frames_have_the_same(frame: pd.DataFrame) -> None:
    pl = pytest.importorskip("polars", reason="polars is not installed")
    import moodfuse.polars

    assert moodfuse.polars
    mine = pl.DataFrame({"tweet": TEXTS, "label": ["mine"] * 3})
    answers = mine.moodfuse.predict()
    assert answers.to_dict(as_series=False) == frame.moodfuse.predict().to_dict(orient="list")
    assert mine.hstack(answers).shape == (3, 11)


def test_polars_frames_are_read_as_those_of_pandas_are() -> None:
    pl = pytest.importorskip("polars", reason="polars is not installed")
    values = {
        "guid": [2**62, 7],
        "text": ["good", None],
        "image": [["a.png", "b.png"], None],
        "tag": ["positive", None],
        "note": [1.5, None],
    }
    frame = pl.DataFrame(values)
    assert list(read_posts(frame)) == list(read_posts(pd.DataFrame(values).astype({"guid": object})))
    posts = stream_posts(frame, fields=True)
    assert posts.columns == tuple(values)
    assert [post.fields for post in posts] == frame.to_dicts()
    for other, part in ((frame.lazy(), r"LazyFrame; collect\(\) it first"), (frame["text"], "Series")):
        with pytest.raises(DataError, match=part):
            read_posts(other)


def test_importing_moodfuse_imports_no_other_library_of_data() -> None:
    code = (
        "import sys, moodfuse\nmoodfuse.load().predict('fine')\n"
        "print({'pandas', 'polars', 'sklearn', 'scipy', 'torch', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_without_scikit_learn_the_line_says_what_to_install() -> None:
    code = (
        "import sys\nsys.modules['sklearn'] = None\nimport moodfuse\n"
        "for name in ('FusionClassifier', 'MoodTransformer'):\n"
        "    try: getattr(moodfuse, name)\n"
        "    except moodfuse.MoodfuseError as error: print(error)\n"
        "print(moodfuse.load().predict('fine').label)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("scikit-learn, which is not installed; pip install 'moodfuse[eval]'") == 2
    assert len(done.stdout.splitlines()) == 3
