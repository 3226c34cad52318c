from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moodfuse.data.duplicates import Groups, group_duplicates, straddling
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Post, Posts
from moodfuse.data.splits import Split, make_split, make_validation_split, read_split
from moodfuse.errors import ConfigError, DataError, OutputError
from moodfuse.labels import SENTIMENT, Labels


def made(labels: list[str | None]) -> Posts:
    return Posts((Post(f"p{i}", None, None, label) for i, label in enumerate(labels)), source="posts.csv")


def apart(posts: Posts) -> Groups:
    return Groups({id: i for i, id in enumerate(posts.ids)}, {}, {})


BALANCED = made([*SENTIMENT.names] * 30)


def test_fold_0_tests_fold_1_validates_and_the_rest_train() -> None:
    split = make_split(BALANCED, groups=apart(BALANCED))
    assert sorted(set(split.folds.values())) == list(range(10))
    assert (len(split.test_ids), len(split.validation_ids), len(split.train_ids)) == (9, 9, 72)
    assert split.test_ids == [id for id in BALANCED.ids if split.folds[id] == 0]
    assert split.validation_ids == [id for id in BALANCED.ids if split.folds[id] == 1]
    assert sorted(split.test_ids + split.validation_ids + split.train_ids) == sorted(BALANCED.ids)


UNEVEN = made(["positive"] * 60 + ["negative"] * 30 + ["neutral"] * 10)


@pytest.mark.parametrize(
    ("size", "counts"), [(0.2, (12, 6, 2)), (10, (6, 3, 1)), (0.5, (30, 15, 5)), (33, (20, 10, 3))]
)
def test_a_validation_part_has_its_size_and_every_label_its_share(size: float, counts: tuple[int, ...]) -> None:
    split = make_validation_split(UNEVEN, size, groups=apart(UNEVEN))
    label = dict(zip(UNEVEN.ids, UNEVEN.labels, strict=True))
    found = Counter(label[id] for id in split.validation_ids)
    assert tuple(found[name] for name in ("positive", "negative", "neutral")) == counts
    assert (split.test_ids, len(split.train_ids)) == ([], 100 - sum(counts))
    assert make_validation_split(UNEVEN, size, groups=apart(UNEVEN)).sha256 == split.sha256
    assert make_validation_split(UNEVEN, size, seed=1, groups=apart(UNEVEN)).sha256 != split.sha256


def test_a_validation_part_parts_no_near_duplicates_and_lacks_no_label() -> None:
    twins = Groups({id: i // 2 for i, id in enumerate(UNEVEN.ids)}, {}, {})
    split = make_validation_split(UNEVEN, 0.3, groups=twins)
    assert straddling(twins, split.parts) == []
    assert 24 <= len(split.validation_ids) <= 30
    with pytest.raises(DataError, match=r"split\.validation=3 of 100 posts: no post of label 'neutral' would validate"):
        make_validation_split(UNEVEN, 3, groups=apart(UNEVEN))


def test_unlabelled_posts_are_in_no_fold() -> None:
    posts = made([None, *SENTIMENT.names] * 10)
    split = make_split(posts, groups=apart(posts))
    assert list(split.folds) == posts.labelled().ids


def test_groups_are_looked_for_where_none_are_given() -> None:
    words = [f"post of the {name} kind about subject {'abcdefghij'[i] * 12}" for i in range(10) for name in "xyz"]
    posts = Posts(
        Post(f"{copy}{i}", text, None, SENTIMENT.names[i % 3]) for copy in "rs" for i, text in enumerate(words)
    )
    split = make_split(posts, folds=5)
    assert all(split.folds[f"r{i}"] == split.folds[f"s{i}"] for i in range(len(words)))


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 25), st.sampled_from(SENTIMENT.names)), max_size=60),
    st.integers(3, 6),
    st.integers(0, 5),
)
def test_no_group_straddles_and_every_post_has_one_fold(drawn: list[tuple[int, str]], folds: int, seed: int) -> None:
    rows = drawn + [(100 + i, SENTIMENT.names[i % 3]) for i in range(36)]
    posts = made([label for _, label in rows])
    groups = Groups({id: group for id, (group, _) in zip(posts.ids, rows, strict=True)}, {}, {})
    split = make_split(posts, folds=folds, seed=seed, groups=groups)
    assert straddling(groups, split.folds) == []
    assert list(split.folds) == posts.ids
    assert set(split.folds.values()) == set(range(folds))
    truth = dict(zip(posts.ids, posts.labels, strict=True))
    for ids in (split.train_ids, split.validation_ids, split.test_ids):
        assert {truth[id] for id in ids} == set(SENTIMENT.names)


