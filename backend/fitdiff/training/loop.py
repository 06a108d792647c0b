"""The loop of both trainings: steps, a log, plots and sample sheets, and a state from which a run continues exactly.

A run's folder holds state.safetensors (what it continues from), log.jsonl, curves.png, samples/, and the weights so far.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor, nn

from ..errors import FitDiffError
from ..progress import Progress, Report, silent
from . import checkpoints
from .machine import Machine, checked
from .plots import curves

STATE = "state.safetensors"


@dataclass(frozen=True)
class RunSettings:
    folder: Path
    steps: int  # in all, with those of earlier calls
    minutes: float | None = None  # of this call, after which it saves and ends
    save_seconds: float = 300.0
    sample_every: int = 500
    log_every: int = 20


class Task(Protocol):
    """One network in training."""

    name: str
    modules: dict[str, nn.Module]  # everything with weights, including averages
    optimizers: dict[str, torch.optim.Optimizer]

    def facts(self) -> dict[str, Any]:
        """Settings that a continued run must have in common."""
        ...

    def step(self, step: int, total: int) -> dict[str, Tensor]:
        """One step; losses stay on the device."""
        ...

    def sheet(self) -> Tensor:
        """(3, H, W) sRGB: a picture of current results."""
        ...

    def export(self, folder: Path, steps: int, losses: dict[str, float]) -> list[Path]:
        """Write the weights for use by engines."""
        ...


@dataclass(frozen=True)
class Outcome:
    step: int
    finished: bool
    losses: dict[str, float]
    seconds: float
    files: list[Path]


def run(task: Task, settings: RunSettings, machine: Machine, report: Report = silent) -> Outcome:
    """Train from the folder's state, if any, until the steps or the minutes are used up. Ctrl-C ends after the step."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    state, log = settings.folder / STATE, settings.folder / "log.jsonl"
    first = step = _restore(task, state) if state.is_file() else 0
    if machine.main:
        _cut_log(log, step)
    started = saved = time.monotonic()
    seen: dict[str, list[Tensor]] = {}
    losses: dict[str, float] = {}
    with _interrupts() as interrupted:
        while step < settings.steps:
            spent = time.monotonic() - started
            late = settings.minutes is not None and spent > 60 * settings.minutes
            if machine.agreed(bool(interrupted) or late):
                break
            for name, value in task.step(step, settings.steps).items():
                seen.setdefault(name, []).append(value.detach())
            step += 1
            if step % settings.log_every == 0 or step == settings.steps:
                losses = checked({name: torch.stack(values).float().mean() for name, values in seen.items()})
                seen = {}
                if machine.main:
                    spent = time.monotonic() - started
                    _note(log, step, losses, spent, (step - first) / spent)
            if machine.main:
                report(Progress(f"training the {task.name}", step, settings.steps))
                if step % settings.sample_every == 0:
                    _show(task, settings.folder, step, log)
                if time.monotonic() - saved > settings.save_seconds:
                    _save(task, state, step)
                    saved = time.monotonic()
    files: list[Path] = []
    if machine.main:
        _save(task, state, step)
        _show(task, settings.folder, step, log)
        files = task.export(settings.folder, step, losses)
    if interrupted:
        raise FitDiffError(
            "cancelled",
            f"Stopped after step {step} and saved in {settings.folder}: run the same command again to continue.",
        )
    return Outcome(step, step >= settings.steps, losses, time.monotonic() - started, files)


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Yields a list that becomes non-empty on Ctrl-C; a second Ctrl-C interrupts at once."""
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield seen
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


def rate_at(step: int, total: int, warmup: int = 200, tail: float = 0.3) -> float:
    """The learning rate's factor: rising in the first `warmup` steps, falling to 0 in the last share `tail`."""
    left = (total - step) / max(tail * total, 1.0)
    return min(1.0, (step + 1) / warmup, max(left, 0.0) + 1e-3)


def _restore(task: Task, path: Path) -> int:
    tensors, facts = checkpoints.load_state(path)
    mine = json.loads(json.dumps(task.facts()))
    if facts["task"] != task.name or facts["facts"] != mine:
        raise FitDiffError(
            "training-other-run",
            f"{path.parent} holds a run with other settings: choose another --out, or the settings it was started with.",
            details=f"there {facts['facts']}, here {mine}",
        )
    for name, module in task.modules.items():
        prefix = f"module.{name}."
        own = {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
        module.load_state_dict(own)
    for name, optimizer in task.optimizers.items():
        checkpoints.restore_optimizer(optimizer, tensors, f"optimizer.{name}.")
    return int(facts["step"])


def _save(task: Task, path: Path, step: int) -> None:
    tensors: dict[str, Tensor] = {}
    for name, module in task.modules.items():
        tensors |= {f"module.{name}.{key}": value for key, value in module.state_dict().items()}
    for name, optimizer in task.optimizers.items():
        tensors |= checkpoints.optimizer_tensors(optimizer, f"optimizer.{name}.")
    checkpoints.save_state(path, tensors, {"task": task.name, "facts": task.facts(), "step": step})


def _note(log: Path, step: int, losses: dict[str, float], seconds: float, rate: float) -> None:
    line = {"step": step, **{name: round(value, 6) for name, value in losses.items()}}
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**line, "seconds": round(seconds, 1), "steps_per_second": round(rate, 3)}) + "\n")


def _cut_log(log: Path, step: int) -> None:
    """Remove log lines of steps after the saved state."""
    if log.is_file():
        lines = [line for line in log.read_text(encoding="utf-8").splitlines() if json.loads(line)["step"] <= step]
        log.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _show(task: Task, folder: Path, step: int, log: Path) -> None:
    (folder / "samples").mkdir(exist_ok=True)
    picture = (task.sheet().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    Image.fromarray(picture).save(folder / "samples" / f"{step:07d}.jpg", quality=90)
    if log.is_file():
        curves([json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]).save(folder / "curves.png")
