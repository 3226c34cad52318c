"""A training step of EfficientNet-Lite0 and of MiniLM, as torch has it and as moodfuse does: seconds of CPU.

    python benchmarks/speed/training_step.py [--times 3]

Each in a process of its own, of one thread, in fp32: forward, backward and AdamW on 16 images of noise, on 32 texts of
35 tokens. moodfuse keeps the memory that a step frees (`learn/fit/memory.py`) and draws the masks of dropout sixteen
bits at a time (`learn/fit/dropout.py`).
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
from moodfuse.learn.fit.dropout import fast_dropout
from moodfuse.learn.fit.memory import kept_memory
torch.set_num_threads(1)
name, how = sys.argv[1:]
modality = "image" if name.startswith("efficientnet") else "text"
encoder = find_encoder(name, modality, DataConfig()).load().train()
inputs = [torch.randn(16, 3, 224, 224)] if modality == "image" else [
    torch.randint(1000, 20000, (32, 35)), torch.ones(32, 35, dtype=torch.long)]
optimizer = torch.optim.AdamW(encoder.parameters(), 1e-5, fused=True)
def step():
    encoder(*inputs).pooled.square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
STEPS = 4
with kept_memory() if "memory" in how else nullcontext(), fast_dropout() if "masks" in how else nullcontext():
    step()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(STEPS):
        step()
    after = resource.getrusage(resource.RUSAGE_SELF)
system = (after.ru_stime - before.ru_stime) / STEPS
peak = after.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([(after.ru_utime - before.ru_utime) / STEPS + system, system, peak]))
"""
ENCODERS = ("efficientnet-lite0", "minilm")
WAYS = ("as torch has it", "memory kept", "fast masks", "memory kept, fast masks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3)
    times = parser.parse_args().times
    found: dict[tuple[str, str], list[list[float]]] = {(name, way): [] for name in ENCODERS for way in WAYS}
    for _ in range(times):
        for case, measured in found.items():
            done = subprocess.run([sys.executable, "-c", CHILD, *case], stdout=subprocess.PIPE, check=True)
            measured.append(json.loads(done.stdout))
    print("| encoder | how | s of CPU a step | of it the system's | peak |\n|---|---|---|---|---|")
    for (name, way), measured in found.items():
        whole, system, peak = map(median, zip(*measured, strict=True))
        print(f"| {name} | {way} | {whole:.2f} | {system:.2f} | {peak / 1e6:,.0f} MB |")


if __name__ == "__main__":
    main()
