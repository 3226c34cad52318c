"""The baseline: the same encoders as one would write it, plainly, with transformers and PyTorch.

Text padded to 128 tokens, images opened in full size with Pillow, both encoders eager, batches of 32 in file order, one
process with PyTorch's own threads.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from moodfuse.config import DataConfig
from moodfuse.data.images import pixels
from moodfuse.learn.encoders import find_encoder

LENGTH, BATCH = 128, 32


class Baseline:
    """MiniLM, EfficientNet-Lite0 and a linear layer over both: what most scripts for this task do."""

    def __init__(self) -> None:
        text = find_encoder("minilm", "text", DataConfig())
        image = find_encoder("efficientnet-lite0", "image", DataConfig())
        folder = text.weights[0].parent
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.text = AutoModel.from_pretrained(folder).eval()
        self.network = image.load().network.eval()
        self.spec = image.spec
        self.head = nn.Linear(384 + 1280, 3)

    def read(self, folder: Path, ids: Sequence[str]) -> tuple[list[str], list[Image.Image]]:
        """Open a batch of posts of a guid,tag folder."""
        texts = [(folder / "data" / f"{one}.txt").read_text("utf-8", errors="replace").strip() for one in ids]
        return texts, [Image.open(folder / "data" / f"{one}.jpg").convert("RGB") for one in ids]

    def tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Tokenise, padded to 128."""
        encoded = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt"
        )
        return {name: encoded[name] for name in ("input_ids", "attention_mask")}

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        """Encode texts: (B, 384), the mean over real tokens."""
        tokens = self.tokens(texts)
        hidden = self.text(**tokens).last_hidden_state  # (B, 128, 384)
        mask = tokens["attention_mask"].unsqueeze(-1)
        return (hidden * mask).sum(1) / mask.sum(1)

    def image_vectors(self, images: Sequence[Image.Image]) -> Tensor:
        """Encode images: (B, 1280)."""
        batch = torch.from_numpy(np.stack([pixels(image, self.spec, exact=True) for image in images]))
        return self.network.extract_features(batch).mean((2, 3))

    @torch.no_grad()
    def encode(self, folder: Path, ids: Sequence[str]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the vectors of batch after batch."""
        for start in range(0, len(ids), BATCH):
            texts, images = self.read(folder, ids[start : start + BATCH])
            yield self.text_vectors(texts), self.image_vectors(images)

    @torch.no_grad()
    def predict(self, folder: Path, output: Path) -> None:
        """Label the posts that `test_without_label.txt` lists."""
        ids = listed(folder)
        labels: list[int] = []
        for text, image in self.encode(folder, ids):
            labels += self.head(torch.cat([text, image], 1)).argmax(1).tolist()
        with output.open("w") as file:
            print("guid,tag", *(f"{one},{label}" for one, label in zip(ids, labels, strict=True)), sep="\n", file=file)


def listed(folder: Path) -> list[str]:
    """Return the ids that a folder's `test_without_label.txt` names."""
    with (folder / "test_without_label.txt").open() as file:
        return [row["guid"] for row in csv.DictReader(file)]
