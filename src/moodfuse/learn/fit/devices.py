"""The devices that PyTorch can use on this machine."""

from __future__ import annotations

import torch

from moodfuse.errors import ConfigError


def has_fast_bf16() -> bool:
    """Return whether bf16 arithmetic is faster than fp32 on the device that training would use."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    # Without these instructions a CPU computes bf16 in fp32 and converts back and forth.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def device_type(device: str) -> str:
    """Return PyTorch's name for the device that `train.device` selects on this machine: cpu, cuda or mps."""
    if device in ("auto", "gpu") and torch.cuda.is_available():
        return "cuda"
    return "mps" if device != "cpu" and torch.backends.mps.is_available() else "cpu"


def check_device(device: str, devices: int) -> None:
    """Raise `ConfigError` if `train.device` or `train.devices` ask for devices that this machine does not have."""
    gpus, mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    there = {"gpu": gpus or int(mps), "mps": int(mps)}.get(device, devices)
    if there < devices:
        raise ConfigError(
            f"train.device={device}, train.devices={devices}: this machine has {there} ({describe_devices()}); "
            "use train.device=auto or fewer train.devices"
        )


def describe_devices() -> str:
    """Return a line with the names of the GPUs, or that there is no GPU, and whether bf16 is fast."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    where = ", ".join(gpus) if gpus else f"no GPU; CPU with {torch.get_num_threads()} threads"
    return f"{where}, bf16 {'fast' if has_fast_bf16() else 'not faster than fp32'}"
