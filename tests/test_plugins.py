"""What packages of third parties add is found through entry points, and one that is broken costs a line, no command."""

import importlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from moodfuse.errors import ConfigError
from moodfuse.plugins import load_plugins

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "plugins" / "my_fusion.py"
GROUP = "moodfuse.fusions"


def install(folder: Path, entries: dict[str, str], *, group: str = GROUP) -> None:
    """Lay down what an installed package leaves of its entry points."""
    install_groups(folder, {group: entries})


def install_groups(folder: Path, groups: dict[str, dict[str, str]]) -> None:
    """Lay down what an installed package leaves of its entry points in several groups."""
    info = folder / "some_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-plugin\nVersion: 1.0\n", "utf-8")
    lines = []
    for group, entries in groups.items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that packages are looked for in."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def write_module(site: Path, name: str, text: str) -> None:
    (site / f"{name}.py").write_text(text, "utf-8")
    importlib.invalidate_caches()


def register_in(names: dict[str, type]) -> Callable[[type], type]:
    """Return what a registry asks of a plug-in: a class, whose name is free."""

    def register(cls: type) -> type:
        if not isinstance(cls, type):
            raise ConfigError(f"expected a class, found {cls!r}")
        if cls.__name__ in names:
            raise ConfigError(f"two plug-ins are called {cls.__name__!r}")
        names[cls.__name__] = cls
        return cls

    return register


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_good_plug_in_is_registered_without_a_word(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_module(site, "plugin_good", "class Good: pass\n")
    install(site, {"good": "plugin_good:Good"})
    found: dict[str, type] = {}
    load_plugins(GROUP, register_in(found))
    assert list(found) == ["Good"]
    assert told(caplog) == []


@pytest.mark.parametrize(
    ("text", "entry", "reason"),
    [
        ("import a_module_that_is_not_there\n", "plugin_bad:Bad", "ModuleNotFoundError: No module named"),
        ("class Bad(:\n", "plugin_bad:Bad", "SyntaxError: "),
        ("", "plugin_nowhere:Bad", "ModuleNotFoundError: No module named 'plugin_nowhere'"),
        ("class Other: pass\n", "plugin_bad:Bad", "AttributeError: "),
        ("raise SystemExit('two\\nlines')\n", "plugin_bad:Bad", "SystemExit: two lines"),
        ("Bad = 7\n", "plugin_bad:Bad", "ConfigError: expected a class, found 7"),
        ("class Good: pass\nBad = Good\n", "plugin_bad:Bad", "ConfigError: two plug-ins are called 'Good'"),
    ],
)
def test_a_broken_plug_in_is_one_line_and_the_others_stay(
    site: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, text: str, entry: str, reason: str
) -> None:
    monkeypatch.delitem(sys.modules, "plugin_bad", raising=False)
    write_module(site, "plugin_good", "class Good: pass\n")
    write_module(site, "plugin_bad", text)
    install(site, {"good": "plugin_good:Good", "bad": entry, "last": "json:JSONDecoder"})
    found: dict[str, type] = {}
    load_plugins(GROUP, register_in(found))
    assert list(found) == ["Good", "JSONDecoder"]
    (line,) = told(caplog)
    assert line.startswith(f"plug-in bad of some-plugin ({GROUP}) is left out: {reason}")
    assert "\n" not in line


def test_no_plug_in_is_nothing_to_tell(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    install(site, {"other": "plugin_good:Good"}, group="another.group")
    load_plugins(GROUP, register_in(found := {}))
    assert found == {}
    assert told(caplog) == []


def run(site: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with `site` among what is installed."""
    path = os.pathsep.join([str(site), str(EXAMPLE.parent), str(ROOT / "src")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
def test_the_example_fusion_is_listed_and_keeps_the_contract_of_all(tmp_path: Path) -> None:
    install(tmp_path, {"film": "my_fusion:Film"})
    listed = run(tmp_path, "-m", "moodfuse", "fusions", "--json")
    assert listed.stderr == ""
    (row,) = [row for row in json.loads(listed.stdout) if row["name"] == "film"]
    assert row["options"] == {"width": 256, "dropout": 0.1}
    suite = str(ROOT / "tests" / "contracts" / "test_fusions.py")
    done = run(tmp_path, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", suite, "-k", "film")
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split(" passed")[0].split()[-1]) >= 15


def test_a_broken_fusion_leaves_the_commands_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "broken_fusion.py").write_text("raise SystemExit(5)\n", "utf-8")
    install(tmp_path, {"broken": "broken_fusion:Broken", "taken": "moodfuse.learn.fusion.base:Fusion"})
    listed = run(tmp_path, "-m", "moodfuse", "fusions", "--json")
    assert listed.returncode == 0
    assert "concat" in [row["name"] for row in json.loads(listed.stdout)]
    lines = listed.stderr.splitlines()
    assert len(lines) == 2
    assert "plug-in broken of some-plugin (moodfuse.fusions) is left out: SystemExit: 5" in lines[0]


def test_an_example_that_is_imported_first_is_registered_too(tmp_path: Path) -> None:
    install(tmp_path, {"film": "my_fusion:Film"})
    done = run(
        tmp_path, "-c", "import my_fusion; from moodfuse.learn.fusion import fusions; print(fusions()['film'].__name__)"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "Film\n", "")


#: A fusion of which a part is missing or fails.
FUSION = """
from torch import nn
from moodfuse.learn.fusion import Fusion
class Own(Fusion):
    name, family, source, interacts = "own", "toy", "this test", False
    def __init__(self, shapes, *, scale=1):
        super().__init__()
        self.classify = nn.Linear(shapes.text, shapes.classes)
    def forward(self, text, image):
        return self.classify(text.pooled)
"""
BROKEN = {
    "it has no family": "del Own.family",
    "it has no source": "del Own.source",
    "it does not say whether it interacts": "del Own.interacts",
    "it has no name": "del Own.name",
    "its name is a number": "Own.name = 7",
    "it reads what there is not": "Own.consumes = 'words'",
    "it reads nothing": "Own.modalities = ()",
    "it reads a text, not a tuple": "Own.modalities = 'text'",
    "it lacks its method": "Own.__abstractmethods__ = frozenset({'forward'})",
    "it cannot be built": "def fail(self, shapes): raise RuntimeError('two\\nlines')\nOwn.__init__ = fail",
    "it has an option without a value": "def need(self, shapes, *, width): Fusion.__init__(self)\nOwn.__init__ = need",
    "it cannot be run": "def fail(self, text, image): raise KeyError('text')\nOwn.forward = fail",
}


def test_each_fusion_in_which_something_is_wrong_is_one_line_of_any_command(tmp_path: Path) -> None:
    for number, what in enumerate(BROKEN):
        code = FUSION.replace('"own"', f'"own{number}"') + BROKEN[what] + "\n"
        (tmp_path / f"fusion{number}.py").write_text(code, "utf-8")
    install(tmp_path, {f"own{number}": f"fusion{number}:Own" for number in range(len(BROKEN))})
    choose = "from moodfuse.learn.compare import models; print([m.name for m in models.choose_models(['all'], [])])"
    for command in (["-m", "moodfuse", "fusions"], ["-c", choose]):
        done = run(tmp_path, *command)
        assert done.returncode == 0, done.stderr
        assert "concat" in done.stdout
        assert "own" not in done.stdout.replace("unknown", "")
        lines = done.stderr.splitlines()
        for number, what in enumerate(BROKEN):
            told = [line for line in lines if f"own{number} " in line]
            assert len(told) == 1, (what, told)
            assert " is left out: " in told[0]
        assert len(lines) == len(BROKEN)


@pytest.mark.slow
def test_a_module_can_hold_a_fusion_an_encoder_and_a_reader(tmp_path: Path) -> None:
    text = "".join(file.read_text("utf-8") for file in sorted(EXAMPLE.parent.glob("my_*.py")))
    (tmp_path / "three.py").write_text(text.replace("from __future__ import annotations\n", ""), "utf-8")
    install_groups(
        tmp_path,
        {
            "moodfuse.fusions": {"film": "three:Film"},
            "moodfuse.encoders": {"colour-histogram": "three:ColourHistogram"},
            "moodfuse.readers": {"notes": "three:NotesReader"},
        },
    )
    (tmp_path / "a.notes").write_text("id: 7\n\nWhat a day!\n---\n", "utf-8")
    output = str(tmp_path / "a.csv")
    for words, told in (
        (["fusions"], "film"),
        (["encoders"], "colour-histogram"),
        (["convert", str(tmp_path / "a.notes"), output], output),
    ):
        done = run(tmp_path, "-m", "moodfuse", *words)
        assert (done.returncode, done.stderr) == (0, ""), words
        assert told in done.stdout
    names = "sorted({*fusions(), *encoders(), *readers()} & {'film', 'colour-histogram', 'notes'})"
    imports = "from moodfuse.learn.{0} import {1}; from moodfuse.learn.{2} import {3}"
    for order in (("fusion", "fusions", "encoders", "encoders"), ("encoders", "encoders", "fusion", "fusions")):
        for first in ("", "import three; "):
            lines = imports.format(*order) + "; from moodfuse.data.formats.registry import readers"
            done = run(tmp_path, "-c", f"{first}{lines}; print({names})")
            assert (done.stdout, done.stderr) == ("['colour-histogram', 'film', 'notes']\n", "")


def test_a_plug_in_that_looks_up_another_one_while_it_is_imported_is_no_cause_for_a_warning(tmp_path: Path) -> None:
    code = FUSION + "from moodfuse.learn.fusion import find_fusion\nassert find_fusion('concat')\n"
    (tmp_path / "own_fusion.py").write_text(code, "utf-8")
    install(tmp_path, {"own": "own_fusion:Own"})
    done = run(tmp_path, "-m", "moodfuse", "fusions")
    assert (done.returncode, done.stderr) == (0, "")
    assert "this test" in done.stdout


def test_a_reader_that_is_imported_first_takes_no_name_of_moodfuse(tmp_path: Path) -> None:
    code = "from moodfuse.data.formats.registry import reader\n" + (EXAMPLE.parent / "my_reader.py").read_text("utf-8")
    code = code.replace("from __future__ import annotations\n", "").replace('name = "notes"', 'name = "csv"')
    (tmp_path / "own_reader.py").write_text(code + "\nfor _ in [0]:\n    reader(NotesReader)\n", "utf-8")
    looked = "from moodfuse.data.formats.registry import readers; print(type(readers()['csv']).__name__)"
    tried = "try:\n    import own_reader\nexcept Exception as error:\n    print(error)\n"
    done = run(tmp_path, "-c", tried + looked)
    assert (done.stdout, done.stderr) == ("two formats are called 'csv'\nCsvReader\n", "")
