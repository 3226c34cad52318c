"""A bundle that lists its languages says which texts are in another; one that lists none answers as ever."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from moodfuse import files
from moodfuse.cli.main import run
from moodfuse.data.formats.shards import Shard
from moodfuse.data.posts import Post, Status
from moodfuse.errors import BundleError
from moodfuse.runtime.bundle import Bundle, cover_languages, read_bundle, update_manifest
from moodfuse.runtime.explain import explain
from moodfuse.runtime.predictor import Predictor
from moodfuse.workflows.prediction import predict_source

DUTCH, RUSSIAN, ENGLISH = (
    "Wat een mooie dag was het vandaag in het park",
    "очень плохо сегодня",
    "what a lovely day it was",
)
STATUS = "language_not_covered"


@pytest.fixture(scope="module")
def bundle(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The trained bundle with languages, and a threshold that no answer lies below."""
    folder = Path(shutil.copytree(trained_run / "bundle", tmp_path_factory.mktemp("covered") / "bundle"))
    update_manifest(read_bundle(folder), review_threshold=0.0)
    return cover_languages(read_bundle(folder), {"en": 0.75, "de": None})


@pytest.fixture(scope="module")
def predictor(bundle: Bundle) -> Predictor:
    return Predictor.load(bundle.folder, threads=2)


def test_the_languages_are_sealed_with_the_bundle(bundle: Bundle) -> None:
    assert read_bundle(bundle.folder).manifest.languages == {"en": 0.75, "de": None}
    assert cover_languages(bundle, ("en", "zh")).manifest.languages == {"en": None, "zh": None}
    assert cover_languages(bundle, {"en": 0.75, "de": None}).manifest == bundle.manifest


@pytest.mark.parametrize(
    ("languages", "line"), [(["english"], "'english'"), (["zn"], "'zn'"), ({"en": 1.5}, "less than or equal to 1")]
)
def test_what_is_no_language_or_no_score_is_refused(bundle: Bundle, languages: Any, line: str) -> None:
    with pytest.raises(BundleError, match=f"languages.*{line}"):
        cover_languages(bundle, languages)
    assert read_bundle(bundle.folder).manifest.languages == {"en": 0.75, "de": None}


def test_a_text_in_another_language_is_for_review_however_sure_the_answer(predictor: Predictor) -> None:
    texts = [DUTCH, RUSSIAN, ENGLISH, "lekker eten", None]
    answers = list(predictor.stream(Post(str(i), text) for i, text in enumerate(texts)))
    assert [STATUS in answer.status for answer in answers] == [True, True, False, False, False]
    assert [answer.needs_review for answer in answers] == [True, True, False, False, True]
    assert answers[0].details == ("language_not_covered: nl",)
    assert answers[1].details == ("language_not_covered: Cyrillic script",)
    assert answers[0].status == (Status.LANGUAGE_NOT_COVERED, Status.IMAGE_MISSING)
    explained = explain(predictor, Post("a", DUTCH)).prediction
    assert (explained.status, explained.details, explained.needs_review) == (
        answers[0].status,
        answers[0].details,
        True,
    )


def test_a_bundle_that_lists_no_languages_is_read_and_says_nothing_of_them(trained_run: Path, tmp_path: Path) -> None:
    assert "languages" in json.loads((trained_run / "bundle" / "manifest.json").read_text("utf-8"))
    old = Path(shutil.copytree(trained_run / "bundle", tmp_path / "old"))  # as it was written before there were any
    manifest = json.loads((old / "manifest.json").read_text("utf-8"))
    del manifest["languages"]
    files.write_json(old / "manifest.json", manifest)
    files.write_text(old / "manifest.sha256", files.sha256(old / "manifest.json"))
    answer = Predictor.load(old).predict(DUTCH)
    assert STATUS not in answer.status
    assert answer.details == ()


