"""The model card of an adapted bundle: where it comes from, on how many labels, and what that was worth."""

from __future__ import annotations

from moodfuse.decide.adaptation import Adaptation, in_points
from moodfuse.decide.proof import BeforeAfter
from moodfuse.runtime.bundle import Manifest

_CARD = """# {name}

Predicts {labels} of posts with {modalities}. {how} Written by moodfuse {version}.

## Where it comes from

| | |
|---|---|
| made from | `{parent}`, whose manifest has the SHA-256 `{digest}` |
| what is new | the head, temperatures, confusion, review threshold; the encoders are the same, byte for byte |
| fitted on | {posts} labelled posts{left_out} |
| strength (answers, vectors) | {strength} |

## Scores

{protocol}, {seeds} ({posts} posts):

{table}
{drawn}
{verdict}

Answers below a confidence of {review:.2f} are marked for review.

## Limits

- The labels are those of whoever gave them, for posts such as they had; on other posts the scores will differ. If the
  posts were picked because the model was in doubt, its scores on all posts are higher than these.
- What the card of `{parent}` says of its data, licences and limits holds here, too.
- The sentiment of a post is not the state of mind of its author. Do not use it to make decisions
  about persons.
"""

_ADAPTED = "Its head is that of the bundle it was made from, moved towards these labels."
_NEW = "Its head was fitted from nothing, for labels of the user's own; the one before answered with {before}."


def adapted_card(manifest: Manifest, found: Adaptation) -> str:
    """Return the card as Markdown."""
    parent, protocol = manifest.training["adapted_from"], manifest.scores["protocol"]
    left_out = "; ".join(f"{count} {reason}" for reason, count in found.left_out.items())
    drawn = ""
    if found.drawn:
        heading = f"Posts drawn at random, on which nothing was fitted ({found.drawn.after.n} posts):"
        drawn = f"\n{heading}\n\n{_table(found.drawn)}\n"
    return _CARD.format(
        name=manifest.name,
        labels=", ".join(manifest.labels),
        modalities=" and ".join(manifest.modalities),
        how=_ADAPTED if found.onto_old else _NEW.format(before=", ".join(parent["labels"])),
        version=manifest.moodfuse,
        parent=parent["name"],
        digest=parent["manifest_sha256"],
        posts=found.posts,
        left_out=f" (left out: {left_out})" if left_out else "",
        strength=f"{found.strength.answers}, {found.strength.vectors}",
        protocol=protocol["test"].capitalize(),
        seeds=f"{protocol['seeds']} times" if protocol["seeds"] > 1 else "once",
        table=_table(found.proof),
        drawn=drawn,
        verdict=found.sentence().capitalize() + ".",
        review=manifest.review_threshold,
    )


def _table(compared: BeforeAfter) -> str:
    """Return scores before and after, with the difference in points and its interval."""
    before, after = compared.before.values(), compared.after.values()
    lines = ["| | before | after | difference |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {before[name]:.3f} | {after[name]:.3f} | {in_points(one)} |"
        for name, one in compared.differences.items()
    ]
    return "\n".join(lines)
