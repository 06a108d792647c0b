"""A line on the terminal with the stage, the progress and the time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from .progress import Progress as Step


class Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)
        self._stage = ""

    def stage(self, name: str) -> None:
        """Something of unknown length."""
        self._stage = name
        self._progress.reset(self._task, description=name)
        self._progress.tasks[0].total = None  # reset() and update() take None as unchanged

    def show(self, step: Step) -> None:
        """One of a known number of steps; with a total of 0, something of unknown length."""
        if not step.total:
            self.stage(step.stage)
            return
        if step.stage != self._stage:
            self._stage = step.stage
            self._progress.reset(self._task, description=step.stage, total=step.total)
        self._progress.update(self._task, completed=step.step, total=step.total)


@contextmanager
def progress_bar(console: Console) -> Iterator[Bar]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress)
