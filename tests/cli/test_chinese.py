"""`--lang zh` and the environment: what people read is Chinese, what programs read does not change."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from moodfuse.cli.main import run
from moodfuse.language import language, speak


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from typer import rich_utils

    for name in ("ARGUMENTS_PANEL_TITLE", "OPTIONS_PANEL_TITLE", "COMMANDS_PANEL_TITLE", "DEFAULT_STRING"):
        monkeypatch.setattr(rich_utils, name, getattr(rich_utils, name))
    for name in ("REQUIRED_LONG_STRING", "_make_rich_text"):
        monkeypatch.setattr(rich_utils, name, getattr(rich_utils, name))
    monkeypatch.setenv("COLUMNS", "120")
    yield
    speak("en")


@pytest.mark.parametrize("command", ["--lang zh predict -h", "predict --lang zh -h", "predict -h --lang=zh"])
def test_the_option_stands_anywhere_in_a_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command.split()) == 0
    told = capsys.readouterr().out
    assert "为帖子预测标签" in told
    assert "选项" in told
    assert "覆盖已有的文件" in told
    assert "…" not in told  # Rich cuts what it cannot wrap


def test_the_environment_names_it_and_the_option_goes_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOODFUSE_LANG", "zh_CN.UTF-8")
    run(["synthetic", "-h"])
    assert "生成带有信号的合成帖子" in capsys.readouterr().out
    run(["synthetic", "-h", "--lang", "en"])
    assert "Write synthetic posts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        ("predict nothere.csv", 1, "错误：nothere.csv：没有这个文件或文件夹；请检查路径"),
        ("predict posts.csv --threads x", 2, "'--threads' 的值无效：应为整数"),
        ("predict posts.csv --forse", 2, "没有选项 --forse"),
        ("nosuch", 2, "没有命令 'nosuch'"),
        ("audit", 2, "缺少参数 'DATA'"),
    ],
)
def test_errors_are_told_in_it(command: str, code: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--lang", "zh", *command.split()]) == code
    assert told in "".join(capsys.readouterr().err.split("\n"))


@pytest.mark.parametrize("named", [["--lang", "fr"], ["--lang=fr"], ["--lang"]])
def test_a_language_that_is_not_spoken_is_an_error(named: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", *named]) == 1
    assert "--lang: expected en or zh, found" in capsys.readouterr().err


def test_what_programs_read_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    posts = tmp_path / "posts.csv"
    posts.write_text("id,text\n1,what a wonderful day\n", "utf-8")
    found = []
    for name in ("en", "zh"):
        answers = tmp_path / f"{name}.csv"
        assert run(["--lang", name, "predict", str(posts), "-o", str(answers), "--json"]) == 0
        printed = capsys.readouterr()
        assert ("条帖子" in printed.err) == (name == "zh")
        found.append((json.loads(printed.out), answers.read_bytes()))
    assert found[0] == found[1]


def test_a_command_leaves_the_next_one_its_own_language() -> None:
    run(["--lang", "zh", "--version"])
    run(["--version"])
    assert language() == "en"


def test_what_stands_behind_two_dashes_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "--", "--lang"]) == 1
    assert "--lang: no such file or folder" in capsys.readouterr().err
