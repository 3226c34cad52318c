"""A text encoder with fewer tokens: those of the languages that it is for, and emoji that are younger than it.

250,000 tokens of a hundred languages are four fifths of `multilingual-e5-small`. What is kept: the tokens of the
corpora, of the commonest words of each language (`wordfreq`), and every letter, sign and emoji of their scripts.

The encoder knows few emoji of after 2016, not all before. `LIKE` gives such an emoji the vector of one that it knows.
"""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from wordfreq import top_n_list

WORDS = 50_000
#: Emoji that the encoder knows, and others that say nearly the same.
LIKE = {
    "😡": "🤬😾🙎🖕",
    "😤": "😠",
    "😖": "🤢🤮🤧🤒🤕🥴",
    "👎": "💩",
    "😱": "🤯🙀🫨",
    "😨": "🥶",
    "😢": "😿🥺",
    "😔": "🙍",
    "😒": "🤥😼",
    "😕": "🫤",
    "😅": "🫠",
    "😓": "🥵",
    "😴": "🥱💤",
    "😶": "🫥",
    "🤔": "🧐",
    "🤭": "🫢🫣🤫",
    "🤗": "🫂",
    "🎉": "🥳🪅🎆🎇",
    "❤": "🫶🤍🤎🩷🩵🩶🫰",
    "🥰": "🥹",
    "😊": "😺",
    "😁": "😸",
    "😍": "😻",
    "😘": "😽",
    "😎": "🤠🥸",
    "👌": "🤌",
    "👍": "🫡",
    "👊": "🤛🤜",
    "✋": "🤚",
    "✌": "🖖",
    "💪": "🦾🦸",
    "🏆": "🏅🥈🥉",
    "🌟": "🌠",
    "✨": "🪄",
    "☀": "🌤🌥",
    "☔": "🌧🌨🌩⛈",
}
_CASELESS = {"zh", "ar", "hi"}
_SCRIPTS = ("LATIN", "ARABIC", "DEVANAGARI", "CJK")
_TABLE = "embeddings.word_embeddings.weight"
_WEIGHTS, _TOKENIZER, _CONFIG = "model.safetensors", "tokenizer.json", "config.json"


def prune(folder: Path, out: Path, texts: Sequence[str], languages: Iterable[str]) -> None:
    """Write the encoder of a Hugging Face folder, `out`, with no more tokens than `texts` and languages need."""
    tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
    content = json.loads((folder / _TOKENIZER).read_text("utf-8"))
    pieces = content["model"]["vocab"]
    keep = sorted(_needed(tokenizer, texts, languages) | {i for i, (piece, _) in enumerate(pieces) if _kept(piece)})
    place = {old: new for new, old in enumerate(keep)}
    known = {piece: id for id, (piece, _) in enumerate(pieces)}
    like = {sign: known[sign_known] for sign_known, signs in LIKE.items() for sign in signs if sign not in known}
    content["model"]["vocab"] = [
        *(pieces[old] for old in keep),
        *([sign, pieces[id][1]] for sign, id in like.items()),
    ]
    content["model"]["unk_id"] = place[content["model"]["unk_id"]]
    for special in content["post_processor"]["special_tokens"].values():
        special["ids"] = [place[old] for old in special["ids"]]
    content["added_tokens"] = [token | {"id": place[token["id"]]} for token in content["added_tokens"]]
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(folder, out)
    (out / _TOKENIZER).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    weights = load_file(out / _WEIGHTS)
    weights[_TABLE] = weights[_TABLE][torch.tensor([*keep, *like.values()])].clone()
    save_file(weights, out / _WEIGHTS, metadata={"format": "pt"})
    config = json.loads((out / _CONFIG).read_text("utf-8"))
    config |= {"vocab_size": len(keep) + len(like), "pad_token_id": place[config["pad_token_id"]]}
    (out / _CONFIG).write_text(json.dumps(config, indent=2), encoding="utf-8")
    print(f"{len(pieces):,} tokens, {len(keep):,} of them kept; {len(like)} emoji added")


def _needed(tokenizer: Tokenizer, texts: Sequence[str], languages: Iterable[str]) -> set[int]:
    needed = {id for encoded in tokenizer.encode_batch(list(texts)) for id in encoded.ids}
    for language in languages:
        words = top_n_list(language, WORDS)
        if language not in _CASELESS:
            words = [*words, *(word.capitalize() for word in words), *(word.upper() for word in words[:5_000])]
        needed.update(id for encoded in tokenizer.encode_batch(words) for id in encoded.ids)
    return needed


def _kept(piece: str) -> bool:
    """Tell whether a token stays whatever the corpora hold: special, or made of letters and signs of the languages."""
    if piece in {"<s>", "</s>", "<pad>", "<unk>", "<mask>"}:
        return True
    signs = piece.replace("\u2581", "")
    if any(unicodedata.category(sign) in {"So", "Sk"} for sign in signs):
        return True  # emoji, alone and in rows
    return len(signs) <= 1 and all(_of_languages(sign) for sign in signs)


def _of_languages(sign: str) -> bool:
    if unicodedata.category(sign)[0] in "NPSZC":
        return True
    return unicodedata.name(sign, "").startswith(_SCRIPTS)
