"""`fitdiff train`: train the autoencoder, make latents, train the denoiser, and measure them."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ..errors import FitDiffError
from .face_model import add_face_model

if TYPE_CHECKING:
    from torch import Tensor

    from ..perception.bundle import Perception
    from ..training.machine import Machine
    from ..training.synthetic import Crowd

HELP = "train the networks of the diffusion engine, on made-up people or on your own"


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    people = actions.add_parser("people", help="make a sheet of the made-up people of training")
    people.add_argument("--out", type=Path, required=True, metavar="PNG")
    people.add_argument("--count", type=_positive, default=48)
    people.add_argument("--first", type=int, default=0, help="number of the first one")
    people.add_argument("--show", choices=("photographs", "portraits", "maps"), default="photographs")
    _add_people(people)

    paint = actions.add_parser(
        "paint", help="paint and photograph made-up people beforehand, for machines that train faster than they paint"
    )
    paint.add_argument("--out", type=Path, required=True, metavar="DIR")
    paint.add_argument("--people", type=_positive, default=3000)
    paint.add_argument("--views", type=_positive, default=2, help="photographs of each (default 2)")
    paint.add_argument("--held-out", action="store_true", help="make people that training never uses")
    paint.add_argument("--minutes", type=float, help="stop after so many minutes; run again to continue")
    _add_people(paint)

    first = actions.add_parser("autoencoder", help="train the branched VQGAN")
    _add_run(first)
    first.add_argument("--data", type=Path, metavar="DIR", help="your own data instead of made-up people")
    first.add_argument("--painted", type=Path, metavar="DIR", help="people made by `fitdiff train paint`")
    first.add_argument("--adversarial", type=float, metavar="W", help="weight of the discriminator; 0 leaves it out")
    first.add_argument("--perceptual", type=float, metavar="W", help="weight of the perceptual loss; 0 leaves it out")
    first.add_argument("--pool", type=_positive, help="made-up people held ready (default 1024, 24 without a GPU)")
    first.add_argument("--fresh", type=_positive, help="new people painted at every step (default 2, 1 without a GPU)")
    _add_people(first)

    latents = actions.add_parser("latents", help="encode people and their photographs for the denoiser")
    latents.add_argument("--autoencoder", type=Path, required=True, metavar="FILE")
    latents.add_argument("--out", type=Path, required=True, metavar="DIR")
    latents.add_argument("--data", type=Path, metavar="DIR", help="your own data instead of made-up people")
    latents.add_argument("--painted", type=Path, metavar="DIR", help="people made by `fitdiff train paint`")
    latents.add_argument("--people", type=_positive, default=20000)
    latents.add_argument("--views", type=_positive, default=2, help="photographs of each (default 2)")
    latents.add_argument("--held-out", action="store_true", help="make people that training never uses")
    latents.add_argument("--minutes", type=float, help="stop after so many minutes; run again to continue")
    latents.add_argument("--at-once", type=_positive, help="people painted in a batch (default 32, 4 without a GPU)")
    _add_people(latents)
    _add_stack(latents)

    second = actions.add_parser("denoiser", help="train the SPADE denoiser")
    _add_run(second)
    second.add_argument("--autoencoder", type=Path, required=True, metavar="FILE")
    second.add_argument(
        "--latents", type=Path, required=True, metavar="DIR", help="folder made by `fitdiff train latents`"
    )
    second.add_argument("--rendered", type=_count, help="predictions of a batch that are decoded and rendered; 0: none")
    add_face_model(second)
    _add_stack(second)

    worth = actions.add_parser("report", help="measure weights on people not used in training")
    worth.add_argument("--autoencoder", type=Path, required=True, metavar="FILE")
    worth.add_argument("--denoiser", type=Path, metavar="FILE")
    worth.add_argument("--latents", type=Path, metavar="DIR", help="made with --held-out; needed for the denoiser")
    worth.add_argument(
        "--painted", type=Path, metavar="DIR", help="their maps and photographs, painted with --held-out"
    )
    worth.add_argument("--people", type=_positive, default=500)
    worth.add_argument("--steps", type=_positive, default=25, help="of the sampler (default 25)")
    worth.add_argument("--out", type=Path, required=True, metavar="DIR")
    _add_people(worth)
    _add_stack(worth)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the run's folder, from which a started run continues"
    )
    parser.add_argument("--size", choices=("lite", "paper"), default="lite")
    parser.add_argument(
        "--steps",
        type=_count,
        required=True,
        help="total steps, with those of earlier calls; 0: only what is fitted in closed form",
    )
    parser.add_argument("--minutes", type=float, help="stop this call after so many minutes; run again to continue")
    parser.add_argument("--start", type=Path, metavar="FILE", help="weights to start a new run from")
    parser.add_argument("--batch", metavar="N", help="pictures in a step, or `auto`: as many as the GPU holds")
    parser.add_argument("--accumulate", type=_positive, help="parts into which a batch is split, to save memory")
    parser.add_argument("--rate", type=float, help="learning rate")
    parser.add_argument("--sample-every", type=_positive, default=500, help="steps between sample sheets")


def _add_people(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--skins", type=Path, metavar="FILE", help="photographic skins (docs/training.md)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="`auto` (default), `cpu`, `cuda`")


def _add_stack(parser: argparse.ArgumentParser) -> None:
    from ..perception.bundle import STACKS

    if not any(action.dest == "seed" for action in parser._actions):
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--device", default="auto", help="`auto` (default), `cpu`, `cuda`")
    parser.add_argument(
        "--stack",
        choices=STACKS,
        default=STACKS[0],
        help="perception stack whose recogniser conditions; default: embedded",
    )


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    actions = {
        "people": _people,
        "paint": _paint,
        "autoencoder": _autoencoder,
        "latents": _latents,
        "denoiser": _denoiser,
        "report": _report,
    }
    return actions[args.action](args, console)


def _people(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    import torch

    from ..progress_bar import progress_bar
    from ..render.colour import to_srgb
    from ..training.photographs import plain
    from ..training.report import sheet

    crowd = _crowd(args, _machine(args))
    drawn = []
    with progress_bar(console) as bar:
        for start in range(0, args.count, 4):
            count = min(4, args.count - start)
            found = crowd.people(args.first + start, count, views=1 if args.show == "photographs" else 0)
            if args.show == "photographs":
                drawn.append(found.shots[0].image)
            elif args.show == "portraits":
                drawn.append(plain(crowd.photographer, found.genes, found.skin))
            else:
                small = torch.nn.functional.interpolate(to_srgb(found.skin.diffuse), (208, 208), mode="area")
                drawn.append(small)
            bar.show(_progress("painting people", start + count, args.count))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    sheet(torch.cat(drawn).cpu(), 8).save(args.out)
    return {"sheet": str(args.out), "people": args.count}


def _paint(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    from ..progress_bar import progress_bar
    from ..training import painted
    from ..training.synthetic import HELD_OUT

    machine = _machine(args)
    at_once = 32 if machine.device.type == "cuda" else 4
    first = HELD_OUT if args.held_out else 0
    with progress_bar(console) as bar:
        done = painted.write(
            args.out, _crowd(args, machine), args.people, args.views, first, at_once, args.minutes, bar.show
        )
    return {"painted": str(args.out), "people": done, "of": args.people}


def _autoencoder(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    from ..training.autoencoder import AutoencoderTask, AutoencoderTraining
    from ..training.own_data import MapFolder
    from ..training.painted import Painted
    from ..training.synthetic import MapPool

    machine = _machine(args)
    cuda = machine.device.type == "cuda"
    plain = getattr(AutoencoderTraining, args.size)()
    settings = _settings(args, plain, 2)
    if args.adversarial is not None:
        settings = dataclasses.replace(settings, adversarial=args.adversarial)
    if args.perceptual is not None:
        settings = dataclasses.replace(settings, perceptual=args.perceptual)
    settings = _fitted_alone(args, settings, settings.network.mosaic)
    size = settings.network.size
    if args.painted:
        people = Painted(args.painted, machine.device, args.seed)
        batches, says = people.batch if args.steps else people.in_turn, people.says
    elif args.data:
        batches, says = MapFolder(args.data, size, machine.device, args.seed).batch, f"people of {args.data.name}"
    else:
        capacity, fresh, at_once = (1024, 2, 32) if cuda else (24, 1, 4)
        crowd = _crowd(args, machine, size)
        pool = MapPool(crowd, args.pool or capacity, args.fresh or fresh, at_once)
        batches, says = pool.batch, f"made-up people of seed {args.seed}"
    perceptual = _perception("embedded", machine).perceptual

    def task(chosen: AutoencoderTraining) -> AutoencoderTask:
        return AutoencoderTask(chosen, batches, perceptual, machine, says, args.seed, args.start, _resumed(args))

    dearest = dataclasses.replace(settings, adversarial_from=0.0)
    settings = _with_batch(args, machine, task, settings, dearest, 64, 2)
    return _run(args, console, task(settings), machine)


def _latents(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    from ..diffusion.weights import load_autoencoder
    from ..progress_bar import progress_bar
    from ..training import latents, own_data
    from ..training.painted import Painted
    from ..training.synthetic import HELD_OUT

    machine = _machine(args)
    perception = _perception(args.stack, machine)
    network, card = load_autoencoder(args.autoencoder, machine.device)
    size = network.config.size
    if args.painted:
        painted = Painted(args.painted, machine.device, limit=args.people)
        if (painted.facts["first"] >= HELD_OUT) != args.held_out:
            raise FitDiffError(
                "usage-held-out", f"Give --held-out if, and only if, {args.painted} was painted with it."
            )
        source = painted.source(perception.conditioner)
    elif args.data:
        source = own_data.source(args.data, perception, size, machine.device)
    else:
        source = latents.made_up(_crowd(args, machine, size), perception.conditioner, args.people, args.views)
    at_once = args.at_once or (32 if machine.device.type == "cuda" else 4)
    with progress_bar(console) as bar:
        done = latents.write(
            args.out,
            source,
            network,
            card.sha256,
            perception.conditioner,
            HELD_OUT if args.held_out else 0,
            at_once,
            args.minutes,
            bar.show,
        )
    return {"latents": str(args.out), "people": done, "of": source.count}


def _denoiser(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    from ..diffusion.conditioning import condition_shapes
    from ..diffusion.weights import load_autoencoder
    from ..face.registry import load_face_model
    from ..training import latents
    from ..training.denoiser import DenoiserTask, DenoiserTraining, Scene

    machine = _machine(args)
    recogniser = _perception(args.stack, machine).conditioner
    autoencoder, card = load_autoencoder(args.autoencoder, machine.device)
    rows, facts = latents.load(args.latents, machine.device)
    _same_autoencoder(facts["autoencoder"], card.sha256)
    settings = _settings(args, getattr(DenoiserTraining, args.size)(), 8)
    network = dataclasses.replace(
        settings.network, maps=condition_shapes(recogniser), embedding=recogniser.embedding_size
    )
    settings = _fitted_alone(args, dataclasses.replace(settings, network=network), network.prior > 0)
    if args.rendered is not None:
        settings = dataclasses.replace(settings, rendered=args.rendered)
    model = load_face_model(args.face_model)
    scene = Scene(model, autoencoder, recogniser, settings.rendered_side, machine.device)

    def task(chosen: DenoiserTraining) -> DenoiserTask:
        says, resumed = facts["says"], _resumed(args)
        return DenoiserTask(chosen, rows, scene, machine, says, card.sha256, args.seed, args.start, resumed)

    dearest = dataclasses.replace(settings, rendered_every=1)
    settings = _with_batch(args, machine, task, settings, dearest, 512, 8)
    return _run(args, console, task(settings), machine)


def _with_batch(
    args: argparse.Namespace,
    machine: Machine,
    task: Callable[[Any], Any],
    settings: Any,
    dearest: Any,
    most: int,
    otherwise: int,
) -> Any:
    """With `--batch auto`: the settings with the largest batch that the device holds in the dearest of
    its steps, `most` or fewer; off a GPU `otherwise`."""
    from ..training.machine import batch_that_fits

    if args.batch != "auto":
        return settings
    trial = task(dearest)

    def attempt(count: int) -> None:
        trial.settings = dataclasses.replace(dearest, batch=count)
        trial.step(0, args.steps)

    return dataclasses.replace(settings, batch=batch_that_fits(attempt, machine.device, most, otherwise))


def _report(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    import json

    from ..diffusion.weights import load_autoencoder, load_denoiser
    from ..face.registry import load_face_model
    from ..progress_bar import progress_bar
    from ..training import latents, report
    from ..training.denoiser import Scene
    from ..training.painted import Painted
    from ..training.synthetic import HELD_OUT

    machine = _machine(args)
    network, card = load_autoencoder(args.autoencoder, machine.device)
    args.out.mkdir(parents=True, exist_ok=True)
    painted = Painted(args.painted, machine.device, limit=args.people) if args.painted else None
    if painted and painted.facts["first"] < HELD_OUT:
        raise FitDiffError("training-not-held-out", f"{args.painted} holds people to train on: paint with --held-out.")
    with progress_bar(console) as bar:
        crowd = None if painted else _crowd(args, machine, network.config.size)

        def maps(first: int, count: int) -> Tensor:
            return painted.maps(first, count) if painted else crowd.maps(HELD_OUT + first, count)  # type: ignore[union-attr]

        count = len(painted) if painted else args.people
        found: dict[str, Any] = {
            "autoencoder": report.autoencoder(network, maps, count, args.out / "maps.png", bar.show)
        }
        if args.denoiser:
            if not args.latents:
                raise FitDiffError("usage-latents", "The denoiser is measured on latents: give --latents.")
            rows, facts = latents.load(args.latents, machine.device, args.people)
            _same_autoencoder(facts["autoencoder"], card.sha256)
            trained = load_denoiser(args.denoiser, machine.device)
            perception = _perception(args.stack, machine)
            scene = Scene(load_face_model(None), network, perception.conditioner, 208, machine.device)
            second = perception.identity if painted else None
            found["denoiser"] = report.denoiser(
                trained, rows, scene, args.people, args.steps, args.out, bar.show, painted, second
            )
    (args.out / "report.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    console.print_json(data=found)
    return found


def _run(args: argparse.Namespace, console: Console, task: Any, machine: Machine) -> dict[str, Any]:
    from ..progress_bar import progress_bar
    from ..training.loop import RunSettings, run

    settings = RunSettings(args.out, args.steps, args.minutes, sample_every=args.sample_every)
    with progress_bar(console) as bar:
        outcome = run(task, settings, machine, bar.show)
    done = "finished" if outcome.finished else "to be continued by the same command"
    console.print(f"{args.out}: step {outcome.step} of {args.steps}, {done}", markup=False, highlight=False)
    return {
        "run": str(args.out),
        "step": outcome.step,
        "finished": outcome.finished,
        "losses": outcome.losses,
        "seconds": outcome.seconds,
        "weights": [str(path) for path in outcome.files],
    }


def _settings(args: argparse.Namespace, settings: Any, without_gpu: int) -> Any:
    """A size's settings with the command line's changes."""
    import torch

    changed: dict[str, Any] = {}
    if args.batch and args.batch != "auto":
        changed["batch"] = _positive(args.batch)
    elif not args.batch and not torch.cuda.is_available():
        changed["batch"] = min(without_gpu, settings.batch)
    if args.accumulate:
        changed["accumulate"] = args.accumulate
    if args.rate:
        changed["rate"] = args.rate
    return dataclasses.replace(settings, **changed)


def _resumed(args: argparse.Namespace) -> bool:
    from ..training.loop import STATE

    return (args.out / STATE).is_file()


def _fitted_alone(args: argparse.Namespace, settings: Any, fitted: bool) -> Any:
    """With --steps 0, write only what is fitted in closed form."""
    if args.steps or args.start:
        return settings
    if not fitted:
        raise FitDiffError("usage-steps", f"Nothing of size {args.size} can be fitted without training: give --steps.")
    return dataclasses.replace(settings, network=dataclasses.replace(settings.network, channels=0))


def _same_autoencoder(theirs: str, ours: str) -> None:
    if theirs != ours:
        raise FitDiffError(
            "training-other-run", "These latents were made with another autoencoder: make them again with this one."
        )


def _machine(args: argparse.Namespace) -> Machine:
    from ..training.machine import Machine

    return Machine(args.device)


def _perception(stack: str, machine: Machine) -> Perception:
    from ..perception.bundle import Perception

    return Perception.load(stack, device=machine.device)


def _crowd(args: argparse.Namespace, machine: Machine, size: int = 512) -> Crowd:
    from ..training.synthetic import Crowd

    return Crowd(args.seed, args.skins, size, machine.device)


def _progress(stage: str, step: int, total: int) -> Any:
    from ..progress import Progress

    return Progress(stage, step, total)


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("a whole number from 0 up")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("a whole number from 1 up")
    return value
