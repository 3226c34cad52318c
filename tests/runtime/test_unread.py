"""What a tokenizer has no tokens for is counted by letters and emoji, whatever kind of tokenizer it is."""

from __future__ import annotations

import string
from collections.abc import Callable

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from moodfuse.data.lexicon import lexicon_sha256
from moodfuse.runtime.bundle import ViewSpec, default_bundle, read_bundle
from moodfuse.runtime.lexicon import LexiconReader
from moodfuse.runtime.tokenizer import load_tokenizer
from moodfuse.runtime.unread import NOT_UNDERSTOOD, UnreadSigns
from moodfuse.runtime.views import JoinedTexts, open_texts

WORDS = ["love", "so", "good", "day"]
LETTERS = [*string.ascii_lowercase, *string.digits, *"!?.,"]


def word_pieces() -> Tokenizer:
    """BERT's kind: a word that holds one unknown character is unknown as a whole."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=ends)
    return tokenizer


def unigram() -> Tokenizer:
    """XLM-R's kind: unknown neighbours become one token, and a mark stands where a word begins."""
    pieces = ["<s>", "</s>", "<unk>", "\u2581", *WORDS, *LETTERS, *(f"\u2581{word}" for word in WORDS)]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=2, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    ends = [("<s>", 0), ("</s>", 1)]
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=ends)
    return tokenizer


def letters() -> Tokenizer:
    """A token for each character, no specials."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, **{c: i for i, c in enumerate(LETTERS, 1)}}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return tokenizer


def in_bytes() -> Tokenizer:
    """RoBERTa's kind: nothing is unknown."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE({sign: i for i, sign in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def share(tokenizer: Tokenizer, text: str) -> float:
    tokenizer.no_padding()
    return UnreadSigns(tokenizer).share(text, tokenizer.encode(text).ids)


every = pytest.mark.parametrize("make", [word_pieces, unigram, letters], ids=["WordPiece", "Unigram", "WordLevel"])


@every
@pytest.mark.parametrize(
    "text",
    [
        "😡😡😡",
        "😡",
        "😡 😡 😡!!!",
        "😡 10/10 ...",
        "สวัสดีครับ",
        "좋아요 좋아요",
        "очень плохо",
        "so 很好很好",
        "🇩🇪🇩🇪",
        "👍🏽",
        "❤️❤️",
        "\U0001fae9\U0001fae9",  # younger than Python's tables
        "\uf8ff \uf8ff",  # of private use: an icon of some font
    ],
)
def test_a_text_that_is_mostly_unknown_is_not_understood(make: Callable[[], Tokenizer], text: str) -> None:
    assert share(make(), text) >= NOT_UNDERSTOOD


@every
@pytest.mark.parametrize(
    "text",
    [
        "so good",
        "so good 😡",
        "love 👨‍👩‍👧‍👦",  # one emoji of seven characters
        "so 🇩🇪",
        "day 👍🏽",
        "ok ❤️",
        "what a day 很",
        "!!! 10/10 ...",
        "–– — “”",
        "",
    ],
)
def test_a_text_that_is_mostly_known_is_understood(make: Callable[[], Tokenizer], text: str) -> None:
    assert share(make(), text) < NOT_UNDERSTOOD


def test_shares_are_exact() -> None:
    assert share(unigram(), "so 😡 b") == 1 / 4
    assert share(unigram(), "😡b") == 1 / 2  # the mark of its beginning stands in the emoji's place
    assert share(unigram(), "very 中文 good 中文字") == 5 / 13
    assert share(word_pieces(), "so 😡 b") == 1 / 4
    assert share(word_pieces(), "good day😡") == 4 / 8  # the whole word went
    assert share(word_pieces(), "a" * 200) == 1  # too long for a word: one unknown token


@pytest.mark.parametrize("text", ["😡😡😡", "สวัสดีครับ", "очень плохо", "love"])
def test_a_tokenizer_that_spells_in_bytes_reads_everything(text: str) -> None:
    assert share(in_bytes(), text) == 0


def test_what_a_tokenizer_drops_is_unread_too() -> None:
    tokenizer = unigram()
    tokenizer.normalizer = normalizers.Replace("\u2603", "")
    assert share(tokenizer, "\u2603\u2603") == 1


@pytest.mark.parametrize(
    "text", ["\u2593\u2592\u2591 \u2591\u2592", "\u256c\u256b \u2500", "\ue415 \ue057", "\U0010f000"]
)
def test_what_means_nothing_is_unread_though_there_are_tokens_for_it(text: str) -> None:
    held = Tokenizer(models.WordLevel({"[UNK]": 0} | {sign: i for i, sign in enumerate({*text, *LETTERS}, 1)}, "[UNK]"))
    held.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    assert share(held, text) == 1.0
    assert 0.0 < share(held, f"abcdefghij {text}") < NOT_UNDERSTOOD


def test_of_a_cut_text_the_part_that_was_kept_counts() -> None:
    tokenizer = unigram()
    tokenizer.enable_truncation(max_length=4)
    assert share(tokenizer, "good day " + "😡 " * 20) == 0
    tokenizer.enable_truncation(max_length=6)
    assert share(tokenizer, "good day " + "😡 " * 20) == 1 / 8


def test_the_text_is_looked_at_only_where_an_unknown_token_stands() -> None:
    unread = UnreadSigns(word_pieces())
    assert unread.share("😡", [2, 5, 3]) == 0
    assert unread.share("😡", [2, 1, 3]) == 1


def test_the_bundle_that_comes_with_moodfuse_understands_words_and_emoji_and_not_every_script() -> None:
    tokenizer = load_tokenizer((default_bundle() / "tokenizer.json").read_text("utf-8"), max_tokens=128)
    for text in ("what a lovely day 😡", "😡😡😡", "什么破手机", "यह बहुत अच्छा है"):
        assert share(tokenizer, text) < NOT_UNDERSTOOD, text
    assert share(tokenizer, "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ") >= NOT_UNDERSTOOD


def test_what_one_of_several_encoders_reads_the_model_has_read() -> None:
    pytest.importorskip("vaderSentiment")
    encoder = open_texts(read_bundle(default_bundle()), threads=1)
    view = ViewSpec(encoder="vader", kind="lexicon", text=encoder.spec, sha256=lexicon_sha256())
    reader = JoinedTexts([encoder, LexiconReader(view, encoder.spec)])

    def unread(text: str) -> float | None:
        [(inputs, _)] = reader.tokenize([text])
        return reader.unread(text, inputs)

    assert unread("😍😍😍") == 0  # VADER has words for emoji, and scores for some of them
    assert unread("สวัสดีครับ") == 1
    assert unread("the bus leaves at ten") == 0
