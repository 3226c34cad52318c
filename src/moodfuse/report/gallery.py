"""Posts to look at: what a run gets wrong and is sure of, with what it says of the text and of the image alone."""

from __future__ import annotations

from collections.abc import Sequence

from moodfuse.data.posts import Post, Posts
from moodfuse.records.run import Run
from moodfuse.report.document import Card, Value, number
from moodfuse.report.page import thumbnail
from moodfuse.runtime.predictor import Prediction, Predictor

#: Posts that the gallery shows.
SHOWN = 12


def mistake_cards(run: Run, posts: Posts, predictor: Predictor | None) -> list[Card]:
    """Return the surest mistakes as cards; raises `DataError` where `posts` lacks one of them.

    With a predictor each tells what the model says of the text alone and of the image alone: one prediction each, the
    other modality withheld. Models of one modality say nothing more.
    """
    wrong = run.wrong[:SHOWN]
    chosen = list(posts.subset([one.id for one in wrong]))
    alone = _alone(chosen, predictor) if predictor is not None else {}
    cards = []
    for place, (mistake, post) in enumerate(zip(wrong, chosen, strict=True)):
        facts: list[tuple[str, Value]] = [
            ("true label", mistake.label),
            ("predicted", _said(mistake.predicted, mistake.confidence)),
        ]
        for name, predictions in alone.items():
            one = predictions[place]
            facts.append((name, _said(one.label, one.confidence) if one.used else "nothing to read"))
        if mistake.status not in ("", "ok"):
            facts.append(("status", mistake.status.replace("|", ", ")))
        cards.append(Card(post.id, thumbnail(post.image), post.text, facts))
    return cards


def same_posts(run: Run, posts: Posts) -> bool:
    """Say whether `posts` holds every held-out post of the run, with the label that it had there."""
    found = {post.id: post.label for post in posts}
    return all(found.get(post.id) == post.label for post in run.predictions)


def _alone(posts: Sequence[Post], predictor: Predictor) -> dict[str, list[Prediction]]:
    if len(predictor.manifest.modalities) < 2 or not posts:
        return {}
    return {
        f"from the {modality} alone": list(predictor.stream([post.only(modality) for post in posts]))
        for modality in predictor.manifest.modalities
    }


def _said(label: str, confidence: float | None) -> str:
    return f"{label} ({number(confidence)})" if confidence is not None else label
