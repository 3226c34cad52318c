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
    info = folder / "some_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-plugin\nVersion: 1.0\n", "utf-8")
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
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
        tmp_path, "-c", "import my_fusion; from moodfuse.learn.fusion import FUSIONS; print(FUSIONS['film'].__name__)"
    )
    assert (done.returncode, done.stdout) == (0, "Film\n")
