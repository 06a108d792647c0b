"""The autoencoder and its discriminator: sizes, branches, codes, gradients."""

from dataclasses import replace

import pytest
import torch

from fitdiff.networks import Autoencoder, AutoencoderConfig, Discriminator, DiscriminatorConfig
from fitdiff.networks.quantizer import Codebook

SMALL = replace(AutoencoderConfig.lite(), channels=8, size=64, codes=64)


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("config", [AutoencoderConfig.paper(), AutoencoderConfig.lite()])
def test_sizes_follow_the_table(config):
    with torch.device("meta"):
        network = Autoencoder(config)
        maps = torch.zeros(2, 9, 512, 512)
    latent = network.encode(maps)
    assert latent.shape == (2, 1, 64, 64) and config.latent_side == 64
    assert (
        network.decoder(network.from_code(latent)).shape == maps.shape == network.decode(latent, quantize=False).shape
    )
    assert network.codebook.weight.shape == (16384, 1)


def test_parameter_counts():
    with torch.device("meta"):
        paper, lite = Autoencoder(AutoencoderConfig.paper()), Autoencoder(AutoencoderConfig.lite())
        discriminator = Discriminator(DiscriminatorConfig.paper())
    assert parameters(paper) == 67_267_098
    assert parameters(lite) == 3_364_161
    # Two of VQGAN's discriminators (2.77 million each) with one last layer.
    assert parameters(discriminator) == 5_534_337


def test_outer_levels_are_three_and_keep_to_their_map():
    torch.manual_seed(0)
    network = Autoencoder(SMALL).eval()
    assert len(network.encoder.branches) == len(network.decoder.branches) == 3
    latent = torch.randn(1, 1, 8, 8)
    before = network.decode(latent)
    with torch.no_grad():
        network.decoder.branches[1].out.bias.add_(1.0)
    changed = (network.decode(latent) - before).abs().amax((0, 2, 3))
    assert (changed[3:6] > 0.9).all() and (changed[:3] == 0).all() and (changed[6:] == 0).all()


@pytest.mark.parametrize("config", [SMALL, replace(AutoencoderConfig.paper(), channels=4, size=64, attention=(8,))])
def test_gradients_reach_every_parameter(config):
    torch.manual_seed(0)
    network = Autoencoder(config)
    maps = torch.randn(2, 9, 64, 64)
    result = network(maps)
    ((result.maps - maps).square().mean() + result.quantized.loss).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_decoding_passes_gradients_to_the_latent():
    network = Autoencoder(SMALL)
    latent = torch.randn(1, 1, 8, 8, requires_grad=True)
    network.decode(latent).square().mean().backward()
    assert (latent.grad != 0).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_codes_are_the_nearest(channels):
    generator = torch.Generator().manual_seed(1)
    codebook = Codebook(50, channels)
    with torch.no_grad():
        codebook.weight.copy_(torch.randn(50, channels, generator=generator))
    vectors = 2 * torch.randn(400, channels, generator=generator)
    naive = torch.cdist(vectors.double(), codebook.weight.detach().double()).argmin(1)
    assert (codebook.nearest(vectors) == naive).all()


def test_quantising_changes_nothing_twice_and_pulls_both_sides():
    codebook = Codebook(32, 1)
    latent = torch.randn(2, 1, 4, 4, requires_grad=True)
    once = codebook(latent)
    assert torch.equal(codebook(once.latent.detach()).latent, once.latent)
    once.loss.backward()
    assert (latent.grad != 0).all() and codebook.weight.grad.abs().sum() > 0
    moved = latent.detach() - latent.grad
    assert (once.latent - moved).abs().sum() < (once.latent - latent).abs().sum()


def test_unused_codes_come_back():
    codebook = Codebook(16, 1)
    vectors = torch.full((10, 1), 7.0)
    unused = torch.zeros(16, dtype=torch.bool)
    unused[3:6] = True
    assert codebook.revive(vectors, unused, torch.Generator().manual_seed(0)) == 3
    assert (codebook.weight[3:6] == 7).all() and (codebook.weight[6:] != 7).all()


def test_latents_keep_full_precision_when_the_rest_is_halved():
    torch.manual_seed(0)
    network = Autoencoder(SMALL).eval()
    maps = torch.rand(1, 9, 64, 64) * 2 - 1
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        latent = network.encode(maps)
        made = network(maps)
    assert latent.dtype == torch.float32 and made.quantized.latent.dtype == torch.float32
    assert torch.allclose(latent, network.encode(maps), atol=0.1 * float(latent.std()))


def test_discriminator_judges_patches_of_both_branches():
    torch.manual_seed(0)
    network = Discriminator(DiscriminatorConfig(channels=4)).eval()
    maps = torch.randn(1, 9, 64, 64, requires_grad=True)
    judged = network(maps)
    assert judged.shape == (1, 1, 6, 6)
    judged.sum().backward()
    assert (maps.grad.abs().sum((0, 2, 3)) > 0).all()
    # One patch sees 70 texels: the far corner does not reach it.
    maps.grad = None
    network.eval()(maps)[0, 0, 0, 0].backward()
    assert maps.grad[..., 48:, 48:].abs().sum() == 0


def test_paper_size_runs_and_learns():
    torch.manual_seed(0)
    network = Autoencoder(replace(AutoencoderConfig.paper(), size=128))
    maps = torch.rand(1, 9, 128, 128) * 2 - 1
    result = network(maps)
    assert result.maps.shape == maps.shape and result.quantized.chosen.shape == (1, 16, 16)
    result.maps.square().mean().backward()
    assert all(parameter.grad is not None for name, parameter in network.named_parameters() if "codebook" not in name)
