"""The device of training: one processor or GPU, or several GPUs through accelerate; number formats; batch sizes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..errors import FitDiffError

Module = TypeVar("Module", bound=nn.Module)
HEADROOM = 0.7  # of free memory that a batch may take


class Machine:
    """rank: of `world` processes, one unless started by a launcher (accelerate, torchrun); `main` writes files."""

    def __init__(self, device: str = "auto") -> None:
        self.rank, self.world, self._accelerator = 0, 1, None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            self._accelerator = _accelerator(device == "cpu")
            self.rank, self.world = self._accelerator.process_index, self._accelerator.num_processes
            self.device = self._accelerator.device
        else:
            self.device = _device(device)
        self.halves = self.device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
        if self.device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
            torch.backends.cudnn.benchmark = True

    @property
    def main(self) -> bool:
        return self.rank == 0

    def spread(self, module: Module) -> Module:
        """The module wrapped for training, with gradients averaged over the processes."""
        module = module.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return module if self._accelerator is None else self._accelerator.prepare_model(module)

    @contextlib.contextmanager
    def mixed(self) -> Iterator[None]:
        """bfloat16 where it is faster: on CUDA, and on processors with bfloat16 products, which halve the time."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.halves):
            yield

    def agreed(self, stop: bool) -> bool:
        """Whether any process wants to stop; all must stop together, or the others would wait for ever."""
        if self._accelerator is None:
            return stop
        flag = torch.tensor([float(stop)], device=self.device)
        return bool(self._accelerator.reduce(flag, "sum").item() > 0)

    def same(self, tensor: Tensor) -> None:
        """Overwrite with the first process' values, in place."""
        if self._accelerator is not None:
            torch.distributed.broadcast(tensor, 0)


def fused(parameters: Any, device: torch.device, rate: float, **options: Any) -> torch.optim.AdamW:
    return torch.optim.AdamW(parameters, lr=rate, fused=device.type == "cuda", **options)


def batch_that_fits(attempt: Callable[[int], None], device: torch.device, largest: int, otherwise: int) -> int:
    """The largest power of two whose step fits on a GPU, from the memory that steps of 2 and of 4 take; elsewhere
    `otherwise`."""
    if device.type != "cuda":
        return otherwise
    peak = []
    for count in (2, 4):
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        attempt(count)
        peak.append(torch.cuda.max_memory_allocated(device) - before)
    torch.cuda.empty_cache()
    each = max((peak[1] - peak[0]) / 2, 1.0)
    free = torch.cuda.mem_get_info(device)[0]
    fits = int((HEADROOM * free - (peak[0] - 2 * each)) / each)
    return max(1, min(largest, 1 << max(fits, 1).bit_length() - 1))


class Average(nn.Module):
    """A moving average of a network's weights, which draws samples and is exported."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        import copy

        self.network, self.decay = copy.deepcopy(network).eval().requires_grad_(False), decay

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        mine, theirs = ([p.detach() for p in net.parameters()] for net in (self.network, network))
        torch._foreach_lerp_(mine, theirs, 1 - decay)
        for own, other in zip(self.network.buffers(), network.buffers(), strict=True):
            own.copy_(other)


def checked(losses: dict[str, Tensor]) -> dict[str, float]:
    """The losses of a stretch of steps as numbers; raises training-diverged where one is not finite."""
    found = {name: float(value) for name, value in losses.items()}
    bad = [name for name, value in found.items() if value != value or abs(value) == float("inf")]
    if bad:
        raise FitDiffError(
            "training-diverged",
            f"Training has diverged ({', '.join(bad)}): continue from the last state with a smaller --rate.",
        )
    return found


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise FitDiffError("device-missing", "This machine has no GPU that PyTorch can use: leave --device out.")
    return torch.device(name)


def _accelerator(cpu: bool) -> Any:
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise FitDiffError(
            "environment-package",
            "Training on several GPUs needs accelerate: install fitdiff with its `train` extra.",
            details=str(error),
        ) from error
    return Accelerator(cpu=cpu)
