"""Times of every common spelling, the periods they fall into, and what is refused."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest

from moodfuse.decide.times import Times, chosen_unit, known_times, periods
from moodfuse.errors import DataError

NOON = int(datetime(2024, 3, 5, 12, tzinfo=UTC).timestamp())


def read(*values: object) -> np.ndarray:
    times = Times("answers.csv: column 'when'")
    for value in values:
        times.add(value)
    return times.finish()[0]


@pytest.mark.parametrize(
    "value",
    [
        "2024-03-05T12:00:00Z",
        "2024-03-05 12:00",
        "2024-03-05T14:00:00+02:00",
        "Tue Mar 05 12:00:00 +0000 2024",
        "Tue, 05 Mar 2024 12:00:00 GMT",
        "05.03.2024 12:00",
        "2024/03/05 12:00:00",
        "2024-03-05 12:00:00 UTC",
        str(NOON),
        NOON,
        float(NOON),
        NOON * 1000,
        f"{NOON * 1000}",
        datetime(2024, 3, 5, 14, tzinfo=timezone(timedelta(hours=2))),
        datetime(2024, 3, 5, 12),
        np.int64(NOON),
    ],
)
def test_a_time_is_read(value: object) -> None:
    assert read(value).tolist() == [NOON]


def test_a_day_without_an_hour_is_its_beginning() -> None:
    assert read("2024-03-05", date(2024, 3, 5), "2024年3月5日").tolist() == [NOON - 12 * 3600] * 3


def test_what_is_empty_has_no_time() -> None:
    assert known_times(read("", None, float("nan"), "2024-03-05")).tolist() == [False, False, False, True]


def test_one_value_tells_the_order_of_all_days_and_months() -> None:
    assert read("3/5/2024 12:00 PM", "3/25/2024")[0] == NOON
    assert read("5/3/2024 12:00", "25/3/2024")[0] == NOON
    with pytest.raises(DataError, match="3/5/2024 may be in month 3 or 5"):
        read("3/5/2024", "4/5/2024")


def test_a_column_that_is_no_time_is_refused_and_a_few_bad_values_are_counted() -> None:
    with pytest.raises(DataError, match=r"expected times .* found 'soon' and 1 more"):
        read("soon", "later", "2024-03-05")
    with pytest.raises(DataError, match="found none in any row"):
        read("", None)
    times = Times("x")
    for value in ["2024-03-05"] * 30 + ["soon"]:
        times.add(value)
    assert times.finish()[1] == 1


def test_a_week_begins_on_monday_and_no_period_is_left_out() -> None:
    numbers, names = periods(read("2024-03-03", "2024-03-04", "2024-03-10", "2024-03-18"), "week")
    assert names == ["2024-02-26", "2024-03-04", "2024-03-11", "2024-03-18"]
    assert numbers.tolist() == [0, 1, 1, 3]


@pytest.mark.parametrize(
    ("unit", "names"),
    [("quarter", ["2023-Q4", "2024-Q1"]), ("month", ["2023-12", "2024-01"]), ("year", ["2023", "2024"])],
)
def test_periods_are_named(unit: str, names: list[str]) -> None:
    assert periods(read("2023-12-31 23:59", "2024-01-01"), unit)[1] == names  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("last", "unit"),
    [
        ("2024-01-02", "hour"),
        ("2024-02-01", "day"),
        ("2024-12-01", "week"),
        ("2026-01-01", "month"),
        ("2060-01-01", "year"),
    ],
)
def test_the_unit_is_chosen_by_the_span(last: str, unit: str) -> None:
    assert chosen_unit(read("2024-01-01", last)) == unit


def test_more_periods_than_a_page_holds_are_refused() -> None:
    with pytest.raises(DataError, match=r"8,785 of them .* choose day or week"):
        periods(read("2024-01-01", "2025-01-01"), "hour")
