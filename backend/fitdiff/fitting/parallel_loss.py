"""A loss in parts, each computed with its own gradient, in turn or in two threads at once.

What parts share (vertices, maps) is worked out once before them. A part's way back ends there; from there on autograd
goes once, with what all parts together say. They are summed in the order in which they are named and not in which they are
ready, so that a second thread changes no digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from ..threads import given, one_thread_per_operation

Found = TypeVar("Found")
Work = Callable[[], Found]
Begin = Callable[[Work[list["Part"]]], Work[list["Part"]]]
"""Takes work that may be done beside what follows, and gives a way to wait for what came of it."""


class Part(NamedTuple):
    value: Tensor  # ()
    at: tuple[Tensor, ...]
    gradients: tuple[Tensor | None, ...]  # of the value, there


def worked_out(loss: Tensor, at: Iterable[Tensor]) -> Part:
    """at: all that the loss () depends on and that somebody may move, as far as this part has to go back. None of them may
    be made of another."""
    wanted = tuple(tensor for tensor in at if tensor.requires_grad)
    return Part(loss.detach(), wanted, torch.autograd.grad(loss, wanted, allow_unused=True))


def together(parts: Iterable[Part]) -> Tensor:
    """() the sum of parts, whose way back has been gone as far as they went."""
    total: Tensor | None = None
    gradients: dict[Tensor, Tensor] = {}
    for part in parts:
        total = part.value if total is None else total + part.value
        for tensor, gradient in zip(part.at, part.gradients, strict=True):
            if gradient is not None:
                gradients[tensor] = gradients[tensor] + gradient if tensor in gradients else gradient
    return _Known.apply(total, tuple(gradients.values()), *gradients)


class _Known(torch.autograd.Function):
    """A value whose gradients at some tensors are known already."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: tuple[Tensor, ...], *at: Tensor) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(known * gradient for known in ctx.gradients)


def at_once(work: Work[Found]) -> Work[Found]:
    found = work()
    return lambda: found


@contextmanager
def second_thread(device: torch.device) -> Iterator[Begin]:
    """Work that is begun runs in a thread of its own while this lasts. At once where one thread is given, and on a device
    with its own queue."""
    if device.type != "cpu" or given() < 2:
        yield at_once
        return
    with one_thread_per_operation():
        pool = ThreadPoolExecutor(1, "fitdiff-beside")
        try:
            yield lambda work: pool.submit(work).result
        finally:
            pool.shutdown(cancel_futures=True)
