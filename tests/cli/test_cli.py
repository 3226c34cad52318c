"""The command line: results on stdout, one clear line on stderr, and an exit code that says whose fault it is."""

import csv
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from moodfuse.cli import main
from moodfuse.cli.main import run
from moodfuse.data.splits import Split
from moodfuse.version import __version__

VERBS = [*main.VERBS, "config show"]


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The only line of an error."""
        lines = [line for line in self.err.splitlines() if line.startswith("error") or not line.endswith(" ...")]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: ")
        return lines[0]

    def json(self) -> Any:
        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        return json.loads(self.out, parse_constant=refuse)


@pytest.fixture
def moodfuse(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Done:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        return Done(code, *capsys.readouterr())

    return call


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, moodfuse: Callable[..., Done]) -> None:
    done = moodfuse(*verb.split(), "-h")
    assert (done.code, done.err) == (0, "")
    assert "Usage: moodfuse" in done.out
    assert verb.split()[0] in moodfuse("--help").out


@pytest.mark.parametrize(
    "arguments",
    [
        ["trainn"], ["train"], ["train", "posts", "--bogus"], ["train", "posts", "--seed", "abc"],
        ["predict", "--threads", "0"], ["evaluate", "one"], ["config", "shw"], ["synthetic", "x", "--posts", "many"],
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2_and_how_to_get_help(arguments: list[str], moodfuse: Callable[..., Done]) -> None:
    done = moodfuse(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage: moodfuse" in done.err
    assert "-h' for help" in done.err
    assert "Traceback" not in done.err


def test_no_verb_prints_the_help_and_the_version_is_the_package(moodfuse: Callable[..., Done]) -> None:
    assert moodfuse().code == 2
    assert moodfuse("--version").out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: no such file or folder"),
        (["empty"], "empty: expected train.txt"),
        (["misspelt"], r"misspelt/train.txt line 3: unknown label 'postive'; did you mean positive"),
        (["twice"], "twice/train.txt: id '1' stands on line 2 and again on line 4"),
        (["three"], "label 'negative': expected posts in 3 or more groups"),
        (["single"], "label 'negative': expected posts in 3 or more groups"),
        (["unlabelled"], "no post has a label"),
        (["three", "model.fusion=gatd"], "unknown fusion 'gatd'; did you mean gated"),
        (["three", "model.text=minilmm"], "did you mean minilm"),
        (["three", "--recipe", "gatd"], "unknown recipe 'gatd'; did you mean gated"),
        (["three", "optim.lrr=1"], "unknown key 'optim.lrr'; did you mean optim.lr"),
        (["three", "optim.lr=-1"], "optim.lr: Input should be greater than 0, found -1"),
        (["three", "model.options={width: 0}"], "option"),
        (["three", "--config", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["three", "--split", "nowhere.csv"], "nowhere.csv: cannot be read as a split file"),
        (["three", "--name", "../x"], "--name: expected"),
        (["three", "--runs", "three/train.txt"], "train.txt/.claims: cannot be written (Not a directory)"),
        (["three", "--device", "tpu"], "train.device"),
        (["three", "--format", "xml"], "unknown format 'xml'"),
    ],
)
def test_bad_input_to_train_is_one_line(
    arguments: list[str], said: str, moodfuse: Callable[..., Done], tmp_path: Path
) -> None:
    lists = {
        "misspelt": ["1,positive", "2,postive"],
        "twice": ["1,positive", "2,neutral", "1,positive"],
        "three": ["1,positive", "2,neutral", "3,negative"],
        "single": [f"{i},positive" for i in range(30)],
        "unlabelled": ["1,null", "2,"],
        "empty": None,
    }
    for name, lines in lists.items():
        (tmp_path / name).mkdir()
        if lines is not None:
            (tmp_path / name / "train.txt").write_text("\n".join(["guid,tag", *lines]) + "\n")
            (tmp_path / name / "data").mkdir()
            for i in range(30):
                (tmp_path / name / "data" / f"{i}.txt").write_text(f"{chr(97 + i % 26) * 7} {i * 'what else '}day {i}")
    done = moodfuse("train", *arguments)
    assert (done.code, done.out) == (1, "")
    assert said in done.err.splitlines()[-1]
    assert "Traceback" not in done.err


def texts_alone(path: Path) -> Path:
    words = {"positive": "a lovely day", "negative": "an awful queue", "neutral": "the shop in Main Street"}
    rows = [(f"{said}, number {i} {chr(97 + i % 26) * 9}", label) for i in range(20) for label, said in words.items()]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


@pytest.mark.parametrize("verb", [["train", "--recipe", "concat"], ["compare"], ["search"]])
def test_what_no_post_has_is_told_before_anything_is_claimed(
    verb: list[str], moodfuse: Callable[..., Done], tmp_path: Path
) -> None:
    done = moodfuse(verb[0], str(texts_alone(tmp_path / "posts.csv")), *verb[1:])
    assert done.code == 1
    assert "posts.csv: no post has an image, which fusion " in done.error
    assert done.error.endswith("; the recipe text reads the text alone")
    assert {path.name for path in tmp_path.iterdir()} <= {"posts.csv"}


@pytest.mark.slow
def test_a_table_of_texts_alone_trains_on_them(moodfuse: Callable[..., Done], tmp_path: Path) -> None:
    done = moodfuse("train", str(texts_alone(tmp_path / "posts.csv")), "--name", "first", "train.epochs=1")
    assert done.code == 0, done.err
    assert "note: no post has an image: training the recipe text" in done.err
    manifest = json.loads((tmp_path / "runs/first/bundle/manifest.json").read_text())
    assert manifest["modalities"] == ["text"]


def test_predict_without_a_model_takes_the_one_that_moodfuse_brings(
    moodfuse: Callable[..., Done], synthetic_folder: Path, tmp_path: Path
) -> None:
    one = moodfuse("predict", "--text", "what a wonderful day, I love it", "--json").json()
    assert one["label"] == "positive"
    done = moodfuse("predict", synthetic_folder, "-o", tmp_path / "out.txt")
    assert done.code == 0
    assert len((tmp_path / "out.txt").read_text().splitlines()) == 1 + 12


def test_predict_says_what_is_missing_or_too_much(moodfuse: Callable[..., Done], trained_run: Path) -> None:
    assert "nothing to label: expected SOURCE" in moodfuse("predict").error
    assert "expected posts to label" in moodfuse("predict", trained_run).error
    assert "found 3 paths" in moodfuse("predict", "a", "b", "c").error


def test_predict_writes_answers_to_stdout_and_counts_to_stderr(
    moodfuse: Callable[..., Done], trained_run: Path, synthetic_folder: Path, tmp_path: Path
) -> None:
    listed = (synthetic_folder / "test_without_label.txt").read_text().splitlines()
    done = moodfuse("predict", trained_run, synthetic_folder)
    assert done.code == 0
    assert [line.split(",")[0] for line in done.out.splitlines()] == [line.split(",")[0] for line in listed]
    assert "12 posts" in done.err
    quiet = moodfuse("predict", trained_run, synthetic_folder, "--quiet")
    assert (quiet.out, quiet.err) == (done.out, "")
    counted = moodfuse("predict", trained_run, synthetic_folder, "-o", tmp_path / "out.txt", "--json", "-q")
    assert counted.err == ""
    assert counted.json()["posts"] == sum(counted.json()["labels"].values()) == 12
    assert (tmp_path / "out.txt").read_text() == done.out


def test_predict_one_post(moodfuse: Callable[..., Done], trained_run: Path) -> None:
    answer = moodfuse("predict", trained_run, "--text", "what a lovely day", "--json").json()
    assert answer["status"] == "image_missing"
    assert answer[f"p_{answer['label']}"] == answer["confidence"]
    assert "nothing_to_read" in moodfuse("predict", trained_run, "--text", "").out


@pytest.mark.parametrize("file", ["head.onnx", "manifest.json", "manifest.sha256", "tokenizer.json", "text.onnx"])
def test_a_bundle_with_a_byte_changed_is_refused(
    file: str, moodfuse: Callable[..., Done], trained_run: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(trained_run / "bundle", tmp_path / "bundle", copy_function=os.link)
    content = bytearray((bundle / file).read_bytes())
    (bundle / file).unlink()
    content[len(content) // 2] ^= 1
    (bundle / file).write_bytes(content)
    altered = moodfuse("predict", bundle, "--text", "hi")
    assert (altered.code, altered.out) == (1, "")
    assert "SHA-256 differs" in altered.error
    (bundle / file).unlink()
    assert moodfuse("predict", bundle, "--text", "hi").code == 1


def test_evaluate_leaves_out_what_training_saw(
    moodfuse: Callable[..., Done], trained_run: Path, synthetic_folder: Path, tmp_path: Path
) -> None:
    split = Split.load(trained_run / "split.json")
    seen = len(split.train_ids) + len(split.validation_ids)
    done = moodfuse("evaluate", trained_run, synthetic_folder, "--predictions", tmp_path / "rows.csv")
    assert done.code == 0
    assert f"left out: {seen} posts" in done.out
    with (tmp_path / "rows.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == split.test_ids
    scores = moodfuse("evaluate", trained_run, synthetic_folder, "--json").json()
    assert (scores["n"], scores["seen_in_training"]) == (len(split.test_ids), seen)
    nowhere = moodfuse("evaluate", trained_run, synthetic_folder, "--predictions", tmp_path / "no" / "rows.csv")
    assert nowhere.code == 1
    assert "evaluating" not in nowhere.err  # told before the work
    assert "make the folder first" in nowhere.error
    assert "no post has a label" in moodfuse("evaluate", trained_run, synthetic_folder / "test_without_label.txt").err


def test_train_again_prints_the_scores_and_trains_nothing(
    moodfuse: Callable[..., Done], trained_run: Path, synthetic_folder: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(trained_run, tmp_path / "concat")  # it gets the report it lacks: the others' run does not
    again = ["train", synthetic_folder, "--name", run.name, "--runs", run.parent]
    again += ["--recipe", "concat", "seed=1", "train.epochs=12", "train.batch_size=16"]
    done = moodfuse(*again)
    assert done.code == 0
    assert "held-out posts, 95 % intervals" in done.out
    assert "nothing was trained" in done.err
    quiet = moodfuse(*again, "--json", "--quiet")
    assert quiet.err == ""
    assert quiet.json() == json.loads((run / "metrics.json").read_text())
    assert (run / "report.html").is_file()
    other = moodfuse(*again, "--seed", "4")
    assert "another configuration (seed: 1 there, 4 now)" in other.error


def test_listings_are_json_for_machines(moodfuse: Callable[..., Done]) -> None:
    assert {"text", "image", "concat", "gated"} <= {row["name"] for row in moodfuse("fusions", "--json").json()}
    assert {"minilm", "efficientnet-lite0"} <= {row["name"] for row in moodfuse("encoders", "--json").json()}
    assert moodfuse("config", "show", "--json", "optim.lr=0.5").json()["optim"]["lr"] == 0.5
    assert "concat" in moodfuse("fusions").out
    assert "minilm" in moodfuse("encoders").out


def test_config_show_explains_itself_and_can_be_read_back(moodfuse: Callable[..., Done], tmp_path: Path) -> None:
    shown = moodfuse("config", "show", "--recipe", "gated", "optim.lr=3e-4")
    assert "# AdamW learning rate" in shown.out
    (tmp_path / "config.yaml").write_text(shown.out)
    assert moodfuse("config", "show", "--config", tmp_path / "config.yaml").out == shown.out


@pytest.mark.slow
def test_doctor_says_what_is_missing_and_what_to_do(
    moodfuse: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    well = moodfuse("doctor", "--json")
    assert well.code == 0
    assert {"prediction", "train", "encoders"} <= {check["name"] for check in well.json() if check["ok"]}
    version = metadata.version

    def lacking(package: str) -> str:
        if package in {"torch", "scipy"}:
            raise metadata.PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(metadata, "version", lacking)
    ill = moodfuse("doctor")
    assert ill.code == 0  # prediction still works
    assert "missing: torch" in ill.out
    assert "pip install 'moodfuse[train]'" in ill.out
    assert "pip install 'moodfuse[eval]'" in ill.out


def test_synthetic_posts_never_fall_into_a_folder_in_use(moodfuse: Callable[..., Done], tmp_path: Path) -> None:
    assert moodfuse("synthetic", tmp_path / "new", "--posts", "3", "--unlabelled", "1", "--quiet").out == ""
    again = moodfuse("synthetic", tmp_path / "new", "--posts", "3")
    assert again.code == 1
    assert "new or an empty folder" in again.error


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (RuntimeError("a bug"), 3, "a fault of moodfuse, not of your input"),
        (MemoryError(), 3, "out of memory"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (
            PermissionError(13, "Permission denied", "runs/a"),
            1,
            "runs/a: cannot be read or written (Permission denied)",
        ),
        (ModuleNotFoundError("no", name="sklearn.metrics"), 1, r"pip install 'moodfuse[eval]'"),
        (ModuleNotFoundError("no", name="torch"), 1, r"pip install 'moodfuse[train]'"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_the_exit_code_says_whose_fault_it_is(
    fault: BaseException, code: int, said: str, moodfuse: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty() -> None:
        raise fault

    monkeypatch.setattr("moodfuse.workflows.doctor.examine", faulty)
    done = moodfuse("doctor")
    assert (done.code, done.out) == (code, "")
    assert said in done.err.strip().splitlines()[-1]
    assert ("Traceback" in done.err) == isinstance(fault, RuntimeError)
    assert main.run(["--version"]) == 0


def test_a_model_can_be_given_one_modality_alone(
    moodfuse: Callable[..., Done], trained_run: Path, synthetic_folder: Path, tmp_path: Path
) -> None:
    answers = {}
    for only in ("text", "image"):
        out = tmp_path / f"{only}.csv"
        result = moodfuse("predict", trained_run, synthetic_folder, "-o", out, "--only", only)
        assert result.code == 0
        answers[only] = out.read_text()
    assert "image_missing" in answers["text"]
    assert "text_missing" in answers["image"]
    assert answers["text"] != answers["image"]
    assert moodfuse("evaluate", trained_run, synthetic_folder, "--only", "sound").code == 2
