"""moodfuse report: from disk, the same each time, whatever is missing."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from comparison_folder import write_comparison
from run_folder import write_posts, write_run

from moodfuse.cli.main import run
from moodfuse.errors import ConfigError, DataError, OutputError
from moodfuse.workflows.reporting import write_report


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def hostile_run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", data=write_posts(tmp_path / "posts"))


def test_a_real_run_has_a_page_with_what_each_modality_alone_says(trained_run: Path, tmp_path: Path) -> None:
    before = sorted(trained_run.iterdir())
    target = write_report(trained_run, output=tmp_path / "page.html")
    page = target.read_text("utf-8")
    assert "cannot be shown" not in page
    wrong = int(re.search(r"(\d+) of \d+ held-out posts are wrong", page)[1])
    assert 0 < page.count("from the image alone") == page.count("from the text alone") == min(wrong, 12)
    assert page.count('<div class="thumb">') == min(wrong, 12)
    assert "data:image/svg+xml;base64," in page  # the picture of the model
    assert all(link.startswith(("data:", "#")) for link in re.findall(r'(?:src|href)="([^"]*)"', page))
    again = write_report(trained_run, output=tmp_path / "again.html")
    assert digest(again) == digest(target)
    assert sorted(trained_run.iterdir()) == before


def test_hostile_posts_stay_text(hostile_run: Path) -> None:
    page = write_report(hostile_run).read_text("utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "onerror=alert(2)&gt;" in page
    assert "\u202e" not in page
    assert "\x07" not in page
    assert "(20,000 characters)" in page
    assert "{{ 7 * 7 }}" in page
    assert "no image" in page
    assert "data:image/jpeg;base64," in page


def test_a_run_whose_posts_are_gone_is_reported_without_them(hostile_run: Path, tmp_path: Path) -> None:
    whole = write_report(hostile_run).read_text("utf-8")
    shutil.move(tmp_path / "posts", tmp_path / "elsewhere")
    page = write_report(hostile_run).read_text("utf-8")
    assert "The posts cannot be shown" in page
    assert "--data" in page
    assert "Macro-F1" in page
    found = write_report(hostile_run, data=tmp_path / "elsewhere" / "posts.jsonl").read_text("utf-8")
    assert found == whole


def test_other_posts_are_not_taken_for_the_run_s(hostile_run: Path, tmp_path: Path) -> None:
    other = write_posts(tmp_path / "other", posts=12)
    page = write_report(hostile_run, data=other).read_text("utf-8")
    assert "expected the posts of the run, found others" in page
    assert "alert(1)" not in page


def test_missing_images_leave_the_texts(hostile_run: Path, tmp_path: Path) -> None:
    for image in (tmp_path / "posts").glob("*.jpg"):
        image.write_bytes(b"not an image")
    page = write_report(hostile_run).read_text("utf-8")
    assert "data:image/jpeg" not in page
    assert "alert(1)" in page


@pytest.mark.parametrize("kind", ["html", "md", "csv"])
def test_each_format_is_the_same_each_time(hostile_run: Path, kind: str) -> None:
    target = write_report(hostile_run, format=kind)
    assert target == hostile_run / f"report.{kind}"
    first = digest(target)
    assert (
        digest(write_report(hostile_run, output=target, force=True)) == first
    )  # the name of the output says the format
    assert "macro" in target.read_text("utf-8").lower()


def test_a_report_is_never_written_over_what_it_tells_of(hostile_run: Path, tmp_path: Path) -> None:
    posts = tmp_path / "posts.csv"
    posts.write_text("id,text\na,b\n")
    for output, given in ((hostile_run / "predictions.csv", {}), (posts, {"data": posts})):
        before = output.read_bytes()
        with pytest.raises(OutputError, match="exists already"):
            write_report(hostile_run, output=output, **given)
        with pytest.raises(OutputError, match="belongs to"):
            write_report(hostile_run, output=output, force=True, **given)
        assert output.read_bytes() == before
    mine = tmp_path / "mine.md"
    mine.write_text("notes")
    assert run(["report", str(hostile_run), "-o", str(mine)]) == 1
    assert mine.read_text() == "notes"
    assert run(["report", str(hostile_run), "-o", str(mine), "--force"]) == 0
    assert "macro" in mine.read_text("utf-8").lower()


def test_a_comparison_is_reported_from_disk(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "first", fusions=("gated", "concat"))
    first = digest(write_report(folder))
    assert digest(write_report(folder)) == first
    assert "gated" in write_report(folder, format="md").read_text()
    assert write_report(folder, format="csv").read_text().startswith("arm,model,reads,withheld,score,value,low,high")


def test_two_runs_have_a_report_of_their_own_and_figures_are_files_too(hostile_run: Path, tmp_path: Path) -> None:
    first = digest(write_report(hostile_run))
    other = write_run(tmp_path / "other-run", wrong=3)
    assert write_report(hostile_run, other=other) == hostile_run / "report-vs-other-run.html"
    assert digest(hostile_run / "report.html") == first
    write_report(hostile_run, figures=tmp_path / "figures")
    drawn = {path.name: path.read_text("utf-8") for path in (tmp_path / "figures").iterdir()}
    assert {"scores-1.svg", "training-1.svg", "training-2.svg", "calibration-1.svg"} <= set(drawn)
    assert all(svg.startswith("<svg") and "var(--" not in svg for svg in drawn.values())


def test_two_runs_are_grouped_by_their_posts_where_these_are_found(hostile_run: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "other-run", wrong=3)
    page = write_report(hostile_run, other=other).read_text("utf-8")
    assert "Paired bootstrap over groups of near-duplicates" in page
    shutil.rmtree(tmp_path / "posts")
    page = write_report(hostile_run, other=other).read_text("utf-8")
    assert "Paired bootstrap over single posts" in page
    assert "counts as independent" in page


def test_what_is_nothing_to_report_on_is_refused(tmp_path: Path, hostile_run: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path, found in ((tmp_path / "none", "nothing"), (tmp_path / "file", "a file"), (tmp_path, "a folder without")):
        with pytest.raises(DataError, match=f"found {found}"):
            write_report(path)
    with pytest.raises(DataError, match="--compare needs two runs"):
        write_report(hostile_run, other=write_comparison(tmp_path / "c", fusions=("gated",)))
    with pytest.raises(ConfigError, match="expected html, md or csv, found 'pdf'"):
        write_report(hostile_run, format="pdf")


def test_the_command_prints_where_the_report_is(hostile_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(hostile_run)]) == 0
    assert capsys.readouterr().out.strip() == str(hostile_run / "report.html")
    assert run(["report", str(hostile_run / "nowhere")]) == 1
    assert "expected the folder of a run" in capsys.readouterr().err


def test_a_predictor_that_is_not_whole_costs_the_gallery_only(hostile_run: Path) -> None:
    (hostile_run / "bundle").mkdir()
    (hostile_run / "bundle" / "manifest.json").write_text(json.dumps({"format": 1}))
    page = write_report(hostile_run).read_text("utf-8")
    assert "The posts cannot be shown" in page
    assert "Macro-F1" in page
