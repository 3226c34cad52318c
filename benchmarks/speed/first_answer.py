"""The first answer from a cold process: `moodfuse predict --text ... --image ...` against the baseline's script.

python benchmarks/speed/first_answer.py DATA [--times 5] [--json]
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from measure import Row, as_installed, interleaved, options, show, timed

PLAIN = """
import sys
from pathlib import Path
from baseline import Baseline
import torch
plain, folder, one = Baseline(), Path(sys.argv[1]), sys.argv[2]
for text, image in plain.encode(folder, [one]):
    print(plain.head(torch.cat([text, image], 1)).softmax(1).tolist())
"""
#: What `moodfuse predict` must not import, and how long importing what it does takes.
IMPORTS = """
import time
began = time.perf_counter()
import moodfuse.cli.main, moodfuse.cli.predict
from moodfuse import Predictor
print(time.perf_counter() - began)
"""
LOADED = """
import sys
from moodfuse.cli.main import run
code = run(sys.argv[1:])
heavy = {"torch", "sklearn", "pandas", "transformers", "scipy"} & sys.modules.keys()
print(",".join(sorted(heavy)), file=sys.stderr)
sys.exit(code)
"""


def main() -> None:
    given = options(__doc__)
    given.data = given.data.resolve()  # the baseline runs in its own folder
    one = (given.data / "train.txt").read_text().splitlines()[1].split(",")[0]
    text = (given.data / "data" / f"{one}.txt").read_text("utf-8", errors="replace").strip()
    post = ["--text", text, "--image", str(given.data / "data" / f"{one}.jpg")]
    ours = [sys.executable, "-m", "moodfuse", "predict", *post]
    plain = [sys.executable, "-c", PLAIN, str(given.data), one]
    here = str(Path(__file__).parent)
    seconds = interleaved(
        {
            "baseline": partial(timed, partial(_run, plain, here)),
            "moodfuse": partial(timed, partial(_run, ours)),
            "imports": lambda: float(_run([sys.executable, "-c", IMPORTS]).stdout),
        },
        given.times,
    )
    heavy = _run([sys.executable, "-c", LOADED, "predict", *post]).stderr.strip().splitlines()[-1:]
    share = seconds["moodfuse"] / seconds["baseline"]
    rows = [
        Row(
            "first answer from a cold process",
            f"{seconds['moodfuse']:.2f} s, the baseline {seconds['baseline']:.2f} s: {share:.2f} of it",
            "<= 0.25 of it",
            share <= 0.25,
        ),
        Row("imports for it", f"{seconds['imports']:.2f} s", "<= 0.3 s", seconds["imports"] <= 0.3),
        Row("heavy libraries imported for it", ", ".join(heavy) or "none", "none", not "".join(heavy)),
    ]
    show(rows, given)


def _run(command: list[str], folder: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=as_installed(), capture_output=True, text=True, check=True)


if __name__ == "__main__":
    main()
