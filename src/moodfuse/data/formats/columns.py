"""Which column of a source is for what: the one place that knows what people call them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

from moodfuse.data.formats.base import Reading, Role
from moodfuse.errors import DataError, suggest

ROLES: tuple[Role, ...] = get_args(Role)

#: What a column is called, by role: names that need no telling first, then well-known ones, each rank before the next.
#: They are compared without case, blanks, hyphens and underscores (the first rank: without case and outer blanks).
NAMES: dict[Role, tuple[tuple[str, ...], ...]] = {
    "id": (
        ("id", "guid"),
        ("tweet_id", "id_str", "post_id", "status_id", "message_id", "comment_id", "item_id", "sample_id", "mid"),
        ("uuid", "text_id", "image_id", "row_id"),
    ),
    "text": (
        ("text",),
        ("full_text", "tweet", "tweet_text", "post_text", "clean_text", "raw_text", "text_corrected"),
        ("caption", "content", "body", "message", "comment", "post", "review", "sentence", "utterance", "微博正文"),
        ("selftext", "description", "desc", "title", "headline", "正文", "内容", "文本"),
    ),
    "image": (
        ("image",),
        ("image_path", "image_file", "image_name", "img", "img_path", "photo", "photo_path", "picture", "pic", "media"),
        ("images", "photos", "pictures", "pics", "media_path", "media_file", "image_id_path"),
        ("image_url", "img_url", "photo_url", "picture_url", "pic_url", "media_url", "image_link", "photo_link"),
        ("image_urls", "photo_urls", "pic_urls", "media_urls", "original_pictures", "thumbnail", "图片", "图片链接"),
    ),
    "label": (
        ("label", "tag", "sentiment"),
        ("polarity", "class", "airline_sentiment", "sentiment_label", "overall_sentiment", "gold_label", "category"),
        ("annotation", "emotion", "情感", "标签"),
    ),
}
#: What the crawlers of Weibo call a column, by role; the first name that is there counts. In other tables they are
#: no such names.
WEIBO_NAMES: dict[Role, tuple[str, ...]] = {
    "id": ("id", "微博id", "bid"),
    "text": ("微博正文", "正文", "微博中文内容"),
    "image": ("微博图片url", "原始图片url", "微博图片"),
    "label": ("label", "情感倾向"),
}
_IGNORED = re.compile(r"[\W_]+")
#: Several images of a post in columns of their own.
_NUMBERED = re.compile(r"(?:image|img|photo|picture|pic|media)(?:path|file|url|link|name)?(\d{1,3})")


def squashed(name: str) -> str:
    """Return a column's name as it is compared: lower case, letters and digits alone."""
    return _IGNORED.sub("", name.lower())


_RANKS: dict[str, tuple[Role, int]] = {
    squashed(name): (role, rank) for role, ranks in NAMES.items() for rank, names in enumerate(ranks) for name in names
}


