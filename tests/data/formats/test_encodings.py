from __future__ import annotations

from pathlib import Path

import pytest
from format_cases import written

from moodfuse.data.formats.encodings import decode
from moodfuse.data.formats.readers import stream_posts

TEXTS = {
    "gb18030": ["今天天气真好，我们去公园玩吧。", "这部电影太差了，浪费时间。", "服务态度很好，下次还会来的。"],
    "big5": ["今天天氣真好，我們去公園玩吧。", "這部電影太差了，浪費時間。", "服務態度很好，下次還會來的。"],
    "cp932": ["今日はとても天気がいいですね。", "この映画はひどかった、時間の無駄。", "サービスが最高でした！"],
    "cp949": ["오늘 날씨가 정말 좋네요.", "이 영화는 너무 별로였어요 시간 낭비.", "서비스가 최고였습니다!"],
    "cp1251": ["Сегодня прекрасная погода.", "Этот фильм ужасен, пустая трата времени.", "Обслуживание отличное!"],
    "cp1250": [
        "Dzisiaj jest piękna pogoda, świetnie!",
        "Ten film był okropny, strata czasu.",
        "Wspaniała obsługa, żółty dom",
    ],
    "mac-roman": ["Quelle journée très réussie à la plage", "Ça n’était pas génial", "Schöne Grüße aus der Küche"],
    "windows-1252": ["I can’t stand this and it’s so bad", "good—really good", "C’est une très belle journée", "Größe"],
}


@pytest.mark.parametrize("encoding", TEXTS)
@pytest.mark.parametrize("before", [0, 40_000])
def test_a_table_in_any_encoding_is_decided_once(tmp_path: Path, encoding: str, before: int) -> None:
    plain = "".join(f"{i},plain\n" for i in range(before))
    table = "id,text\n" + plain + "".join(f"x{i},{text}\n" for i, text in enumerate(TEXTS[encoding]))
    path = written(tmp_path, "a.csv", table.encode(encoding))
    *_, posts = [[post for post in stream_posts(path, strict=False) if post.id.startswith("x")]]
    assert [post.text for post in posts] == TEXTS[encoding]
    assert {post.encoding for post in posts} == {encoding}
    assert {post.guessed for post in posts} == {encoding != "gb18030"}
    assert not any(post.lossy for post in posts)


@pytest.mark.parametrize("text", TEXTS["windows-1252"])
def test_windows_1252_is_no_chinese(text: str) -> None:
    found = decode(text.encode("cp1252"))
    assert (found.text, found.guessed) == (text, True)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("mac-roman", "I can’t stand this and it’s so bad"), ("mac-roman", "mañana más café, él también está aquí"),
        ("cp1250", "Była żaba i był kłopot"), ("windows-1252", "Ação, não é fácil; ¿qué tal, señor?"),
        ("windows-1252", "ÉCOLE FERMÉE, GRÖSSE"), ("windows-1252", "Ça coûte 5£ ou 6¥, déjà vu"),
        ("windows-1252", "œuvre, cœur, sœur"), ("windows-1252", "the price is 5£"),
    ],
)  # fmt: skip
def test_latin_letters_of_east_and_west(encoding: str, text: str) -> None:
    found = decode(text.encode(encoding))
    assert (found.text, found.encoding, found.guessed, found.lossy) == (text, encoding, True, False)


def test_utf_8_that_is_cut_loses_the_character_that_is_cut(tmp_path: Path) -> None:
    content = "id,text\n1,今天天气真好，非常开心\n2,so happy café 😊\n".encode()
    posts = list(stream_posts(written(tmp_path, "a.csv", content[:-2]), strict=False))
    assert [(post.text, post.lossy) for post in posts] == [
        ("今天天气真好，非常开心", False),
        ("so happy café \ufffd", True),
    ]
    cell = content.replace("心".encode(), "心".encode()[:2])
    posts = list(stream_posts(written(tmp_path, "b.csv", cell), strict=False))
    assert [(post.text, post.lossy) for post in posts] == [
        ("今天天气真好，非常开\ufffd", True),
        ("so happy café 😊", False),
    ]


def test_utf_16_without_a_mark(tmp_path: Path) -> None:
    for name in ("utf-16-le", "utf-16-be"):
        path = written(tmp_path, f"{name}.csv", "id,text\n1,so good\n2,café\n".encode(name))
        assert [post.text for post in stream_posts(path, format="csv")] == ["so good", "café"]


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["so good", "so good café"])
def test_a_text_of_its_own_and_a_line_of_a_table_are_told_alike(tmp_path: Path, encoding: str, text: str) -> None:
    if encoding == "ascii" and not text.isascii():
        return
    path = written(tmp_path, "a.csv", f"id,text\n1,{text}\n".encode(encoding))
    post, *_ = stream_posts(path, format="csv")
    found = decode(text.encode(encoding))
    assert (found.text, found.lossy, found.guessed) == (post.text, post.lossy, post.guessed)
    assert (found.text, found.lossy) == (text, False)
    marked_alone = encoding == "utf-8-sig" and text.isascii()  # the mark is no part of the line
    assert post.encoding == ("ascii" if marked_alone else found.encoding)
    assert found.guessed == encoding.endswith(("le", "be"))


@pytest.mark.parametrize("text", ["今天天气", "生日快乐", "新年快乐", "好好吃饭", "北京的夜", "哈哈哈哈"])
def test_few_characters_of_chinese_are_chinese(text: str) -> None:
    found = decode(text.encode("gb18030"))
    assert (found.text, found.encoding) == (text, "gb18030")


def test_few_characters_tell_no_encoding() -> None:
    assert decode("한국어요".encode("euc_kr")).encoding != "big5"
    assert decode("한국어요".encode("euc_kr")).guessed
    assert decode("한국어를 정말 사랑해요".encode("euc_kr")).text == "한국어를 정말 사랑해요"
    assert decode("ありがとう".encode("cp932")).text == "ありがとう"


def test_punctuation_of_chinese_alone_is_no_guess() -> None:
    found = decode("RT … “@ann: good”".encode("gb18030"))
    assert (found.encoding, found.guessed, found.text) == ("gb18030", False, "RT … “@ann: good”")
