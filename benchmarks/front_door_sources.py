"""The files that `front_door.py` writes: one line a dialect, an encoding or a format, all words our own."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Texts = Callable[[int], str]
#: What writes so many rows into a folder, and returns the source.
Write = Callable[[Path, int, Texts], Path]
#: What makes the object of a row from its text.
Record = Callable[[int, str], dict[str, Any]]

WORDS = {
    "english": "rain over the harbour again and nobody minds what a lovely tired old morning",
    "french": "déjà l'été à la plage où ça sent le café brûlé très bientôt près du château",
    "russian": "какой сегодня тихий вечер и поезд снова опоздал а мы всё равно рады",
    "chinese": "今天的天气真好我们一起去看海然后回家吃面心情也好了",
    "traditional": "今天的天氣真好我們一起去看海然後回家吃麵心情也好了",
    "japanese": "今日はとても良い天気ですみんなで海を見に行きましたそして麺を食べた",
    "korean": "오늘은 날씨가 정말 좋아서 바다를 보러 갔다 그리고 국수를 먹었다 기분이 좋다",
}
#: What makes a text hard, one every few rows; `{}` is the plain text.
ODD = (
    "{} 😡👍🏽 ok", '"{}" he said, twice', "{}; and | more, of it", "{} &amp; &lt;3", "{} Ｆｕｌｌ\u200bwidth",
    "={}", " {} ",
)  # fmt: skip
ODD_IN_QUOTES = (*ODD, "{}\nand a second line", "{}\n\n" + "long " * 200)


def plain(language: str) -> Texts:
    """Return what gives the text of a row, different in every row, without anything that a separator could be."""
    words = WORDS[language].split() if " " in WORDS[language] else list(WORDS[language])
    joint = " " if " " in WORDS[language] else ""

    def text(row: int) -> str:
        return joint.join(words[(row * step + step) % len(words)] for step in range(1, 12)) + f" {row}"

    return text


def odd(shapes: tuple[str, ...] = ODD_IN_QUOTES) -> Texts:
    """Return what gives English texts, every third of them odd in one of the ways of `shapes`."""
    usual = plain("english")
    return lambda row: usual(row) if row % 3 else shapes[row // 3 % len(shapes)].format(usual(row))


@dataclass(frozen=True)
class Source:
    """A file of one kind: how it is written, what its texts are, and what the reader is told."""

    name: str
    write: Write
    texts: Texts = field(default_factory=odd)
    #: Options of `stream_posts`, and the same for `moodfuse predict`.
    how: dict[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    #: Rows at most, where each row is a file or two.
    most: int | None = None


def table(
    suffix: str = ".csv", *, encoding: str = "utf-8", header: tuple[str, ...] = ("id", "text", "likes"),
    before: str = "", blank: bool = False, likes: str = "3", **dialect: Any,
) -> Write:  # fmt: skip
    """Return what writes a table; `before` stands before the header, `blank` puts an empty row after each tenth."""
    dialect = {"lineterminator": "\n"} | dialect

    def write(folder: Path, rows: int, texts: Texts) -> Path:
        path = folder / f"posts{suffix}"
        with path.open("w", encoding=encoding, newline="") as file:
            file.write(before)
            lines = csv.writer(file, **dialect)
            lines.writerow(header)
            for row in range(rows):
                lines.writerow([row_id(row), texts(row), likes])
                if blank and row % 10 == 9:
                    lines.writerow(["", "", ""] if row % 20 == 9 else [])
        return path

    return write


def unquoted(folder: Path, rows: int, texts: Texts) -> Path:
    """Write a TSV file in which quotation marks are characters as any other."""
    path = folder / "posts.tsv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("id\ttext\n")
        file.writelines(f"{row_id(row)}\t{texts(row)}\n" for row in range(rows))
    return path


def spaced(folder: Path, rows: int, texts: Texts) -> Path:
    """Write a CSV file with a blank before each quotation mark."""
    path = folder / "posts.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write('"id", "text"\n')
        for row in range(rows):
            text = texts(row).replace('"', '""')
            file.write(f'"{row_id(row)}", "{text}"\n')
    return path


def lines(name: str, record: Record, wrap: tuple[str, str, str] = ("", "\n", "\n")) -> Write:
    """Return what writes JSON: the three of `wrap` stand before, between and after the records."""

    def write(folder: Path, rows: int, texts: Texts) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            for row in range(rows):
                file.write(wrap[0] if not row else wrap[1])
                json.dump(record(row, texts(row)), file, ensure_ascii=False)
            file.write(wrap[2])
        return path

    return write


def row_id(row: int) -> str:
    """Return an id of 19 digits, as networks give them: more than a floating-point number holds."""
    return str(1_719_000_000_000_000_000 + row)


def excel(folder: Path, rows: int, texts: Texts) -> Path:
    """Write a workbook."""
    import xlsxwriter  # here, because only this kind needs it

    path = folder / "posts.xlsx"
    with xlsxwriter.Workbook(path, {"constant_memory": True, "strings_to_formulas": False}) as book:
        sheet = book.add_worksheet("Posts")
        sheet.write_row(0, 0, ["Tweet ID", "Text", "Likes"])
        for row in range(rows):
            sheet.write_string(row + 1, 0, row_id(row))
            sheet.write_string(row + 1, 1, texts(row))
            sheet.write_number(row + 1, 2, 3)
    return path


def parquet(folder: Path, rows: int, texts: Texts) -> Path:
    """Write a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "posts.parquet"
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema) as file:
        for start in range(0, rows, 10_000):
            some = range(start, min(start + 10_000, rows))
            file.write_table(pa.table([[int(row_id(i)) for i in some], [texts(i) for i in some]], schema=schema))
    return path


