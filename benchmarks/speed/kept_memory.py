"""A training step of EfficientNet-Lite0, with the memory that steps free kept, and without: seconds of CPU.

    python benchmarks/speed/kept_memory.py [--times 3] [--batch 16]

Each in a process of its own, of one thread; forward, backward and AdamW on images of noise.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from statistics import median

CHILD = """
import json, resource, sys
from contextlib import nullcontext
import torch
from moodfuse.config import DataConfig
from moodfuse.learn.encoders import find_encoder
from moodfuse.learn.fit.memory import kept_memory
torch.set_num_threads(1)
network = find_encoder("efficientnet-lite0", "image", DataConfig()).load().network.train()
images = torch.randn(int(sys.argv[2]), 3, 224, 224)
optimizer = torch.optim.AdamW(network.parameters(), 1e-5, fused=True)
def step():
    network.extract_features(images).mean((2, 3)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
STEPS = 4
with kept_memory() if sys.argv[1] == "kept" else nullcontext():
    step()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(STEPS):
        step()
    after = resource.getrusage(resource.RUSAGE_SELF)
system = (after.ru_stime - before.ru_stime) / STEPS
peak = after.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([(after.ru_utime - before.ru_utime) / STEPS + system, system, peak]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    given = parser.parse_args()
    found: dict[str, list[list[float]]] = {"given back": [], "kept": []}
    for _ in range(given.times):
        for how, measured in found.items():
            command = [sys.executable, "-c", CHILD, how.split()[0], str(given.batch)]
            measured.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
    print("| freed memory is | s of CPU a step | of it the system's | peak |\n|---|---|---|---|")
    for how, measured in found.items():
        whole, system, peak = map(median, zip(*measured, strict=True))
        print(f"| {how} | {whole:.2f} | {system:.2f} | {peak / 1e6:,.0f} MB |")


if __name__ == "__main__":
    main()
