"""A folder is claimed by the first that makes it, and gone on in by the same again."""

import threading
from pathlib import Path

import pytest

from moodfuse.errors import ConfigError, DataError, TrainingError
from moodfuse.records.claim import Claim, Kind, working_alone


@pytest.mark.parametrize("name", ["../x", "", ".", "a/b", "-x", "x" * 101])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--name: expected up to 100 letters, .* found .*; give another name$"):
        Claim("run", tmp_path, name)


KINDS = [("run", "--runs"), ("comparison", "--comparisons"), ("search", "--searches")]


@pytest.mark.parametrize(("kind", "option"), KINDS)
def test_a_folder_with_other_things_in_it_is_refused(kind: Kind, option: str, tmp_path: Path) -> None:
    claim = Claim(kind, tmp_path, "mine")
    claim.refuse_foreign()
    (claim.folder / ".hidden").write_text("")
    (claim.folder / "ours.json").write_text("")
    claim.refuse_foreign({"ours.json"})
    (claim.folder / "thesis.txt").write_text("")
    with pytest.raises(
        ConfigError, match=rf"expected a {kind} of moodfuse or a new folder, .*thesis\.txt; .*{option}$"
    ):
        claim.refuse_foreign({"ours.json"})


def test_other_posts_and_other_settings_are_refused(tmp_path: Path) -> None:
    claim = Claim("search", tmp_path, "s")
    claim.check_posts("abc", "abc")
    with pytest.raises(DataError, match="holds a search on other posts; give another --name"):
        claim.check_posts(None, "abc")
    claim.check_settings({"seeds": [0]}, {"seeds": [0]})
    with pytest.raises(ConfigError, match=r"another configuration \(dropout: 0\.2 there, not set now\)"):
        claim.check_settings({"width": 64, "dropout": 0.2}, {"width": 64})
    with pytest.raises(ConfigError, match=r"another configuration \(dropout: None there, not set now\)"):
        claim.check_settings({"width": 64, "dropout": None}, {"width": 64})
    with pytest.raises(
        ConfigError, match=r"another configuration \(seeds: 0 there, 0, 1 now; a: not set there, x now\)"
    ):
        claim.check_settings({"seeds": [0]}, {"seeds": [0, 1], "a": "x"})
    many = dict.fromkeys("abcdefgh", 1)
    with pytest.raises(ConfigError, match=r"\(a: not set there, 1 now; b: .*; c: not set there, 1 now\);"):
        claim.check_settings({}, many)


def test_a_folder_that_another_option_names_is_told_with_that_option(tmp_path: Path) -> None:
    claim = Claim("comparison", tmp_path, "comparison", elsewhere="another folder with -o")
    with pytest.raises(ConfigError, match=r"give another folder with -o, or delete that folder$"):
        claim.check_settings({"seed": 0}, {"seed": 1})
    with pytest.raises(DataError, match=r"give another folder with -o, or delete that folder$"):
        claim.check_posts("abc", "abd")
    claim.refuse_foreign()
    (claim.folder / "thesis.txt").write_text("")
    with pytest.raises(ConfigError, match=r"thesis\.txt; give another folder with -o$"):
        claim.refuse_foreign()


def test_one_decides_at_a_time(tmp_path: Path) -> None:
    claim = Claim("comparison", tmp_path, "c")
    inside: list[str] = []

    def other() -> None:
        with claim.deciding():
            inside.append("other")

    with claim.deciding():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.3)
        inside.append("first")
    thread.join()
    assert inside == ["first", "other"]


def test_one_trains_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with (
        working_alone(folder),
        pytest.raises(TrainingError, match="another training is running there"),
        working_alone(folder),
    ):
        pass
    with working_alone(folder):
        assert not folder.exists()
