"""Train the network of `perception/parting.py` on portraits with their hair masks, mattes and labels by eye.

python -m fitdiff.training.build.parting FILE.safetensors --portraits DIR --run DIR [--steps 3300] [--minutes 45]
python -m fitdiff.training.build.parting FILE.safetensors --portraits DIR --run DIR --measure

The same command continues a run. Portraits held back (`held_back.py`) are measured on only.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor, nn

from ... import tensor_files
from ...perception.parting import PARTS, SIDE
from ...perception.parting_network import PartingNetwork
from ...perception.squeezenet import feature_network
from ...progress_bar import progress_bar
from ..loop import RunSettings, run
from ..machine import Average, Machine
from . import parting_measure
from .parting_lessons import Lesson, Page, lesson
from .parting_pages import pages, prepare
from .parting_people import made_up, photograph, photographed

SEED = 7
PHOTOGRAPHS = "photographs"
RATE, WARM = 2e-3, 100
STAGES = ((0.6, SIDE // 2, 12), (1.0, SIDE, 6))  # until which share of the steps, pixels, windows in a step
MADE_UP, PEOPLE = 60, 128  # rendered people, and photographed ones
RENDERED, PHOTOGRAPHED = 0.1, 0.25  # how often they are shown against portraits
RARE = 1.6  # how much oftener those with glasses or covers are shown
WEIGHTS = {"background": 1, "skin": 1, "hair": 1.3, "beard": 2, "brows": 2, "glasses": 3.5, "cover": 1.3, "cloth": 1}


@dataclass(frozen=True)
class Lessons(torch.utils.data.Dataset[Lesson]):
    """Batch number k of a seed is the same in every worker."""

    pages: list[Page]
    steps: int
    seed: int = SEED
    portraits: int = 0  # the first so many pages; then come as many rendered people as MADE_UP, then photographed ones

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Lesson:
        random = np.random.default_rng([self.seed, 17, step])
        side, count = next((side, count) for until, side, count in STAGES if step < until * self.steps)
        often = np.array([RARE if page.before.size else 1.0 for page in self.pages])
        first, last = self.portraits, self.portraits + MADE_UP
        for group, share in ((slice(0, first), 1.0), (slice(first, last), RENDERED), (slice(last, None), PHOTOGRAPHED)):
            often[group] *= share / max(often[group].sum(), 1e-9)
        chosen = random.choice(len(self.pages), count, p=often / often.sum())
        made = [lesson(self.pages, int(number), side, random) for number in chosen]
        return Lesson(*(torch.stack(column) for column in zip(*made, strict=True)))


def completed(logits: Tensor, shares: Tensor, whole: Tensor) -> Tensor:
    """Shares in which the network's own say stands for what is not known, so that it is neither right nor wrong there."""
    rest = [k for k, part in enumerate(PARTS) if part not in ("glasses", "cover")]
    says = logits.detach().softmax(1)[:, rest]
    own = shares.clone()
    own[:, rest] = says / says.sum(1, keepdim=True) * shares[:, rest].sum(1, keepdim=True)
    return torch.where(whole.view(-1, 1, 1, 1), shares, own)


def wrong(logits: Tensor, shares: Tensor, whole: Tensor) -> Tensor:
    """Loss: weighted cross entropy, the parts' overlaps, and the shares' error at soft edges and of the person's matte."""
    shares = completed(logits, shares, whole)
    weight = torch.tensor([WEIGHTS[part] for part in PARTS]).view(1, -1, 1, 1)
    log = logits.log_softmax(1)
    found = log.exp()
    entropy = -(weight * shares * log).sum(1).mean()
    both, sums = (found * shares).sum((0, 2, 3)), (found + shares).sum((0, 2, 3))
    there = shares.sum((0, 2, 3)) > 1
    dice = (1 - (2 * both + 1) / (sums + 1))[there].mean()
    wide = F.max_pool2d(shares, 5, 1, 2) + F.max_pool2d(-shares, 5, 1, 2) > 0.1
    edges = ((found - shares).abs() * wide).sum() / wide.sum().clamp(min=1)
    matte = (found[:, 0] - shares[:, 0]).abs().mean()
    return entropy + 0.5 * dice + 0.5 * edges + 0.5 * matte


