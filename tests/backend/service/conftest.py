"""A service with a playing worker, fresh for each test, and a look at what was left behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .actor import CONTENT, FILES
from .wire import ACTOR, Wire


@pytest.fixture
def service() -> Iterator[Callable[..., Wire]]:
    """service(idle, grace): started, greeted, and killed at the end of the test if it is still there."""
    with ExitStack() as stack:
        yield lambda *words, **more: stack.enter_context(Wire(ACTOR, *words, **more))


@pytest.fixture
def wire(service) -> Wire:
    return service()


@pytest.fixture(autouse=True)
def own_logs(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("FITDIFF_LOG_DIR", str(tmp_path_factory.mktemp("log")))


def whole(folder: Path) -> bool:
    """Everything that the playing worker writes is there."""
    return sorted(os.listdir(folder)) == sorted(FILES) and all(
        (folder / name).read_bytes() == CONTENT for name in FILES
    )
