"""Measure weights on made-up people that were not used in training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..diffusion import Schedule, draw_noise, predictor, sample_dpm_solver
from ..diffusion.conditioning import empty_condition
from ..diffusion.weights import TrainedDenoiser
from ..networks import Autoencoder
from ..networks.denoiser import Condition
from ..perception.types import IdentityNetwork
from ..progress import Progress, Report, silent
from ..skin_maps import LEARNED
from .denoiser import Scene, portraits
from .latents import Rows
from .painted import Painted
from .skin_bank import blur

QUARTERS = 4
SHOWN, SHOWN_SIDE = 4, 256  # people whose maps are shown, true and reconstructed, and their size
PHOTOGRAPHED, IN_A_ROW = 12, 6  # photographs shown with a sample of each below
TIMES = tuple(range(25, 1000, 50))  # steps evenly over the schedule, equally many in each quarter


@torch.no_grad()
def autoencoder(
    network: Autoencoder,
    maps: Callable[[int, int], Tensor],
    count: int,
    out: Path,
    report: Report = silent,
    at_once: int = 4,
) -> dict[str, Any]:
    """PSNR (of 1) and SSIM of each map as stored, and the number of codes that the people use; out: a picture of the first
    people's maps, true and reconstructed. maps: (first, count) -> (count, 9, S, S) of people not trained on."""
    psnr, ssim = torch.zeros(3), torch.zeros(3)
    shown: list[Tensor] = []
    used = torch.zeros(network.config.codes, dtype=torch.bool)
    for start in range(0, count, at_once):
        number = min(at_once, count - start)
        truth = maps(start, number)
        result = network(truth)
        made, true = (0.5 + 0.5 * maps.clamp(-1, 1) for maps in (result.maps.float(), truth))
        error = (made - true).square().mean((2, 3)).view(number, 3, 3).mean(2)
        psnr += (-10 * error.clamp(min=1e-10).log10()).sum(0).cpu()
        ssim += similarity(made, true).view(number, 3, 3).mean(2).sum(0).cpu()
        used[result.quantized.chosen.flatten().cpu()] = True
        if len(shown) < SHOWN:
            shown.extend(side_by_side(true, made)[: SHOWN - len(shown)])
        report(Progress("reconstructing people never seen", start + number, count))
    sheet(torch.stack(shown), 1).save(out)
    return {
        "people": count,
        "sheet": out.name,
        "psnr": dict(zip(LEARNED, (psnr / count).tolist(), strict=True)),
        "ssim": dict(zip(LEARNED, (ssim / count).tolist(), strict=True)),
        "codes_used": float(used.float().mean()),
    }


def side_by_side(true: Tensor, made: Tensor) -> Tensor:
    """(B, 9, S, S) in 0..1, twice -> (B, 3, SHOWN_SIDE, 6 * SHOWN_SIDE): each map, true and reconstructed."""
    pictures = [one for pair in zip(true.split(3, 1), made.split(3, 1), strict=True) for one in pair]
    small = (F.interpolate(one, (SHOWN_SIDE,) * 2, mode="bilinear", antialias=True) for one in pictures)
    return torch.cat(list(small), 3).cpu()


def similarity(made: Tensor, true: Tensor) -> Tensor:
    """SSIM (B, C) of pictures (B, C, H, W) in 0..1, Wang et al. 2004: Gaussian windows of 1.5 texels."""
    a, b = blur(made, 1.5), blur(true, 1.5)
    aa, bb, ab = (blur(x, 1.5) for x in (made * made, true * true, made * true))
    variance_a, variance_b, covariance = aa - a * a, bb - b * b, ab - a * b
    one, two = 0.01**2, 0.03**2
    value = (2 * a * b + one) * (2 * covariance + two) / ((a * a + b * b + one) * (variance_a + variance_b + two))
    return value.mean((2, 3))


@torch.no_grad()
def noise_loss(trained: TrainedDenoiser, rows: Rows, count: int, generator: torch.Generator) -> dict[str, Any]:
    """Equation 1 by quarters of the schedule: of the weights, of their Gaussian alone, and of guessing the mean person."""
    network, schedule = trained.network, Schedule(trained.schedule)
    device = trained.statistics.mean.device
    first = torch.zeros(count, dtype=torch.long, device=device)
    found: dict[str, list[float]] = {}
    for t in TIMES:
        total: dict[str, float] = {}
        for part in torch.arange(count, device=device).split(32):
            z0 = trained.statistics.standardise(rows.latent[part, first[part]])
            given = network.prepare(rows.condition(part, first[part]))
            noise = draw_noise(len(part), generator).to(device)
            t_rows = torch.full((len(part),), t)
            z = schedule.noisy(z0, noise, t_rows)
            says = {"denoiser": network(z, t_rows.to(device), given)}
            if network.config.prior:
                says["gaussian"] = network.prior.prediction(z, t_rows.to(device), *given[-1], network.config.predicts)
            guesses = {
                name: schedule.resolve(said, z, t_rows, network.config.predicts)[1] for name, said in says.items()
            }
            guesses["mean"] = z / (1 - schedule.alpha_bar(t)) ** 0.5
            for name, guess in guesses.items():
                total[name] = total.get(name, 0.0) + float((guess - noise).square().mean(1).sum())
        for name, value in total.items():
            found.setdefault(name, []).append(value / count)
    each = len(TIMES) // QUARTERS
    return {
        name: [sum(values[k * each : (k + 1) * each]) / each for k in range(QUARTERS)] for name, values in found.items()
    }


