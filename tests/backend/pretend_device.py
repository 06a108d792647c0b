"""A second device for machines that have none: it computes on the processor, and refuses whatever a graphics card would.

Its tensors say that they lie on `meta`, hold real numbers all the same, and take part in nothing together with the
processor's; nor may NumPy look into them. Made with one dispatch mode and one wrapper, after PyTorch's own FakeTensor.
"""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

AWAY = torch.device("meta")
aten = torch.ops.aten
MOVES = {aten._to_copy.default, aten.copy_.default, aten._local_scalar_dense.default}
INDEXED = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
"""Cards take the processor's indices too."""


class Mixed(RuntimeError):
    """What a card would have refused."""


class Away(torch.Tensor):
    """held: the numbers."""

    @staticmethod
    def __new__(cls, held):
        self = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, device=AWAY
        )
        self.held = held
        return self

    def __repr__(self):
        return f"Away({self.held})"

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _compute(function, args, kwargs or {})


class _Everything(TorchDispatchMode):
    """Sees what is made on the device, where no argument lies there yet."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _compute(function, args, kwargs or {})


class _Makers(TorchFunctionMode):
    """What PyTorch would make of Python's numbers, and back, without asking the dispatcher."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function in (torch.tensor, torch.as_tensor) and torch.device(kwargs.get("device") or "cpu") == AWAY:
            del kwargs["device"]
            return function(*args, **kwargs).to(AWAY)
        if function is torch.Tensor.new_tensor:
            own, data = args
            return torch.tensor(data, dtype=kwargs.get("dtype", own.dtype)).to(kwargs.get("device", own.device))
        if function is torch.Tensor.tolist:
            return function(args[0].cpu())
        if function in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            args = (args[0], _indices(args[1]), *args[2:])
        return function(*args, **kwargs)


def _indices(key):
    """Lists of rows as tensors: PyTorch would put them on the device behind our back."""
    if isinstance(key, tuple):
        return tuple(_indices(list(one) if isinstance(one, tuple) else one) for one in key)
    return torch.as_tensor(key) if isinstance(key, list | np.ndarray) else key


def _compute(function, args, kwargs):
    flat, _ = tree_flatten((args, kwargs))
    tensors = [one for one in flat if isinstance(one, torch.Tensor)]
    away = [one for one in tensors if isinstance(one, Away)]
    here = [one for one in tensors if not isinstance(one, Away) and one.dim() > 0]
    if away and here and function not in MOVES:
        values = tree_flatten(args[1])[0] if function in INDEXED else []
        if any(all(one is not index for index in values) for one in here):
            raise Mixed(f"{function}: tensors on two devices, {[tuple(one.shape) for one in here]} on the processor")
    if any(one.device == AWAY for one in here):
        raise Mixed(f"{function}: a tensor that PyTorch has made on its own")
    target = kwargs.get("device")
    moved = bool(away) if target is None else torch.device(target) == AWAY
    if target is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    result = function(*tree_map(_held, args), **tree_map(_held, kwargs))
    if args and isinstance(args[0], torch.Tensor) and result is _held(args[0]):
        return args[0]  # changed in place
    return tree_map(lambda one: Away(one) if moved and isinstance(one, torch.Tensor) else one, result)


def _held(one):
    return one.held if isinstance(one, Away) else one


@contextmanager
def second_device():
    """Within: `torch.device("meta")` is a device apart."""
    with _Everything(), _Makers():
        yield AWAY
