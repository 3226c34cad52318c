from __future__ import annotations

import builtins
import io
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from moodfuse.data.formats import parquet as tables
from moodfuse.data.formats import parquet_batches
from moodfuse.data.formats.readers import count_posts, read_posts, stream_posts
from moodfuse.data.images import look
from moodfuse.data.posts import ImageRef, Post
from moodfuse.errors import DataError, MissingExtraError
from moodfuse.labels import Labels

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pd = pytest.importorskip("pandas")


def parquet(folder: Path, columns: dict[str, Any], **options: Any) -> Path:
    path = folder / "posts.parquet"
    pq.write_table(pa.table(columns), path, **options)
    return path


def png(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), colour).save(buffer, "PNG")
    return buffer.getvalue()


def error_of(source: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_posts(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Parquet


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(["a.png", None, "gone.png"], id="path"),
        pytest.param([png(), None, None], id="bytes"),
        pytest.param([{"bytes": png(), "path": "x.png"}, None, {"bytes": None, "path": "gone"}], id="bytes and path"),
        pytest.param([{"bytes": None, "path": "a.png"}, None, {"bytes": None, "path": None}], id="path in a struct"),
    ],
)
def test_parquet(tmp_path: Path, image: list[Any]) -> None:
    (tmp_path / "a.png").write_bytes(png())
    path = parquet(
        tmp_path,
        {
            "More": [1, 2, 3],
            "Tag": ["positive", None, " NULL"],
            "image": image,
            "text": ["a", None, ""],
            "guid": [7, 8, 9],
        },
    )
    posts = read_posts(path)
    assert [(post.id, post.text, post.label) for post in posts] == [
        ("7", "a", "positive"),
        ("8", None, None),
        ("9", "", None),
    ]
    assert look(posts[0].image).image.size == (3, 2)  # type: ignore[arg-type, union-attr]
    assert posts[1].image is None
    assert posts[2].image in (None, ImageRef(tmp_path / "gone.png"), ImageRef(tmp_path / "gone"))
    assert count_posts(path) == 3


def test_parquet_by_its_content_without_ids(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"text": pa.array(["a", "b"]).dictionary_encode(), "label": pa.array(["neutral", None])})
    path = path.rename(tmp_path / "posts.data")
    assert [(post.id, post.text, post.label) for post in stream_posts(path)] == [
        ("1", "a", "neutral"),
        ("2", "b", None),
    ]


def test_a_text_in_bytes_is_decoded(tmp_path: Path) -> None:
    posts = read_posts(parquet(tmp_path, {"text": ["很好".encode("gb18030")]}))
    assert (posts[0].text, posts[0].encoding) == ("很好", "gb18030")


def test_rows_come_in_order_across_batches_and_groups(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"id": range(2000), "text": ["x"] * 2000}, row_group_size=700)
    assert read_posts(path).ids == [str(i) for i in range(2000)]


def test_reading_and_writing_take_the_memory_of_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_GROUP_BYTES", 4 * 2**20)
    monkeypatch.setattr(parquet_batches, "_BATCH_BYTES", 2 * 2**20)
    path, before, held = tmp_path / "posts.parquet", pa.total_allocated_bytes(), []
    images = [np.random.default_rng(number).bytes(2**19) for number in range(100)]
    tracemalloc.start()
    with path.open("wb") as file, tables.parquet_sink(file, {"text": "string", "image": "image"}) as add:
        for number in range(600):
            add({"text": str(number), "image": {"bytes": images[number % 100] + b"", "path": None}})
            held.append(pa.total_allocated_bytes())
    for number, post in enumerate(stream_posts(path)):
        assert post.image == ImageRef(images[number % 100])
        held.append(pa.total_allocated_bytes())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert number == 599
    assert peak + max(held) - before < 60 * 2**20  # the file has 300


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ({"words": ["a"], "y": [1]}, ["text or an image column", "'words', 'y'"]),
        ({"text": ["a"], "label": ["positiv"]}, ["row 1", "did you mean positive"]),
        ({"text": ["a", "b"], "label": [None, 2]}, ["row 2", "'2'", "a number is not a label"]),
        ({"text": ["a"], "label": [1.0]}, ["row 1", "'1.0'"]),
        ({"text": [[5]]}, ["row 1", "expected a string or null as text", "5"]),
        ({"text": ["a"], "id": [1.5]}, ["row 1", "1.5"]),
        ({"text": ["a"], "id": [None]}, ["row 1", "id is empty"]),
        ({"text": ["a"], "image": [5]}, ["row 1", "5"]),
        ({"text": ["a"], "image": [[1, 2]]}, ["row 1", "a path, bytes"]),
        ({"text": ["a", "b"], "id": [1, 1]}, ["id '1' stands on row 1 and again on row 2"]),
        ({"id": [1], "guid": [2], "text": ["a"]}, ["id and guid"]),
    ],
)
def test_a_wrong_parquet_file_is_told_with_its_row(tmp_path: Path, columns: dict[str, Any], parts: list[str]) -> None:
    path = parquet(tmp_path, columns)
    message = error_of(path)
    for part in [str(path), *parts]:
        assert part in message


