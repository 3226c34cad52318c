"""What two trainings on one machine cost each other: python benchmarks/speed/side_by_side.py

Trains three Transformer layers, alone and two at once, with the threads of OpenMP spinning as long as they do by
default, and as moodfuse has them. Prints milliseconds a step.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

STEPS = 15


def main() -> None:
    print("| threads that wait | alone, ms a step | each of two at once, ms a step |\n|---|---|---|")
    for name, variables in (("spin as by default", {}), ("sleep soon (moodfuse)", {"GOMP_SPINCOUNT": "3000"})):
        print(f"| {name} | {max(steps(1, variables)):.0f} | {max(steps(2, variables)):.0f} |")


def steps(at_once: int, variables: dict[str, str]) -> list[float]:
    """Return what each of so many processes needs for a step, in milliseconds."""
    environment = {key: value for key, value in os.environ.items() if key != "GOMP_SPINCOUNT"} | variables
    environment["OMP_NUM_THREADS"] = str(os.cpu_count())
    command = [sys.executable, __file__, "train"]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(at_once)]
    return [float(process.communicate()[0]) for process in running]


def train() -> None:
    import torch

    layers = [torch.nn.TransformerEncoderLayer(384, 12, 1536, batch_first=True) for _ in range(3)]
    model, inputs = torch.nn.Sequential(*layers), torch.randn(32, 32, 384)
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    for step in range(STEPS + 1):
        if step == 1:
            began = time.perf_counter()
        optimiser.zero_grad()
        model(inputs).square().mean().backward()
        optimiser.step()
    print((time.perf_counter() - began) / STEPS * 1000)


if __name__ == "__main__":
    train() if sys.argv[1:] == ["train"] else main()
