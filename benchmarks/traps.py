"""The traps that inflate published scores on this task, each wrong beside right, on your posts.

    python benchmarks/traps.py DATA [TRAP ...]

Every trap is one function below; each prints one Markdown row: what the wrong way reports, what the right way does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from torch import nn

from moodfuse import Posts, read_posts
from moodfuse.config import DataConfig
from moodfuse.data.duplicates import Groups, group_duplicates
from moodfuse.data.splits import make_split
from moodfuse.evaluate.intervals import mcnemar, paired_bootstrap
from moodfuse.evaluate.metrics import score
from moodfuse.labels import SENTIMENT
from moodfuse.learn.encoders import Encoded, Features, find_encoder
from moodfuse.learn.fusion import Shapes, build_fusion

TRAPS: dict[str, Callable[[Material], tuple[str, str, str]]] = {}


@dataclass
class Material:
    """The posts, their labels, duplicate groups, split and features, each made when first asked for."""

    posts: Posts

    @cached_property
    def y(self) -> np.ndarray:
        return np.array([SENTIMENT.id(str(label)) for label in self.posts.labels])

    @cached_property
    def groups(self) -> Groups:
        return group_duplicates(self.posts)

    @cached_property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows that train, validate and test, near-duplicates kept together: 3 x (N,) integers."""
        split = make_split(self.posts, groups=self.groups)
        row = {post_id: i for i, post_id in enumerate(self.posts.ids)}
        ids = (split.train_ids, split.validation_ids, split.test_ids)
        return tuple(np.array([row[i] for i in part]) for part in ids)  # type: ignore[return-value]

    @cached_property
    def text(self) -> np.ndarray:
        return _matrix(find_encoder("minilm", "text", DataConfig()).features(self.posts))

    @cached_property
    def image(self) -> np.ndarray:
        return _matrix(find_encoder("efficientnet-lite0", "image", DataConfig()).features(self.posts))

    @cached_property
    def both(self) -> np.ndarray:
        return np.hstack([self.text, self.image])


def trap(function: Callable[[Material], tuple[str, str, str]]) -> Callable[[Material], tuple[str, str, str]]:
    TRAPS[function.__name__] = function
    return function


def probe(x: np.ndarray, y: np.ndarray, rows: np.ndarray, c: float = 1e-3) -> LogisticRegression:
    return LogisticRegression(C=c, max_iter=2000).fit(x[rows], y[rows])


@trap
def resplit(material: Material) -> tuple[str, str, str]:
    """Stage one (TF-IDF + logistic regression) on one random split, the head on another."""
    texts, y = [post.text or "" for post in material.posts], material.y
    rows = np.arange(len(y))

    def run(second_seed: int) -> float:
        first, _ = train_test_split(rows, test_size=0.1, random_state=0, stratify=y)
        encoder = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=100, max_iter=2000))
        encoder.fit([texts[i] for i in first], y[first])
        x = encoder.predict_log_proba(texts)
        train, held = train_test_split(rows, test_size=0.1, random_state=second_seed, stratify=y)
        return score(y[held], probe(x, y, train, 1.0).predict(x[held]), SENTIMENT).accuracy

    wrong = np.mean([run(seed) for seed in range(1, 6)])
    return "validation accuracy", f"{wrong:.3f} (another split for the head)", f"{run(0):.3f} (one split throughout)"


@trap
def batch_attention(material: Material) -> tuple[str, str, str]:
    """nn.TransformerEncoder given (B, D): every post attends to its neighbours."""
    torch.manual_seed(0)
    train, _, test = material.parts
    x, y = torch.from_numpy(material.both), torch.from_numpy(material.y)
    wrong = nn.Sequential(nn.Linear(x.shape[1], 256), nn.TransformerEncoderLayer(256, 16, 512), nn.Linear(256, 3))
    alone = nn.Sequential(nn.Linear(x.shape[1], 256), _PerPost(256), nn.Linear(256, 3))
    flips = []
    for model in (wrong, alone):
        _train(model, x[train], y[train], lr=3e-4)
        first, second = (_predict_in_order(model, x[test], seed) for seed in (1, 2))
        flips.append(float((first != second).mean()))
    return "labels that change with the neighbours", f"{flips[0]:.1%} of {len(test)} posts", f"{flips[1]:.1%}"


class _PerPost(nn.TransformerEncoderLayer):
    """The same layer over each post's own sequence (here of one), batch first."""

    def __init__(self, width: int) -> None:
        super().__init__(width, 16, 512, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x.unsqueeze(1)).squeeze(1)


