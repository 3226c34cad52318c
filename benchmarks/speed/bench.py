"""Every claim of speed, size and exactness, each with its own command, and the table of them all.

    python benchmarks/speed/bench.py DATA [--times 5] [--only throughput,latency] [--many 100000] [--ref 01e3dab]

Takes long: `--many` posts are labelled in it, as many texts two and a half times, and as many posts audited. Nothing
else should run meanwhile. REF is the commit that this one is measured against, by default the last one before
int8_dynamic and batches of 128 tokens; it needs a clone with its history.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path

import onnxruntime
import torch
from measure import CORES, HEADER, Row, tell

#: Each claim's script, and what it is given besides DATA.
CLAIMS = {
    "against": ["--times", "--ref"],
    "throughput": ["--times"],
    "first_answer": ["--times"],
    "latency": ["--times"],
    "features": ["--times"],
    "fine_tuning": ["--times"],
    "comparing": [],
    "serve_load": [],
    "serve_memory": [],
    "exactness": [],
    "size": [],
    "duplicates": [],
    "auditing": ["--posts"],
    "shards": ["--texts"],
    "memory": ["--posts"],
}

PLACES = Path(__file__).parent, Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", default=",".join(CLAIMS))
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--ref", default="01e3dab")
    given = parser.parse_args()
    wanted = given.only.split(",")
    if unknown := set(wanted) - CLAIMS.keys():
        parser.error(f"--only: expected some of {', '.join(CLAIMS)}, found {', '.join(sorted(unknown))}")
    print(f"moodfuse on {CORES} cores of {processor()}; ONNX Runtime {onnxruntime.__version__}, ", end="")
    print(f"PyTorch {torch.__version__}, Python {platform.python_version()}\n\n{HEADER}", flush=True)
    values = {"--times": given.times, "--posts": given.many, "--texts": given.many, "--ref": given.ref}
    failed = False
    for claim in wanted:
        tell(claim)
        began = time.perf_counter()
        script = next(folder / f"{claim}.py" for folder in PLACES if (folder / f"{claim}.py").is_file())
        more = [str(word) for name in CLAIMS[claim] for word in (name, values[name])]
        done = subprocess.run(
            [sys.executable, str(script), str(given.data), "--json", *more], stdout=subprocess.PIPE, text=True
        )
        if done.returncode:
            failed = True
            print(Row(claim, "the command failed, see above", ok=False).line(), flush=True)
            continue
        for row in json.loads(done.stdout):
            print(Row(**row).line(), flush=True)
        tell(f"{claim}: {time.perf_counter() - began:.0f} s")
    sys.exit(failed)


def processor() -> str:
    """Return the processor's name and what of its instructions the encoders can use, as far as the system says."""
    path = Path("/proc/cpuinfo")
    facts = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line) if path.is_file() else {}
    known = {key.strip(): value.strip() for key, value in facts.items()}
    flags = set(known.get("flags", "").split())
    useful = [one for one in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16") if one in flags]
    name = known.get("model name") or platform.processor() or platform.machine()
    return f"{name} ({', '.join(useful)})" if useful else name


if __name__ == "__main__":
    main()
