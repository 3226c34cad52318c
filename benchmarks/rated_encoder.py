"""Make `minilm-rated`: MiniLM that has learned how people rate the sentiment of short texts.

    python benchmarks/rated_encoder.py [OUT] [--epochs 2]

The texts come with VADER (Hutto and Gilbert, 2014; MIT licence), whose source package holds what 15 to 99 raters made
of 23,703 tweets and sentences from reviews and editorials, from -4 to 4; 22,503 of them train. pip fetches it; its hash
is checked. Writes OUT (runs/minilm-rated), a folder that `model.text` takes. Prints how well the other 1,200 texts are
told; nothing is chosen by that.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from moodfuse.config import DataConfig
from moodfuse.data.text import prepare_text
from moodfuse.files import replacing_folder
from moodfuse.learn.batches import LengthBatches
from moodfuse.learn.encoders import find_encoder
from moodfuse.learn.encoders.text_folder import HuggingFaceText, TextFolder
from moodfuse.learn.fit.optimisation import rate_schedule
from moodfuse.runtime.collation import pad_tokens
from moodfuse.runtime.tokenizer import load_tokenizer

PACKAGE = "vaderSentiment==3.3.2"
RATINGS = "hutto_ICWSM_2014.tar.gz"
DIGEST = "d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa"
SETS = ("tweets", "amazonReviewSnippets", "nytEditorialSnippets", "movieReviewSnippets")
BATCH, RATE, HEAD_RATE, LEFT_OUT, MEAN_WEIGHT = 32, 5e-5, 1e-3, 1_200, 5.0


@dataclass(frozen=True, slots=True)
class Rated:
    """N texts; the shares of raters (N, 3) who found each negative, neutral, positive; their mean (N,) in [-1, 1]."""

    texts: list[str]
    shares: Tensor
    means: Tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, nargs="?", default=Path("runs/minilm-rated"))
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    rated = read_ratings(fetch())
    source = find_encoder("minilm", "text", DataConfig())
    assert isinstance(source, TextFolder)
    encoder = source.load()
    assert isinstance(encoder, HuggingFaceText)
    train(encoder, source, rated, arguments.epochs)
    save(encoder, source.weights[0].parent, arguments.out)
    print(f"{arguments.out}: written; model.text={arguments.out} takes it")


def fetch() -> bytes:
    """Return the archive of ratings out of VADER's source package, which pip downloads."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "vaderSentiment"]
        subprocess.run([*pip, "--dest", folder, PACKAGE], check=True)
        with tarfile.open(next(Path(folder).iterdir())) as package:
            name = next(name for name in package.getnames() if name.endswith(RATINGS))
            file = package.extractfile(name)
            assert file is not None
            archive = file.read()
    if (found := hashlib.sha256(archive).hexdigest()) != DIGEST:
        raise SystemExit(f"{PACKAGE}: expected ratings with SHA-256 {DIGEST}, found {found}")
    return archive


def read_ratings(archive: bytes) -> Rated:
    """Return the texts of an archive with their ratings."""
    texts: list[str] = []
    shares: list[list[float]] = []
    means: list[float] = []
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for name in SETS:
            truth, raters = (_lines(files, f"{name}_{part}.txt") for part in ("GroundTruth", "anonDataRatings"))
            by_id = {row[0]: row[-1] for row in truth}
            for key, mean, _, ratings in (row[:4] for row in raters):
                given = np.array(json.loads(ratings))
                texts.append(by_id[key])
                shares.append([float((given < 0).mean()), float((given == 0).mean()), float((given > 0).mean())])
                means.append(float(mean) / 4)
    return Rated(texts, torch.tensor(shares), torch.tensor(means))


def _lines(files: tarfile.TarFile, name: str) -> list[list[str]]:
    file = files.extractfile(f"hutto_ICWSM_2014/{name}")
    assert file is not None
    return [line.split("\t") for line in file.read().decode("utf-8-sig").splitlines() if line]


def train(encoder: HuggingFaceText, source: TextFolder, rated: Rated, epochs: int) -> None:
    """Train the encoder to tell the raters' shares and their mean, under a head that is then left."""
    torch.manual_seed(0)
    tokenizer = load_tokenizer(source.tokenizer_json, max_tokens=source.spec.max_tokens)
    cleaned = [prepare_text(text, source.spec.cleaning)[0] or "" for text in rated.texts]
    ids = [encoded.ids for encoded in tokenizer.encode_batch(cleaned)]
    order = np.random.default_rng(0).permutation(len(ids))
    kept_out, rows = order[:LEFT_OUT].tolist(), order[LEFT_OUT:].tolist()
    head = nn.Linear(encoder.dim, 4)
    epoch = 0
    batches = LengthBatches(len(rows), BATCH, lengths=[len(ids[row]) for row in rows], epoch=lambda: epoch)
    groups = [{"params": encoder.parameters(), "lr": RATE}, {"params": head.parameters(), "lr": HEAD_RATE}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, rate_schedule(len(batches) * epochs, 0.06, "cosine"))

    def predict(some: Sequence[int]) -> Tensor:
        tokens, mask = (torch.from_numpy(one) for one in pad_tokens([ids[row] for row in some], source.spec.pad_id))
        with torch.autocast("cpu", torch.bfloat16):
            pooled = encoder(tokens, mask).pooled
        told: Tensor = head(F.layer_norm(pooled.float(), (encoder.dim,)))  # (B, 4)
        return told

    for epoch in range(epochs):
        encoder.train()
        for step, positions in enumerate(batches):
            some = [rows[position] for position in positions]
            told = predict(some)
            loss = F.cross_entropy(told[:, :3], rated.shares[some])
            loss = loss + MEAN_WEIGHT * F.mse_loss(told[:, 3], rated.means[some])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
            optimizer.step()
            rates.step()
            if step % 100 == 0:
                print(f"epoch {epoch + 1} of {epochs}, batch {step} of {len(batches)}", file=sys.stderr, flush=True)
        encoder.eval()
        with torch.no_grad():
            told = torch.cat([predict(kept_out[start : start + 100]) for start in range(0, len(kept_out), 100)])
        right = (told[:, :3].argmax(-1) == rated.shares[kept_out].argmax(-1)).float().mean()
        print(f"epoch {epoch + 1}: what most raters said of {len(kept_out)} texts left out is told for {right:.3f}")


def save(encoder: HuggingFaceText, base: Path, out: Path) -> None:
    """Write the encoder as a folder like that of its base."""
    with replacing_folder(out) as part:
        for path in base.rglob("*.json"):
            place = part / path.relative_to(base)
            place.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, place)
        encoder.transformer.save_pretrained(str(part))  # type: ignore[operator]


if __name__ == "__main__":
    main()
