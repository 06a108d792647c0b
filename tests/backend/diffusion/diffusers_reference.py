"""What diffusers' schedulers make of a made-up prediction: python -m tests.backend.diffusion.diffusers_reference

Run where diffusers is installed; it writes diffusers.npz, which the tests read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

FILE = Path(__file__).with_name("diffusers.npz")
WIDTH = 24
CASES = {"ddim_50": 50, "ddim_8": 8, "dpm_20": 20, "dpm_5": 5, "ddpm_40": 40, "ddpm_1000": 1000}


def start() -> torch.Tensor:
    return torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(11), dtype=torch.float64)


def said(z: torch.Tensor, t: float) -> torch.Tensor:
    """A smooth nonsense network."""
    return torch.sin(1.3 * z + t / 300) + 0.4 * z


def main() -> None:
    from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

    common = {
        "beta_start": 0.0015,
        "beta_end": 0.0195,
        "beta_schedule": "scaled_linear",
        "timestep_spacing": "trailing",
    }
    found = {}
    for predicts, kind in (("noise", "epsilon"), ("velocity", "v_prediction")):
        for name, steps in CASES.items():
            if name.startswith("ddim"):
                scheduler = DDIMScheduler(**common, prediction_type=kind, clip_sample=False, set_alpha_to_one=True)
            elif name.startswith("ddpm"):
                scheduler = DDPMScheduler(**common, prediction_type=kind, clip_sample=False)
            else:
                scheduler = DPMSolverMultistepScheduler(**common, prediction_type=kind)
            scheduler.set_timesteps(steps)
            generator = torch.Generator().manual_seed(5)
            z = start()
            for t in scheduler.timesteps:
                extra = {"generator": generator} if name.startswith("ddpm") else {}
                z = scheduler.step(said(z, float(t)).float(), t, z.float(), **extra).prev_sample.double()
            found[f"{name}_{predicts}"] = z.numpy()
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
