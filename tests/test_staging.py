"""What a killed process left half-written is swept by the next one; what somebody still writes never is."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from moodfuse import files
from moodfuse.staging import staging_folder, sweep, sweep_temporary, temporary_folder

_WRITER = """
import sys
from pathlib import Path
from moodfuse import files
from moodfuse.staging import temporary_folder
place = Path(sys.argv[2])
with temporary_folder("test"), getattr(files, sys.argv[1])(place) as new:
    (new / "a" if isinstance(new, Path) else Path(new.name)).write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def writer(kind: str, place: Path) -> subprocess.Popen[str]:
    """Start a process that writes `place`, and return once it does; it goes on until its stdin ends."""
    words = [sys.executable, "-c", _WRITER, kind, str(place)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.mark.parametrize("kind", ["replacing", "replacing_folder"])
def test_who_writes_the_same_place_next_sweeps_what_the_dead_left_and_spares_the_living(
    kind: str, tmp_path: Path
) -> None:
    place = tmp_path / "out"
    dead, alive = writer(kind, place), writer(kind, place)
    kill(dead)
    assert len(hidden(tmp_path)) == len(hidden(tmp_path / "tmp")) == 2
    with temporary_folder("test"), getattr(files, kind)(place):
        assert len(hidden(tmp_path)) == len(hidden(tmp_path / "tmp")) == 2  # the living one's, and this one's
    assert len(hidden(tmp_path)) == len(hidden(tmp_path / "tmp")) == 1
    _, err = alive.communicate("")
    assert (alive.returncode, err) == (0, None)
    assert (place / "a" if place.is_dir() else place).read_text() == "half"
    assert hidden(tmp_path) == hidden(tmp_path / "tmp") == []


def test_temporary_folders_of_the_dead_are_swept_where_none_is_made_any_more(tmp_path: Path) -> None:
    kill(writer("replacing", tmp_path / "out"))
    assert len(hidden(tmp_path / "tmp")) == 1
    sweep_temporary("test")
    assert hidden(tmp_path / "tmp") == []


def test_what_was_left_of_another_place_stays(tmp_path: Path) -> None:
    kill(writer("replacing", tmp_path / "one"))
    files.write_text(tmp_path / "two", "")
    assert len(hidden(tmp_path)) == 1
    sweep(tmp_path)
    assert hidden(tmp_path) == []


def test_a_folder_that_was_moved_aside_by_a_killed_process_comes_back(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "a").write_text("old")
    code = (
        "import os, signal, sys; from pathlib import Path; from moodfuse import files\n"
        "moved = Path.rename\n"
        "def rename(path, to):\n"
        "    moved(path, to)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "Path.rename = rename\n"
        "with files.replacing_folder(Path(sys.argv[1])) as new: (new / 'a').write_text('new')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)])
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    with pytest.raises(KeyboardInterrupt), files.replacing_folder(target):
        raise KeyboardInterrupt
    assert (target / "a").read_text() == "old"
    assert hidden(tmp_path) == []


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a").write_text("")
    (tmp_path / ".out.0123abcd.part").symlink_to(tmp_path / "mine")
    (tmp_path / ".out.0123abce.part").mkdir()
    (tmp_path / ".out.0123abce.part" / "lock").symlink_to(tmp_path / "mine" / "a")
    sweep(tmp_path)
    assert (tmp_path / "mine" / "a").exists()


def test_a_folder_is_swept_while_it_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may look between the making of a folder and the taking of its lock."""
    mkdir, swept = Path.mkdir, []

    def made(self: Path, *arguments: int) -> None:
        mkdir(self, *arguments)
        if not swept:
            swept.append(self)
            sweep(self.parent)

    monkeypatch.setattr(Path, "mkdir", made)
    with staging_folder(tmp_path / "out") as folder:
        assert folder.is_dir()
        assert folder != swept[0]
        sweep(tmp_path)
        assert folder.is_dir()
    assert hidden(tmp_path) == []