def test_folds_are_stratified() -> None:
    generator = np.random.default_rng(0)
    posts = made([SENTIMENT.names[i] for i in generator.choice(3, 600, p=[0.3, 0.1, 0.6])])
    split = make_split(posts, groups=apart(posts))
    whole = Counter(posts.labels)
    for fold in range(10):
        found = Counter(post.label for post in posts if split.folds[post.id] == fold)
        assert all(abs(found[name] - whole[name] / 10) <= 2 for name in SENTIMENT.names)


def test_the_seed_decides_the_split() -> None:
    groups = apart(BALANCED)
    assert make_split(BALANCED, groups=groups) == make_split(BALANCED, groups=groups)
    assert make_split(BALANCED, groups=groups).folds != make_split(BALANCED, groups=groups, seed=1).folds


def test_a_rare_label_gets_into_every_part_by_a_later_seed_which_is_recorded() -> None:
    posts = made(["positive"] * 40 + ["negative"] * 40 + ["neutral"] * 3)
    split = make_split(posts, folds=10, groups=apart(posts))
    truth = dict(zip(posts.ids, posts.labels, strict=True))
    for ids in (split.train_ids, split.validation_ids, split.test_ids):
        assert "neutral" in {truth[id] for id in ids}
    assert split.seed > 0
    assert make_split(posts, folds=10, groups=apart(posts), seed=split.seed) == split


@pytest.mark.parametrize(
    ("labels", "folds", "message"),
    [
        ([*SENTIMENT.names], 10, r"label 'negative': expected posts in 3 or more groups .* found 1"),
        (["positive"] * 30, 10, r"label 'negative': expected posts in 3 or more groups .* found 0"),
        (["positive"] * 30 + ["negative"] * 30 + ["neutral"] * 2, 10, r"label 'neutral': .* found 2"),
        ([None] * 30, 10, r"expected posts with a label, found none"),
        (["postive"] + [*SENTIMENT.names] * 9, 10, r"did you mean positive"),
    ],
)
def test_too_little_to_split_is_said_in_one_line(labels: list[str | None], folds: int, message: str) -> None:
    posts = made(labels)
    with pytest.raises(DataError, match=message) as caught:
        make_split(posts, folds=folds, groups=apart(posts))
    assert str(caught.value).startswith("posts.csv: ")
    assert "\n" not in str(caught.value)


