"""Train on a folder of posts, look at the held-out score, label new posts, keep the model.

    python examples/quickstart.py [FOLDER]

Without a folder the posts are drawn for the occasion.
"""

import sys
import tempfile
from pathlib import Path

from moodfuse import FusionClassifier, load
from moodfuse.data.synthetic import Signals, write_synthetic


def main(folder: Path | None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = folder or write_synthetic(Path(scratch) / "posts", posts=150, signals=Signals(text=0.9, image=0.9))

        model = FusionClassifier("concat", config={"train": {"epochs": 10}}).fit(folder)
        test = model.metrics_["test"]
        low, high = test["intervals"]["accuracy"]
        print(f"held-out accuracy {test['accuracy']:.2f} ({low:.2f} to {high:.2f}) on {test['n']} posts")

        bundle = model.save(Path(scratch) / "bundle")  # no PyTorch is needed from here on
        answer = load(bundle).predict(text="What a wonderful morning by the sea!")
        print(answer.label, round(answer.confidence, 2), "check by hand" if answer.needs_review else "")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
