"""The gallery: posts that a run gets wrong with high confidence, with its answers from text alone and image alone."""

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
    """Return the most confident mistakes as cards. Raises `DataError` if such a post is not in `posts`.

    With a predictor, each card also has the model's answers from the text alone and from the image alone, with
    the other modality withheld. For a model of one modality nothing is added.
    """
    wrong = run.wrong[:SHOWN]
    chosen = list(posts.subset([mistake.id for mistake in wrong]))
    alone = _alone(chosen, predictor) if predictor is not None else {}
    cards = []
    for place, (mistake, post) in enumerate(zip(wrong, chosen, strict=True)):
        facts: list[tuple[str, Value]] = [
            ("true label", mistake.label),
            ("predicted", _said(mistake.predicted, mistake.confidence)),
        ]
        for name, predictions in alone.items():
            prediction = predictions[place]
            said = _said(prediction.label, prediction.confidence) if prediction.used else "nothing to read"
            facts.append((name, said))
        if mistake.status not in ("", "ok"):
            facts.append(("status", mistake.status.replace("|", ", ")))
        cards.append(Card(post.id, thumbnail(post.image), post.text, facts))
    return cards


def same_posts(run: Run, posts: Posts) -> bool:
    """Return whether `posts` holds every held-out post of the run, with the same label as in the run."""
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