@pytest.mark.parametrize("kept", [4, 8, 200, 0.5, -1])
def test_a_truncated_parquet_file(tmp_path: Path, kept: float) -> None:
    path = parquet(tmp_path, {"text": [f"text {i}" for i in range(500)]})
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    message = error_of(path, format="parquet")
    assert "cannot be read as Parquet" in message
    assert str(path) in message


def test_a_damaged_page_is_told_too(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"text": [f"text {i}" for i in range(500)]}, compression="zstd")
    data = bytearray(path.read_bytes())
    data[40:200] = bytes(160)
    path.write_bytes(data)
    assert "cannot be read as Parquet" in error_of(path)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path, {"text": ["a"]})
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"moodfuse\[tables\]"):
        read_posts(path)


def test_prediction_and_reading_import_none_of_them() -> None:
    code = (
        "import sys, moodfuse.runtime.predictor, moodfuse.workflows.prediction, moodfuse.data.formats.readers as r\n"
        "assert len(r.read_posts([{'text': 'a'}])) == 1\n"
        "print(*{'pyarrow', 'pandas', 'datasets', 'torch'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


# Objects


def test_a_data_frame() -> None:
    frame = pd.DataFrame(
        {
            "text": pd.array(["a", None, pd.NA, pd.NA], dtype="string"),
            "image": [png(), None, Image.new("RGB", (3, 2)), {"bytes": png("blue"), "path": None}],
            "sentiment": pd.Categorical(["positive", None, "neutral", "negative"]),
            "more": [1.5, 2, 3, 4],
        }
    )
    posts = read_posts(frame)
    assert [(post.id, post.text, post.label) for post in posts] == [
        ("1", "a", "positive"),
        ("2", None, None),
        ("3", None, "neutral"),
        ("4", None, "negative"),
    ]
    assert posts[0].image == ImageRef(png())
    assert look(posts[2].image).image.size == (3, 2)  # type: ignore[arg-type, union-attr]
    assert posts[3].image == ImageRef(png("blue"))
    assert count_posts(frame) == 4


def test_the_ids_of_a_data_frame() -> None:
    frame = pd.DataFrame({"text": list("ab"), "ID": np.array([7, 8])})
    assert read_posts(frame).ids == read_posts(frame.set_index("ID")).ids == ["7", "8"]
    assert read_posts(frame[::-1]).ids == ["8", "7"]
    assert read_posts(pd.concat([frame.drop(columns="ID")] * 600)).ids == [str(i + 1) for i in range(1200)]


def test_image_paths_of_an_object_start_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(png())
    monkeypatch.chdir(tmp_path)
    posts = read_posts([{"image": "a.png"}, {"image": tmp_path / "a.png"}, {"image": "gone.png"}])
    assert [post.image for post in posts] == [
        ImageRef(Path("a.png")),
        ImageRef(tmp_path / "a.png"),
        ImageRef(Path("gone.png")),
    ]


@pytest.fixture
def datasets() -> Any:
    return pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")


def test_a_dataset(datasets: Any) -> None:
    jpeg = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(jpeg, "JPEG")
    features = datasets.Features(
        {
            "id": datasets.Value("int64"),
            "text": datasets.Value("string"),
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["positive", "negative", "neutral"]),
        }
    )
    rows = {
        "id": [5, 6],
        "text": ["a", "b"],
        "image": [{"bytes": jpeg.getvalue(), "path": None}, None],
        "label": [1, -1],
    }
    dataset = datasets.Dataset.from_dict(rows, features=features)
    expected = [Post("5", "a", ImageRef(jpeg.getvalue()), "negative", "utf-8"), Post("6", "b", None, None, "utf-8")]
    assert list(read_posts(dataset)) == expected  # the JPEG's own bytes, and the names in the dataset's order
    assert list(read_posts(dataset.with_format("pandas"))) == expected
    assert list(read_posts(dataset.to_iterable_dataset())) == expected
    assert list(read_posts(dataset.data.table)) == expected
    with pytest.raises(DataError, match=r"one dataset, found 2; choose one of train, test"):
        read_posts(datasets.DatasetDict(train=dataset, test=dataset))


