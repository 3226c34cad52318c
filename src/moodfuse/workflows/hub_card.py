"""The page of a bundle on the Hugging Face Hub: its model card with the metadata that the Hub reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from moodfuse.runtime.bundle import CARD, Bundle, Manifest

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

#: Where the packaged encoders come from, and their licences.
ENCODERS = {
    "minilm": ("sentence-transformers/all-MiniLM-L6-v2", "apache-2.0"),
    "multilingual-e5-small": ("intfloat/multilingual-e5-small", "mit"),
    "efficientnet-lite0": ("EfficientNet-Lite0 of Google", "apache-2.0"),
    "efficientnet-lite2": ("EfficientNet-Lite2 of Google", "apache-2.0"),
    "vader": ("the VADER lexicon (Hutto and Gilbert, 2014)", "mit"),
}
_BODY = """{card}
## Use

```
pip install 'moodfuse[hub]'
moodfuse predict --bundle hf://{repo} posts.csv -o answers.csv
```

Append `@COMMIT` to stay with one version. Every file is checked against the manifest, the manifest against its seal.

## Licences

- This bundle: {licence}, as its publisher says.
{encoders}
- The posts that it was trained on are no part of it: it holds digests of them, so that `moodfuse evaluate` can leave
  them out.
"""


def hub_card(bundle: Bundle, repo: str, licence: str, datasets: Sequence[str] = ()) -> str:
    """Return the README.md of a bundle on the Hub. `licence` and `datasets` are ids as the Hub has them."""
    from huggingface_hub import ModelCard, ModelCardData

    manifest = bundle.manifest
    names = [view.encoder for modality in manifest.modalities for view in manifest.views_of(modality)]
    origins = [ENCODERS.get(name, (name, ""))[0] for name in names]
    data = ModelCardData(
        language=sorted(manifest.languages) or None,
        license=licence,
        library_name="moodfuse",
        pipeline_tag="text-classification",
        tags=["sentiment-analysis", "multimodal", "onnx", *manifest.modalities],
        datasets=list(datasets) or None,
        base_model=[origin for origin in origins if "/" in origin] or None,
        model_name=repo.rpartition("/")[2],
        eval_results=_results(manifest, datasets) or None,
    )
    licences = [f"- Encoder `{name}`: {_encoder_licence(name)}." for name in names]
    body = _BODY.format(
        card=bundle.path(CARD).read_text("utf-8") if CARD in manifest.files else f"# {repo}\n",
        repo=repo,
        licence=licence,
        encoders="\n".join(licences),
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}"))


def _encoder_licence(name: str) -> str:
    origin, licence = ENCODERS.get(name, (name, ""))
    return f"{origin}, {licence}" if licence else "its licence is told where it comes from"


def _results(manifest: Manifest, datasets: Sequence[str]) -> list[EvalResult]:
    """Return accuracy and macro-F1 with their intervals, and the protocol that gave them."""
    from huggingface_hub import EvalResult

    test: dict[str, Any] = manifest.scores.get("test", {})
    found = []
    for key, metric, name in (("accuracy", "accuracy", "accuracy"), ("macro_f1", "f1", "macro-F1")):
        if key not in test:
            continue
        low, high = test.get("intervals", {}).get(key, (None, None))
        interval = "" if low is None else f", 95 % interval {low:.3f} to {high:.3f}"
        found.append(
            EvalResult(
                task_type="text-classification",
                task_name="sentiment of posts with text and image",
                dataset_type=datasets[0] if len(datasets) == 1 else "posts",
                dataset_name=f"{test.get('n')} posts: {manifest.scores.get('protocol', {}).get('test', 'held out')}",
                metric_type=metric,
                metric_name=name + interval,
                metric_value=round(float(test[key]), 4),
            )
        )
    return found
