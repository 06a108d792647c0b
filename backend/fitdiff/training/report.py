"""How good the weights are, on made-up people that no training has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..diffusion import Schedule, draw_noise, predictor, sample_dpm_solver
from ..diffusion.conditioning import as_condition, empty_condition
from ..diffusion.weights import TrainedDenoiser
from ..engines.progress import Progress, Report, silent
from ..networks import Autoencoder
from ..networks.denoiser import Condition
from .denoiser import Scene, portraits
from .latents import Rows
from .skin_bank import blur
from .synthetic import HELD_OUT, Crowd

MAPS = ("diffuse", "specular", "normal")
TIMES = (20, 100, 250, 500, 750, 950)


@torch.no_grad()
def autoencoder(
    network: Autoencoder, crowd: Crowd, count: int, report: Report = silent, at_once: int = 4
) -> dict[str, Any]:
    """PSNR (of 1) and SSIM of each map as stored, and how many codes the people use between them."""
    psnr, ssim = torch.zeros(3), torch.zeros(3)
    used = torch.zeros(network.config.codes, dtype=torch.bool)
    for start in range(0, count, at_once):
        number = min(at_once, count - start)
        truth = crowd.maps(HELD_OUT + start, number)
        result = network(truth)
        made, true = (0.5 + 0.5 * maps.clamp(-1, 1) for maps in (result.maps.float(), truth))
        error = (made - true).square().mean((2, 3)).view(number, 3, 3).mean(2)
        psnr += (-10 * error.clamp(min=1e-10).log10()).sum(0).cpu()
        ssim += similarity(made, true).view(number, 3, 3).mean(2).sum(0).cpu()
        used[result.quantized.chosen.flatten().cpu()] = True
        report(Progress("reconstructing people never seen", start + number, count))
    return {
        "people": count,
        "psnr": dict(zip(MAPS, (psnr / count).tolist(), strict=True)),
        "ssim": dict(zip(MAPS, (ssim / count).tolist(), strict=True)),
        "codes_used": float(used.float().mean()),
    }


def similarity(made: Tensor, true: Tensor) -> Tensor:
    """SSIM (B, C) of pictures (B, C, H, W) in 0..1, Wang et al. 2004: Gaussian windows of 1.5 texels."""
    a, b = blur(made, 1.5), blur(true, 1.5)
    aa, bb, ab = (blur(x, 1.5) for x in (made * made, true * true, made * true))
    variance_a, variance_b, covariance = aa - a * a, bb - b * b, ab - a * b
    one, two = 0.01**2, 0.03**2
    value = (2 * a * b + one) * (2 * covariance + two) / ((a * a + b * b + one) * (variance_a + variance_b + two))
    return value.mean((2, 3))


@torch.no_grad()
def denoiser(
    trained: TrainedDenoiser, rows: Rows, scene: Scene, count: int, steps: int, out: Path, report: Report = silent
) -> dict[str, Any]:
    """Noise loss by timestep; whether samples follow their condition; a sheet of people from pure noise."""
    network, schedule, statistics = trained.network, Schedule(trained.schedule), trained.statistics
    device = statistics.mean.device
    count = min(count, len(rows.latent))
    every, first = torch.arange(count, device=device), torch.zeros(count, dtype=torch.long, device=device)
    clean, condition = statistics.standardise(rows.latent[every, first]), rows.condition(every, first)
    generator = torch.Generator().manual_seed(1)
    noise_loss = {}
    for t in TIMES:
        total = 0.0
        for part in every.split(32):
            noise = draw_noise(len(part), generator).to(device)
            t_rows = torch.full((len(part),), t)
            z = schedule.noisy(clean[part], noise, t_rows)
            said = network(z, t_rows.to(device), _rows(condition, part))
            guessed = schedule.resolve(said.float(), z, t_rows, network.config.predicts)[1]
            total += float((guessed - noise).square().mean(1).sum())
        noise_loss[str(t)] = total / count
    empty = empty_condition(scene.recogniser, device)
    free = _sampled(network, schedule, empty, 24, steps, generator, device)
    sheet(portraits(scene, statistics.restore(free)), 6).save(out)
    made = []
    for part in every.split(8):
        made.append(_sampled(network, schedule, _rows(condition, part), len(part), steps, generator, device))
        report(Progress("sampling people for their photographs", int(part[-1]) + 1, count))
    latent = statistics.restore(torch.cat(made))
    seen = []
    for part in every.split(8):
        camera = scene.camera(rows.camera[part, first[part]])
        points = rows.points[part, first[part]] * scene.side
        # The sample's own light and expression: the paper's unguided samples are judged as they come.
        seen.append(
            as_condition(scene.recogniser, scene.features(scene.picture(latent[part], camera), points)).embedding
        )
    drawn = torch.cat(seen)
    own = F.cosine_similarity(drawn, condition.embedding)
    others = F.cosine_similarity(drawn, condition.embedding.roll(1, 0))
    pairs = F.cosine_similarity(condition.embedding, condition.embedding.roll(1, 0))
    nearest = (F.normalize(drawn) @ F.normalize(condition.embedding).T).argmax(1) == every
    apart = (drawn - condition.embedding).norm(dim=1)
    return {
        "people": count,
        "noise_loss": noise_loss,
        "similarity_to_own_photo": float(own.mean()),
        "similarity_to_another_photo": float(others.mean()),
        "similarity_of_two_photos_of_two_people": float(pairs.mean()),
        "distance_to_own_photo": float(apart.mean()),
        "distance_to_another_photo": float((drawn - condition.embedding.roll(1, 0)).norm(dim=1).mean()),
        "nearest_photo_is_the_own": float(nearest.float().mean()),
        "recogniser": scene.recogniser.name,
        "sheet": str(out),
    }


def sheet(pictures: Tensor, columns: int) -> Image.Image:
    """(N, 3, H, W) sRGB -> one picture."""
    rows = [torch.cat(list(pictures[k : k + columns]), 2) for k in range(0, len(pictures), columns)]
    width = max(row.shape[2] for row in rows)
    joined = torch.cat([F.pad(row, (0, width - row.shape[2])) for row in rows], 1)
    return Image.fromarray((joined.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy())


def _rows(condition: Condition, rows: Tensor) -> Condition:
    return Condition(condition.embedding[rows], tuple(m[rows] for m in condition.maps))


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
