"""How many threads a reconstruction computes in: decided here for the service, the command and batches alike.

Each of torch's operations takes one thread, because a sum that is split among threads comes out in other last digits for
every number of them, and a fit makes other heads of that. Where there are two cores, whole parts of the work that are
added in a fixed order run beside each other instead (fitting/parallel_loss.py). numpy's linear algebra takes one thread in
every process of FitDiff (__init__.py), for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_given: int | None = None  # while torch's own number is one


def given() -> int:
    """How many threads may run beside each other: OMP_NUM_THREADS, else the cores."""
    import torch

    return torch.get_num_threads() if _given is None else _given


@contextmanager
def one_thread_per_operation() -> Iterator[None]:
    """While this lasts (`with`, or a decorator), results do not depend on how many threads are given."""
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
