"""A report in Chinese: all that moodfuse says is, all that others said and all that programs read is not."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from comparison_folder import write_comparison
from run_folder import write_run

from moodfuse.language import speak
from moodfuse.records.comparison import read_comparison
from moodfuse.records.run import read_run
from moodfuse.report.comparison import comparison_document
from moodfuse.report.document import Card, Document, Gallery, PageSection, Table
from moodfuse.report.markdown import csv_rows, markdown
from moodfuse.report.page import document_page
from moodfuse.report.run import Extra, run_document


@pytest.fixture
def chinese() -> Iterator[None]:
    speak("zh")
    yield
    speak("en")


@pytest.mark.usefixtures("chinese")
def test_the_report_of_a_run_is_chinese(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "one")
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    metrics["protocol"]["test"] = "held out: looked at once, through the finished bundle"
    (folder / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    page = document_page(run_document(read_run(folder), Extra()))
    assert '<html lang="zh-CN">' in page
    for told in ("概要", "在 60 条留出帖子上，macro-F1 为", "是留出的：只在模型包完成后看过一次", "置信度"):
        assert told in page
    assert ">预测</text>" in page  # the axis of a figure
    words = re.sub(r"<style>.*?</style>|<pre.*?</pre>|<svg.*?</svg>|<[^>]+>", "\n", page, flags=re.DOTALL)
    english = re.findall(r"[A-Za-z]{3,} [a-z]{2,} [a-z]{2,}[^\n]*", words)
    assert english == [], english


@pytest.mark.usefixtures("chinese")
def test_the_report_of_a_comparison_is_chinese_but_for_what_a_record_on_disk_says_otherwise(tmp_path: Path) -> None:
    document = comparison_document(read_comparison(write_comparison(tmp_path / "comparison")))
    written = markdown(document)
    for told in ("谁胜过谁", "文本和图片各有多大价值", "每个分数都来自模型从未见过的帖子"):
        assert told in written
    assert "| gated |" in written


@pytest.mark.usefixtures("chinese")
def test_names_texts_and_rows_stay_as_they_are() -> None:
    text = "the model does better"
    table = Table(["label", "posts"], [["training", 3], ["text and image", 4]])
    blocks = [table, Gallery([Card(text, None, text, [("true label", "training")])])]
    document = Document("Run", text, "", [PageSection("model", "The model", blocks)], [{"label": text}])
    written = markdown(document)
    assert "| 标签 | 帖子数 |" in written
    assert "| training |" in written
    assert f"**{text}** “{text}” 真实标签: training" in written
    assert "文本和图片" in written
    assert csv_rows(document) == f"label\n{text}\n"
    speak("en")
    assert "| label | posts |" in markdown(document)
