"""From files of answers to their summary: every format that predict writes, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import moodfuse
from answer_files import drawn, prediction, week_file, write
from moodfuse.data.posts import Status
from moodfuse.errors import BundleError, ConfigError, DataError
from moodfuse.workflows.summarising import write_summary


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json", "parquet", "xlsx"])
def test_every_format_of_answers_gives_the_same_summary(tmp_path: Path, ending: str) -> None:
    found = moodfuse.summarise(week_file(tmp_path / f"answers.{ending}"), by="month,brand,hashtag")
    assert (found.total.posts, found.total.read) == (400, 400)
    assert [(one.time, one.posts) for one in found.trend] == [("2025-01", 200), ("2025-02", 200)]
    brand, hashtag = found.columns
    assert [(one.group, one.posts) for one in brand.groups] == [("Alder", 200), ("Birch", 200)]
    assert [(one.group, one.posts) for one in hashtag.groups] == [("sale", 266), ("new", 134)]
    assert found.total.shares["negative"].value == pytest.approx(0.36, abs=0.06)


def test_what_changed_is_told_and_what_did_not_is_not(tmp_path: Path) -> None:
    found = moodfuse.summarise(week_file(tmp_path / "answers.csv", 800), by="month,brand")
    told = {(one.by, one.group, one.b, one.label) for one in found.standing()}
    assert ("month", "Birch", "2025-02", "negative") in told
    assert ("brand", "", "Birch", "negative") in told
    assert not any(group == "Alder" for _, group, _, _ in told)
    # Each family is corrected for all that it shows: two groups, three labels; two brands' trends, three labels.
    assert {(one.by, bool(one.group)): one.comparisons for one in found.differences} == {
        ("month", False): 3,
        ("brand", False): 6,
        ("month", True): 6,
    }
    words = next(one for one in found.standing() if (one.group, one.label) == ("Birch", "negative")).words()
    assert words.startswith("negative rose from ")
    assert "in Birch between 2025-01 and 2025-02" in words


def test_groups_that_are_too_small_have_no_shares(tmp_path: Path) -> None:
    rows = [prediction(str(at), shares) for at, shares in enumerate(drawn(60, (0.3, 0.3, 0.4)))]
    fields = [{"id": str(at), "text": "a post", "brand": "Rare" if at < 5 else "Common"} for at in range(60)]
    found = moodfuse.summarise(write(tmp_path / "a.csv", rows, fields), by="brand")
    common, rare = found.columns[0].groups
    assert (rare.group, rare.posts, rare.shares, rare.too_small) == ("Rare", 5, {}, True)
    assert common.shares
    assert not found.differences


def test_what_was_not_read_is_left_out_of_shares_and_told(tmp_path: Path) -> None:
    rows = [prediction(str(at), shares) for at, shares in enumerate(drawn(100, (0.3, 0.3, 0.4)))]
    unread = [prediction(f"u{at}", (0.1, 0.1, 0.8), [Status.NOTHING_TO_READ]) for at in range(50)]
    found = moodfuse.summarise(write(tmp_path / "a.csv", rows + unread))
    assert (found.total.posts, found.total.read) == (150, 100)
    assert found.status == {"ok": 100, "nothing_to_read": 50}
    assert any(warning.startswith("50 of 150 posts (33%) could not be read") for warning in found.warnings)
    assert found.total.shares["positive"].value < 0.6


def test_answers_without_the_posts_columns_have_shares_and_a_data_frame_too(tmp_path: Path) -> None:
    rows = [prediction(str(at), shares) for at, shares in enumerate(drawn(100, (0.3, 0.3, 0.4)))]
    path = write(tmp_path / "a.csv", rows)
    from_file, from_frame = moodfuse.summarise(path), moodfuse.summarise(pd.read_csv(path))
    assert from_file.total.shares == from_frame.total.shares
    assert not from_file.trend


def test_an_input_that_had_such_columns_does_not_mislead(tmp_path: Path) -> None:
    rows = [prediction(str(at), (0.9, 0.05, 0.05)) for at in range(40)]
    mine = {
        "text": "x",
        "sentiment": "positive",
        "label": "positive",
        "p_value": 0.3,
        "status": "draft",
        "p_negative": 0,
    }
    found = moodfuse.summarise(write(tmp_path / "a.csv", rows, [{"id": str(at), **mine} for at in range(40)]))
    assert found.labels == ("negative", "neutral", "positive")
    assert found.total.shares["negative"].counted == 1
    assert found.status == {"ok": 40}


def test_a_short_answer_is_read_from_the_details_beside_it(tmp_path: Path) -> None:
    rows = [prediction(str(at), shares) for at, shares in enumerate(drawn(40, (0.3, 0.3, 0.4)))]
    path = tmp_path / "answers.txt"
    path.write_text("guid,tag\n" + "".join(f"{one.id},{one.label}\n" for one in rows))
    with pytest.raises(DataError, match=r"found guid,tag alone, and no answers.txt.details.csv beside it"):
        moodfuse.summarise(path)
    write(tmp_path / "details.csv", rows).rename(tmp_path / "answers.txt.details.csv")
    assert moodfuse.summarise(path).total.read == 40


def test_what_is_no_answer_is_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("id,text,when\n1,hello,soon\n")
    with pytest.raises(
        DataError, match=r"expected the probabilities that `moodfuse predict` writes .* found the columns"
    ):
        moodfuse.summarise(path)
    path.write_text("id,label,p_negative,p_positive\n1,negative,0.9,0.1\n2,negative,,\n")
    with pytest.raises(DataError, match="row 2: expected probabilities of negative, positive that sum to 1"):
        moodfuse.summarise(path)
    path.write_text("id,text,label,p_negative,p_positive\n")
    with pytest.raises(DataError, match="found no row"):
        moodfuse.summarise(path)


def test_times_and_columns_that_are_not_there_are_refused_in_a_line(tmp_path: Path) -> None:
    rows = [prediction(str(at), (0.8, 0.1, 0.1)) for at in range(40)]
    fields = [{"id": str(at), "text": "x", "brand": "Elm", "when": "soon"} for at in range(40)]
    path = write(tmp_path / "a.csv", rows, fields)
    with pytest.raises(DataError, match=r"expected a column of times, found 'id', 'text'.*--time COLUMN"):
        moodfuse.summarise(path, by="week")
    with pytest.raises(DataError, match=r"column 'when': expected times .* found 'soon'"):
        moodfuse.summarise(path, time="when")
    with pytest.raises(DataError, match="--by: unknown column 'brnd'; did you mean brand"):
        moodfuse.summarise(path, by="brnd")
    with pytest.raises(ConfigError, match="one unit of time, found week and month"):
        moodfuse.summarise(path, by="week,month")
    with pytest.raises(ConfigError, match="3 columns at most, found 4"):
        moodfuse.summarise(path, by=["a", "b", "c", "d"])


def test_another_bundle_is_refused_and_a_run_corrects_its_own_answers(
    trained_run: Path, synthetic_folder: Path, tmp_path: Path
) -> None:
    predictor = moodfuse.load(trained_run)
    assert set(predictor.manifest.confusion) == {"image|text", "text", "image"}
    rows = list(predictor.stream(moodfuse.read_posts(synthetic_folder)))
    path = write(tmp_path / "own.csv", rows)
    found = moodfuse.summarise(path, bundle=trained_run)
    assert found.corrected
    assert not moodfuse.summarise(path).corrected  # the bundle that moodfuse brings marks other answers for review
    assert all(share.low <= share.value <= share.high for share in found.total.shares.values())
    with pytest.raises(BundleError, match=r"did not give the answers in .*marks answers below"):
        moodfuse.summarise(week_file(tmp_path / "answers.csv"), bundle=trained_run)


def test_a_summary_is_written_as_its_name_says(tmp_path: Path) -> None:
    found = moodfuse.summarise(week_file(tmp_path / "answers.csv"), by="brand")
    for name in ("page.html", "page.md", "rows.csv", "all.json"):
        write_summary(found, tmp_path / name)
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert list(rows.columns[:6]) == ["by", "group", "time", "label", "posts", "read"]
    assert rows["share"].isna().equals(rows["counted"].isna())  # groups that are too small have neither
    assert rows["share"].dropna().between(0, 1).all()
    assert json.loads((tmp_path / "all.json").read_text("utf-8")) == json.loads(json.dumps(found.as_json()))
    with pytest.raises(ConfigError, match=r"expected a name that ends in .html, .md, .csv, .json, found '.pdf'"):
        write_summary(found, tmp_path / "page.pdf")
