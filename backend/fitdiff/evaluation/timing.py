"""Timing by medians, with the GPU synchronised."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


def milliseconds(
    steps: list[Callable[[], object]], device: torch.device, repeats: int, warm_up: int = 3
) -> list[float]:
    """Median milliseconds of every step; the steps run one after the other, `repeats` rounds after the warm-up."""
    taken: list[list[float]] = [[] for _ in steps]
    for round_ in range(warm_up + repeats):
        for step, times in zip(steps, taken, strict=True):
            synchronize(device)
            start = time.perf_counter()
            step()
            synchronize(device)
            if round_ >= warm_up:
                times.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(times) for times in taken]


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def bandwidth(device: torch.device) -> float:
    """Bytes per second that a large copy reaches on this device, reads and writes added."""
    source = torch.zeros(1 << 28, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    (taken,) = milliseconds([lambda: target.copy_(source)], device, repeats=9)
    return 2 * source.numel() / (taken / 1e3)
