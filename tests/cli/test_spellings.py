"""Options that were called otherwise go on working, with a note on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moodfuse.cli.main import run


def test_old_names_of_formats_go_on_working(text_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "posts"
    source.write_text("text,n\ngood,1\n")
    assert run(["predict", str(text_run), str(source), "--input-format", "csv", "--format=jsonl", "-q"]) == 0
    done = capsys.readouterr()
    assert json.loads(done.out)["n"] == "1"
    assert done.err.splitlines() == ["note: --input-format is called --from now", "note: --format is called --to now"]
    assert run(["convert", str(source), str(tmp_path / "a.jsonl"), "--format", "csv", "--quiet"]) == 0
    assert "note: --format is called --from now" in capsys.readouterr().err


def test_the_new_names_need_no_note(text_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "posts"
    source.write_text("text,n\ngood,1\n")
    assert run(["predict", str(text_run), str(source), "--from", "csv", "--to", "tsv", "-q"]) == 0
    done = capsys.readouterr()
    assert done.out.startswith("text\tn\tlabel\t")
    assert done.err == ""
    assert run(["predict", "--to", "xml", "--text", "a"]) == 1
    assert "unknown --to 'xml'" in capsys.readouterr().err
