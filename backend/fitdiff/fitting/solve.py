"""One photo explained by one head: light, shape, skin and likeness solved for together, by plain optimisation.

What is known of the photo is in evidence.py, the head and what is solved for in head.py, what disagreement costs in loss.py,
and what comes out in result.py.
"""

from __future__ import annotations

import math

import torch

from ..avatar import Avatar
from ..progress import Progress, Report, silent
from ..render.colour import to_linear, to_srgb
from ..render.preview import to_bytes
from ..render.shadows import Shaded
from .evidence import Evidence
from .head import FitHead, Start
from .initial_light import initial_light
from .loss import FitLoss
from .parallel_loss import second_thread
from .result import avatar_of, finished_maps, shown_texels
from .settings import FitSettings
from .terms import visible_mask

SETTLING = 60  # steps


class Fit:
    """One photo explained by one head: begin, `solve`, take the `avatar`. Another engine may hand in the head to start from;
    without likeness it is left as it is."""

    def __init__(self, evidence: Evidence, settings: FitSettings, start: Start | None = None) -> None:
        self.evidence, self.settings = evidence, settings
        self.head = FitHead(evidence, start, settings.likeness)
        if start is None or settings.likeness > 0:
            begin_light(self.head, self.evidence)

    def solve(self, seed: int = 0, report: Report = silent) -> None:
        solve(self.head, self.loss(seed), self.settings, report)
        settle_light(self.head, self.evidence)

    def loss(self, seed: int) -> FitLoss:
        chance = torch.Generator().manual_seed(seed)
        return FitLoss(self.evidence, self.settings.weights, chance, self.settings.identity_from)

    def avatar(self, seed: int = 0, engine: str = "fit") -> Avatar:
        finished = finished_maps(self.head, self.evidence, self.settings.resolution)
        return avatar_of(self.head, self.evidence, finished, engine, seed, self.settings)


@torch.no_grad()
def begin_light(head: FitHead, evidence: Evidence) -> None:
    """Light and tone as the landmark engine guesses them: melanin and haemoglobin for the guessed albedo."""
    rendering = head.renderer(head.vertices(), head.maps(head.prior()), head.window(), head.light)
    guess, own = initial_light(rendering, evidence.photo, evidence.bare, evidence.hints).shared(evidence.hints)
    head.own = head.light.new_tensor(own)[None, :, None, None]
    head.light[:] = head.light.new_tensor([guess.numbers])
    head.skin[0, :2] = head.skin.new_tensor([guess.melanin, guess.haemoglobin])


def solve(head: FitHead, loss: FitLoss, settings: FitSettings, report: Report = silent) -> None:
    """Adam over everything at once. The residual joins late, so that it does not paint what shape and light can explain."""
    steps = settings.steps
    groups = [
        {"params": [head.turn, head.shift], "lr": 0.002},
        {"params": [head.identity, head.expression], "lr": 0.004},
        {"params": [head.gaze, head.iris, head.sclera], "lr": 0.01},
        {"params": [head.skin], "lr": 0.05},
        {"params": [head.light, head.shine, head.oil, head.hardness], "lr": 0.015},
        {"params": [head.uneven], "lr": 0.01},
        {"params": list(head.residual.parameters()), "lr": 0.02},
    ]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
    rates = [group["lr"] for group in optimiser.param_groups]
    with second_thread(head.device) as begin:
        for step in range(steps):
            share = step / steps
            if step % settings.occlusion_every == 0:
                head.look_at_shadows()
                head.shown = shown_texels(head, loss.evidence)
            slow = 1.0 if share < 0.5 else 0.1 + 0.45 * (1 - math.cos(2 * math.pi * share))
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * slow
            if share < settings.residual_from:
                optimiser.param_groups[-1]["lr"] = 0.0
            optimiser.zero_grad()
            total, picture = loss(head, step, share, begin)
            total.backward()
            optimiser.step()
            head.keep_light_possible()
            shown = step == 0 or (step + 1) % settings.preview_every == 0
            report(Progress("fitting", step + 1, steps, to_bytes(to_linear(picture))[0] if shown else None))


def settle_light(head: FitHead, evidence: Evidence) -> None:
    """Replace the uneven room, which an avatar cannot store, by the nine light numbers nearest to it."""
    with torch.no_grad():
        rendering = head.renderer(head.vertices(), head.maps(head.albedo()), head.window(), head.light)
        surface = rendering.surface
        wanted = to_srgb(head.shade(surface, head.light))
        trust = visible_mask(evidence, rendering).flatten()[rendering.pixel, None]
        start, head.shade = head.light.clone(), Shaded(head.shade.reaching, None, head.hardness.detach())
    optimiser = torch.optim.Adam([head.light], lr=0.02)
    for _ in range(SETTLING):
        optimiser.zero_grad()
        missed = (trust * (to_srgb(head.shade(surface, head.light)) - wanted).square()).sum() / (trust.sum() + 1)
        (missed + 1e-3 * (head.light - start).square().sum()).backward()
        optimiser.step()
        head.keep_light_possible()
