"""A small round trip that tests an installation: render a made-up head, find it in the picture, and take a gradient."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

SIDE = 320  # pixels of the picture
SEED = 3
LAMP = (0.45, 0.55, 0.30, 1.0, 0.98, 0.96, 0.3, 0.4, 0.9)
BACKDROP = (0.20, 0.24, 0.30)
# Median distance allowed between found and true landmarks, percent of the face's size (0.7 on a sound installation).
LANDMARKS_OFF = 3.0


@dataclass
class Outcome:
    """stages: seconds of each passed one; failure: what went wrong in the next one, empty if all passed."""

    device: str = ""
    stages: dict[str, float] = field(default_factory=dict)
    failure: str = ""
    landmarks_off: float | None = None

    @property
    def passed(self) -> bool:
        return not self.failure

    @property
    def seconds(self) -> float:
        return sum(self.stages.values())


def run() -> Outcome:
    """Never raises: any exception becomes the failure."""
    outcome = Outcome()
    try:
        _run(outcome)
    except Exception as error:
        at = f"after {list(outcome.stages)[-1]}" if outcome.stages else "at the start"
        outcome.failure = f"{at}: {type(error).__name__}: {error}"
    return outcome


def _run(outcome: Outcome) -> None:
    began = time.perf_counter()

    def done(stage: str) -> None:
        nonlocal began
        now = time.perf_counter()
        outcome.stages[stage] = now - began
        began = now

    import numpy as np
    import torch

    from ..face.appearance import head_maps
    from ..face.mean_skin import mean_albedo
    from ..face.registry import load_face_model
    from ..perception.analyse import analyse
    from ..photo import photo_from_pixels
    from ..pictures.model_sheets import portrait_camera
    from ..render.preview import to_bytes
    from ..render.renderer import Renderer

    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    outcome.device = str(accelerator)
    ones = torch.ones(64, 64, device=accelerator)
    if not bool(((ones @ ones) == 64).all()):
        raise ArithmeticError(f"{accelerator} computes wrongly")
    done(f"compute on {accelerator}")

    model = load_face_model()
    done("load the face")

    renderer = Renderer(model.topology).to(model.mean.device)
    generator = torch.Generator().manual_seed(SEED)
    identity = 0.5 * torch.randn(1, model.identity_count, generator=generator).to(model.mean)
    identity.requires_grad_(True)
    vertices = model.vertices(identity)
    camera = portrait_camera(model, (SIDE, SIDE), 0.0)
    maps = head_maps(model, mean_albedo(model))
    rendering = renderer(vertices, maps, camera, vertices.new_tensor([LAMP]))
    picture = rendering.over(vertices.new_tensor(BACKDROP).view(1, 3, 1, 1))
    done("draw a head")

    picture.square().mean().backward()
    gradient = identity.grad
    if gradient is None or not torch.isfinite(gradient).all() or not gradient.any():
        raise ArithmeticError("the gradient of the picture is not finite, or zero")
    done("a gradient")

    seen = analyse(photo_from_pixels(to_bytes(picture.detach())[0]), model=model)
    drawn = camera.project(model.landmarks(vertices.detach(), "facemesh468")).screen[0].cpu().numpy()
    apart = np.linalg.norm(seen.face.landmarks468[:, :2] - drawn, axis=1)
    outcome.landmarks_off = float(100 * np.median(apart) / np.ptp(drawn, axis=0).max())
    if not outcome.landmarks_off < LANDMARKS_OFF:
        raise ArithmeticError(f"the landmarks lie {outcome.landmarks_off:.1f} % off the face that was drawn")
    done("find its face")

    embedding = seen.identity.embedding
    if not torch.isfinite(embedding).all():
        raise ArithmeticError("the recogniser's numbers are not finite")
    done("recognise it")
