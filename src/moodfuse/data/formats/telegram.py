"""The JSON export of Telegram Desktop: a chat, a channel, or a whole account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from moodfuse.data.formats.base import Reader, Reading, Row
from moodfuse.data.formats.fields import held_in, in_words
from moodfuse.data.formats.image_refs import image_refs
from moodfuse.data.formats.json_items import count_matches, item_id, item_label, item_text, json_items
from moodfuse.data.formats.lines import file_encoding, head_text
from moodfuse.data.formats.registry import reader
from moodfuse.data.posts import ImageRef
from moodfuse.errors import DataError

FILE = "result.json"
_OPENING = re.compile(r'"messages"\s*:\s*\[')
#: Only a message has these, and the first of a file has one of them: lists of messages alone others have, too.
_MESSAGE = re.compile(r'"(?:date_unixtime|from_id|actor_id|text_entities)"\s*:|"type"\s*:\s*"(?:message|service)"')
_ACCOUNT = re.compile(r'"personal_information"\s*:')
#: What comes back of a message beside its answer.
COLUMNS = ("id", "date", "from", "from_id", "text", "photo", "reply_to_message_id", "forwarded_from")


@reader
class TelegramReader(Reader):
    """`result.json`, or the folder that holds it; photos lie where it says, below that folder.

    Every message is a row. What Telegram itself says (`service`: who joined, what was pinned) is no message.
    """

    name = "telegram"
    priority = 52  # before JSON lines, which would try it; more than its first line is looked at

    def recognises(self, path: Path, header: str | None) -> bool:
        if header is None:
            return FILE in held_in(path) and _is_export(path / FILE)
        return header.lstrip().startswith("{") and _is_export(path)

    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        file = _file(path)
        encoding = file_encoding(file)
        for message, number, where in json_items(file, _OPENING):
            if message.get("type") == "service":
                continue
            text = _text(message.get("text"))
            yield Row(
                file,
                number,
                item_id(message, reading, message.get("id"), where),
                item_text(message, reading, text, encoding),
                _images(message, file.parent),
                item_label(message, reading),
                unit="row",
                fields={name: message.get(name) for name in COLUMNS} | {"text": text} if reading.fields else None,
            )

    def files(self, path: Path) -> list[Path]:
        return [_file(path)]

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return COLUMNS

    def read_columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        return ("id", "text", "photo", *reading.columns.values())

    def count(self, path: Path, reading: Reading) -> int:
        return count_matches(_file(path), re.compile(rb'"type"\s*:\s*"message"'))


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    if FILE not in (held := held_in(path)):
        raise DataError(f"{path}: expected {FILE} in this folder, found {in_words(held)}; export the chat as JSON")
    return path / FILE


def _is_export(file: Path) -> bool:
    try:
        head, _ = head_text(file)
    except DataError:  # empty, or no text
        return False
    if _ACCOUNT.search(head) and file.name == FILE:
        return True
    return _OPENING.search(head) is not None and _MESSAGE.search(head) is not None


def _text(value: Any) -> str | None:
    """Return a text: a string, or a list of strings and of what stands out in it (links, mentions, bold words)."""
    if not isinstance(value, list):
        return None if value is None else str(value)
    return "".join(str(part.get("text", "")) if isinstance(part, dict) else str(part) for part in value)


def _images(message: dict[str, Any], folder: Path) -> tuple[ImageRef, ...]:
    """Return the photo, or a file that is an image (a sticker, a picture sent as a file)."""
    kind = message.get("mime_type")
    is_image = isinstance(kind, str) and kind.startswith("image/")
    path = message.get("photo") or (message.get("file") if is_image else None)
    if not isinstance(path, str) or path.startswith("("):  # "(File not included. Change data exporting settings ...)"
        return ()
    return tuple(image_refs(folder, path)[:1])
