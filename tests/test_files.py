"""Files are written whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from moodfuse import files
from moodfuse.errors import OutputError
from moodfuse.staging import sweep


def listing(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_takes_its_place_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with files.replacing(path) as file:
        file.write(b"after")
        file.flush()
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert listing(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_what_was_there_stays_whole_and_nothing_is_left_beside_it(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(BaseException) as raised, files.replacing(path) as file:  # noqa: PT011, PT012
        file.write(b"half")
        raise error
    assert isinstance(raised.value, OutputError if isinstance(error, OSError) else type(error))
    assert path.read_text() == "before"
    assert listing(tmp_path) == ["a.txt"]


def test_what_a_reader_raises_in_the_block_is_not_told_as_ours(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "a.txt"):
        (tmp_path / "nowhere").read_text()


def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path: Path) -> None:
    """A real limit of the system, in a process of its own."""
    (tmp_path / "a.txt").write_text("before")
    code = """
import resource, signal, sys
from pathlib import Path
from moodfuse import files
from moodfuse.errors import OutputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    files.write_text(Path(sys.argv[1]), "x" * 100_000)
except OutputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.txt")], capture_output=True, text=True, check=True
    )
    assert "a.txt: cannot be written" in done.stdout
    assert "make room" in done.stdout
    assert (tmp_path / "a.txt").read_text() == "before"
    assert listing(tmp_path) == ["a.txt"]


def test_a_place_that_cannot_be_written_to_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "no" / "a.txt", tmp_path / "file" / "a.txt", tmp_path / ("x" * 300)):
        with pytest.raises(OutputError, match=r"cannot be written .*; .*\w$") as told:
            files.write_text(path, "")
        assert "\n" not in str(told.value)
    with pytest.raises(OutputError, match="found a folder"):
        files.write_text(tmp_path, "")
    with pytest.raises(OutputError):
        files.make_folder(tmp_path / "file" / "folder")


def test_a_device_or_a_pipe_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(OutputError, match="device or a pipe"):
            files.write_text(path, "")
    assert pipe.is_fifo()
    assert link.is_symlink()


def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "real" / "a.txt")
    files.write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "new"


def test_json_is_readable_utf8_and_refuses_nan(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"ü": 1})
    assert "ü" in (tmp_path / "a.json").read_text("utf-8")
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", float("nan"))
    assert "ü" in (tmp_path / "a.json").read_text("utf-8")


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    for content in ("one", "two"):
        with files.replacing_folder(target) as part:
            (part / "a").write_text(content)
        assert (target / "a").read_text() == content
    with pytest.raises(KeyboardInterrupt), files.replacing_folder(target) as part:  # noqa: PT012
        (part / "a").write_text("half")
        raise KeyboardInterrupt
    assert (target / "a").read_text() == "two"
    assert listing(tmp_path) == ["bundle"]


def test_a_folder_that_may_not_be_written_to_any_more_is_told_in_one_line(tmp_path: Path) -> None:
    """Root may write anywhere, so the error is raised as the system would."""
    foreign = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "read"))
    with pytest.raises(PermissionError), files.replacing_folder(tmp_path / "out"):
        raise foreign
    with pytest.raises(OutputError, match="out: cannot be written"), files.replacing_folder(tmp_path / "out") as part:
        raise PermissionError(errno.EACCES, "Permission denied", str(part / "a.txt"))


def test_a_folder_that_cannot_be_put_in_place_brings_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "a").write_text("old")
    rename = Path.rename

    def failing(self: Path, to: Path) -> Path:
        if self.name == "new":
            raise OSError(errno.EIO, "failing disk")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError), files.replacing_folder(target) as part:
        (part / "a").write_text("new")
    assert (target / "a").read_text() == "old"
    assert listing(tmp_path) == ["bundle"]


def test_sweep_takes_only_what_a_killed_process_left(tmp_path: Path) -> None:
    (tmp_path / ".bundle.0123abcd.part").mkdir()
    (tmp_path / ".bundle.0123abcd.part" / "a").write_text("")
    (tmp_path / ".metrics.json.0123abcd.part").write_text("")
    (tmp_path / ".bundle.0123abcd.old").mkdir()
    for name in ("a.part", ".hidden", ".notes.part", "metrics.json"):
        (tmp_path / name).write_text("")
    sweep(tmp_path)
    assert listing(tmp_path) == sorted(["a.part", ".hidden", ".notes.part", "metrics.json"])
