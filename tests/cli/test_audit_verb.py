"""moodfuse audit: findings on stdout, progress on stderr, and exit codes that a script can use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from moodfuse.cli.main import run


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run(["audit", *map(str, arguments)])
    return code, *capsys.readouterr()


@pytest.fixture
def faulty(synthetic_folder: Path, tmp_path: Path) -> Path:
    """The synthetic posts with an id that repeats and an image that cannot be read."""
    folder = tmp_path / "posts"
    shutil.copytree(synthetic_folder, folder)
    rows = (folder / "train.txt").read_text().splitlines()
    (folder / "train.txt").write_text("\n".join([*rows, rows[1]]) + "\n")
    next(iter((folder / "data").glob("*.jpg"))).write_bytes(b"no image")
    return folder


def test_findings_are_told_in_words(faulty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, faulty)
    assert code == 0
    assert "132 posts, 120 labelled" in out
    assert "positive" in out
    lines = [line for line in out.splitlines() if line.startswith(("error", "warning", "note"))]
    assert lines[0].startswith("error   1 of 132 ids (0.8 %) stands for more than one post")
    assert any("is unreadable" in line for line in lines)
    assert out.splitlines()[-1].startswith("1 error, ")
    assert "looking at images" in err


def test_strict_fails_on_errors_only(faulty: Path, synthetic_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, faulty, "--strict", "-q")[0] == 1
    assert call(capsys, synthetic_folder, "--strict", "-q")[0] == 0


def test_json_is_for_machines_and_quiet_is_quiet(faulty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, faulty, "--json", "--quiet")
    content = json.loads(out)
    assert (code, err) == (0, "")
    assert content["posts"] == 132
    assert content["findings"][0]["check"] == "ids_repeated"
    assert len(content["findings"][0]["ids"]) == 1


def test_the_page_is_written_where_it_is_asked_for(
    faulty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, faulty, "--html", tmp_path / "audit.html")
    assert code == 0
    assert "page written to" in err
    assert "Unreadable files" in (tmp_path / "audit.html").read_text("utf-8")
    code, _, err = call(capsys, faulty, "--html", tmp_path / "nowhere" / "audit.html", "-q")
    assert code == 1
    assert "make the folder first" in err


def test_a_page_is_never_written_over_the_posts_and_over_another_file_with_force_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    posts, page = tmp_path / "posts.csv", tmp_path / "page.html"
    posts.write_text("id,text,label\na,fine,positive\n")
    page.write_text("notes")
    for arguments, said in (
        (["--html", posts, "--force"], "is the input itself"),
        (["--html", page], "exists already"),
    ):
        code, _, err = call(capsys, posts, *arguments)
        assert (code, said in err) == (1, True)
    assert posts.read_text() == "id,text,label\na,fine,positive\n"
    assert page.read_text() == "notes"
    assert call(capsys, posts, "--html", page, "--force")[0] == 0
    assert "<html" in page.read_text("utf-8")


def test_ids_are_capped_and_harmless(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f'"[red]{i}\x1b[2J",,positive\n' for i in range(50))
    (tmp_path / "posts.csv").write_text("id,text,label\n" + rows)
    _, out, _ = call(capsys, tmp_path / "posts.csv", "-q")
    assert "\x1b[2J" not in out
    assert "[red]0" in out
    assert "and 44 more" in out


@pytest.mark.parametrize(
    ("content", "expected"),
    [("id,text,label\n", "holds no posts"), ("id,text,label\na,b,happy\n", "unknown label 'happy'"), ("x", "expected")],
)
def test_bad_input_is_one_line(content: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "posts.csv").write_text(content)
    code, out, err = call(capsys, tmp_path / "posts.csv")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert expected in err
    assert err.count("\n") == 1


def test_settings_name_other_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "posts.csv").write_text("id,text,label\na,some words here,good\nb,other words here,bad\n")
    code, out, _ = call(capsys, tmp_path / "posts.csv", "labels=[good,bad]", "--json")
    assert code == 0
    assert json.loads(out)["classes"] == {"good": 1, "bad": 1}


def test_the_verb_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--help")
    assert code == 0
    assert all(option in out for option in ("--labels", "--split", "--html", "--json", "--strict"))
