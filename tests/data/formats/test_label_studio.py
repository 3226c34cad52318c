"""Label Studio's tasks and exports, as its documentation shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from answer_files import prediction, write
from moodfuse.data.formats.readers import read_posts, source_format, stream_posts
from moodfuse.data.posts import ImageRef
from moodfuse.errors import DataError
from moodfuse.workflows.conversion import convert


def choice(label: str, name: str = "sentiment") -> dict[str, Any]:
    return {"id": "Dx_aB91IS", "from_name": name, "to_name": "text", "type": "choices", "value": {"choices": [label]}}


def exported(number: int, *annotations: list[dict[str, Any]], **data: str) -> dict[str, Any]:
    """A task as Label Studio exports it as JSON (labelstud.io/guide/export, "Raw JSON format of completed tasks")."""
    return {
        "id": number,
        "annotations": [
            {
                "id": 1000 + place,
                "completed_by": {"id": place, "email": "ann@example.org", "first_name": "", "last_name": ""},
                "result": result,
                "was_cancelled": False,
                "ground_truth": False,
                "created_at": "2020-03-07T05:24:55.321546Z",
                "lead_time": 4.288,
                "result_count": len(result),
            }
            for place, result in enumerate(annotations)
        ],
        "file_upload": "1-posts.json",
        "drafts": [],
        "predictions": [{"model_version": "moodfuse", "score": 0.9, "result": [choice("Negative")]}],
        "data": data,
        "meta": {},
        "created_at": "2020-03-07T05:20:00.000000Z",
        "project": 1,
    }


def export_file(folder: Path, *tasks: dict[str, Any], **how: Any) -> Path:
    path = folder / "project-1-at-2020-03-07-05-24.json"
    path.write_text(json.dumps(tasks, ensure_ascii=False, **how), "utf-8")
    return path


@pytest.mark.parametrize("how", [{}, {"indent": 2}])
def test_an_export_is_read_with_what_people_chose(tmp_path: Path, how: dict[str, int]) -> None:
    path = export_file(
        tmp_path,
        exported(11, [choice("Positive")], text="To have faith"),
        exported(12, [], text="nothing was chosen"),
        exported(
            13, [choice("neutral")], id="own id", text="an id of its own", image="/data/local-files/?d=a%20b/c.jpg"
        ),
        exported(14, [choice("neutral")], text="elsewhere", image="https://example.org/cat.jpg"),
        **how,
    )
    assert source_format(path) == "label_studio"
    posts = read_posts(path)
    assert [(post.id, post.label) for post in posts] == [
        ("11", "positive"), ("12", None), ("own id", "neutral"), ("14", "neutral")
    ]  # fmt: skip
    assert posts[2].image == ImageRef(tmp_path / "a b" / "c.jpg")


def test_people_are_heard_and_those_who_cancelled_are_not(tmp_path: Path) -> None:
    cancelled = exported(4, [choice("negative")], [choice("positive")], text="d")
    cancelled["annotations"][0]["was_cancelled"] = True
    path = export_file(
        tmp_path,
        exported(1, [choice("neutral")], [choice("positive")], [choice("neutral")], text="a"),
        exported(2, [choice("neutral")], [choice("positive")], text="b"),
        exported(3, [choice("negative")], [choice("negative")], text="c"),
        cancelled,
    )
    posts = read_posts(path)
    assert [(post.id, post.label) for post in posts] == [("1", "neutral"), ("3", "negative"), ("4", "positive")]
    assert posts.dropped == {"annotators who do not agree": 1}
    assert len(list(stream_posts(path, part="predict", strict=False))) == 4


def test_of_several_choices_one_is_named(tmp_path: Path) -> None:
    path = export_file(tmp_path, exported(1, [choice("negative"), choice("sports", "topic")], text="a", topic="given"))
    with pytest.raises(DataError, match=r"row 1: expected one choice, found .*--columns label=NAME"):
        read_posts(path)
    assert read_posts(path, columns={"label": "sentiment"})[0].label == "negative"
    assert [post.label for post in stream_posts(path, strict=False)] == [None]


def test_what_is_no_task_or_label_is_refused_in_a_line(tmp_path: Path) -> None:
    path = export_file(tmp_path, exported(1, [choice("neutral")], text="a"), {"annotations": [], "data": 5})
    with pytest.raises(DataError, match="row 2: expected a task with `data`"):
        read_posts(path)
    assert len(list(stream_posts(path, strict=False))) == 2
    path = export_file(tmp_path, exported(1, [choice("angry")], text="a"))
    with pytest.raises(DataError, match="unknown label 'angry'"):
        read_posts(path)


@pytest.mark.parametrize("annotations", [7, "abc", {"a": 1}, [5], [{"result": 7}], [{"result": [3, {"value": 4}]}]])
def test_annotations_that_are_none_choose_nothing(tmp_path: Path, annotations: Any) -> None:
    task = {**exported(1, [choice("positive")], text="fine"), "annotations": annotations}
    path = export_file(tmp_path, task, exported(2, [choice("negative")], text="bad"))
    posts = list(stream_posts(path, strict=False))
    assert [(post.text, post.label) for post in posts] == [("fine", None), ("bad", "negative")]


def test_the_short_export_is_a_list_that_is_read_as_any_other(tmp_path: Path) -> None:
    path = export_file(tmp_path, {"id": 1, "text": "a", "sentiment": "positive", "annotator": 1, "annotation_id": 7})
    assert source_format(path) == "json"
    assert read_posts(path)[0].label == "positive"


def test_answers_become_predictions_and_come_back_as_labels_once_they_are_confirmed(tmp_path: Path) -> None:
    answered = [prediction("1", (0.7, 0.2, 0.1)), prediction("2", (0.1, 0.2, 0.7))]
    fields = [{"id": "a", "text": '好 <b>"quoted"</b>', "brand": "x"}, {"id": "b", "text": "", "brand": "y"}]
    answers = write(tmp_path / "answers.csv", answered, fields)
    done = convert(answers, tmp_path / "tasks.json", to="label-studio")
    assert (done.format, done.posts, done.labels[None]) == ("label_studio", 2, 2)
    tasks = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    assert tasks[0] == {
        "annotations": [],
        "predictions": [
            {
                "model_version": "moodfuse",
                "score": 0.7,
                "result": [
                    {"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["negative"]}}
                ],
            }
        ],
        "data": {"id": "a", "text": '好 <b>"quoted"</b>', "image": ""},
    }
    assert [post.label for post in read_posts(tmp_path / "tasks.json")] == [None, None]
    for task in tasks:
        task["annotations"] = [{"result": task["predictions"][0]["result"], "was_cancelled": False}]
    (tmp_path / "export.json").write_text(json.dumps(tasks), "utf-8")
    convert(tmp_path / "export.json", tmp_path / "labels.csv")
    assert [(post.id, post.label) for post in read_posts(tmp_path / "labels.csv")] == [
        ("a", "negative"),
        ("b", "positive"),
    ]


def test_labels_that_people_gave_stay_labels_beside_a_models_answers(tmp_path: Path) -> None:
    answers = write(
        tmp_path / "a.csv", [prediction("1", (0.7, 0.2, 0.1))], [{"text": "some words", "label": "positive"}]
    )
    convert(answers, tmp_path / "tasks.json", to="label-studio")
    [task] = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    assert task["annotations"][0]["result"][0]["value"] == {"choices": ["positive"]}
    assert task["predictions"][0]["result"][0]["value"] == {"choices": ["negative"]}
    (tmp_path / "b.csv").write_text(
        "text,label,p_a,p_b\nsome words,neutral,0.1,0.9\n"
    )  # columns that only look like it
    convert(tmp_path / "b.csv", tmp_path / "other.json", to="label-studio")
    [task] = json.loads((tmp_path / "other.json").read_text("utf-8"))
    assert (task["predictions"], len(task["annotations"])) == ([], 1)