@trap
def padding(material: Material) -> tuple[str, str, str]:
    """A text padded to 128 tokens and encoded without the attention mask."""
    train, _, test = material.parts
    source = find_encoder("minilm", "text", DataConfig())
    encoder, head = source.load(), probe(material.text, material.y, train)
    posts = material.posts.subset([material.posts.ids[i] for i in test])
    ids, mask = source.live(posts).batch(range(len(posts)))
    ids = nn.functional.pad(ids, (0, 128 - ids.shape[1]), value=source.spec.pad_id)
    mask = nn.functional.pad(mask, (0, 128 - mask.shape[1]))
    changed = []
    for seen in (torch.ones_like(mask), mask):
        with torch.no_grad():
            vectors = torch.cat([encoder(ids[i : i + 64], seen[i : i + 64]).pooled for i in range(0, len(ids), 64)])
        changed.append(float((head.predict(_normal(vectors.numpy())) != head.predict(material.text[test])).mean()))
    return "labels that padding changes", f"{changed[0]:.1%} (no mask)", f"{changed[1]:.1%} (mask)"


@trap
def one_key(material: Material) -> tuple[str, str, str]:
    """Text queries attending to one pooled image vector: a softmax over one thing is the constant 1."""
    torch.manual_seed(0)
    attend = nn.MultiheadAttention(256, 2, kdim=1280, vdim=1280, batch_first=True).eval()
    image = torch.from_numpy(material.image[:256]).unsqueeze(1)
    text = nn.functional.pad(torch.from_numpy(material.text[:256, :256]), (0, 0)).unsqueeze(1)
    with torch.no_grad():
        moved = (attend(text, image, image)[0] - attend(text.flip(0), image, image)[0]).abs().max().item()
        ours = build_fusion("cross_attention", Shapes(384, 1280, 3), {}).eval()
        moved_ours = (ours(*_sequences(material, 0)) - ours(*_sequences(material, 1))).abs().max().item()
    return "output moved by another text", f"{moved:.1e} (one key)", f"{moved_ours:.1e} (over regions)"


@trap
def ignored_modality(material: Material) -> tuple[str, str, str]:
    """A fusion whose forward returns the text branch: shuffling the images changes nothing."""
    train, _, test = material.parts
    shuffled = np.random.default_rng(0).permutation(len(test))
    changed = []
    for width in (material.text.shape[1], material.both.shape[1]):
        model = probe(material.both[:, :width], material.y, train)
        mixed = np.hstack([material.text[test], material.image[test][shuffled]])[:, :width]
        changed.append(float((model.predict(mixed) != model.predict(material.both[test][:, :width])).mean()))
    return "labels that other images change", f"{changed[0]:.1%} (text branch returned)", f"{changed[1]:.1%}"


@trap
def select_on_test(material: Material) -> tuple[str, str, str]:
    """The best of 60 equal models (random halves of the features), picked on the test posts or on validation."""
    train, validation, test = material.parts
    random = np.random.default_rng(0)
    on_test, on_validation = [], []
    for _ in range(60):
        columns = random.permutation(material.both.shape[1])[:400]
        model, x = probe(material.both[:, columns], material.y, train), material.both[:, columns]
        on_test.append(float((model.predict(x[test]) == material.y[test]).mean()))
        on_validation.append(float((model.predict(x[validation]) == material.y[validation]).mean()))
    honest = on_test[int(np.argmax(on_validation))]
    return (
        f"test accuracy of the best of 60 (their mean: {np.mean(on_test):.3f})",
        f"{max(on_test):.3f} (picked on test)",
        f"{honest:.3f} (picked on validation)",
    )


@trap
def duplicates(material: Material) -> tuple[str, str, str]:
    """Copies of a post on both sides of a random split: nearest neighbour on the posts that have copies."""
    rows = np.arange(len(material.y))
    sizes = np.bincount([material.groups.group_of[i] for i in material.posts.ids])
    copied = np.array([sizes[material.groups.group_of[i]] > 1 for i in material.posts.ids])
    train, validation, _ = material.parts
    random_train, random_held = train_test_split(rows, test_size=0.2, random_state=0, stratify=material.y)
    grouped_held = np.setdiff1d(rows, np.union1d(train, validation))
    grouped_held = np.union1d(grouped_held, validation)
    found = []
    for fit, held in ((random_train, random_held), (train, grouped_held)):
        model = KNeighborsClassifier(1).fit(material.text[fit], material.y[fit])
        posts = held[copied[held]]
        found.append((float((model.predict(material.text[posts]) == material.y[posts]).mean()), len(posts)))
    wrong, right = (f"{accuracy:.3f} ({count} posts)" for accuracy, count in found)
    return "1-NN accuracy on posts that have copies", f"{wrong} random split", f"{right} grouped split"


