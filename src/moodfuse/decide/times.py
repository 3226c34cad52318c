"""When posts were written: times of any common spelling, and the hours to years that they fall into."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from moodfuse.data.formats.fields import short
from moodfuse.errors import DataError

Unit = Literal["hour", "day", "week", "month", "quarter", "year"]
UNITS: tuple[Unit, ...] = get_args(Unit)
#: What a column of times is called, where nobody says: the first that is there, compared in lower case.
NAMES: tuple[str, ...] = (
    *("created_at", "timestamp", "created_utc", "datetime", "date_time", "posted_at", "published_at", "created"),
    *("time", "date", "发布时间"),
)
#: Periods of a trend: more cannot be told apart on a page, nor tested.
MOST_PERIODS = 400
_DAY = 86_400
#: Longest spans, in days, that are shown by the unit; what is longer is shown by the next.
_SPANS: tuple[tuple[float, Unit], ...] = ((2, "hour"), (45, "day"), (370, "week"), (1_500, "month"), (5_000, "quarter"))
#: How much of a column may be no time: such posts are counted, and left out of the trend.
_UNREADABLE = 0.1
_NONE = np.iinfo(np.int64).min
_FORMATS = (
    "%a %b %d %H:%M:%S %z %Y",  # X and Weibo
    "%a, %d %b %Y %H:%M:%S %z",  # RFC 2822
    "%a, %d %b %Y %H:%M:%S %Z",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%Y-%m-%d %H:%M:%S %Z",
    "%Y年%m月%d日 %H:%M",
    "%Y年%m月%d日",
    "%d %B %Y",
    "%B %d, %Y",
    "%b %d, %Y",
)
#: Days and months between slashes, whose order only the whole column tells; and what may stand behind them.
_SLASHES = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4})(?:,? +(\d{1,2}):(\d{2})(?::(\d{2}))?(?: ?([AP])M)?)?", re.IGNORECASE
)
_NUMBER = re.compile(r"\d{9,16}(?:\.\d+)?")


class Times:
    """Collects the times of a column, in seconds since 1970 in UTC; a time without a zone is taken as it stands."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._seconds = array("q")
        self._slashed: list[tuple[int, tuple[str, ...]]] = []
        self._format = ""
        self._filled = self._bad = 0
        self._first_bad = ""

    def add(self, value: Any) -> None:
        """Take the next post's time: text, a number of seconds, milli- or microseconds, a date or a datetime."""
        seconds = _NONE
        if value is not None and value != "" and value == value:
            self._filled += 1
            seconds = self._parsed(value)
        self._seconds.append(seconds)

    def finish(self) -> tuple[NDArray[np.int64], int]:
        """Return the seconds of each post, `NONE` where there are none, and how many values are no time.

        Raises `DataError` where a tenth of them are none, where all are empty, and where days and months cannot be
        told from one another.
        """
        seconds = np.frombuffer(self._seconds, dtype=np.int64).copy() if self._seconds else np.empty(0, np.int64)
        if self._slashed:
            self._settle(seconds)
        if not self._filled:
            raise DataError(f"{self._where}: expected times, found none in any row; name another with --time")
        if self._bad > _UNREADABLE * self._filled:
            raise DataError(
                f"{self._where}: expected times (2024-01-31, 2024-01-31 18:30, seconds since 1970), found "
                f"{self._first_bad} and {self._bad - 1:,} more such values; name another column with --time"
            )
        return seconds, self._bad

    def _parsed(self, value: Any) -> int:
        if isinstance(value, str):
            return self._from_text(value.strip())
        if isinstance(value, datetime):
            return _seconds(value)
        if isinstance(value, date):
            return _seconds(datetime(value.year, value.month, value.day))
        if isinstance(value, int | float | np.number) and not isinstance(value, bool):
            return self._from_number(float(value), value)
        return self._refused(value)

    def _from_text(self, text: str) -> int:
        try:
            return _seconds(datetime.fromisoformat(text))
        except ValueError:
            pass
        if self._format:
            try:
                return _seconds(datetime.strptime(text, self._format))
            except ValueError:
                pass
        if _NUMBER.fullmatch(text):
            return self._from_number(float(text), text)
        if found := _SLASHES.fullmatch(text):
            self._slashed.append((len(self._seconds), tuple(part or "" for part in found.groups())))
            return _NONE
        for style in _FORMATS:
            try:
                seconds = _seconds(datetime.strptime(text, style))
            except ValueError:
                continue
            self._format = style
            return seconds
        return self._refused(text)

    def _from_number(self, number: float, value: Any) -> int:
        for scale in (1, 1e3, 1e6):  # seconds, milliseconds, microseconds: from 1973 to 2100
            if 1e8 <= number / scale < 4.2e9:
                return int(number / scale)
        return self._refused(value)

    def _refused(self, value: Any) -> int:
        self._bad += 1
        self._first_bad = self._first_bad or short(value)
        return _NONE

    def _settle(self, seconds: NDArray[np.int64]) -> None:
        """Read the times with slashes in the one order that fits them all."""
        first, second = (max(int(parts[at]) for _, parts in self._slashed) for at in (0, 1))
        months = [first <= 12, second <= 12]
        if all(months):
            _, (day, month, year, *_) = self._slashed[0]
            raise DataError(
                f"{self._where}: {day}/{month}/{year} may be in month {int(day)} or {int(month)}, and no other value "
                "tells; write times as 2024-01-31"
            )
        for row, parts in self._slashed:
            try:
                seconds[row] = _slashed_seconds(parts, day_first=not months[0])
            except ValueError:
                self._refused("/".join(parts[:3]))