@torch.no_grad()
def denoiser(
    trained: TrainedDenoiser,
    rows: Rows,
    scene: Scene,
    count: int,
    steps: int,
    out: Path,
    report: Report = silent,
    painted: Painted | None = None,
    second: IdentityNetwork | None = None,
) -> dict[str, Any]:
    """Noise loss; people.png in `out`, from pure noise; whether samples follow their condition, by the recogniser that
    conditions and, where the photographs are at hand, by a second one: then samples.png has some of both."""
    network, schedule, statistics = trained.network, Schedule(trained.schedule), trained.statistics
    device = statistics.mean.device
    count = min(count, len(rows.latent))
    every, first = torch.arange(count, device=device), torch.zeros(count, dtype=torch.long, device=device)
    generator = torch.Generator().manual_seed(1)
    loss = noise_loss(trained, rows, count, generator)
    free = _sampled(network, schedule, empty_condition(scene.recogniser, device), 24, steps, generator, device)
    sheet(portraits(scene, statistics.restore(free)), 6).save(out / "people.png")
    photographs: list[Tensor] = []
    samples: list[Tensor] = []
    by: dict[str, tuple[list[Tensor], list[Tensor]]] = {}
    for part in every.split(8):
        condition = rows.condition(part, first[part])
        latent = statistics.restore(_sampled(network, schedule, condition, len(part), steps, generator, device))
        # In the sample's own light and expression, as the paper judges unguided samples.
        picture = scene.picture(latent, scene.camera(rows.camera[part, first[part]]))
        seen = scene.features(picture, rows.points[part, first[part]] * scene.side).embedding
        _note(by, scene.recogniser.name, seen, condition.embedding)
        if painted is not None and second is not None:
            start, number = int(part[0]), len(part)
            photo = painted.column("image", start, number)[:, 0].float() / 255
            marks = painted.column("landmarks", start, number)[:, 0]
            points = second.five_points(marks) * (scene.side / photo.shape[-1])  # type: ignore[attr-defined]
            photographs.extend(F.interpolate(photo, picture.shape[-2:], mode="bilinear", antialias=True))
            samples.extend(picture)
            del photographs[PHOTOGRAPHED:], samples[PHOTOGRAPHED:]
            crop = second.crop_to(picture, points)  # type: ignore[attr-defined]
            of_photo = second.features(second.crop(photo, marks)).embedding
            _note(by, second.name, second.features(crop).embedding, of_photo)
        report(Progress("sampling people for their photographs", int(part[-1]) + 1, count))
    if photographs:
        rows_of = (photographs[k : k + IN_A_ROW] + samples[k : k + IN_A_ROW] for k in range(0, len(samples), IN_A_ROW))
        sheet(torch.stack([one for row in rows_of for one in row]), IN_A_ROW).save(out / "samples.png")
    pairs = {name: followed(torch.cat(made), torch.cat(true)) for name, (made, true) in by.items()}
    return {"people": count, "noise_loss": loss, "sampler_steps": steps, "followed": pairs}


def followed(made: Tensor, true: Tensor) -> dict[str, float]:
    """Embeddings (N, D) of samples and of the photographs they were drawn for: similarity, and that to other people's."""
    others = true.roll(1, 0)
    nearest = (F.normalize(made) @ F.normalize(true).T).argmax(1) == torch.arange(len(made), device=made.device)
    return {
        "similarity_to_own_photo": float(F.cosine_similarity(made, true).mean()),
        "similarity_to_another_photo": float(F.cosine_similarity(made, others).mean()),
        "similarity_of_two_photos_of_two_people": float(F.cosine_similarity(true, others).mean()),
        "distance_to_own_photo": float((made - true).norm(dim=1).mean()),
        "distance_to_another_photo": float((made - others).norm(dim=1).mean()),
        "nearest_photo_is_the_own": float(nearest.float().mean()),
    }


def _note(by: dict[str, tuple[list[Tensor], list[Tensor]]], name: str, made: Tensor, true: Tensor) -> None:
    pair = by.setdefault(name, ([], []))
    pair[0].append(made)
    pair[1].append(true)


def sheet(pictures: Tensor, columns: int) -> Image.Image:
    """(N, 3, H, W) sRGB -> one picture."""
    rows = [torch.cat(list(pictures[k : k + columns]), 2) for k in range(0, len(pictures), columns)]
    width = max(row.shape[2] for row in rows)
    joined = torch.cat([F.pad(row, (0, width - row.shape[2])) for row in rows], 1)
    return Image.fromarray((joined.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy())


def _sampled(
    network: Any,
    schedule: Schedule,
    condition: Condition,
    count: int,
    steps: int,
    generator: torch.Generator,
    device: Any,
) -> Tensor:
    noise = draw_noise(count, generator).to(device)
    return sample_dpm_solver(predictor(network, schedule, condition), noise, schedule, steps).float()
