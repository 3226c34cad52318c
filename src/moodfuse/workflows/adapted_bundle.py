"""The bundle of an adapted head: the files of the bundle it was made from, a new head, and what is known of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from moodfuse.data.posts import Posts
from moodfuse.decide.adaptation import Adaptation
from moodfuse.decide.fitting import repeats_of
from moodfuse.decide.head import Labelled
from moodfuse.decide.head_graph import adapted_graph
from moodfuse.errors import TrainingError
from moodfuse.evaluate.logits import softmax
from moodfuse.records.metrics import Protocol
from moodfuse.runtime.bundle import CARD, GRAPHS, SEAL, Bundle, Manifest, write_bundle
from moodfuse.runtime.graphs import HeadGraph, open_session
from moodfuse.runtime.predictor import Predictor
from moodfuse.version import __version__
from moodfuse.workflows.adapted_card import adapted_card
from moodfuse.workflows.chosen_posts import ChosenPosts
from moodfuse.workflows.evaluation import NEAR, SEEN, read_seen

#: Posts that the ONNX graph is checked with, and the largest difference in a probability that it may show.
_CHECKED, _PARITY = 32, 1e-4


def write_adapted(
    folder: Path, predictor: Predictor, found: Adaptation, chosen: ChosenPosts, fitted: Labelled
) -> Bundle:
    """Write the adapted bundle, whole or not at all; encoders and tokenizers are copied byte for byte.

    Raises `TrainingError` if the graph does not compute what was fitted.
    """
    bundle, counts = predictor.bundle, np.bincount(fitted.true, minlength=len(found.labels))
    # A post with nothing to read gets the shares of the labels, none of them 0.
    graph = adapted_graph(bundle, found.head, (counts + 1) / (counts.sum() + len(counts)))
    sample = chosen.grouped.posts.subset(chosen.fitted[:_CHECKED])
    parity = _difference(graph, predictor, sample, softmax(found.head.logits(fitted.posts))[: len(sample)])
    manifest = _manifest(folder.name, bundle, found, chosen, parity)
    contents: dict[str, bytes | Path] = {
        name: bundle.path(name) for name in bundle.manifest.files if name not in (GRAPHS["head"], SEEN, NEAR, CARD)
    }
    contents |= {
        GRAPHS["head"]: graph,
        SEEN: _with_fitted(bundle, SEEN, {chosen.grouped.digests[id] for id in chosen.fitted}),
        NEAR: _with_fitted(bundle, NEAR, chosen.grouped.marks(chosen.fitted)),
        CARD: adapted_card(manifest, found).encode("utf-8"),
    }
    return write_bundle(folder, manifest, contents)


def _difference(graph: bytes, predictor: Predictor, sample: Posts, expected: np.ndarray) -> float:
    """Return the largest difference between the graph's probabilities and those of the fitted head, (N, C)."""
    text, image = predictor.encode([predictor.prepare(post) for post in sample])
    logits = HeadGraph(open_session(graph, threads=1)).logits({"text": text, "image": image}, predictor.widths)
    largest = float(np.abs(softmax(logits) - expected).max())
    if not largest <= _PARITY:
        raise TrainingError(
            f"the adapted head differs from what was fitted by {largest:.1e} in a probability (at most {_PARITY:.0e} "
            "is allowed); please report this with the versions that `moodfuse doctor` prints"
        )
    return largest


def _manifest(name: str, bundle: Bundle, found: Adaptation, chosen: ChosenPosts, parity: float) -> Manifest:
    before, temperatures = bundle.manifest, found.calibration.temperatures
    changes: dict[str, Any] = {
        "name": name,
        "moodfuse": __version__,
        "labels": found.labels,
        "languages": dict.fromkeys(before.languages),  # their scores were the old head's
        "temperature": temperatures.whole,
        "temperatures": temperatures.alone,
        "confusion": found.calibration.confusion,
        "review_threshold": found.calibration.review_threshold,
        "parity": {"probability": parity, "posts": min(_CHECKED, found.posts)},
        "training": {
            "regime": "adapted",
            "posts": found.posts,
            "data_sha256": chosen.data_sha256,
            "left_out": found.left_out,
            "strength": asdict(found.strength),
            "adapted_from": {
                "name": before.name,
                "manifest_sha256": bundle.path(SEAL).read_text("ascii").strip(),
                "moodfuse": before.moodfuse,
                "labels": list(before.labels),
                "training": before.training,
            },
        },
        "scores": _scores(found),
        "files": {},
    }
    return Manifest.model_validate(before.model_copy(update=changes).model_dump())


def _scores(found: Adaptation) -> dict[str, Any]:
    """Return the scores and their protocol as a manifest has them, `before` and `drawn_at_random` beside `test`."""
    protocol = Protocol(
        test=(
            "five-fold cross-validation of the adapted head: each answer is from a head that had not seen the post, "
            "its strength chosen on other posts; the bundle's head itself was fitted on all of them"
        ),
        calibration="temperatures and review threshold were fitted on all of these answers",
        intervals="95 %, bootstrap over groups of near-duplicates",
        seeds=repeats_of(found.posts),
        train=found.posts,
        validates=0,
        held_out=found.drawn.after.n if found.drawn else 0,
    )
    scores = {"test": found.proof.after.as_json(), "protocol": protocol.as_json(), "compared": found.proof.as_json()}
    return scores | ({"drawn_at_random": found.drawn.as_json()} if found.drawn else {})


def _with_fitted(bundle: Bundle, name: str, more: set[str]) -> bytes:
    """Return a file of what training has seen, with the posts that the head was fitted on."""
    known = read_seen(bundle.path(name)) if name in bundle.manifest.files else {"train": set(), "validation": set()}
    return json.dumps({"train": sorted(known["train"] | more), "validation": sorted(known["validation"])}).encode()