def guid_tag(folder: Path, rows: int, texts: Texts) -> Path:
    """Write a folder with a file for each text."""
    (folder / "data").mkdir()
    with (folder / "test_without_label.txt").open("w") as listing:
        listing.write("guid,tag\n")
        for row in range(rows):
            listing.write(f"{row_id(row)},null\n")
            (folder / "data" / f"{row_id(row)}.txt").write_text(texts(row), "utf-8", newline="")
    return folder


def numbers(row: int, text: str) -> dict[str, Any]:
    """Return a record with a number as its text where `text` is one, and without an id in every fifth."""
    return {"id": None if row % 5 == 0 else int(row_id(row)), "text": row if row % 7 == 0 else text}


def mixed_numbers(row: int) -> str:
    return str(row) if row % 7 == 0 else plain("english")(row)


def tweet(row: int, text: str) -> dict[str, Any]:
    return {"tweet": {"id_str": row_id(row), "full_text": text, "entities": {}, "favorite_count": "3"}}


def message(row: int, text: str) -> dict[str, Any]:
    parts = [text[:9], {"type": "bold", "text": text[9:]}] if row % 2 else text
    return {"id": row, "type": "message", "from_id": "user1", "text": parts}


def comment(row: int, text: str) -> dict[str, Any]:
    return {"id": f"j{row:x}", "subreddit": "harbour", "author": "ann", "body": text, "score": 3}


def record(row: int, text: str) -> dict[str, Any]:
    return {"id": row_id(row), "text": text, "likes": 3}


BARE = odd(ODD[:1] + ODD[3:])  # nothing in it that a table would have to quote

SOURCES = (
    Source("CSV, commas", table()),
    Source("CSV, semicolons, decimal commas", table(delimiter=";", likes="3,5")),
    Source("CSV, tabs", table(delimiter="\t")),
    Source("CSV, bars", table(delimiter="|")),
    Source("CSV, a line sep=;", table(delimiter=";", before="sep=;\n")),
    Source("CSV, CR LF", table(lineterminator="\r\n")),
    Source("CSV, CR alone", table(lineterminator="\r"), odd(ODD)),
    Source("CSV, everything in quotes", table(quoting=csv.QUOTE_ALL)),
    Source("CSV, blanks before quotes", spaced),
    Source("CSV, blank rows", table(blank=True)),
    Source("CSV, tweet_id and tweet_text", table(header=("tweet_id", "tweet_text", "likes"))),
    Source(
        "CSV, columns named", table(header=("nr", "says", "likes")),
        how={"columns": {"id": "nr", "text": "says"}}, options=("--columns", "id=nr,text=says"),
    ),
    Source("TSV", table(".tsv", delimiter="\t")),
    Source("TSV, quotes are no quotes", unquoted, odd(ODD), {"quotes": "none"}, ("--quotes", "none")),
    Source("CSV, UTF-8 with a mark", table(encoding="utf-8-sig")),
    Source("CSV, UTF-16", table(encoding="utf-16")),
    Source("CSV, Windows-1252", table(encoding="windows-1252", delimiter=";"), plain("french")),
    Source("CSV, Latin-1", table(encoding="latin-1"), plain("french")),
    Source("CSV, Windows-1251", table(encoding="windows-1251", delimiter=";"), plain("russian")),
    Source("CSV, GB18030", table(encoding="gb18030"), plain("chinese")),
    Source("CSV, Big5", table(encoding="big5"), plain("traditional")),
    Source("CSV, Shift-JIS", table(encoding="shift_jis"), plain("japanese")),
    Source("CSV, EUC-KR", table(encoding="euc_kr"), plain("korean")),
    Source("JSON lines", lines("posts.jsonl", record)),
    Source("JSON lines, numbers and nulls", lines("posts.jsonl", numbers), mixed_numbers),
    Source("JSON, a list", lines("posts.json", record, ("[", ",\n", "]\n"))),
    Source('JSON, {"data": [...]}', lines("posts.json", record, ('{"data": [', ",", "]}"))),
    Source("Excel", excel),
    Source("Parquet", parquet),
    Source("X archive", lines("data/tweets.js", tweet, ("window.YTD.tweets.part0 = [", ",\n", "]"))),
    Source("Telegram", lines("result.json", message, ('{"name": "Harbour", "messages": [', ",\n", "]}"))),
    Source("Reddit", lines("RC_2023-01", comment)),
    Source("Weibo", table(encoding="utf-8-sig", header=("id", "微博正文", "点赞数")), plain("chinese")),
    Source("guid,tag folder", guid_tag, plain("english"), most=2_000),
)  # fmt: skip
