"""The denoiser: sizes, gradients, what conditions it."""

from dataclasses import replace

import pytest
import torch

from fitdiff.networks import Denoiser, DenoiserConfig
from fitdiff.networks.denoiser import Condition, morton

SMALL = replace(DenoiserConfig.lite(), channels=32, heads=2, head_channels=8, spade=8, prior=8)
SMALL_PAPER = replace(DenoiserConfig.paper(), channels=32, heads=1, head_channels=8, spade=8)


def condition(config: DenoiserConfig, batch: int = 2, device: str = "cpu") -> Condition:
    maps = tuple(torch.rand(batch, *shape, device=device) for shape in config.maps)
    return Condition(torch.rand(batch, config.embedding, device=device), maps)


def awake(network: Denoiser) -> Denoiser:
    """Layers that start at zero would hide what lies before them."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network


@pytest.mark.parametrize("config", [DenoiserConfig.paper(), replace(DenoiserConfig.lite(), prior=0)])
def test_sizes_at_full_width(config):
    with torch.device("meta"):
        network = Denoiser(config)
        found = network(torch.zeros(2, 4288), torch.zeros(2), condition(config, 2, "meta"))
    assert config.length == 4288 and found.shape == (2, 4288)


def test_the_papers_table():
    config = DenoiserConfig.paper()
    assert config.condition_channels == 128 + 256 + 512 + 512
    with torch.device("meta"):
        paper, lite = Denoiser(config), Denoiser(DenoiserConfig.lite())
    stage = paper.middle[0]
    assert stage.spade.shared.out_channels == 128 and stage.attention.out.in_channels == 4 * 32
    assert [layer.second.out_channels for layer in paper.down[::3]] == [192, 384, 768, 1536]
    assert sum(p.numel() for p in paper.parameters()) == 222_081_537
    assert sum(p.numel() for p in lite.parameters()) == 3_337_584


@pytest.mark.parametrize("config", [SMALL, SMALL_PAPER])
def test_gradients_reach_every_parameter(config):
    torch.manual_seed(0)
    network = awake(Denoiser(config))
    z = torch.randn(2, 4288, requires_grad=True)
    network(z, torch.tensor([3.0, 900.0]), condition(config)).square().mean().backward()
    assert (z.grad != 0).all()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("config", [SMALL, SMALL_PAPER])
def test_a_prepared_condition_is_the_condition(config):
    network = awake(Denoiser(config)).eval()
    z, t, seen = torch.randn(2, 4288), torch.tensor([10.0, 500.0]), condition(config)
    with torch.no_grad():
        plain = network(z, t, seen)
        assert torch.equal(plain, network(z, t, network.prepare(seen)))
        assert (plain - network(z, t, condition(config))).abs().max() > 1e-4
        assert (plain - network(z, t + 1, seen)).abs().max() > 1e-5


@pytest.mark.parametrize("config", [SMALL, SMALL_PAPER])
def test_half_precision_is_close(config):
    torch.manual_seed(0)
    network = awake(Denoiser(config)).eval()
    z, t, seen = torch.randn(2, 4288), torch.tensor([10.0, 500.0]), condition(config)
    with torch.no_grad():
        full = network(z, t, seen)
        with torch.autocast("cpu", torch.bfloat16):
            half = network(z, t, seen).float()
    assert (half - full).norm() < 0.05 * full.norm()


def test_doors_lose_nothing():
    """What enters a place comes from its square of the texture, and what leaves it goes back there."""
    network = Denoiser(SMALL)
    square = network.doors.order[16 * 5 : 16 * 6]
    rows, columns = square // 64, square % 64
    assert rows.max() - rows.min() == columns.max() - columns.min() == 3
    assert torch.equal(network.doors.order[network.doors.inverse], torch.arange(4288))
    assert torch.equal(network.doors.order[4096:], torch.arange(4096, 4288))


def test_the_condition_lies_over_the_texture():
    """A bright corner of the recogniser's maps is a bright corner of the texture, in both orders; the tail sees the mean."""
    for config in (SMALL, SMALL_PAPER):
        network = Denoiser(config).eval()
        maps = tuple(torch.zeros(1, *shape) for shape in config.maps)
        maps[0][:, 0, : maps[0].shape[2] // 2, : maps[0].shape[3] // 2] = 1.0
        levels = network.spread(Condition(torch.zeros(1, config.embedding), maps))
        assert [level.shape[2] for level in levels] == [levels[0].shape[2] >> k for k in range(len(levels))]
        side = config.side // config.patch
        picture = torch.zeros(side * side)
        picture[network.doors.order_of_places] = levels[0][0, 0, : side * side]
        picture = picture.view(side, side)
        assert picture[: side // 4, : side // 4].min() == 1 and picture[side * 3 // 4 :].max() == 0
        assert torch.allclose(levels[0][0, 0, side * side :], picture.mean(), atol=1e-5)


def test_morton_order():
    order = morton(8)
    assert sorted(order.tolist()) == list(range(64))
    assert order[:4].tolist() == [0, 1, 8, 9]
    with pytest.raises(ValueError, match="power of two"):
        morton(12)