def test_thirty_posts_in_three_groups_are_three_posts() -> None:
    posts = made([*SENTIMENT.names] * 10)
    groups = Groups({id: i // 10 for i, id in enumerate(posts.ids)}, {}, {})
    with pytest.raises(DataError, match=r"found 30 labelled posts in 3 groups, .* set split\.folds=3, or add posts"):
        make_split(posts, groups=groups)


@pytest.mark.parametrize("count", range(2, 13))
@pytest.mark.parametrize("classes", [1, 2, 3])
@pytest.mark.parametrize("folds", [3, 5, 10])
def test_a_tiny_set_is_split_or_the_error_says_what_would_do(count: int, classes: int, folds: int) -> None:
    posts = made([SENTIMENT.names[i % classes] for i in range(count)])
    labels = Labels(SENTIMENT.names[: max(2, classes)])
    try:
        assert len(make_split(posts, folds=folds, groups=apart(posts), labels=labels).folds) == count
        return
    except DataError as error:
        line = str(error)
    assert line.startswith("posts.csv: ")
    assert "\n" not in line
    if advised := re.search(r"set split\.folds=(\d+)", line):
        assert make_split(posts, folds=int(advised[1]), groups=apart(posts), labels=labels)
        line = str(refusal(posts, labels, folds, settable=False))
        assert "split.folds" not in line
    if classes > 1 and count >= 3 * classes and folds > 3:  # three of each label make three folds
        assert advised


def refusal(posts: Posts, labels: Labels, folds: int, *, settable: bool) -> DataError:
    with pytest.raises(DataError) as caught:
        make_split(posts, folds=folds, groups=apart(posts), labels=labels, settable=settable)
    return caught.value


def test_other_labels_than_three() -> None:
    posts = made(["yes", "no"] * 20)
    split = make_split(posts, folds=4, groups=apart(posts), labels=Labels(("no", "yes")))
    assert len(split.test_ids) == 10


def test_two_folds_cannot_make_three_parts() -> None:
    with pytest.raises(ConfigError, match=r"split\.folds: expected 3 or more"):
        make_split(BALANCED, folds=2, groups=apart(BALANCED))


def test_a_fold_has_one_role() -> None:
    with pytest.raises(DataError, match="fold 1 both tests and validates"):
        Split({"a": 0}, test=(0, 1), validation=(1,))


def test_saved_and_loaded_again(tmp_path: Path) -> None:
    split = replace(make_split(BALANCED, groups=apart(BALANCED)), test=(2, 3), validation=(4,), origin="表.csv")
    split.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == split
    assert [path.name for path in tmp_path.iterdir()] == ["split.json"]
    with pytest.raises(OutputError):
        split.save(tmp_path / "none" / "split.json")


def test_the_hash_is_of_folds_and_roles_alone() -> None:
    split = Split({"a": 0, "b": 1})
    assert split.sha256 == Split({"b": 1, "a": 0}, seed=3, origin="x").sha256
    assert len({split.sha256, Split({"a": 0, "b": 2}).sha256, Split({"a": 0, "b": 1}, test=(5,)).sha256}) == 3


def test_an_altered_or_broken_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    make_split(BALANCED, groups=apart(BALANCED)).save(path)
    content = json.loads(path.read_text("utf-8"))
    content["folds"]["p0"] = (content["folds"]["p0"] + 1) % 10
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(DataError, match="not those it was saved with"):
        Split.load(path)
    del content["sha256"]
    path.write_text(json.dumps(content), "utf-8")
    assert Split.load(path).folds == content["folds"]
    for text, message in (
        ("{", "expected JSON"),
        ("[]", "expected a split.json"),
        ('{"folds": 3}', "expected a split.json"),
    ):
        path.write_text(text, "utf-8")
        with pytest.raises(DataError, match=message):
            Split.load(path)
    with pytest.raises(DataError, match=r"none\.json: cannot be read"):
        Split.load(tmp_path / "none.json")


FOUR = made(["positive", "negative", "neutral", "positive"])
PARTS = {"p0": 0, "p1": 1, "p2": 2, "p3": 2}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.csv", "guid,split\np0,test\np1,Val\np2,train\np3,train\n"),
        ("s.csv", "\ufeffsplit,other,id\ntest,x,p0\nvalidation,x,p1\ntrain,x,p2\ntrain,x,p3\n"),
        ("s.tsv", "id\tfold\np0\t0\np1\t1\np2\t2\np3\t2\n"),
        ("s.csv", "id,split\np0,test\np0,test\np1,dev\np2,train\np3,train\n"),
        ("s.csv", "id;split\np0;test\np1;val\np2;train\np3;train\n"),
        ("s.txt", 'id,note,split\np0,"a\u2028b",test\np1,"two\nlines",val\np2,,train\np3,,train,more\n'),
        ("s.json", '{"p0": "test", "p1": "valid", "p2": "train", "p3": "train"}'),
        ("s.json", '{"p0": 0, "p1": 1, "p2": 2, "p3": 2}'),
        ("s.json", '[{"guid": "p0", "split": "test"}, {"id": "p1", "split": "val"}, {"id": "p2", "split": "train"},'
                   ' {"id": "p3", "split": "train"}]'),
    ],
)  # fmt: skip
def test_a_users_split_in_any_of_its_forms(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    split = read_split(tmp_path / name, FOUR)
    assert split.folds == PARTS
    assert split.origin == str(tmp_path / name)
    assert (split.test_ids, split.validation_ids, split.train_ids) == (["p0"], ["p1"], ["p2", "p3"])


def test_our_own_file_is_read_with_its_roles_and_seed(tmp_path: Path) -> None:
    split = Split(PARTS, test=(2,), validation=(0,), seed=7)
    split.save(tmp_path / "split.json")
    assert read_split(tmp_path / "split.json", FOUR) == split


def test_ids_that_the_posts_lack_are_ignored_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("id,split\np0,test\np1,val\np2,train\np3,train\nq,train\nr,test\n", "utf-8")
    split = read_split(path, FOUR)
    assert (split.folds, split.ignored) == (PARTS, 2)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.csv", "id,split\np0,test\np1,vall\np2,train\np3,train\n", r"line 3: unknown part 'vall'; did you mean val"),
        ("s.csv", "id,split\np0,test\np1,val\n", r"says nothing of 2 labelled posts, the first 'p2'"),
        ("s.csv", "id,split\np0,test\np0,val\n", r"line 3: id 'p0' is in two parts"),
        ("s.csv", "id,split\np0,train\np1,val\np2,train\np3,train\n", r"found none in test"),
        ("s.csv", "id,split\np0,test\np1,test\np2,train\np3,train\n", r"found none in validation"),
        ("s.csv", "id,fold\np0,0\np1,1\np2,1\np3,0\n", r"found none in train"),
        ("s.csv", "id,split\np0,test\np1,1\n", r"line 3: expected names of parts or numbers of folds, found both"),
        ("s.csv", "name,part\np0,test\n", r"line 2: expected id \(or guid\) and split \(or fold\), found name, part"),
        ("s.csv", "", r"says nothing of 4 labelled posts"),
        ("s.json", '{"p0": "test", "p0": "train"}', r"'p0' stands there twice, with 'test' and 'train'"),
        ("s.json", '{"p0": -1}', r"id 'p0': unknown part '-1'"),
        ("s.json", '[{"id": "p0"}]', r"entry 1: expected id \(or guid\) and split"),
        ("s.json", '"test"', r"expected \{id: part\} or a list of rows"),
        ("s.json", '{"p0": ', r"expected JSON, found something else in line 1"),
    ],
)
def test_what_is_wrong_with_a_users_split_is_said_in_one_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_split(tmp_path / name, FOUR)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_users_split_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"s\.csv: cannot be read"):
        read_split(tmp_path / "s.csv", FOUR)


def test_real_posts_split_without_parting_duplicates(posts_folder: Path) -> None:
    posts = read_posts(posts_folder)[:1200]
    groups = group_duplicates(posts)
    split = make_split(posts, groups=groups)
    assert straddling(groups, split.folds) == []
    at_random = dict(zip(posts.ids, np.random.default_rng(0).integers(0, 10, len(posts)), strict=True))
    assert len(straddling(groups, at_random)) > 5  # so that the line above means something
    whole = Counter(posts.labels)
    for fold in range(10):
        found = Counter(post.label for post in posts if split.folds[post.id] == fold)
        assert all(abs(found[name] - whole[name] / 10) <= 5 for name in SENTIMENT.names)


@pytest.mark.parametrize("content", ['{"a": ' + "[" * 50_000, '{"a": ' + "9" * 5_000 + "}"], ids=["brackets", "digits"])
def test_json_that_no_reader_takes_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(DataError, match=r"split\.json: cannot be read as JSON"):
        read_split(tmp_path / "split.json", BALANCED)
