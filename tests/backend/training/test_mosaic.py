"""What the autoencoder knows before any training: mean maps and the mosaic."""

from dataclasses import replace

import pytest
import torch

from fitdiff.diffusion.weights import load_autoencoder, save_autoencoder
from fitdiff.networks import Autoencoder, AutoencoderConfig
from fitdiff.networks.autoencoder import tiled, untiled
from fitdiff.training import mosaic
from fitdiff.training.autoencoder import settle_codes

SMALL = replace(AutoencoderConfig.lite(), channels=0, size=64, codes=256, mean=64, detail=2)
PEOPLE = 24


@pytest.fixture(scope="module")
def fitted(crowd):
    network = Autoencoder(SMALL).eval()
    people = crowd.maps(0, PEOPLE)

    def source(step: int, count: int) -> torch.Tensor:
        return people[torch.arange(step * count, (step + 1) * count) % PEOPLE]

    mosaic.fit(network, source, PEOPLE)
    return network, people, source


def error(made: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    return (made - true).square().mean((0, 2, 3)).sqrt()


def test_the_mean_person_comes_back(fitted):
    network, people, _ = fitted
    mean = network.inner(people).mean(0, keepdim=True)
    assert torch.allclose(network.standing(), mean, atol=2e-5)  # stored at the maps' own size here
    with torch.no_grad():
        made = network.decode(torch.zeros(1, 1, 8, 8), quantize=False)
    assert torch.allclose(network.inner(made), mean, atol=1e-4)
    spread = (network.inner(people) - mean).square().mean((0, 2, 3)).sqrt()
    assert torch.allclose(network.spread, spread.clamp(min=1e-3), rtol=1e-3)


def test_smooth_maps_come_back(fitted):
    network, people, _ = fitted
    with torch.no_grad():
        latent = network.encode(people)
        made = network.decode(latent, quantize=False)
        again = network.encode(made)
        nobody = network.decode(torch.zeros_like(latent), quantize=False)
    assert latent.shape == (PEOPLE, 1, 8, 8) and 0.6 < latent.std() < 1.6
    assert (error(made, people)[:6] < 0.45 * error(nobody, people)[:6]).all()
    # Where pictures are as smooth as the latent can say, nothing is lost.
    assert error(again, latent) < 0.1 * latent.std()


def test_every_number_has_its_place_and_channel(fitted):
    network, _, _ = fitted
    reach = {}
    for name, row, column in (("light", 4, 4), ("gloss", 4, 5), ("first", 5, 5), ("second", 5, 7)):
        latent = torch.zeros(1, 1, 8, 8)
        latent[0, 0, row, column] = 1.0
        reach[name] = network.mosaic.smooth(latent)[0]
    for name in ("light", "first", "second"):
        assert reach[name][3:].abs().max() == 0 and reach[name][:3].abs().max() > 0.01
    assert reach["gloss"][:3].abs().max() == 0 and reach["gloss"][3:6].abs().max() > 0.5
    rows, columns = (reach["light"][0].abs() == reach["light"][0].abs().max()).nonzero()[0].tolist()
    assert 32 <= rows < 40 and 32 <= columns < 48


def test_fine_maps_follow_the_latent(fitted):
    network, people, _ = fitted
    with torch.no_grad():
        latent = network.encode(people)
        away = (network.inner(people) - network.standing()) / network.spread[:, None, None]
        with_detail = error(network.mosaic.spread(latent), away)[:4]
        without = error(network.mosaic.smooth(latent), away)[:4]
    assert (with_detail < without).all()


def test_tiles_follow_what_lies_about_them(fitted):
    network, people, _ = fitted
    maps = torch.randn(2, 5, 64, 64, generator=torch.Generator().manual_seed(0))
    tiles = tiled(maps, *network.mosaic.tile)
    assert tiles.shape == (8, 2, 5 * 16 * 32) and torch.equal(untiled(tiles, (5, 16, 32), 64), maps)
    with torch.no_grad():
        latent = network.encode(people)
        about = network.mosaic.about(latent)
        assert torch.equal(
            about[3, :, 2 * 12 + 4 : 2 * 12 + 8], latent[:, 0, 2, 4:8]
        )  # tile 3: second row, second column
        away = (network.inner(people) - network.standing()) / network.spread[:, None, None]
        near = network.mosaic._near(latent)
        before, after = error(network.mosaic.spread(latent) - near, away), error(network.mosaic.spread(latent), away)
    assert (after[[0, 3, 6, 7]] < before[[0, 3, 6, 7]]).all()


def test_maps_of_full_rank_are_the_ridge_regression():
    generator = torch.Generator().manual_seed(0)
    seen, wanted = torch.randn(3, 50, 7, generator=generator), torch.randn(3, 50, 10, generator=generator)
    seen[..., -1] = 1.0
    matrix, moments = seen.transpose(1, 2) @ seen / 50, seen.transpose(1, 2) @ wanted / 50
    reading, near = mosaic.reduced_rank_regression(matrix, moments, 7, 2)
    ridge = torch.full((7,), mosaic.NEAR_RIDGE) * matrix.diagonal(dim1=1, dim2=2)[:, :6].mean(1)[:, None]
    ridge[:, -1] = 0
    expected = torch.linalg.solve(matrix + torch.diag_embed(ridge), moments)
    assert torch.allclose(reading.transpose(1, 2) @ near, expected, atol=1e-3)
    # Fewer maps leave more, and never more than the next fewer.
    left = []
    for count in (1, 3, 7):
        reading, near = mosaic.reduced_rank_regression(matrix, moments, count, 2)
        left.append((wanted - seen @ reading.transpose(1, 2) @ near).square().mean())
    assert left[2] < left[1] < left[0]


def test_codes_are_laid_over_the_latents(fitted, tmp_path):
    network, people, source = fitted
    settle_codes(network, source, PEOPLE)
    with torch.no_grad():
        latent = network.encode(people)
        chosen = network.codebook(latent).chosen
        apart = (network.decode(latent) - network.decode(latent, quantize=False)).abs().mean()
    assert chosen.unique().numel() > 0.9 * SMALL.codes and apart < 0.01
    save_autoencoder(tmp_path / "a.safetensors", network, "tests", 0, {})
    found, _ = load_autoencoder(tmp_path / "a.safetensors")
    with torch.no_grad():
        assert (found.decode(latent) - network.decode(latent)).abs().max() < 0.02
