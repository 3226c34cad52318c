"""The model card in every bundle, written from the manifest and the metrics of the run."""

from __future__ import annotations

from moodfuse.records.metrics import RunMetrics
from moodfuse.runtime.bundle import Manifest

_CARD = """# {name}

Predicts the sentiment ({labels}) of posts with text and image. Fusion `{fusion}` over {encoders};
{regime} training, seed {seed}, on {posts} posts. Written by moodfuse {version}.
{also}
## Scores

{protocol} ({n} posts; 95 % intervals by bootstrap over groups of near-duplicates):

| | score | interval |
|---|---|---|
| accuracy | {accuracy:.3f} | {accuracy_low:.3f} to {accuracy_high:.3f} |
| macro-F1 | {macro:.3f} | {macro_low:.3f} to {macro_high:.3f} |

| label | precision | recall | F1 | posts |
|---|---|---|---|---|
{classes}

Calibration error {ece:.3f} after a temperature of {temperature:.2f}. Answers below a confidence of {review:.2f} are
marked for review.

## Limits

- Trained only on the posts above: on other languages, platforms, times and topics the scores will be lower.
{scored}
- The sentiment of a post is not the state of mind of its author. Do not use it to make decisions
  about persons.
- Data, text encoder and image encoder each have their own licence; a model trained on research-only
  data is for research.
{lexicon}"""

_HELD_OUT = """- The scores are from one held-out part; a model with other training posts or another seed will differ
  by about the interval."""

_ON_ALL = """- The scores are those of other models of this recipe, each trained on eight tenths of the posts; this
  model itself was never tested."""

_VALIDATION_ONLY = """- The scores are of the posts that chose the epoch, the temperature and the review threshold: on
  other posts they will be lower. This model was never tested."""

_LEXICON = """- `vader`, a lexicon of English (Hutto and Gilbert, 2014), scores each text; it has few words of other
  languages. It must be installed where the model runs: `pip install 'moodfuse[lexicon]'`.
"""


def model_card(manifest: Manifest, metrics: RunMetrics) -> str:
    """Return the card as Markdown."""
    test, protocol, training = metrics.scored, metrics.protocol, metrics.training
    classes = "\n".join(
        f"| {name} | {scores.precision:.3f} | {scores.recall:.3f} | {scores.f1:.3f} | {scores.support} |"
        for name, scores in test.per_class.items()
    )
    (accuracy_low, accuracy_high), (macro_low, macro_high) = (test.intervals[k] for k in ("accuracy", "macro_f1"))
    return _CARD.format(
        name=manifest.name,
        labels=", ".join(manifest.labels),
        fusion=manifest.fusion,
        encoders=" and ".join(f"`{name}` ({modality})" for modality, name in manifest.encoders.items()),
        regime=training.regime,
        seed=training.seed,
        posts=protocol.train,
        also="".join(f"\n- {corpus.sentence()}." for corpus in protocol.also_train) + "\n" * bool(protocol.also_train),
        version=manifest.moodfuse,
        protocol=protocol.test.capitalize(),
        n=test.n,
        accuracy=test.accuracy,
        accuracy_low=accuracy_low,
        accuracy_high=accuracy_high,
        macro=test.macro_f1,
        macro_low=macro_low,
        macro_high=macro_high,
        classes=classes,
        ece=test.calibration_error,
        temperature=manifest.temperature,
        review=manifest.review_threshold,
        scored=_HELD_OUT if protocol.held_out else _ON_ALL if metrics.test else _VALIDATION_ONLY,
        lexicon=_LEXICON if any(view.kind == "lexicon" for view in manifest.views.get("text", ())) else "",
    )