def test_a_dataset_saved_as_parquet_keeps_its_label_names(datasets: Any, tmp_path: Path) -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["b", "a"])})
    dataset = datasets.Dataset.from_dict({"text": ["x", "y"], "label": [0, 1]}, features=features)
    dataset.to_parquet(tmp_path / "a.parquet")
    assert read_posts(tmp_path / "a.parquet", labels=Labels(("a", "b"))).labels == ["b", "a"]


def test_datasets_opens_embedded_images(datasets: Any, tmp_path: Path) -> None:
    from moodfuse.workflows.conversion import convert

    path = tmp_path / "a.parquet"
    convert([{"text": "a", "image": png()}], path, embed=True)
    dataset = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"))
    assert dataset[0]["image"].size == (3, 2)
    assert read_posts(dataset)[0].image == ImageRef(png())


def test_numbers_without_names_are_refused(datasets: Any) -> None:
    dataset = datasets.Dataset.from_dict({"text": ["a"], "label": [2]})
    assert "a number is not a label" in error_of(dataset)
    assert "row 1" in error_of(pd.DataFrame({"text": ["a"], "label": [2]}))


def test_mappings_of_any_kind() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"guid": "x", "text": "a", "tag": "positive"}
        yield {"text": None, "id": 2}

    assert [(post.id, post.text, post.label) for post in read_posts(rows())] == [
        ("x", "a", "positive"),
        ("2", None, None),
    ]


@pytest.mark.parametrize(
    ("source", "part"),
    [
        (5, "builtins.int"),
        ({"text": ["a"]}, "builtins.dict"),
        (b"path", "builtins.bytes"),
        ([1], "expected a mapping"),
        ([{"words": "a"}], "found ['words']"),
        (pd.Series(["a"]), "Series"),
        (pa.array(["a"]), "StringArray"),
        (pd.DataFrame({"words": ["a"]}), "found ['words']"),
    ],
)
def test_what_holds_no_posts(source: Any, part: str) -> None:
    assert part in error_of(source)


def test_a_format_is_a_files() -> None:
    assert "leave it out" in error_of([{"text": "a"}], format="csv")


@pytest.mark.parametrize("fields", [False, True])
def test_columns_that_stand_in_any_order_are_found_among_those_that_are_read(tmp_path: Path, fields: bool) -> None:
    columns = {
        "mine": [1, 2], "image2": ["b.png", None], "label": ["x", "y"], "text": ["good", None],
        "image1": ["a.png", "c.png"], "more": ["m", "n"], "id": [2**62, 7],
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "posts.parquet")
    first, second = stream_posts(tmp_path / "posts.parquet", strict=False, fields=fields)
    assert (first.id, first.text, second.id, second.text) == (str(2**62), "good", "7", None)
    assert [[image.source for image in post.images] for post in (first, second)] == [
        [tmp_path / "a.png", tmp_path / "b.png"], [tmp_path / "c.png"]
    ]  # fmt: skip
    assert first.fields == ({name: values[0] for name, values in columns.items()} if fields else None)
