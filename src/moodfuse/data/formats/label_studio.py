"""Label Studio: tasks to import, with a model's answers as predictions, and the JSON that it exports.

Both are lists of tasks: `data` with the fields of a post, `annotations` by people, `predictions` of models
(labelstud.io/guide/tasks, /guide/predictions, /guide/export; its JSON_MIN is a plain JSON list).
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from moodfuse.data.formats.base import Reader, Reading, Row, Target, Writer
from moodfuse.data.formats.fields import short
from moodfuse.data.formats.image_files import ImagePaths, bytes_to_embed, note_left_out
from moodfuse.data.formats.json_items import count_matches
from moodfuse.data.formats.json_list import elements
from moodfuse.data.formats.lines import file_encoding, first_line, head_text
from moodfuse.data.formats.registry import reader, writer
from moodfuse.data.formats.values import Objects, need_columns, record_columns
from moodfuse.data.image_formats import HEAD_BYTES, image_format
from moodfuse.data.posts import Post
from moodfuse.errors import DataError
from moodfuse.files import replacing

#: What `Choices`, `Text` and `Image` are called in the labelling interface.
CONTROL, OBJECT = "sentiment", "text"
#: What Label Studio gives a file of its machine by: the path from the root of its local files behind it.
_LOCAL = "/data/local-files/?d="
_LOOKED_AT = 1_000
_TASK = re.compile(r'"(?:annotations|predictions)"\s*:\s*\[')


@reader
class LabelStudioReader(Reader):
    """Tasks with what people chose: the label that most gave, of those who did not cancel.

    Where a task has choices of several names, `--columns label=NAME` says which. Tasks without choices have no label;
    those on which people differ are left out of the labelled posts.
    """

    name = "label_studio"
    priority = 53  # before JSON lists in general; more than the first line is looked at

    def recognises(self, path: Path, header: str | None) -> bool:
        if header is None or not header.lstrip().startswith("["):
            return False
        try:
            head, _ = head_text(path)
        except DataError:  # no text
            return False
        return re.match(r"\s*\[\s*\{", head) is not None and _TASK.search(head) is not None

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        first_line(path)
        key = reading.columns.get("label", "label")
        how = replace(reading, columns={**reading.columns, "label": key})
        if not reading.strict or reading.columns:
            need_columns((record for record, _ in islice(_records(path, how), _LOOKED_AT)), path, how)
        objects = Objects(path, how, file_encoding(path))
        for number, (record, dropped) in enumerate(_records(path, how), start=1):
            if record is None:
                yield objects.nothing(number)
                continue
            row = objects.row(record, number)
            row.dropped = dropped
            yield row

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return record_columns(record for record, _ in _records(path, replace(reading, strict=False)))

    def read_columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        records = (record for record, _ in _records(path, replace(reading, strict=False)))
        return Objects(path, reading).read_columns(records)

    def count(self, path: Path, reading: Reading) -> int:
        return count_matches(path, re.compile(rb'"data"\s*:\s*\{'))


def _records(path: Path, reading: Reading) -> Iterator[tuple[dict[str, Any] | None, str | None]]:
    """Yield the fields of each task with its label, and why it is left out of the labelled ones, if it is.

    Raises `DataError` if `reading.strict` for what is no task; else such a one has no fields.
    """
    key = reading.columns.get("label", "label")
    for number, task in enumerate(elements(path), start=1):
        data = task.get("data") if isinstance(task, dict) else None
        if not isinstance(data, dict):
            if reading.strict:
                raise DataError(f"{path} row {number}: expected a task with `data`, found {short(task)}")
            yield None, None
            continue
        fields = {} if "id" in data else {"id": task.get("id", number)}
        fields |= {name: _unquoted(value) for name, value in data.items()}
        votes = Counter(_votes(task, reading, f"{path} row {number}")).most_common(2)
        tied = len(votes) > 1 and votes[0][1] == votes[1][1]
        fields[key] = votes[0][0] if votes and not tied else None
        yield fields, "annotators who do not agree" if tied else None


def _votes(task: dict[str, Any], reading: Reading, where: str) -> Iterator[str]:
    """Yield what each annotation of a task chooses."""
    wanted = reading.columns.get("label") if reading.columns.get("label") != "label" else None
    for annotation in _list(task.get("annotations")):
        if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
            continue
        chosen: dict[str, list[str]] = {}
        for result in _list(annotation.get("result")):
            value = result.get("value") if isinstance(result, dict) else None
            choices = value.get("choices") if isinstance(value, dict) else None
            if isinstance(choices, list) and wanted in (None, result.get("from_name")):
                chosen.setdefault(str(result.get("from_name")), []).extend(map(str, choices))
        if len(chosen) > 1 or any(len(labels) > 1 for labels in chosen.values()):
            if reading.strict:
                raise DataError(
                    f"{where}: expected one choice, found {short(chosen)}; say whose label it is: --columns label=NAME"
                )
            continue
        yield from (labels[0] for labels in chosen.values() if labels)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _unquoted(value: Any) -> Any:
    """Return the path that a file of Label Studio's machine has from the root of its local files."""
    return unquote(value.removeprefix(_LOCAL)) if isinstance(value, str) and value.startswith(_LOCAL) else value


@writer
class LabelStudioWriter(Writer):
    """Tasks to import. A label becomes an annotation, a model's answer a prediction.

    Label Studio wants every field in every task: a missing text or image is an empty one. Images are named by their
    path from the file, as it serves local files whose root is the file's folder; with `embed` they are data URIs.
    """

    name = "label_studio"
    suffixes = (".label-studio.json",)
    embeds = True
    keeps_missing_text = False
    keeps_answers = True

    @contextmanager
    def open(self, target: Target) -> Iterator[Callable[[Post], None]]:
        with ExitStack() as stack:
            file = stack.enter_context(replacing(target.path))
            paths = ImagePaths(target.path, target.notes, stack, force=target.force)
            between = b"["

            def write(post: Post) -> None:
                nonlocal between
                note_left_out(post, target.notes)
                task = _task(post, _embedded(post, target) if target.embed else _path(post, paths), target)
                file.write(between + b"\n" + json.dumps(task, ensure_ascii=False).encode())
                between = b","

            yield write
            file.write(b"\n]\n" if between == b"," else b"[]\n")


def _task(post: Post, image: str, target: Target) -> dict[str, Any]:
    answer = target.answer(post) if target.answer is not None else None
    # First what tells the format: a reader looks at the beginning of a file.
    return {
        "annotations": [{"result": [_choice(post.label)]}] if post.label is not None else [],
        "predictions": []
        if answer is None
        else [{"model_version": "moodfuse", "score": answer[1], "result": [_choice(answer[0])]}],
        "data": {"id": post.id, "text": post.text or "", "image": image},
    }


def _choice(label: str) -> dict[str, Any]:
    return {"from_name": CONTROL, "to_name": OBJECT, "type": "choices", "value": {"choices": [label]}}


def _path(post: Post, paths: ImagePaths) -> str:
    path = None if post.image is None else paths.path_of(post.image)
    return "" if path is None else path if "://" in path else _LOCAL + quote(path)


def _embedded(post: Post, target: Target) -> str:
    data = bytes_to_embed(post.image, target.notes, target.home)
    if data is None:
        return ""
    kind = (image_format(data[:HEAD_BYTES]) or "jpeg").lower()
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
