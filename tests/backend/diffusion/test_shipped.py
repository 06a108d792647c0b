"""The weights that ship: whole, made for each other, and people come of them."""

from pathlib import Path

import pytest
import torch

import fitdiff
from fitdiff.diffusion import Schedule, draw_noise, predictor, sample_dpm_solver, split
from fitdiff.diffusion.latent import places
from fitdiff.diffusion.weights import load_autoencoder, load_denoiser
from fitdiff.engines.diffusion import redenoise_texture
from fitdiff.generation.generator import Generator
from fitdiff.networks.denoiser import Condition

ASSETS = Path(fitdiff.__file__).parent / "assets"


@pytest.fixture(scope="module")
def shipped():
    return load_autoencoder(ASSETS / "autoencoder.safetensors"), load_denoiser(ASSETS / "denoiser.safetensors")


@pytest.fixture(scope="module")
def nobody(shipped):
    """What the recogniser says of the empty picture is stored with the denoiser, averaged; maps of these quarters will do."""
    config, empty = shipped[1].network.config, shipped[1].network.prior.empty
    embedding, rest = empty[None, : config.embedding], empty[config.embedding :]
    maps = []
    for channels, _, _ in config.maps:
        maps.append(rest[: 4 * channels].view(1, channels, 2, 2))
        rest = rest[4 * channels :]
    return Condition(embedding, tuple(maps))


def drawn(trained, condition, count, seed):
    schedule = Schedule(trained.schedule)
    noise = draw_noise(count, torch.Generator().manual_seed(seed))
    many = Condition(condition.embedding.expand(count, -1), tuple(m.expand(count, -1, -1, -1) for m in condition.maps))
    with torch.no_grad():
        return trained.statistics.restore(
            sample_dpm_solver(predictor(trained.network, schedule, many), noise, schedule, 12)
        )


def test_they_belong_together_and_say_what_they_are(shipped):
    (network, card), trained = shipped
    assert trained.autoencoder == card.sha256
    assert card.licence == trained.card.licence == "CC0-1.0" and "made-up people" in card.trained_on
    assert network.config.latent_side == 64 and trained.network.config.length == 4288
    size = sum((ASSETS / f"{name}.safetensors").stat().st_size for name in ("autoencoder", "denoiser"))
    assert size < 30e6


def test_people_from_pure_noise_are_people(shipped, nobody):
    (network, _), trained = shipped
    z = drawn(trained, nobody, 12, 0)
    with torch.no_grad():
        maps = network.decode(split(z).texture)
    skin = 0.5 + 0.5 * maps[:, :3, 200:400, 150:360].mean((2, 3))  # cheeks, nose and mouth
    assert (skin[:, 0] > skin[:, 2]).float().mean() > 0.9  # redder than blue
    assert skin.min() > 0.08 and skin.max() < 1.0 and skin.mean(1).std() > 0.05  # of different tones
    assert z[:, places()["identity"]].std() == pytest.approx(1.0, abs=0.1)
    assert (z[:, -9:-6].mean(0) > 0.2).all()  # lit


def test_a_condition_narrows_who_comes(shipped, nobody):
    _, trained = shipped
    mean = trained.network.prior.feature_mean
    somebody = Condition(mean[None, :128], nobody.maps)
    one = drawn(trained, somebody, 12, 1)
    other = drawn(trained, Condition(somebody.embedding.flip(1), nobody.maps), 12, 1)
    assert (one - other).abs().max() > 0.1  # the same noise, another condition
    texture = places()["texture"]
    assert one[:, texture].var(0).mean() < drawn(trained, nobody, 12, 1)[:, texture].var(0).mean()


def test_what_no_person_has_is_taken_from_a_guided_skin(shipped, nobody):
    """Guidance's own fault is a single place of the latent driven far out; a tone that people have stays."""
    (network, card), trained = shipped
    generator = Generator(network, trained, recogniser=None, card=card)
    plain = predictor(trained.network, generator.schedule, nobody)
    z = trained.statistics.standardise(drawn(trained, nobody, 1, 3))
    spoilt = z.clone()
    spoilt[0, 64 * 30 + 30] += 8.0
    whole = redenoise_texture(plain, z, generator, 0.06)
    mended = redenoise_texture(plain, spoilt, generator, 0.06)
    texture = places()["texture"]
    assert (mended - whole)[0, texture].norm() < 0.5 * (spoilt - z)[0, texture].norm()
    assert (whole - z)[0, texture].square().mean().sqrt() < 0.3 * z[0, texture].square().mean().sqrt()
    assert torch.equal(mended[:, 4096:], spoilt[:, 4096:])
    assert torch.equal(redenoise_texture(plain, spoilt, generator, 0.0), spoilt)
