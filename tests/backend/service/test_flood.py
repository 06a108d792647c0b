"""A client that asks faster than it can be answered: what waits is bounded, and no answer takes longer for it."""

from __future__ import annotations

import threading

import pytest

from fitdiff.errors import FitDiffError
from fitdiff.service.calls import MOST_REQUESTS, Calls
from fitdiff.service.jobs import MOST_WAITING, Job, Jobs, Times

from .wire import wait_until


class Id(str):
    """Counts how often it is compared with another id."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Id.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


class Idle:
    """A worker that takes everything and says nothing."""

    leaving = False

    def send(self, body: bytes) -> None:
        pass


@pytest.fixture
def jobs(monkeypatch) -> Jobs:
    """A running job, and as many that wait as are allowed."""
    monkeypatch.setattr("fitdiff.service.jobs.Child", lambda *_: Idle())
    monkeypatch.setattr("fitdiff.service.messages.dump", lambda message: b"")  # which knows no such ids
    made = Jobs([], Times(), lambda body, key: None, lambda act: None)
    for number in range(MOST_WAITING + 1):
        made.add(Job(Id(number), b"", None))
    Id.compared = 0
    return made


def test_a_cancel_does_not_search_the_queue(jobs):
    assert jobs.cancel(Id("nobody")) == "unknown"
    assert jobs.cancel(Id(MOST_WAITING)) == "waiting"
    assert jobs.cancel(Id(0)) == "running"
    assert Id.compared < 10
    assert len(jobs.waiting) == MOST_WAITING - 1


def test_a_job_is_added_without_looking_at_the_others(jobs):
    for id, code in (("new", "queue-full"), (5, "id-in-use"), (0, "id-in-use")):
        with pytest.raises(FitDiffError) as caught:
            jobs.add(Job(Id(id), b"", None))
        assert caught.value.code == code
    assert Id.compared < 10


def test_requests_wait_outside_once_enough_are_inside():
    calls, done = Calls(), []

    def send() -> None:
        for number in range(10 * MOST_REQUESTS):
            calls.add_request(lambda number=number: done.append(number))

    client = threading.Thread(target=send, daemon=True)
    client.start()
    wait_until(lambda: len(calls) == MOST_REQUESTS)
    client.join(0.2)
    assert client.is_alive()
    assert len(calls) == MOST_REQUESTS
    calls.add(lambda: done.append("ours"))  # does not wait
    for _ in range(10 * MOST_REQUESTS + 1):
        calls.next(timeout=60)()
    client.join(60)
    assert [entry for entry in done if entry != "ours"] == list(range(10 * MOST_REQUESTS))
    assert done.index("ours") <= MOST_REQUESTS


def test_a_ping_among_thousands_of_cancels_is_answered(wire, tmp_path):
    wire.until(wire.play("slow", tmp_path / "a", steps=1000), "fitting")
    waiting = [wire.play("quick", tmp_path / "b") for _ in range(300)]
    for _ in range(3000):
        wire.send("cancel", id="nobody")
    found = wire.ask("ping")["result"]
    assert (found["worker"], found["waiting"]) == ("busy", len(waiting))
