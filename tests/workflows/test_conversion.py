from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image, features

from moodfuse.cli.main import run
from moodfuse.data.formats.base import PREDICTING, TRAINING, Reading
from moodfuse.data.formats.readers import read_posts, stream_posts
from moodfuse.data.images import image_bytes
from moodfuse.data.posts import ImageRef
from moodfuse.errors import ConfigError, DataError, OutputError
from moodfuse.labels import Labels
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.auditing import audit
from moodfuse.workflows.conversion import convert
from moodfuse.workflows.prediction import Answers, predict_source


def jpeg(name: str) -> bytes:
    return b"\xff\xd8\xff" + name.encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three labelled posts and one without a label."""
    (tmp_path / "posts" / "data").mkdir(parents=True)
    (tmp_path / "posts" / "train.txt").write_text("guid,tag\n7,positive\n3,negative\n5,positive\n")
    (tmp_path / "posts" / "test_without_label.txt").write_text("guid,tag\n9,null\n")
    for id in "7359":
        (tmp_path / "posts" / "data" / f"{id}.txt").write_bytes("很好".encode("gb18030") + id.encode())
        (tmp_path / "posts" / "data" / f"{id}.jpg").write_bytes(jpeg(id))
    return tmp_path / "posts"


def test_images_are_pointed_to_from_where_the_file_is(folder: Path, tmp_path: Path) -> None:
    convert(folder, tmp_path / "deep" / "er" / "out.csv")
    assert (tmp_path / "deep" / "er" / "out.csv").read_text("utf-8") == (
        "id,text,image,label\n"
        "7,很好7,../../posts/data/7.jpg,positive\n"
        "3,很好3,../../posts/data/3.jpg,negative\n"
        "5,很好5,../../posts/data/5.jpg,positive\n"
    )
    assert sorted(tmp_path.rglob("out*")) == [tmp_path / "deep" / "er" / "out.csv"]


def test_bytes_become_files_beside(folder: Path, tmp_path: Path) -> None:
    convert(folder, tmp_path / "a.jsonl", embed=True)
    shutil.rmtree(folder)
    (tmp_path / "home").mkdir()
    convert(tmp_path / "a.jsonl", tmp_path / "home" / "b.tsv")
    (tmp_path / "home").rename(tmp_path / "elsewhere")
    posts = read_posts(tmp_path / "elsewhere" / "b.tsv")
    assert [post.image for post in posts] == [
        ImageRef(tmp_path / "elsewhere" / "b_images" / f"000000{n}.jpg") for n in (1, 2, 3)
    ]
    assert [post.image.source.read_bytes() for post in posts] == [jpeg(id) for id in "735"]  # type: ignore[union-attr]
    (tmp_path / "elsewhere" / "b.tsv").unlink()
    with pytest.raises(OutputError, match="b_images: exists already"):
        convert(tmp_path / "a.jsonl", tmp_path / "elsewhere" / "b.tsv")
    assert not (tmp_path / "elsewhere" / "b.tsv").exists()


def test_the_same_command_with_force_replaces_the_images_beside_that_it_wrote(folder: Path, tmp_path: Path) -> None:
    """Also those that a killed one left without their table: they take their place before it does."""
    convert(folder, tmp_path / "a.jsonl", embed=True)
    convert(tmp_path / "a.jsonl", tmp_path / "b.csv")
    (tmp_path / "b_images" / "0000001.jpg").write_bytes(b"old")
    convert(tmp_path / "a.jsonl", tmp_path / "b.csv", force=True)
    assert (tmp_path / "b_images" / "0000001.jpg").read_bytes() == jpeg("7")
    mixed = (tmp_path / "a.jsonl").read_text("utf-8") + '{"id": "x", "image": "b_images/0000002.jpg"}\n'
    (tmp_path / "mixed.jsonl").write_text(mixed, "utf-8")
    with pytest.raises(OutputError, match="b_images: exists already"):  # it is part of what is read
        convert(tmp_path / "mixed.jsonl", tmp_path / "b.csv", force=True)
    (tmp_path / "b_images" / "mine.jpg").write_bytes(b"")
    with pytest.raises(OutputError, match="b_images: exists already"):
        convert(tmp_path / "a.jsonl", tmp_path / "b.csv", force=True)
    assert (tmp_path / "b_images" / "0000001.jpg").read_bytes() == jpeg("7")


@pytest.mark.parametrize(
    ("format", "suffix"),
    [("JPEG", ".jpg"), ("PNG", ".png"), ("GIF", ".gif"), ("WEBP", ".webp"), ("BMP", ".bmp"), ("TIFF", ".tif")]
    + [("AVIF", ".avif")] * features.check("avif"),
)
def test_an_image_gets_the_name_of_its_format(tmp_path: Path, format: str, suffix: str) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((80, 80), 90).convert("RGB").save(buffer, format)
    (tmp_path / "image").write_bytes(buffer.getvalue())
    (tmp_path / "a.csv").write_text("id,text,image,label\n1,a,image,positive\n")
    convert(tmp_path / "a.csv", tmp_path / "folder", to="guid_tag")
    assert (tmp_path / "folder" / "data" / f"1{suffix}").read_bytes() == buffer.getvalue()
    assert audit(tmp_path / "folder").finding("image_misnamed") is None


def test_the_part_to_predict(folder: Path, tmp_path: Path) -> None:
    done = convert(folder, tmp_path / "out", part="predict")
    assert (done.posts, done.labels) == (1, {None: 1})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["data", "test_without_label.txt"]
    assert [post.text for post in stream_posts(tmp_path / "out", part="predict")] == ["很好9"]


def test_characters_that_no_file_holds_are_replaced_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(r'{"id": 1, "text": "a\ud800"}' + "\n" + '{"id": 2, "text": "b"}\n')
    done = convert(tmp_path / "a.jsonl", tmp_path / "b.csv")
    assert [post.text for post in read_posts(tmp_path / "b.csv")] == ["a\ufffd", "b"]
    assert (+done.notes).most_common() == [("text with characters that UTF-8 does not have: replaced", 1)]


@pytest.mark.parametrize("style", ["out", "out.jsonl"])
def test_an_image_that_cannot_be_read_is_counted(tmp_path: Path, style: str) -> None:
    (tmp_path / "gone.jpg").mkdir()
    (tmp_path / "a.csv").write_text("id,text,image\n1,a,gone.jpg\n2,b,\n")
    done = convert(tmp_path / "a.csv", tmp_path / style, embed=style != "out")
    assert (+done.notes).most_common() == [("image file that cannot be read: written without it", 1)]
    assert [post.image for post in read_posts(tmp_path / style)] == [None, None]


def test_labels_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,joy\n")
    with pytest.raises(DataError, match=r"a\.csv line 2: unknown label 'joy'"):
        convert(tmp_path / "a.csv", tmp_path / "b.jsonl")
    assert not (tmp_path / "b.jsonl").exists()
    convert(tmp_path / "a.csv", tmp_path / "b.jsonl", labels=Labels(("anger", "joy")))
    assert json.loads((tmp_path / "b.jsonl").read_text())["label"] == "joy"


def test_progress_counts_to_the_end(folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    convert(folder, tmp_path / "a.csv", progress=lambda *step: seen.append(step))
    assert seen == [("converting", n, 3) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("destination", "options", "error", "part"),
    [
        ("out.xlsx", {}, ConfigError, "--to"),
        ("out", {"to": "json"}, ConfigError, "did you mean jsonl"),
        ("out.csv", {"embed": True}, ConfigError, "csv cannot hold images"),
        ("out", {"embed": True}, ConfigError, "guid_tag cannot hold images"),
        ("posts", {}, OutputError, "not empty"),
        ("posts", {"to": "csv"}, OutputError, "is a folder"),
        ("posts/train.txt", {"to": "csv"}, OutputError, "exists already"),
        ("posts/train.txt", {"to": "report"}, OutputError, "exists already"),
    ],
)
def test_what_cannot_be_written(
    folder: Path, destination: str, options: dict[str, object], error: type[Exception], part: str
) -> None:
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(error, match=part):
        convert(folder, folder.parent / destination, **options)  # type: ignore[arg-type]
    assert sorted(folder.parent.rglob("*")) == before


def test_a_file_does_not_become_a_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="exists already"):
        convert(folder, tmp_path / "file", to="report")
    assert (tmp_path / "file").is_file()
    convert(folder, tmp_path / "file", to="csv")  # an empty file, such as mktemp makes, is no loss
    assert len(read_posts(tmp_path / "file")) == 3


# The command line


def test_the_command_prints_what_it_counted(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", str(folder), str(tmp_path / "a.jsonl"), "--embed"]) == 0
    lines = capsys.readouterr().out.split()
    assert lines == [f"{tmp_path}/a.jsonl:", "3", "posts", "as", "jsonl", "positive", "2", "negative", "1"]
    assert run(["convert", str(tmp_path / "a.jsonl"), str(tmp_path / "b"), "--to", "guid_tag", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts == {"posts": 3, "labels": {"positive": 2, "negative": 1}, "dropped": {}, "notes": {}}
    assert read_posts(tmp_path / "b").ids == ["7", "3", "5"]


def test_report_is_still_a_name_of_guid_tag(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["convert", str(folder), str(tmp_path / "copy"), "--to", "report", "--format", "report"]
    assert run(words) == 0
    assert "3 posts as guid_tag" in capsys.readouterr().out
    for name in ("guid_tag", "report"):
        assert read_posts(tmp_path / "copy", format=name).ids == ["7", "3", "5"]
    assert convert(folder, tmp_path / "again", to="report", reading=Reading(format="report")).format == "guid_tag"


def test_the_command_prints_what_was_dropped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labelResultAll.txt").write_text("ID\ttext,image\n1\tpositive,negative\n2\tneutral,neutral\n")
    (tmp_path / "2.txt").write_text("two")
    assert run(["convert", str(tmp_path), str(tmp_path / "a.csv"), "--quiet"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "dropped 1 text and image of opposite sentiment" in out
    assert "neutral 1" in out


def test_the_command_tells_in_one_line_what_is_wrong(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["convert", str(folder), str(tmp_path / "a.csv"), "--part", "test"]) == 1
    assert "--part" in capsys.readouterr().err
    assert run(["convert", str(folder), str(tmp_path / "a.csv"), "--labels", "bad,good"]) == 1
    err = capsys.readouterr().err
    assert "train.txt line 2: unknown label 'positive'" in err
    assert not (tmp_path / "a.csv").exists()


# Predictions as Parquet


def test_predictions_as_parquet(trained_run: Path, synthetic_folder: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    predictor = Predictor.load(trained_run)
    source, answers = tmp_path / "in.parquet", tmp_path / "out.parquet"
    convert(synthetic_folder, source, part="predict", embed=True)
    summary = predict_source(predictor, source, answers)  # what came in goes out
    rows = pq.read_table(answers).to_pylist()
    expected = list(predictor.stream(stream_posts(synthetic_folder, part="predict")))
    assert summary.posts == len(rows) == len(expected) == 12
    for row, prediction in zip(rows, expected, strict=True):
        assert (row["id"], row["moodfuse_label"]) == (prediction.id, prediction.label)
        assert [row[f"p_{name}"] for name in predictor.labels.names] == pytest.approx(
            list(prediction.probabilities.values()), abs=1e-5
        )
        assert (row["used"], row["status"]) == (["image", "text"], ["ok"])
        assert row["needs_review"] is prediction.needs_review


def test_parquet_is_not_written_to_a_stream(trained_run: Path, synthetic_folder: Path, tmp_path: Path) -> None:
    predictor = Predictor.load(trained_run)
    source = tmp_path / "in.parquet"
    convert(synthetic_folder, source, part="predict")
    with (tmp_path / "stream").open("wb") as stream, pytest.raises(OutputError, match="--output"):
        predict_source(predictor, source, None, answers=Answers("parquet", stdout=stream))
    with (tmp_path / "stream").open("wb") as stream:
        predict_source(predictor, source, None, answers=Answers(stdout=stream))
    assert (tmp_path / "stream").read_text().startswith("id,text,image,label,moodfuse_label,confidence,p_negative")


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet", "out"])
def test_a_table_cannot_have_files_of_this_machine_copied(name: str, tmp_path: Path) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    picture = jpeg("any")
    for folder in (home, away):
        (folder / "photo.png").write_bytes(picture)
    (home / "secret.png").write_bytes(b"root:x:0:0")
    (home / "link.png").symlink_to(away / "photo.png")
    images = ["photo.png", "secret.png", "link.png", "../away/photo.png", str(away / "photo.png"), "/etc/passwd"]
    (home / "posts.csv").write_text("id,text,image\n" + "".join(f"{i},fine,{one}\n" for i, one in enumerate(images)))

    def embedded(outside: bool) -> tuple[list[bytes | None], dict[str, int]]:
        target = tmp_path / f"{outside}" / name
        target.parent.mkdir()
        done = convert(home / "posts.csv", target, embed=name != "out", outside=outside)
        posts = read_posts(target, PREDICTING if name != "out" else TRAINING)
        kept = [None if post.image is None else image_bytes(post.image) for post in posts]
        return kept, {note.partition(":")[0]: count for note, count in done.notes.items() if count}

    without, notes = embedded(False)
    assert without == [picture, None, None, None, None, None]
    assert notes == {
        "image file that is none by its first bytes": 1,
        "image outside the source's folder": 4,
    }
    taken, notes = embedded(True)
    assert taken == [picture, None, picture, picture, picture, None]
    assert notes == {"image file that is none by its first bytes": 2}