@lru_cache(maxsize=4096)
def rank_of(name: str) -> tuple[Role, int] | None:
    """Return the role that a column's name tells, and its rank (0: it needs no telling); `None`: it tells none."""
    if (found := _RANKS.get(squashed(name))) is None:
        return None
    role, rank = found
    return (role, rank) if rank > 0 or name.strip().lower() in NAMES[role][0] else (role, 1)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the columns of each role stand, those of further images too, and what there is to tell of the choice."""

    places: dict[Role, int]
    more_images: tuple[int, ...] = ()
    told: str | None = None

    @property
    def readable(self) -> bool:
        """Whether there is a text or an image."""
        return "text" in self.places or "image" in self.places

    def names(self, header: Sequence[str]) -> tuple[str, ...]:
        """Return what these columns are called in `header`."""
        return tuple(header[place] for place in (*self.places.values(), *self.more_images))


def assign_columns(names: Sequence[str], where: str, reading: Reading) -> Columns:
    """Return which column is for what: as `reading.columns` says, else by their names.

    Raises `DataError` where a column that is named is not there, and where two claim a role with the same right.
    """
    places = _named(names, where, reading)
    taken = set(places.values())
    ranks = {place: rank_of(name) for place, name in enumerate(names)}
    numbered = sorted(
        (int(found[1]), place)
        for place, name in enumerate(names)
        if place not in taken and (found := _NUMBERED.fullmatch(squashed(name)))
    )
    more = [] if "image" in reading.columns else [place for _, place in numbered]
    for role in ROLES:
        if role not in places:
            place = _best(role, ranks, taken, names, "" if reading.answers else where)
            if place is None and role == "image" and more:
                place = more.pop(0)
            if place is not None:
                places[role] = place
                taken.add(place)
    used = taken | set(more)
    passed = [names[at] for at in ranks if at not in used and (ranks[at] or _NUMBERED.fullmatch(squashed(names[at])))]
    if not ("text" in places or "image" in places):
        passed = []
    return Columns(places, tuple(more), _told(names, places, more, passed, reading))


def need_text_or_image(found: Columns, names: Iterable[str], where: str, reading: Reading) -> None:
    """Raise `DataError`, naming the columns found, where there is neither text nor image and `reading` wants one."""
    if not (found.readable or reading.answers):
        raise DataError(
            f"{where}: expected a text or an image column (and id or guid, label or tag or sentiment), found "
            f"[{_list(names)}]; name the columns in the first line, or say which they are: "
            "--columns text=NAME,image=NAME"
        )


def parse_columns(text: str | None, where: str = "--columns") -> dict[Role, str]:
    """Read `ROLE=NAME,ROLE=NAME`; a name may hold commas.

    Raises `DataError`, which says `where` the text stood, for a role that is none or stands twice.
    """
    result: dict[Role, str] = {}
    for part in re.split(r",(?=\s*\w+\s*=)", text) if text else ():
        role, equals, name = part.partition("=")
        if not equals or not name.strip():
            raise DataError(f"{where}: expected ROLE=NAME (text=tweet,image=photo), found {part.strip()!r}")
        known = _role(role.strip(), where)
        if known in result:
            raise DataError(f"{where}: {known} is named twice; name one column for it")
        result[known] = name.strip()
    return result


def _role(name: str, where: str) -> Role:
    for role in ROLES:
        if name.lower() == role:
            return role
    raise DataError(f"{where}: {suggest(name, ROLES, what='role')}")


def _named(names: Sequence[str], where: str, reading: Reading) -> dict[Role, int]:
    places: dict[Role, int] = {}
    for role, wanted in reading.columns.items():
        same = [at for at, name in enumerate(names) if name == wanted]
        same = same or [at for at, name in enumerate(names) if name.strip().lower() == wanted.strip().lower()]
        if not same:
            raise DataError(f"{where}: has no column {wanted!r} for the {role}; it has {_list(names)}")
        places[_role(role, "columns")] = same[0]
    return places


def _best(
    role: Role, ranks: dict[int, tuple[Role, int] | None], taken: set[int], names: Sequence[str], where: str
) -> int | None:
    """Return the column for a role, of equals the first where no `where` asks for an error."""
    found = [(rank[1], at) for at, rank in ranks.items() if rank and rank[0] == role and at not in taken]
    if not found:
        return None
    best = min(found)[0]
    same = [at for rank, at in found if rank == best]
    if len(same) > 1 and where:
        both = " and ".join(names[at].strip() for at in same[:3])
        raise DataError(
            f"{where}: expected one column for the {role}, found {both}; rename or remove one, or say which it is: "
            f"--columns {role}={names[same[0]].strip()}"
        )
    return same[0]


def _told(
    names: Sequence[str], places: dict[Role, int], more: list[int], passed: list[str], reading: Reading
) -> str | None:
    """Return the line that says what was taken for what, where somebody might have meant it otherwise."""
    guessed = any(
        role not in reading.columns and (rank_of(names[at]) or (role, 1))[1] > 0 for role, at in places.items()
    )
    if not guessed and not passed and not more:
        return None
    taken = [f"{role} from {names[places[role]].strip()!r}" for role in ROLES if role in places]
    if more:
        taken.append(f"more images from {_list([names[at] for at in more])}")
    others = f"; passed over: {_list(passed)}" if passed else ""
    return f"columns: {', '.join(taken)}{others} (--columns ROLE=NAME says it otherwise)"


def _list(names: Iterable[str]) -> str:
    """Return names for a message: eight at most."""
    shown = [repr(name.strip() if len(name) <= 60 else name[:57] + "...") for name in names]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
