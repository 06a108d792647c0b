"""Parts of a loss, worked out one after the other or one beside the other."""

import threading

import pytest
import torch

from fitdiff.fitting import loss, solve
from fitdiff.fitting.evidence import read_evidence
from fitdiff.fitting.parallel_loss import at_once, second_thread, together, worked_out
from fitdiff.fitting.settings import FitSettings
from fitdiff.threads import given, one_thread_per_operation

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 2, 5])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def parted(begin, leaves):
    """(x y)^2 and 3 x^3 at what they share, and a prior on a leaf itself -> their sum."""
    x, y = leaves
    shared = [x.exp(), (x * y).sin()]
    others = begin(lambda: [worked_out(y.square().sum(), [y]), worked_out(3 * (shared[0] ** 3).sum(), shared)])
    here = worked_out((shared[0] * shared[1]).square().sum(), shared)
    return together([here, *others()])


def test_parts_together_are_the_whole(threads):
    leaves = [torch.randn(50, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    with second_thread(CPU) as begin:
        total = parted(begin, leaves)
        found = torch.autograd.grad(2 * total, leaves)
    x, y = leaves
    whole = (x.exp() * (x * y).sin()).square().sum() + y.square().sum() + 3 * (x.exp() ** 3).sum()
    torch.testing.assert_close(total, whole)
    torch.testing.assert_close(found, torch.autograd.grad(2 * whole, leaves))


def test_a_second_thread_is_there_where_two_are_given_and_each_operation_takes_one(threads):
    with second_thread(CPU) as begin:
        assert torch.get_num_threads() == 1
        seen = begin(lambda: (threading.current_thread() is threading.main_thread(), torch.get_num_threads()))()
    assert seen == (threads == 1, 1)  # alone, nobody is asked
    assert torch.get_num_threads() == threads
    with second_thread(torch.device("meta")) as begin:
        assert begin is at_once


def test_the_number_that_is_given_is_remembered_while_operations_take_one(threads):
    with one_thread_per_operation(), one_thread_per_operation():
        assert (given(), torch.get_num_threads()) == (threads, 1)
        with second_thread(CPU) as begin:
            assert (begin is at_once) == (threads == 1)
    assert (given(), torch.get_num_threads()) == (threads, threads)


def test_whoever_stops_leaves_no_work_and_no_thread_behind():
    before, running = torch.get_num_threads(), set(threading.enumerate())
    torch.set_num_threads(2)
    begun, free, done = threading.Event(), threading.Event(), []
    try:
        with pytest.raises(KeyboardInterrupt), second_thread(CPU) as begin:
            begin(lambda: begun.set() or free.wait(20))
            begin(lambda: done.append("too late"))
            assert begun.wait(20)
            timer = threading.Timer(0.2, free.set)
            timer.start()
            raise KeyboardInterrupt
        timer.join()
        with pytest.raises(ValueError, match="no such head"), second_thread(CPU) as begin:
            begin(lambda: int("no such head"))()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert done == []
    assert set(threading.enumerate()) == running


@pytest.fixture(scope="module")
def one_fit(photo_analysis):
    one = solve.Fit(read_evidence(photo_analysis), FitSettings(steps=4, identity_from=0.0))
    one.solve()
    return one


def gradients(one, begin):
    numbers = one.head.numbers()
    total, _ = one.loss(seed=7)(one.head, 1, 0.6, begin)
    return total.detach(), torch.autograd.grad(total, numbers)


@pytest.mark.slow
def test_a_second_thread_changes_no_digit_of_a_fit(one_fit):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = gradients(one_fit, at_once)
        torch.set_num_threads(2)
        with second_thread(CPU) as begin:
            two = gradients(one_fit, begin)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(alone[0], two[0])
    for one, other in zip(alone[1], two[1], strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
def test_no_part_of_a_fit_forgets_a_number(one_fit, monkeypatch):
    """In parts, the gradient is that of one sum that autograd goes back through as a whole."""
    parts = gradients(one_fit, at_once)
    monkeypatch.setattr(loss, "worked_out", lambda loss, at: loss)
    monkeypatch.setattr(loss, "together", sum)
    whole = gradients(one_fit, at_once)
    torch.testing.assert_close(parts[0], whole[0])
    for one, other in zip(parts[1], whole[1], strict=True):
        assert other.abs().max() > 0
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5 * float(other.abs().max()))


@pytest.mark.slow
def test_what_is_solved_for_is_all_there_is(one_fit):
    leaves = [value for value in vars(one_fit.head).values() if isinstance(value, torch.Tensor) and value.requires_grad]
    assert {id(leaf) for leaf in leaves} <= {id(number) for number in one_fit.head.numbers()}