def _slashed_seconds(parts: tuple[str, ...], *, day_first: bool) -> int:
    one, two, year, hour, minute, second, half = parts
    day, month = (one, two) if day_first else (two, one)
    hours = int(hour or 0)
    if half:
        hours = hours % 12 + (12 if half.lower() == "p" else 0)
    return _seconds(datetime(int(year), int(month), int(day), hours, int(minute or 0), int(second or 0)))


def _seconds(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def known_times(seconds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which posts have a time, (N,)."""
    return np.asarray(seconds != _NONE)


def chosen_unit(seconds: NDArray[np.int64]) -> Unit:
    """Return the unit by which known times (one at least) are shown, from hours to years, as their span is long."""
    days = (int(seconds.max()) - int(seconds.min())) / _DAY
    return next((unit for longest, unit in _SPANS if days <= longest), "year")


def periods(seconds: NDArray[np.int64], unit: Unit) -> tuple[NDArray[np.int64], list[str]]:
    """Return each known time's period, from 0, and the names of all periods from the first to the last.

    A week begins on Monday and is named by it. Raises `DataError` for more periods than a page can show.
    """
    numbers = _NUMBERED[unit](seconds)
    first, last = int(numbers.min()), int(numbers.max())
    if last - first >= MOST_PERIODS:
        longer = " or ".join(UNITS[UNITS.index(unit) + 1 :][:2]) or "fewer years"
        raise DataError(
            f"--by {unit}: {last - first + 1:,} of them from {_named(first, unit)} to {_named(last, unit)}, but "
            f"{MOST_PERIODS} are the most; choose {longer}"
        )
    return numbers - first, [_named(number, unit) for number in range(first, last + 1)]


def _whole(seconds: NDArray[np.int64], code: str) -> NDArray[np.int64]:
    return np.asarray(seconds.astype("M8[s]").astype(f"M8[{code}]").astype(np.int64))


_NUMBERED: dict[Unit, Callable[[NDArray[np.int64]], NDArray[np.int64]]] = {
    "hour": lambda seconds: _whole(seconds, "h"),
    "day": lambda seconds: _whole(seconds, "D"),
    "week": lambda seconds: (_whole(seconds, "D") + 3) // 7,  # 1970 began on a Thursday
    "month": lambda seconds: _whole(seconds, "M"),
    "quarter": lambda seconds: _whole(seconds, "M") // 3,
    "year": lambda seconds: _whole(seconds, "Y"),
}


def _named(number: int, unit: Unit) -> str:
    if unit == "hour":
        return str(np.datetime64(number, "h")).replace("T", " ") + ":00"
    if unit == "quarter":
        return f"{1970 + number // 4}-Q{number % 4 + 1}"
    if unit == "week":
        return str(np.datetime64(number * 7 - 3, "D"))
    if unit == "day":
        return str(np.datetime64(number, "D"))
    return str(np.datetime64(number, "M") if unit == "month" else np.datetime64(number, "Y"))