@trap
def lent_hyperparameters(material: Material) -> tuple[str, str, str]:
    """One regularisation, tuned for a probe on normalised vectors, lent to its rival on unit-length vectors."""
    train, validation, test = material.parts
    rival = np.hstack([_unit(material.text), _unit(material.image)])

    def macro_f1(x: np.ndarray, c: float, rows: np.ndarray) -> float:
        return score(material.y[rows], probe(x, material.y, train, c).predict(x[rows]), SENTIMENT).macro_f1

    def tuned(x: np.ndarray) -> float:
        return max((1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0), key=lambda c: macro_f1(x, c, validation))

    own, lent = tuned(rival), tuned(material.both)
    lead = [macro_f1(material.both, lent, test) - macro_f1(rival, c, test) for c in (lent, own)]
    return (
        "lead over the rival, macro-F1",
        f"{lead[0]:+.3f} (C={lent:g} for both)",
        f"{lead[1]:+.3f} (C={own:g}, its own)",
    )


@trap
def one_point(material: Material) -> tuple[str, str, str]:
    """A gap on about 400 posts between two models that differ only in the half of the posts they were trained on."""
    train, _, test = material.parts
    random = np.random.default_rng(0)
    predictions = []
    for _ in range(20):
        half = random.permutation(train)[: len(train) // 2]
        predictions.append(probe(material.both, material.y, half).predict(material.both[test]))
    accuracy = np.array([(one == material.y[test]).mean() for one in predictions])
    gaps = np.abs(accuracy[:, None] - accuracy[None])[np.triu_indices(20, 1)]
    best, worst = predictions[int(accuracy.argmax())], predictions[int(accuracy.argmin())]
    groups = [material.groups.group_of[material.posts.ids[i]] for i in test]
    paired = paired_bootstrap(material.y[test], best, worst, labels=SENTIMENT, groups=groups)["accuracy"]
    test_value = mcnemar(material.y[test], best, worst, labels=SENTIMENT)
    return (
        f"gap of two equal models on {len(test)} posts",
        f"{(gaps >= 0.01).mean():.0%} of 190 pairs differ by a point or more; widest {gaps.max():.3f}",
        f"widest: {paired.low:+.3f} to {paired.high:+.3f}, McNemar p = {test_value.p_value:.2f} before any correction",
    )


def _matrix(features: Features) -> np.ndarray:
    """Return layer-normalised pooled vectors, (N, D); zeros where the modality is missing."""
    blank = np.zeros(features.width, np.float32)
    return _normal(np.stack([blank if row is None else row["pooled"] for row in features.rows]))


def _normal(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(1, keepdims=True)) / (x.std(1, keepdims=True) + 1e-5)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / (np.linalg.norm(x, axis=1, keepdims=True) + 1e-5)


def _sequences(material: Material, shift: int) -> tuple[Encoded, Encoded]:
    text = torch.from_numpy(np.roll(material.text[:64], shift, 0)).unsqueeze(1).repeat(1, 5, 1)
    image = torch.from_numpy(material.image[:64]).unsqueeze(1) * torch.linspace(0.5, 1.5, 9)[None, :, None]
    return tuple(  # type: ignore[return-value]
        Encoded(tokens.mean(1), tokens, torch.ones(tokens.shape[:2], dtype=torch.bool)) for tokens in (text, image)
    )


def _train(model: nn.Module, x: torch.Tensor, y: torch.Tensor, *, lr: float, epochs: int = 8) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    model.train()
    for epoch in range(epochs):
        for rows in torch.randperm(len(x), generator=torch.Generator().manual_seed(epoch)).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    model.eval()


@torch.no_grad()
def _predict_in_order(model: nn.Module, x: torch.Tensor, seed: int) -> np.ndarray:
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    result = np.empty(len(x), int)
    for rows in order.split(16):
        result[rows.numpy()] = model(x[rows]).argmax(-1).numpy()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("traps", nargs="*", help=f"of {', '.join(TRAPS)}; all where none is named")
    arguments = parser.parse_args()
    if unknown := set(arguments.traps) - set(TRAPS):
        parser.error(f"unknown trap {min(unknown)!r}; known: {', '.join(TRAPS)}")
    material = Material(read_posts(arguments.data).labelled())
    print("| trap | what is measured | wrong | right |\n|---|---|---|---|", flush=True)
    for name in arguments.traps or TRAPS:
        print(f"| `{name}` | {' | '.join(TRAPS[name](material))} |", flush=True)


if __name__ == "__main__":
    main()
