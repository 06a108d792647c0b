"""Train the network of `perception/dense.py` on pictures of made-up people.

python -m fitdiff.training.build.dense FILE.safetensors --portraits DIR --photographs DIR [--people 24000] [--steps 6000]

Pictures are made first, a twelfth of a second each on one core, and kept in --photographs; so is the state of the training,
from which an interrupted run continues.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from ... import tensor_files
from ...face import embedded
from ...face.embedded import EmbeddedFace
from ...perception.dense_network import EYE_DISTANCE, Answer, DenseNetwork
from ...progress import Progress, Report, silent
from ...progress_bar import progress_bar
from .. import shards
from ..checkpoints import load_state, optimizer_tensors, restore_optimizer, save_state
from .dense_lessons import Anchors, Batch, Lessons
from .dense_losses import WEIGHTS, Measures, anchor_loss, landmarks_of, losses, start_from_people
from .dense_people import PER_SKIN, Studio, choose_vertices, mirrored_rows
from .portrait_layers import load as load_portraits

SEED = 21
POINTS = 760  # vertices that the network places, or one more
INDEX, STATE = "dense.json", "teaching"
SHARD, AT_ONCE = 256, 2 * PER_SKIN  # people in a file, and drawn together
KEPT_BACK = 2  # files of people on whom the network is measured
BATCH, ANCHORS = 32, 4  # people and portraits in a step
RATE, DECAY = 1e-3, 0.998  # highest learning rate; memory of the averaged weights
BASIS_PEOPLE = 4096
SAVED_EVERY = 500  # steps
REGIONS_MEASURED = ("nose", "mouth", "cheeks", "chin", "forehead", "ears", "scalp")


def photograph(portraits: Path, folder: Path, people: int, seed: int = SEED, report: Report = silent) -> None:
    """Shards of `dense_people.Studio.make`'s columns."""

    @cache
    def studio() -> tuple[Studio, NDArray[np.int64]]:
        made = Studio(load_portraits(portraits, folder / "portraits", report), seed)
        return made, choose_vertices(made.model, POINTS)

    def make(first: int, count: int) -> shards.Columns:
        taker, vertices = studio()
        return taker.make(first, count, vertices)

    facts = {"seed": seed, "points": POINTS}
    shards.fill(folder / INDEX, facts, make, people, SHARD, AT_ONCE, report=report, stage="drawing people")


class Teacher:
    """Teaches for `steps` steps, of which each shows people that chance picks among the folder's."""

    def __init__(
        self, portraits: Path, folder: Path, steps: int, begin: Path | None = None, rate: float = RATE
    ) -> None:
        """begin: weights of an earlier training to go on from."""
        torch.manual_seed(SEED)
        self.model, self.steps, self.rate = embedded.load(), steps, rate
        vertices = choose_vertices(self.model, POINTS)
        twins = torch.from_numpy(mirrored_rows(vertices, self.model))
        self.lessons = Lessons(shards.files(folder)[KEPT_BACK:], self.model, twins)
        self.anchors = Anchors(load_portraits(portraits, folder / "portraits"))
        self.measures = Measures.of(self.model, vertices)
        self.network = DenseNetwork(len(vertices))
        self.network.vertices.copy_(torch.from_numpy(vertices))
        self.network.mirror.copy_(twins)
        first = self.lessons.batch(torch.arange(min(BASIS_PEOPLE, self.lessons.count)), np.random.default_rng(SEED))
        marks = self.model.landmarks(self.model.mean[None], "facemesh468")[0]
        self.network.face.copy_(marks)
        self.to_marks = start_from_people(self.network, first)
        if begin is not None:
            self.network.load_state_dict(tensor_files.opened(begin)[0], strict=False)
            self.to_marks = landmarks_of(self.network, first)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = deepcopy(self.network)
        decayed = [value for value in self.network.parameters() if value.ndim > 1]
        others = [value for value in self.network.parameters() if value.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, rate)
        self.state = folder / f"{STATE}.safetensors"
        self.step = 0

    def teach(self, report: Report = silent) -> DenseNetwork:
        if self.state.is_file():
            self._continue()
        self.network.train()
        while self.step < self.steps:
            parts = self._one()
            self.step += 1
            if self.step % SAVED_EVERY == 0 or self.step == self.steps:
                self._save()
            said = " ".join(f"{name} {value:.2f}" for name, value in parts.items())
            report(Progress(f"teaching: {said}", self.step, self.steps))
        return self.averaged.eval()

    def _one(self) -> dict[str, float]:
        random = np.random.default_rng([SEED, 17, self.step])
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * _schedule(self.step / self.steps)
        truth = self.lessons.batch(torch.from_numpy(random.integers(0, self.lessons.count, BATCH)), random)
        image, marks, embedding = self.anchors.batch(ANCHORS, random)
        pictures = torch.cat([truth.image, image]).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            landmarks = torch.cat([truth.landmarks, marks])
            found, codes = self.network(pictures, landmarks, torch.cat([truth.embedding, embedding]))
        parts = losses(type(found)(*(part[:BATCH].float() for part in found)), truth, self.measures)
        parts["anchor"] = anchor_loss(codes[BATCH:].float(), marks, self.to_marks, self.measures.inner)
        loss = sum((WEIGHTS[name] * value for name, value in parts.items()), start=torch.zeros(()))
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        decay = min(DECAY, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mine, theirs in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
                mine.lerp_(theirs, 1 - decay)
            for kept, known in zip(self.averaged.buffers(), self.network.buffers(), strict=True):
                kept.copy_(known)
        return {name: float(value.detach()) for name, value in parts.items()}

    def _save(self) -> None:
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"averaged.{name}": value for name, value in self.averaged.state_dict().items()}
        tensors |= optimizer_tensors(self.optimiser, "optimiser.")
        save_state(self.state, tensors, {"step": self.step, "steps": self.steps})

    def _continue(self) -> None:
        tensors, facts = load_state(self.state)
        if facts["steps"] != self.steps:
            return  # of another training
        for name, network in (("network.", self.network), ("averaged.", self.averaged)):
            network.load_state_dict({k[len(name) :]: value for k, value in tensors.items() if k.startswith(name)})
        restore_optimizer(self.optimiser, tensors, "optimiser.")
        self.step = facts["step"]


