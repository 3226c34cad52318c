"""Exports as people have them: small ones in the true layout, all words our own."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from format_cases import error_of, written

from moodfuse.data.formats.readers import count_posts, read_posts, source_format, stream_posts
from moodfuse.data.posts import ImageRef, ImageUri, Post
from moodfuse.errors import DataError


def predicted(source: Path, **how: Any) -> list[Post]:
    return list(stream_posts(source, part="predict", strict=False, **how))


# X


def tweet(id: str, text: str, *media: str, **more: Any) -> dict[str, Any]:
    """Return a post as an archive of 2023 has it."""
    entries = [
        {"id_str": "9", "type": "photo", "url": "https://t.co/x", "media_url_https": f"https://pbs.twimg.com/media/{n}"}
        for n in media
    ]
    return {
        "tweet": {
            "edit_info": {"initial": {"editTweetIds": [id], "isEditEligible": True}},
            "retweeted": False,
            "source": '<a href="https://example.org" rel="nofollow">A client</a>',
            "entities": {"hashtags": [], "urls": [], "media": entries[:1]},
            "display_text_range": ["0", str(len(text))],
            "favorite_count": "3",
            "id_str": id,
            "retweet_count": "1",
            "id": id,
            "created_at": "Wed Nov 01 20:19:24 +0000 2023",
            "favorited": False,
            "full_text": text,
            "lang": "en",
            **({"extended_entities": {"media": entries}} if entries else {}),
            **more,
        }
    }


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    data = tmp_path / "twitter-2023-11-02" / "data"
    (data / "tweets_media").mkdir(parents=True)
    (data.parent / "Your archive.html").write_text("<html></html>")
    (data / "account.js").write_text("window.YTD.account.part0 = [ ]")
    (data / "manifest.js").write_text("window.__THAR_CONFIG = { }")
    (data / "tweets_media" / "1719000000000000002-Fone.jpg").write_bytes(b"one")
    (data / "tweets_media" / "1719000000000000002-Ftwo.png").write_bytes(b"two")
    first = [
        tweet("1719000000000000001", "no picture &amp; no regrets"),
        tweet("1719000000000000002", "two pictures", "Fone.jpg", "Ftwo.png"),
        tweet("1719000000000000003", 'quotes "] , [" and a brace }', "Fgone.jpg"),
    ]
    second = [tweet(f"17190000000000000{i:02}", f"post {i}") for i in range(10, 13)]
    for part, tweets in enumerate((first, second)):
        name = f"tweets-part{part}.js" if part else "tweets.js"
        written(data, name, f"window.YTD.tweets.part{part} = {json.dumps(tweets, indent=2)}")
    return data.parent


def test_an_archive_of_x(archive: Path) -> None:
    assert source_format(archive) == source_format(archive / "data" / "tweets.js") == "x_archive"
    posts = predicted(archive, remote=True)
    ids = [f"17190000000000000{i:02}" for i in (1, 2, 3, 10, 11, 12)]
    assert [post.id for post in posts] == ids
    assert posts == predicted(archive / "data", remote=True)
    assert [post.id for post in predicted(archive / "data" / "tweets-part1.js")] == ids[3:]
    assert count_posts(archive) == 6
    media = archive / "data" / "tweets_media"
    assert posts[0].images == ()
    assert posts[1].images == (ImageRef(media / f"{ids[1]}-Fone.jpg"), ImageRef(media / f"{ids[1]}-Ftwo.png"))
    assert posts[2].image == ImageUri(b"", "https://pbs.twimg.com/media/Fgone.jpg", follow=True)
    assert posts[2].text == 'quotes "] , [" and a brace }'


def test_what_comes_back_of_a_post_on_x(archive: Path) -> None:
    stream = stream_posts(archive, part="predict", strict=False, fields=True)
    assert stream.columns[:3] == ("id_str", "created_at", "full_text")
    first = next(stream)
    assert first.fields is not None
    assert tuple(first.fields) == stream.columns
    assert first.fields["created_at"] == "Wed Nov 01 20:19:24 +0000 2023"
    assert first.fields["full_text"] == "no picture &amp; no regrets"


def test_an_archive_of_2019_names_its_file_otherwise_and_its_posts_are_bare(tmp_path: Path) -> None:
    (tmp_path / "tweet_media").mkdir()
    (tmp_path / "tweet_media" / "12-a.jpg").write_bytes(b"a")
    bare = [tweet("12", "so old", "a.jpg")["tweet"]]
    written(tmp_path, "tweet.js", f"window.YTD.tweet.part0 = {json.dumps(bare)}")
    [post] = predicted(tmp_path)
    assert (post.id, post.text, post.image) == ("12", "so old", ImageRef(tmp_path / "tweet_media" / "12-a.jpg"))


@pytest.mark.parametrize("name", ["../../../secret.jpg", "..", "a\0b"])
def test_media_open_nothing_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "tweets_media").mkdir()
    (tmp_path.parent / "secret.jpg").write_bytes(b"secret")
    for id in ("1", "../../secret.jpg", "/etc/passwd"):
        path = written(tmp_path, "tweets.js", f"window.YTD.tweets.part0 = {json.dumps([tweet(id, 'x', name)])}")
        image = predicted(path)[0].image
        assert image is None or image.source == b""  # an address that nobody follows, never a file


def test_an_archive_that_is_cut_short_gives_its_posts_and_then_says_so(archive: Path) -> None:
    path = archive / "data" / "tweets.js"
    path.write_bytes(path.read_bytes()[:-400])
    stream = stream_posts(path, part="predict", strict=False)
    assert [next(stream).id[-1] for _ in range(2)] == ["1", "2"]
    with pytest.raises(DataError, match=r"row 3: expected a JSON object"):
        next(stream)
    assert "cut short" in error_of(written(archive, "one.js", "window.YTD.tweets.part0 = [ "))


# Telegram


MESSAGES = [
    {"id": 1, "type": "service", "date": "2023-01-02T10:00:00", "actor": "Ann", "action": "create_group", "text": ""},
    {
        "id": 2,
        "type": "message",
        "date": "2023-01-02T10:20:30",
        "date_unixtime": "1672654830",
        "from": "Ann",
        "from_id": "user12",
        "text": ["look at ", {"type": "link", "text": "https://example.org"}, ", ", {"type": "bold", "text": "great"}],
        "text_entities": [{"type": "plain", "text": "look at "}],
    },
    {
        "id": 3,
        "type": "message",
        "date": "2023-01-02T10:21:00",
        "from": None,
        "from_id": "user13",
        "photo": "photos/photo_1@02-01-2023_10-21-00.jpg",
        "width": 1280,
        "height": 720,
        "text": "",
        "text_entities": [],
    },
    {
        "id": 4,
        "type": "message",
        "from": "Ann",
        "file": "stickers/sticker.webp",
        "media_type": "sticker",
        "mime_type": "image/webp",
        "sticker_emoji": "🙂",
        "text": 'a text with "messages": [ in it',
    },
    {
        "id": 5,
        "type": "message",
        "from": "Bea",
        "file": "files/notes.pdf",
        "mime_type": "application/pdf",
        "text": [{"type": "mention", "text": "@ann"}, " read this"],
    },
]
CHAT = {"name": "Neighbours", "type": "private_group", "id": 4711, "messages": MESSAGES}


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    folder = tmp_path / "ChatExport_2023-01-03"
    for name in ("photos/photo_1@02-01-2023_10-21-00.jpg", "stickers/sticker.webp", "files/notes.pdf"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(name.encode())
    written(folder, "result.json", json.dumps(CHAT, indent=1, ensure_ascii=False))
    return folder


def test_a_chat_of_telegram(chat: Path) -> None:
    assert source_format(chat) == source_format(chat / "result.json") == "telegram"
    posts = predicted(chat)
    assert [(post.id, post.text) for post in posts] == [
        ("2", "look at https://example.org, great"),
        ("3", ""),
        ("4", 'a text with "messages": [ in it'),
        ("5", "@ann read this"),
    ]
    photo, sticker = chat / "photos" / "photo_1@02-01-2023_10-21-00.jpg", chat / "stickers" / "sticker.webp"
    assert [post.image for post in posts] == [None, ImageRef(photo), ImageRef(sticker), None]
    assert count_posts(chat) == 4
    first = predicted(chat / "result.json", fields=True)[0]
    assert first.fields is not None
    assert (first.fields["from"], first.fields["date"]) == ("Ann", "2023-01-02T10:20:30")
    assert first.fields["text"] == "look at https://example.org, great"


def test_a_whole_account_of_telegram_is_all_its_chats_in_order(tmp_path: Path) -> None:
    account = {
        "about": "Here is the data you requested.",
        "personal_information": {"first_name": "Ann", "bio": "x" * 100_000},
        "chats": {"about": "This page lists all chats", "list": [CHAT, {**CHAT, "id": 4712}]},
        "left_chats": {"about": "", "list": [{"name": "Gone", "messages": []}]},
    }
    path = written(tmp_path, "result.json", json.dumps(account))
    assert [post.id for post in predicted(path)] == ["2", "3", "4", "5"] * 2


def test_conversations_with_a_language_model_are_no_chat_of_telegram(tmp_path: Path) -> None:
    line = json.dumps({"text": "hello", "messages": [{"role": "user", "content": "hello"}]})
    assert source_format(written(tmp_path, "a.jsonl", line + "\n")) == "jsonl"


# Reddit


def test_comments_of_reddit(tmp_path: Path) -> None:
    comments = [
        {"author": "ann", "body": "what a cat", "created_utc": 1672654830, "id": "j2abcd", "link_id": "t3_x",
         "score": 5, "subreddit": "cats", "controversiality": 0, "edited": False},
        {"author": "[deleted]", "body": "[deleted]", "id": "j2abce", "subreddit": "cats", "score": 1},
        {"author": "bea", "body": "[removed]", "id": "j2abcf", "subreddit": "cats", "score": 1},
        {"author": "bea", "body": "it says [removed] &amp; more", "id": "j2abcg", "subreddit": "cats", "score": -2},
    ]  # fmt: skip
    path = written(tmp_path, "RC_2023-01", "".join(json.dumps(one) + "\n" for one in comments))
    assert source_format(path) == "reddit"
    posts = predicted(path, fields=True)
    assert [(post.id, post.text) for post in posts] == [
        ("j2abcd", "what a cat"), ("j2abce", None), ("j2abcf", None), ("j2abcg", "it says [removed] &amp; more")
    ]  # fmt: skip
    assert [(post.fields or {})["score"] for post in posts] == [5, 1, 1, -2]
    assert count_posts(path) == 4


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "b", "body": "cut sh',
        '{"id": 1.5, "body": "b", "subreddit": "cats"}',
        "[1]",
        '{"id": [], "subreddit": 7}',
    ],
)
def test_a_line_of_reddit_that_is_none_costs_its_own_answer_alone(tmp_path: Path, line: str) -> None:
    good = '{"id": "a", "body": "fine", "subreddit": "cats"}'
    path = written(tmp_path, "RC_2023-01", f"{good}\n{line}\n{good}\n")
    posts = predicted(path)
    assert [post.text for post in posts][::2] == ["fine", "fine"]
    assert len(posts) == 3
    with pytest.raises(DataError, match="line 2"):
        read_posts(path)


@pytest.mark.parametrize("gallery", [7, "x", [3], [{"media_id": ["a"]}], {"items": 5}])
def test_a_gallery_of_reddit_that_is_none_shows_nothing(tmp_path: Path, gallery: Any) -> None:
    post = {
        "id": "a",
        "title": "Look",
        "subreddit": "c",
        "gallery_data": {"items": gallery},
        "media_metadata": {"a": 1},
    }
    (found,) = predicted(written(tmp_path, "RS_2023-01", json.dumps(post) + "\n"))
    assert (found.text, found.images) == ("Look", ())


@pytest.mark.parametrize("id", [1.5, [1], {}, True])
def test_an_odd_id_stops_no_prediction(tmp_path: Path, id: Any) -> None:
    chat = {"name": "n", "type": "private_group", "id": 1, "messages": [{**MESSAGES[1], "id": id, "type": "message"}]}
    path = written(tmp_path, "result.json", json.dumps(chat))
    assert len(predicted(path)) == 1
    tweets = [{"tweet": {"id_str": id, "full_text": "fine"}}]
    path = written(tmp_path, "tweets.js", f"window.YTD.tweets.part0 = {json.dumps(tweets)}")
    assert [post.text for post in predicted(path)] == ["fine"]


def test_submissions_of_reddit(tmp_path: Path) -> None:
    base = {"subreddit": "cats", "author": "ann", "selftext": "", "num_comments": 3}
    gallery = {
        "gallery_data": {"items": [{"media_id": "b", "id": 1}, {"media_id": "a", "id": 2}, {"media_id": "gone"}]},
        "media_metadata": {
            "a": {"status": "valid", "e": "Image", "s": {"u": "https://preview.redd.it/a.jpg?width=9&amp;s=1"}},
            "b": {"status": "valid", "e": "Image", "s": {"u": "https://preview.redd.it/b.jpg?width=9&amp;s=2"}},
        },
    }
    submissions = [
        {**base, "id": "10a", "title": "My cat", "selftext": "sleeps all day", "url": "https://www.reddit.com/r/cats/"},
        {**base, "id": "10b", "title": "Look", "url": "https://i.redd.it/cat.JPG", "post_hint": "image"},
        {**base, "id": "10c", "title": "All of them", **gallery, "url": "https://www.reddit.com/gallery/10c"},
        {**base, "id": "10d", "title": "Gone", "selftext": "[removed]", "url": "https://example.org/page"},
        {**base, "id": "10e", "title": "Odd", "url": "https://[broken"},
    ]
    path = written(tmp_path, "RS_2023-01.jsonl", "".join(json.dumps(one) + "\n" for one in submissions))
    assert source_format(path) == "reddit"
    posts = predicted(path, remote=True)
    assert [post.text for post in posts] == ["My cat\n\nsleeps all day", "Look", "All of them", "Gone", "Odd"]
    addresses = [[image.uri for image in post.images if isinstance(image, ImageUri)] for post in posts]
    assert addresses == [
        [],
        ["https://i.redd.it/cat.JPG"],
        ["https://preview.redd.it/b.jpg?width=9&s=2", "https://preview.redd.it/a.jpg?width=9&s=1"],
        [],
        [],
    ]
    labelled = [{**one, "mood": "positive"} for one in submissions]
    written(tmp_path, path.name, "".join(json.dumps(one) + "\n" for one in labelled))
    assert set(read_posts(path, columns={"label": "mood", "text": "title"}).labels) == {"positive"}
    assert read_posts(path, columns={"text": "title"})[0].text == "My cat"


@pytest.mark.parametrize("kind", ["reddit", "telegram"])
def test_an_export_in_another_encoding_is_read_as_a_table_is(tmp_path: Path, kind: str) -> None:
    text = "ça va très bien, déjà à l'hôtel, où l'été"
    item = {"id": "1", "subreddit": "cats", "body": text} if kind == "reddit" else {**MESSAGES[1], "text": text}
    value = item if kind == "reddit" else {**CHAT, "messages": [item]}
    path = written(tmp_path, "a.json", json.dumps(value, ensure_ascii=False).encode("cp1252"))
    assert source_format(path) == kind
    [post] = predicted(path)
    assert (post.text, post.guessed, post.lossy) == (text, True, False)
    path.write_bytes(json.dumps(value, ensure_ascii=False).encode().replace("où".encode(), b"o\xc3"))
    [post] = predicted(path)
    assert (post.text, post.guessed, post.lossy) == (text.replace("où", "o\ufffd"), False, True)


# Weibo


CRAWLER = [
    "id",
    "bid",
    "正文",
    "头条文章url",
    "原始图片url",
    "视频url",
    "位置",
    "日期",
    "工具",
    "点赞数",
    "评论数",
    "转发数",
]
SEARCH = [
    "id", "bid", "user_id", "用户昵称", "微博正文", "头条文章url", "发布位置", "艾特用户", "话题", "转发数", "评论数",
    "点赞数", "发布时间", "发布工具", "微博图片url", "微博视频url", "retweet_id",
]  # fmt: skip
SPIDER = [
    "微博id",
    "微博正文",
    "头条文章url",
    "原始图片url",
    "微博视频url",
    "发布位置",
    "发布时间",
    "发布工具",
    "点赞数",
]
DATASET = ["微博id", "微博发布时间", "发布人账号", "微博中文内容", "微博图片", "微博视频", "情感倾向"]
IMAGES = "https://wx1.sinaimg.cn/large/a.jpg,https://wx2.sinaimg.cn/large/b.jpg"


def weibo(folder: Path, header: list[str], rows: list[dict[str, str]], **how: Any) -> Path:
    path = folder / "weibo.csv"
    with path.open("w", newline="", encoding=how.get("encoding", "utf-8-sig")) as file:
        table = csv.DictWriter(file, header, restval="")
        table.writeheader()
        table.writerows(rows)
    return path


@pytest.mark.parametrize("header", [CRAWLER, SEARCH, SPIDER], ids=["weibo-crawler", "weibo-search", "weiboSpider"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "gb18030"])
def test_what_the_crawlers_of_weibo_write(tmp_path: Path, header: list[str], encoding: str) -> None:
    id, text = header[0], next(name for name in header if name.endswith("正文"))
    images = next(name for name in header if "图片" in name)
    rows = [
        {id: "4854000000000001\t", text: "今天天气真好，\n心情也好[太阳]", images: IMAGES, "点赞数": "12"},
        {id: "4854000000000002\t", text: "没有图片", images: "无" if header is SPIDER else ""},
    ]
    path = weibo(tmp_path, header, rows, encoding=encoding)
    assert source_format(path) == "weibo"
    first, second = predicted(path, remote=True, fields=True)
    assert (first.id, first.text) == ("4854000000000001", "今天天气真好，\n心情也好[太阳]")
    assert [image.uri for image in first.images if isinstance(image, ImageUri)] == IMAGES.split(",")
    assert (second.text, second.images) == ("没有图片", ())
    assert first.fields is not None
    assert list(first.fields) == header
    assert first.fields["点赞数"] == "12"
    assert stream_posts(path, fields=True).columns == tuple(header)


def test_a_labelled_set_of_weibo(tmp_path: Path) -> None:
    rows = [
        {"微博id": str(i), "微博中文内容": f"第{i}条", "微博图片": pictures, "情感倾向": label}
        for i, (pictures, label) in enumerate([("[]", "-1"), ("['https://wx1.sinaimg.cn/a.jpg']", "0"), ("[]", "1")])
    ]
    posts = read_posts(weibo(tmp_path, DATASET, rows), remote=True)
    assert posts.labels == ["negative", "neutral", "positive"]
    assert [len(post.images) for post in posts] == [0, 1, 0]


def test_a_column_that_is_named_goes_before_those_that_are_known(tmp_path: Path) -> None:
    path = weibo(tmp_path, SEARCH, [{"id": "1", "bid": "Mxyz", "微博正文": "好", "话题": "天气"}])
    assert read_posts(path, columns={"id": "bid", "text": "话题"})[0] == Post("Mxyz", "天气", encoding="utf-8")
    with pytest.raises(DataError, match="has no column 'nothing' for the text"):
        read_posts(path, columns={"text": "nothing"})
