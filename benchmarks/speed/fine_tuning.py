"""One epoch of fine-tuning MiniLM beside frozen image features: moodfuse against the plain loop in fp32, padded to 128.

    python benchmarks/speed/fine_tuning.py DATA [--posts 900] [--times 5] [--accuracy 0] [--json]

Both train on the same posts in batches of 16, and validate nothing. `--accuracy N` also trains each for N epochs on
four fifths of the labelled posts, and scores it on the rest, once: minutes an epoch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from baseline import Baseline
from measure import Row, interleaved, options, show, tell
from torch.nn import functional as F

from moodfuse.config import Config
from moodfuse.data.formats.readers import read_posts
from moodfuse.data.posts import Posts
from moodfuse.data.splits import make_split
from moodfuse.evaluate.metrics import score
from moodfuse.labels import Labels
from moodfuse.learn.assembly import encoder_sources
from moodfuse.learn.compare.cell import CellData, run_cell
from moodfuse.learn.feature_folder import feature_folder
from moodfuse.learn.recipes import resolve_config

BATCH, RATE, HEAD_RATE = 16, 5e-5, 1e-3


class PlainTuning:
    """The loop that most write: AdamW, every text padded to 128, fp32."""

    def __init__(self, posts: Posts, targets: Sequence[int]) -> None:
        plain = Baseline()
        image = encoder_sources(resolve_config("concat"))["image"]
        features = image.features(posts)
        blank = torch.zeros(features.width)
        rows = [blank if row is None else torch.as_tensor(row["pooled"]) for row in features.rows]
        self.images = torch.stack(rows)
        self.tokens = plain.tokens([post.text or "" for post in posts])
        self.targets = torch.tensor(targets)
        self.model, self.head = plain.text, plain.head
        groups = [{"params": self.model.parameters(), "lr": RATE}, {"params": self.head.parameters(), "lr": HEAD_RATE}]
        self.optimizer = torch.optim.AdamW(groups)

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        """Return logits (B, 3)."""
        tokens = {name: values[rows] for name, values in self.tokens.items()}
        hidden = self.model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        text = (hidden * mask).sum(1) / mask.sum(1)
        return self.head(torch.cat([text, self.images[rows]], 1))

    def epoch(self, rows: Sequence[int]) -> float:
        """Train on these posts once; return the seconds."""
        self.model.train()
        began = time.perf_counter()
        order = torch.tensor(list(rows))[torch.randperm(len(rows))]
        for batch in order.split(BATCH):
            loss = F.cross_entropy(self.logits(batch), self.targets[batch])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - began

    @torch.no_grad()
    def labels(self, rows: Sequence[int]) -> list[int]:
        """Predict."""
        self.model.eval()
        found = [self.logits(batch).argmax(1) for batch in torch.tensor(list(rows)).split(64)]
        return torch.cat(found).tolist()


def main() -> None:
    given = options(__doc__, ("posts", 900), ("accuracy", 0))
    posts = read_posts(given.data).labelled()
    labels = Labels(resolve_config("concat").labels)
    targets = [labels.id(str(post.label)) for post in posts]
    plain = PlainTuning(posts, targets)
    some = range(given.posts)
    with feature_folder(posts, [_config(1)]) as opener:
        data = CellData(targets, range(len(posts)), opener)

        def ours() -> float:
            cell = run_cell(_config(1), data, {"train": some, "validation": some[:16], "test": some[:16]})
            return cell.fitted.history[0]["seconds"]

        seconds = interleaved({"baseline": lambda: plain.epoch(some), "moodfuse": ours}, given.times)
        ratio, scaled = seconds["baseline"] / seconds["moodfuse"], 3_600 / given.posts
        found = (
            f"{ratio:.2f} times as fast ({seconds['baseline'] * scaled:.0f} and {seconds['moodfuse'] * scaled:.0f} s "
            f"for 3,600 posts, from {given.posts})"
        )
        rows = [Row("an epoch of fine-tuning MiniLM", found, ">= 3.5 times", ratio >= 3.5)]
        if given.accuracy:
            rows.append(_accuracy(posts, data, given.accuracy))
    show(rows, given)


def _config(epochs: int) -> Config:
    train = {"regime": "end_to_end", "tune": ["text"], "epochs": epochs, "batch_size": BATCH, "patience": 0}
    optim = {"encoder_lr": RATE, "lr": HEAD_RATE, "schedule": "constant", "warmup": 0.0}
    return resolve_config("concat", overrides=[{"train": train, "optim": optim}])


def _accuracy(posts: Posts, data: CellData, epochs: int) -> Row:
    """Train both alike on the same posts and score them on the same others."""
    folds = make_split(posts, folds=5).folds
    test = [row for row, post in enumerate(posts) if folds[post.id] == 0]
    train = [row for row, post in enumerate(posts) if folds[post.id] != 0]
    plain = PlainTuning(posts, data.targets)
    for epoch in range(epochs):
        tell(f"baseline, epoch {epoch + 1} of {epochs}: {plain.epoch(train):.0f} s")
    truth = [data.targets[row] for row in test]
    theirs = score(truth, plain.labels(test), data.labels)
    cell = run_cell(_config(epochs), data, {"train": train, "validation": train[:200], "test": test})
    ours = score(truth, cell.probabilities[""].argmax(1), data.labels)
    noise = 1.96 * (theirs.accuracy * (1 - theirs.accuracy) * 2 / len(test)) ** 0.5
    found = (
        f"{ours.accuracy:.3f} / {ours.macro_f1:.3f} against {theirs.accuracy:.3f} / {theirs.macro_f1:.3f} "
        f"({epochs} epochs, {len(test)} posts held out)"
    )
    within = abs(ours.accuracy - theirs.accuracy) <= noise
    return Row("accuracy / macro-F1 of it", found, f"within noise ({noise:.3f})", within)


if __name__ == "__main__":
    main()