class Teaching:
    """The loop's task (`training/loop.py`)."""

    name = "parting network"

    def __init__(self, folder: Path, machine: Machine, steps: int, workers: int, seed: int = SEED) -> None:
        torch.manual_seed(seed)
        self.machine, self.steps, self.workers, self.seed = machine, steps, workers, seed
        self.taught, self.choosing = pages(folder), pages(folder, choosing=True)
        self.portraits = len(self.taught)
        self.taught += [made_up(number, seed) for number in range(MADE_UP)] + photographed(folder.parent / PHOTOGRAPHS)
        self.network = PartingNetwork(len(PARTS)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = Average(self.network, 0.998)
        self.modules: dict[str, nn.Module] = {"network": self.network, "average": self.average}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "network": torch.optim.AdamW(self.network.parameters(), RATE, weight_decay=1e-2)
        }
        self.source: Iterator[Lesson] | None = None

    def facts(self) -> dict[str, Any]:
        return {"seed": self.seed, "parts": list(PARTS)}

    def _next(self, step: int) -> Lesson:
        if self.source is None:
            lessons = Lessons(self.taught, self.steps, self.seed, self.portraits)
            left = torch.utils.data.Subset(lessons, range(step, self.steps))
            self.source = iter(torch.utils.data.DataLoader(left, None, num_workers=self.workers))
        return next(self.source)

    def step(self, step: int, total: int) -> dict[str, Tensor]:
        done = step / total
        rate = RATE * min(1.0, (step + 1) / WARM) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * done)))
        for group in self.optimizers["network"].param_groups:
            group["lr"] = rate
        picture, guide, shares, whole = self._next(step)
        picture = picture.contiguous(memory_format=torch.channels_last)
        self.network.train()
        with self.machine.mixed():
            with torch.no_grad():
                maps = feature_network().features(picture)
            logits = self.network(picture, guide, maps)
        loss = wrong(logits.float(), shares, whole)
        self.optimizers["network"].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizers["network"].step()
        self.average.follow(self.network, step)
        return {"loss": loss.detach()}

    def sheet(self) -> Tensor:
        self.network.eval()
        return parting_measure.sheet(cast(PartingNetwork, self.average.network), self.choosing)

    def export(self, folder: Path, steps: int, losses: dict[str, float]) -> list[Path]:
        path = folder / "parting.safetensors"
        save(self.average.network, path, {"steps": str(steps)})
        return [path]


def save(network: nn.Module, path: Path, facts: dict[str, str]) -> None:
    """Write the weights in half precision, which is enough for 8-bit pictures."""
    tensors = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    header = {
        "what": "FitDiff: a photo around a head in parts: skin, hair, beard, brows, glasses, covers, cloth, background",
        "origins": "learned by FitDiff on CC0 portraits with hair masks, mattes and FitDiff's own labels",
        "licence": "CC0-1.0",
        **facts,
    }
    tensor_files.write(path, tensors, header)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fitdiff.training.build.parting", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="where the weights go, or whose are measured")
    parser.add_argument("--portraits", type=Path, required=True, metavar="DIR")
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="prepared portraits, state and samples")
    parser.add_argument("--steps", type=int, default=3300)
    parser.add_argument("--minutes", type=float, help="of this call, after which it saves and ends")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--measure", action="store_true", help="only measure FILE on the portraits held back")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="with --measure: pictures of all portraits in parts")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # sums in one order
    prepared, photographs = options.run / "portraits", options.run / PHOTOGRAPHS
    with progress_bar(Console(stderr=True)) as bar:
        prepare(options.portraits, prepared, bar.show)
        if not options.measure:
            photograph(photographs, PEOPLE, report=bar.show)
            task = Teaching(prepared, Machine("cpu"), options.steps, options.workers)
            settings = RunSettings(options.run, options.steps, options.minutes, save_seconds=180, sample_every=250)
            run(task, settings, task.machine, bar.show)
            save(task.average.network, options.file, {"steps": str(options.steps)})
        found = parting_measure.measured(options.file, options.portraits, prepared, options.sheets, bar.show)
    sys.stdout.write("\n".join(f"{name} {value:.3f}" for name, value in found.items()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
