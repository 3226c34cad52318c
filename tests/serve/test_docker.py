"""The Dockerfile: linted line by line, and its steps run in a plain virtual environment, for want of an engine."""

import json
import os
import re
import shlex
import subprocess
import tomllib
import venv
from pathlib import Path

import pytest
from service_cases import wait_until

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continued lines joined, comments left out."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], " ".join(line.split(None, 1)[1].split())) for line in lines]


def values(name: str) -> list[str]:
    return [value for instruction, value in instructions() if instruction == name]


def test_every_instruction_is_one_that_docker_knows() -> None:
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "VOLUME", "STOPSIGNAL", "HEALTHCHECK"}
    assert {name for name, _ in instructions()} <= known | {"ENTRYPOINT", "CMD"}
    assert instructions()[0][0] == "FROM"


def test_the_image_is_slim_pinned_and_runs_as_nobody_in_particular() -> None:
    assert all(re.fullmatch(r"python:3\.\d+-slim( AS \w+)?", image) for image in values("FROM"))
    last_stage = instructions()[max(i for i, (name, _) in enumerate(instructions()) if name == "FROM") :]
    [user] = [value for name, value in last_stage if name == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)  # a number, which Kubernetes can tell is not root
    assert not any(name == "RUN" and "pip" in value for name, value in last_stage)  # no build tool, no cache
    assert not any(name == "ADD" or "sudo" in value or "latest" in value for name, value in instructions())
    assert all("--no-cache-dir" in value for value in values("RUN") if " install " in value)


def test_commands_are_lists_and_a_healthcheck_asks_for_readiness() -> None:
    [entry], [command], [health] = values("ENTRYPOINT"), values("CMD"), values("HEALTHCHECK")
    assert json.loads(entry) == ["moodfuse", "serve"]
    assert json.loads(command)[0] in json.loads(*values("VOLUME"))
    assert "/readyz" in json.loads(health.partition("CMD ")[2])[-1]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for value in values("COPY"):
        if not value.startswith("--from"):
            for source in value.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source.removeprefix("./") in kept


def test_serving_needs_no_training_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["serve"]]
    assert not [name for name in needed if re.match(r"(torch|lightning|transformers|scikit-learn|pandas)\b", name)]


@pytest.mark.slow
def test_the_steps_run_in_a_plain_environment(trained_run: Path, tmp_path: Path) -> None:
    """Makes what the image would hold, without PyTorch, serves from it, writing to the temporary folder alone."""
    home = tmp_path / "opt"
    venv.create(home, with_pip=True)
    [install] = [value for value in values("RUN") if " install " in value]
    words = shlex.split(install.replace("/opt/moodfuse", str(home)))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode and re.search(r"No matching distribution|Could not find a version|Connection", done.stderr):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    python = home / "bin" / "python"
    absent = ("torch", "sklearn", "pandas")
    found = subprocess.run(
        [python, "-c", f"import importlib.util as u; print([m for m in {absent} if u.find_spec(m)])"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == "[]"
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    before = sorted(home.rglob("*"))
    command = [home / "bin" / "moodfuse", "serve", trained_run, "--port", "8791", "--threads", "1"]
    served = environment | {"TMPDIR": str(temporary), "HOME": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(list(map(str, command)), cwd=temporary, env=served, stderr=subprocess.DEVNULL)
    health = json.loads(values("HEALTHCHECK")[0].partition("CMD ")[2])
    check = [str(python), *[word.replace(":8000", ":8791") for word in health[1:]]]
    try:
        wait_until(lambda: subprocess.run(check, stderr=subprocess.DEVNULL).returncode == 0, process)
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0
    assert sorted(home.rglob("*")) == before
    assert list(temporary.iterdir()) == []
