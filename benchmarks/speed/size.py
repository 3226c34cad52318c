"""The size of the bundle, and of an install without PyTorch.

    python benchmarks/speed/size.py DATA [--json]

The install is made in a new virtual environment, with pip, from this checkout and the package index that pip knows.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bundles import BROUGHT
from measure import Row, options, show, tell

ROOT = Path(__file__).parents[2]


def main() -> None:
    given = options(__doc__)
    bundle = _bytes(BROUGHT) / 1e6
    with tempfile.TemporaryDirectory() as scratch:
        tell("installing moodfuse in a new virtual environment")
        subprocess.run([sys.executable, "-m", "venv", scratch], check=True)
        python = Path(scratch) / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        command = [str(python), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(ROOT)]
        subprocess.run(command, check=True)
        torch = subprocess.run([str(python), "-c", "import torch"], capture_output=True).returncode == 0
        installed = _bytes(Path(scratch)) / 1e6
    rows = [
        Row("the bundle on disk", f"{bundle:.1f} MB", "<= 64 MB", bundle <= 64),
        Row(
            "an install without PyTorch, pip and all",
            f"{installed:.0f} MB" + (" (PyTorch is in it)" if torch else ""),
            "<= 350 MB",
            installed <= 350 and not torch,
        ),
    ]
    show(rows, given)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


if __name__ == "__main__":
    main()
