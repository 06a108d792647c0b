"""The number of threads that a reconstruction uses, for the service, the commands and batches alike.

Each torch operation uses one thread: split sums differ in their last digits with the number of threads, and a fit amplifies
that into different heads. With two cores, whole parts of the loss run in parallel instead and are summed in a fixed order
(fitting/parallel_loss.py). numpy's linear algebra uses one thread in every process of FitDiff (__init__.py), for the same
reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_given: int | None = None  # the number given, while torch's own is set to one


def given() -> int:
    """The number of threads that may run in parallel: OMP_NUM_THREADS, else the cores."""
    import torch

    return torch.get_num_threads() if _given is None else _given


@contextmanager
def one_thread_per_operation() -> Iterator[None]:
    """A context manager or decorator within which results do not depend on the number of threads."""
    global _given
    import torch

    before, threads = _given, torch.get_num_threads()
    _given = given()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        _given = before
