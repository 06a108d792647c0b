"""Diffusion over the latent vector: its layout, the noise schedule, samplers, conditioning."""

from .latent import LENGTH, Parts, Statistics, join, split
from .prediction import Prediction, predictor
from .samplers import SAMPLERS, Step, draw_noise, sample_ddim, sample_ddpm, sample_dpm_solver
from .schedule import Schedule, ScheduleConfig

__all__ = [
    "LENGTH",
    "SAMPLERS",
    "Parts",
    "Prediction",
    "Schedule",
    "ScheduleConfig",
    "Statistics",
    "Step",
    "draw_noise",
    "join",
    "predictor",
    "sample_ddim",
    "sample_ddpm",
    "sample_dpm_solver",
    "split",
]
