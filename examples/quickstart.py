"""Train on a folder of posts, look at the held-out score, label new posts, keep the model.

    python examples/quickstart.py [FOLDER]

Without a folder the posts are drawn for the occasion. Training needs `pip install '.[train]'`.
"""

import sys
import tempfile
from pathlib import Path

import moodfuse
from moodfuse.data.synthetic import Signals, write_synthetic
from moodfuse.errors import MissingExtraError


def main(folder: Path | None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = folder or write_synthetic(Path(scratch) / "posts", posts=150, signals=Signals(text=0.9, image=0.9))

        model = moodfuse.FusionClassifier("concat", config={"train": {"epochs": 10}}).fit(folder)
        test = model.metrics_["test"]
        low, high = test["intervals"]["accuracy"]
        print(f"held-out accuracy {test['accuracy']:.2f} ({low:.2f} to {high:.2f}) on {test['n']} posts")

        bundle = model.save(Path(scratch) / "bundle")  # no PyTorch is needed from here on
        answer = moodfuse.load(bundle).predict(text="What a wonderful morning by the sea!")
        print(answer.label, round(answer.confidence, 2), "check by hand" if answer.needs_review else "")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    except MissingExtraError:
        sys.exit("this example trains, which needs more than is installed: pip install '.[train]'")
