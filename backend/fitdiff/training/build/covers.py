"""Train the network of `perception/covers.py` on photographs of made-up people with covers painted before them.

python -m fitdiff.training.build.covers FILE.safetensors --photographs DIR [--people 896] [--steps 1000]

Photographs are made first, a fifth of a second each on one core, and kept in DIR. Covers and what resembles them
(`cover_lessons.py`) are painted anew at every step.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor

from ... import tensor_files
from ...perception.covers import CoverNetwork
from ...perception.squeezenet import feature_network
from ...progress import Progress, Report, silent
from ...progress_bar import progress_bar
from .. import genes, photographs, shards
from ..paint import paint
from ..photographs import Photographer
from ..synthetic import Crowd
from .cover_lessons import developed, lesson

SEED = 5
SIDE = 256  # pixels of a photograph
INDEX = "covers.json"
SHARD, AT_ONCE = 32, 4  # people in a file, and painted together
KEPT_BACK = 16  # one photograph in so many is kept for measuring
BATCH, LOOKS = 12, 2  # windows in a step, and versions of each by different cameras


def photograph(folder: Path, people: int, views: int = 2, seed: int = SEED, report: Report = silent) -> None:
    """Shards of (N, 3, SIDE, SIDE) uint8 sRGB photographs without covers, and (N, 468, 2) landmarks."""
    crowd = Crowd(seed, size=256)
    photographer = Photographer(crowd.model, crowd.canvas, side=SIDE)

    def make(first: int, count: int) -> shards.Columns:
        who = genes.draw(seed, first, count)
        skin = paint(crowd.canvas, who)
        images, marks = [], []
        for view in range(views):
            how = photographs.draw(seed, first, count, view)
            for name in ("glasses", "thing", "blur", "grain", "tone"):
                how[name] = torch.zeros_like(how[name])
            how["quality"] = torch.full_like(how["quality"], 0.02)
            shot = photographer.shoot(who, skin, how)
            images.append((shot.image * 255).round().to(torch.uint8))
            marks.append(shot.landmarks)
        return {"image": torch.cat(images), "landmarks": torch.cat(marks)}

    facts = {"seed": seed, "views": views}
    shards.fill(folder / INDEX, facts, make, people, SHARD, AT_ONCE, report=report, stage="photographing people")


class Windows(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Window number k of a seed is the same on every machine and in every worker."""

    def __init__(self, folder: Path, seed: int, count: int, kept_back: bool = False) -> None:
        found = [shards.read(path) for path in shards.files(folder)]
        images, marks = (torch.cat([shard[name] for shard in found]) for name in ("image", "landmarks"))
        first = len(images) - len(images) // KEPT_BACK
        mine = slice(first, None) if kept_back else slice(0, first)
        self.images, self.marks, self.seed, self.count = images[mine], marks[mine], seed, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """(LOOKS, 3, s, s) sRGB, (LOOKS, 1, s, s) hidden: one window by several cameras."""
        random = np.random.default_rng([self.seed, 91, number])
        k = int(random.integers(len(self.images)))
        picture, where = lesson(self.images[k].permute(1, 2, 0).numpy(), self.marks[k].double().numpy(), random)
        seen = torch.from_numpy(picture).permute(2, 0, 1).expand(LOOKS, -1, -1, -1)
        return developed(seen, random), torch.from_numpy(where).expand(LOOKS, 1, -1, -1)


def wrong(logits: Tensor, hidden: Tensor) -> Tensor:
    """Loss: cross entropy plus one minus the overlap of found and true cover."""
    entropy = F.binary_cross_entropy_with_logits(logits, hidden)
    found = logits.sigmoid()
    both = (found * hidden).sum((1, 2, 3))
    dice = 1 - (2 * both + 20) / (found.sum((1, 2, 3)) + hidden.sum((1, 2, 3)) + 20)
    return entropy * 4 + 0.5 * dice.mean()


def teach(folder: Path, steps: int, seed: int = SEED, workers: int = 1, report: Report = silent) -> CoverNetwork:
    """Train on the folder of `photograph`; the last photographs are kept for `measured`."""
    torch.manual_seed(seed)
    network = CoverNetwork().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    source = Windows(folder, seed, steps * BATCH)
    loader = torch.utils.data.DataLoader(source, BATCH, num_workers=workers)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, steps, pct_start=0.1)
    for step, (pictures, hidden) in enumerate(loader, 1):
        pictures = pictures.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                maps = feature_network().features(pictures)
            logits = network(pictures, maps)
        loss = wrong(logits.float(), hidden.flatten(0, 1))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        rates.step()
        report(Progress(f"teaching, loss {loss.item():.2f}", step, steps))
    return network.eval()


@torch.no_grad()
def measured(network: CoverNetwork, folder: Path, windows: int = 400, seed: int = SEED + 1) -> dict[str, float]:
    """On photographs kept back: recall, precision, and the share of uncovered faces of which more than a thousandth of the
    window is taken for a cover."""
    source = Windows(folder, seed, windows, kept_back=True)
    both, found, hidden = torch.zeros(3)
    bare = alarmed = 0.0
    for number in range(windows):
        picture, where = source[number]
        logits = network(picture[:1], feature_network().features(picture[:1]))
        says, is_so = logits > 0, where[:1] > 0.5
        both, found, hidden = both + (says & is_so).sum(), found + says.sum(), hidden + is_so.sum()
        if not is_so.any():
            bare, alarmed = bare + 1, alarmed + float(says.float().mean() > 1e-3)
    return {
        "found": float(both / hidden.clamp(min=1)),
        "right": float(both / found.clamp(min=1)),
        "alarms": alarmed / max(bare, 1.0),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fitdiff.training.build.covers", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--photographs", type=Path, required=True, metavar="DIR", help="folder of the photographs, made where missing"
    )
    parser.add_argument("--people", type=int, default=896)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--windows", type=int, default=400, help="windows for the final measurement")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # sums in one order
    with progress_bar(Console(stderr=True)) as bar:
        photograph(options.photographs, options.people, report=bar.show)
        network = teach(options.photographs, options.steps, workers=options.workers, report=bar.show)
    found = measured(network, options.photographs, options.windows)
    save(network, options.file, found)
    sys.stdout.write(", ".join(f"{name} {value:.3f}" for name, value in found.items()) + "\n")
    return 0


def save(network: CoverNetwork, path: Path, found: dict[str, float]) -> None:
    """Write the weights in half precision, which is enough for 8-bit pictures."""
    tensors = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    header = {
        "what": "FitDiff: what lies before a face, segmented",
        "origins": "learned on people that FitDiff makes up, photographs and paints things before",
        "licence": "CC0-1.0",
        **{name: f"{value:.4f}" for name, value in found.items()},
    }
    tensor_files.write(path, tensors, header)


if __name__ == "__main__":
    sys.exit(main())