def _schedule(share: float) -> float:
    """Share of the highest rate: a short rise, then half a cosine."""
    return min(share / 0.03, 1.0) * 0.5 * (1 + math.cos(math.pi * share)) + 1e-3


@torch.no_grad()
def answers(network: DenseNetwork, lessons: Lessons, at_once: int = 32) -> tuple[Answer, Batch]:
    """The network's answers about all people, and the truth; without pictures."""
    found, truth = [], []
    for rows in torch.arange(lessons.count).split(at_once):
        batch = lessons.plain(rows)
        found.append(network(batch.image, batch.landmarks, batch.embedding)[0])
        truth.append(batch._replace(image=batch.image[:, :0]))
    return (
        Answer(*(torch.cat(column) for column in zip(*found, strict=True))),
        Batch(*(torch.cat(column) for column in zip(*truth, strict=True))),
    )


def calibrate(network: DenseNetwork, lessons: Lessons) -> None:
    """Set the sigmas' factors so that they are right on people kept back."""
    network.spread.zero_()
    found, truth = answers(network, lessons)
    square = (found.points - truth.points).square()
    scaled = torch.stack([square[..., :2].mean(-1), square[..., 2]], -1) * (-2 * found.log_sigma).exp()
    numbers = torch.cat([truth.identity - found.identity, truth.expression - found.expression], 1)
    own = numbers.square() * (-2 * torch.cat([found.log_identity, found.log_expression], 1)).exp()
    network.spread.copy_(0.5 * torch.cat([scaled.clamp(max=16).mean((0, 1)), own.mean(0)]).log())


def measured(network: DenseNetwork, lessons: Lessons, model: EmbeddedFace, measures: Measures) -> dict[str, float]:
    """On people kept back: millimetres at the face, by region; of the identity's face; shares inside sigmas."""
    found, truth = answers(network, lessons)
    eye, unit = lessons.labels["eye"], lessons.labels["unit"]
    error = found.points - truth.points
    scale = (1000 * eye * EYE_DISTANCE / unit)[:, None]
    flat, deep = error[..., :2].norm(dim=-1) * scale, error[..., 2].abs() * 1000 * eye[:, None]
    rows = network.vertices.numpy()
    figures = {"picture mm": float(flat.median()), "depth mm": float(deep.median())}
    for name in REGIONS_MEASURED:
        mine = torch.from_numpy(np.nonzero(model.topology.vertex_masks[name][rows] > 0.5)[0])
        figures[f"{name} picture mm"], figures[f"{name} depth mm"] = (
            float(part[:, mine].mean()) for part in (flat, deep)
        )
    for k, name in ((0, "picture"), (1, "depth")):
        size = (error[..., k * 2] / found.log_sigma[..., k].exp()).abs()
        figures[f"{name} inside 1 sigma"], figures[f"{name} inside 2 sigma"] = (
            float((size < limit).float().mean()) for limit in (1, 2)
        )
    missed = truth.identity - found.identity
    figures["identity inside 1 sigma"] = float((missed.abs() < found.log_identity.exp()).float().mean())
    figures["identity mm"] = float((missed @ measures.to_identity).norm(dim=1).mean())
    figures["mean face mm"] = float((truth.identity @ measures.to_identity).norm(dim=1).mean())
    return {name: round(value, 4) for name, value in figures.items()}


def save(network: DenseNetwork, path: Path, figures: dict[str, float]) -> None:
    """Write the weights in half precision, which costs a hundredth of a pixel."""
    tensors = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    header = {
        "what": "FitDiff: where the head's vertices lie in a photo, and whose head it may be",
        "origins": "learned on people that FitDiff makes up and draws, with portraits' hair, clothes and backgrounds",
        "licence": "CC0-1.0",
        "measured": json.dumps(figures),
    }
    tensor_files.write(path, tensors, header)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fitdiff.training.build.dense", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--portraits", type=Path, required=True, metavar="DIR", help="folder of the portraits")
    parser.add_argument(
        "--photographs", type=Path, required=True, metavar="DIR", help="folder of the pictures, made where missing"
    )
    parser.add_argument("--people", type=int, default=24000)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--begin", type=Path, help="weights to go on from")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # sums in one order
    with progress_bar(Console(stderr=True)) as bar:
        if options.people:
            photograph(options.portraits, options.photographs, options.people, report=bar.show)
        teacher = Teacher(options.portraits, options.photographs, options.steps, options.begin, options.rate)
        network = teacher.teach(bar.show)
    kept_back = Lessons(shards.files(options.photographs)[:KEPT_BACK], teacher.model, teacher.lessons.mirror)
    calibrate(network, kept_back)
    figures = measured(network, kept_back, teacher.model, teacher.measures)
    save(network, options.file, figures)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
