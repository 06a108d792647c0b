"""The networks of the diffusion engine, pure nn.Modules: they know neither photos nor files."""

from .autoencoder import Autoencoder, AutoencoderConfig
from .denoiser import Denoiser, DenoiserConfig
from .discriminator import Discriminator, DiscriminatorConfig

__all__ = [
    "Autoencoder",
    "AutoencoderConfig",
    "Denoiser",
    "DenoiserConfig",
    "Discriminator",
    "DiscriminatorConfig",
]
