from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from format_cases import error_of, guid_tag_folder, written

from moodfuse.data.formats.readers import read_posts, run_posts, source_format, source_runs, stream_posts

ROWS = [("1", "what a day", "positive"), ("2", "so bad", "negative")]


def read(path: Path, **how: Any) -> tuple[list[tuple[str, str | None, str | None]], list[str]]:
    told: list[str] = []
    posts = stream_posts(path, strict=False, notify=told.append, **how)
    return [(post.id, post.text, post.label) for post in posts], told


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("first", ["", "sep={}", '"sep={}"'])
def test_any_separator_and_line_end(tmp_path: Path, name: str, separator: str, end: str, first: str) -> None:
    lines = [first.format(separator)] if first else []
    lines += [separator.join(row) for row in [("id", "text", "label"), *ROWS]]
    path = written(tmp_path, name, end.join(lines) + end)
    assert read(path) == (ROWS, [])
    assert [post.text for post in read_posts(path)] == ["what a day", "so bad"]
    runs = list(source_runs(path, 1))
    assert [(post.id, post.text, post.label) for run in reversed(runs) for post in run_posts(run)] == ROWS[::-1]


def test_a_separator_within_texts_is_none(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'id;text;price\n1;"a; b, c";1,5\n2;d, e, f;2,5\n3;g, h, i;0,1\n')
    stream = stream_posts(path, fields=True)
    posts = list(stream)
    assert [post.text for post in posts] == ["a; b, c", "d, e, f", "g, h, i"]
    assert [(post.fields or {})["price"] for post in posts] == ["1,5", "2,5", "0,1"]


def test_blanks_before_quotes(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'id, text, label\n1, "a, b", "positive"\n2, c, negative\n')
    assert read(path)[0] == [("1", "a, b", "positive"), ("2", "c", "negative")]
    kept = written(tmp_path, "b.csv", 'id,text,label\n1," ""a"" ",positive\n2, b ,negative\n3,"c, ",\n')
    assert [text for _, text, _ in read(kept)[0]] == [' "a" ', " b ", "c, "]


SWALLOWED = "id\ttext\tlabel\n" + "".join(
    f"{i}\t{chr(34) if i in (3, 9) else ''}tweet {i}{chr(34) if i == 6 else ''}\tneutral\n" for i in range(12)
)


def test_rows_that_a_quote_swallows_are_told_with_their_lines_and_read_the_other_way(tmp_path: Path) -> None:
    path = written(tmp_path, "a.tsv", SWALLOWED)
    found, told = read(path)
    assert len(found) < 12
    assert "lines 5-8" in told[0]
    assert "--quotes none" in told[0]
    assert any("line 11" in line for line in told)  # its quote stays open to the end
    assert found[-1] == ("11", "tweet 11", "neutral")
    found, told = read(path, quotes="none")
    assert [id for id, _, _ in found] == [str(i) for i in range(12)]
    assert found[3][1] == '"tweet 3'
    assert told == []
    assert [id for id, _, _ in found] == read_posts(path, quotes="none").ids


def test_a_text_of_several_lines_is_no_matter(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'id,text,label\n1,"a\nb, c",positive\n2,d,negative\n')
    assert read(path) == ([("1", "a\nb, c", "positive"), ("2", "d", "negative")], [])


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_an_open_quote_swallows_nothing(tmp_path: Path, count: int) -> None:
    rows = [f'{i},"open {i}' for i in range(count)] + [f"{i},closed" for i in range(count, 30)]
    path = written(tmp_path, "a.csv", "id,text\n" + "\n".join(rows) + "\n")
    found, told = read(path)
    assert [id for id, _, _ in found] == [str(i) for i in range(30)]
    assert found[0][1] == '"open 0'
    assert "line 2" in told[-1]
    assert "--quotes none" in error_of(path)


def test_a_record_without_an_end_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_bytes(b'id,text\n1,ok\n2,"' + b"\n" * 400_000 + b"3,end\n")
    tracemalloc.start()
    found, told = read(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [id for id, _, _ in found] == ["1", "2", "3"]
    assert "line 3" in told[-1]
    assert most < 20 * 2**20  # all its lines take 60 MiB
    assert "line 3: a record has more than 10,000 lines" in error_of(path)


def test_many_quotes_that_stay_open_are_no_work(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "id,text\n" + '1,"a "" b\n' * 20_000)
    assert len(read(path)[0]) == 20_000


def test_quotes_within_a_cell_and_a_carriage_return(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'id,text\n1,"so "good" it is"\n2,a\rb\n3,c\n')
    found, _ = read(path)
    assert [(id, text) for id, text, _ in found] == [("1", '"so "good" it is"'), ("2", "a b"), ("3", "c")]


def test_cells_too_many_are_the_last_columns_in_prediction(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "id,text\n1,hello, world\n2,b\n")
    found, told = read(path)
    assert [text for _, text, _ in found] == ["hello, world", "b"]
    assert "line 2" in told[0]
    assert "found 3" in error_of(path)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_blank_rows_are_none(tmp_path: Path, name: str) -> None:
    rows = {
        "a.csv": "id,text,label\n\n1,a,positive\n,,\n  , ,\n   \n2,b,\n,,\n",
        "a.tsv": "id\ttext\tlabel\n1\ta\tpositive\n\t\t\n \n2\tb\t\n\t\t\n",
        "a.jsonl": '\n{"id": 1, "text": "a", "label": "positive"}\n  \n{"id": 2, "text": "b"}\n\n',
    }
    path = written(tmp_path, name, rows[name])
    assert read(path) == ([("1", "a", "positive"), ("2", "b", None)], [])
    assert read_posts(path).ids == ["1", "2"]
    assert sum(run.rows for run in source_runs(path, 1)) == 2


def test_blank_rows_of_a_list_are_none(tmp_path: Path) -> None:
    path = guid_tag_folder(tmp_path, "guid,tag\n1,positive\n  \n,\n2,null\n", {"1.txt": b"a", "2.txt": b"b"})
    assert read_posts(path).ids == ["1", "2"]


def test_ids_stay_as_they_are_and_rounded_ones_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "id,text\n007,a\n1234567890123456789,b\n1.23E+17,c\n1.24E+17,d\n")
    found, told = read(path)
    assert [id for id, _, _ in found] == ["007", "1234567890123456789", "1.23E+17", "1.24E+17"]
    assert len(told) == 1
    assert "line 4" in told[0]


def test_formats_keep_their_names(tmp_path: Path) -> None:
    assert source_format(written(tmp_path, "a.csv", "id;text\n1;a\n")) == "csv"
    assert source_format(written(tmp_path, "b.txt", "sep=;\nid;text\n1;a\n")) == "csv"
    assert source_format(written(tmp_path, "c.txt", "tweet_id\ttweet\n1\ta\n")) == "tsv"
    assert source_format(written(tmp_path, "d.csv", "guid,caption\n1,a\n")) == "csv"
    assert source_format(written(tmp_path, "e.txt", "guid,tag\n1,null\n")) == "guid_tag"