def test_py3langid_is_not_on_the_way_of_a_bundle_without_languages(trained_run: Path) -> None:
    code = (
        "import sys\nfrom moodfuse.runtime.predictor import Predictor\n"
        f"Predictor.load({str(trained_run)!r}, threads=2).predict({DUTCH!r})\nprint('py3langid' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_pickled_predictor_knows_its_languages(predictor: Predictor) -> None:
    assert STATUS in pickle.loads(pickle.dumps(predictor)).predict(DUTCH).status  # noqa: S301


def test_every_way_of_asking_says_the_same(
    bundle: Bundle,
    predictor: Predictor,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = tmp_path / "in.csv"
    source.write_text(f"id,text\n1,{DUTCH}\n2,{ENGLISH}\n3,{RUSSIAN}\n4,😡😡😡\n", "utf-8")
    expected = [
        ("language_not_covered|image_missing", "true"),
        ("image_missing", "false"),
        ("language_not_covered|image_missing", "true"),
        ("text_not_understood|image_missing", "true"),
    ]

    def rows(path: Path) -> list[tuple[str, str]]:
        with path.open(encoding="utf-8", newline="") as file:
            return [(row["status"], row["needs_review"].lower()) for row in csv.DictReader(file)]

    summary = predict_source(predictor, source, tmp_path / "out.csv")
    assert rows(tmp_path / "out.csv") == expected
    assert (summary.status[STATUS], summary.status["text_not_understood"], summary.needs_review) == (2, 1, 3)
    for part in (1, 2):
        predict_source(predictor, source, tmp_path / f"{part}.csv", shard=Shard(part, 2))
    assert rows(tmp_path / "1.csv") + rows(tmp_path / "2.csv") == expected
    capsys.readouterr()
    assert run(["predict", str(bundle.folder), str(source), "-o", str(tmp_path / "cli.csv")]) == 0
    assert rows(tmp_path / "cli.csv") == expected
    told = capsys.readouterr().err
    assert "2 language_not_covered" in told
    assert "1 text_not_understood" in told
    assert "3 to check by hand" in told


def test_ray_s_workers_say_the_same(bundle: Bundle, predictor: Predictor, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    from moodfuse.scale.blocks import predict_block
    from moodfuse.scale.job import plan_job

    source = tmp_path / "in.csv"
    source.write_text(f"id,text\n1,{DUTCH}\n2,{ENGLISH}\n", "utf-8")
    job = plan_job(bundle, source, tmp_path / "out", rows_a_block=10)
    job.destination.mkdir()
    for block in job.blocks():
        predict_block(predictor, job, block)
    rows = pq.read_table(job.part(0)).to_pylist()
    assert [row["status"] for row in rows] == [[STATUS, "image_missing"], ["image_missing"]]
    assert [row["needs_review"] for row in rows] == [True, False]


def test_the_service_says_the_same(bundle: Bundle, tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    from moodfuse.serve.api import create_app
    from moodfuse.serve.limits import Settings

    app = create_app(Settings(bundle=bundle.folder, folder=tmp_path, page=False, threads=1))
    with TestClient(app) as client:
        for route in ("/v1/predict", "/v1/explain"):
            found = client.post(route, json={"text": DUTCH}).json()
            assert (found["status"], found["needs_review"]) == ([STATUS, "image_missing"], True)
            assert found["details"] == ["language_not_covered: nl"]
            assert client.post(route, json={"text": ENGLISH}).json()["status"] == ["image_missing"]
        body = f'{{"id": "1", "text": "{RUSSIAN}"}}\n{{"id": "2", "text": "{ENGLISH}"}}\n'.encode()
        batch = client.post("/v1/predict/batch", content=body, headers={"Content-Type": "application/x-ndjson"}).text
        assert [json.loads(line)["needs_review"] for line in batch.splitlines()] == [True, False]
        assert client.get("/v1/model").json()["languages"] == {"en": 0.75, "de": None}
        statuses = client.get("/openapi.json").json()["components"]["schemas"]["Status"]["enum"]
        assert {STATUS, "text_not_understood"} <= set(statuses)
