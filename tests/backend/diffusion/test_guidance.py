"""Guidance and completion on people whose best prediction is known: normal numbers, some of them tied together."""

import pytest
import torch

from fitdiff.diffusion import LENGTH, Prediction, Schedule, ScheduleConfig, sample_ddim
from fitdiff.diffusion.completion import block, cells, each_its_own, sample_known, sample_near
from fitdiff.diffusion.guidance import Corrections, corrected, through_denoiser
from fitdiff.diffusion.latent import places
from fitdiff.diffusion.prediction import displaced

LITE = Schedule(ScheduleConfig.lite())
PLACES = places()


def one_tone() -> torch.Tensor:
    """(4288,) unit length: the direction in which whole people differ."""
    tone = torch.zeros(LENGTH)
    tone[PLACES["texture"]] = 1.0
    tone[PLACES["identity"]] = 3.0
    return tone / tone.norm()


TONE = one_tone()
STRONG = 40.0  # variance along the tone, 1 in every other direction


def exact(z, t):
    """The posterior mean of z0 where z0 is normal with covariance 1 + (STRONG - 1) tone tone'."""
    alpha_bar = LITE.alpha_bar(t)
    plain = alpha_bar**0.5 / (alpha_bar + 1 - alpha_bar) * z
    along = alpha_bar**0.5 * STRONG / (alpha_bar * STRONG + 1 - alpha_bar) * (z @ TONE)
    denoised = plain + (along - plain @ TONE)[:, None] * TONE
    return Prediction(denoised, (z - alpha_bar**0.5 * denoised) / (1 - alpha_bar) ** 0.5)


def noise(count=1, seed=0):
    return torch.randn(count, LENGTH, generator=torch.Generator().manual_seed(seed))


def towards(target, place):
    def energy(denoised):
        return (denoised[:, place] - target).square().mean()

    return energy


@pytest.mark.parametrize("block_name", ["identity", "expression", "light"])
def test_our_guidance_reaches_a_target(block_name):
    place = PLACES[block_name]
    target = torch.linspace(-1, 1, place.stop - place.start)
    guided = corrected(exact, LITE, towards(target, place), Corrections())
    start = noise()
    found, free = (sample_ddim(predict, start, LITE, 50) for predict in (guided, exact))
    missed, missed_before = ((z[0, place] - target).square().mean().sqrt() for z in (found, free))
    assert missed < 0.25 * missed_before
    others = [other for name, other in PLACES.items() if name not in (block_name, "texture", "identity")]
    for other in others:  # what the energy does not speak of stays as the noise has it
        assert torch.allclose(found[0, other], free[0, other], atol=1e-4)


def test_the_papers_guidance_pulls_further_with_a_larger_scale():
    """As strong as a normal likelihood of half the prior's variance, it already ends at the target: the method takes z0 to
    be known better than it is, and overshoots the posterior's two thirds."""
    place = PLACES["light"]
    likelihood = lambda denoised: 0.5 * (denoised[:, place] - 1.0).square().sum() / 0.5  # noqa: E731
    start = noise(64, seed=3)
    means = []
    for scale in (0.0, 0.3, 1.0):
        with torch.no_grad():
            found = sample_ddim(through_denoiser(exact, LITE, likelihood, scale), start, LITE, 50)
        means.append(float(found[:, place].mean()))
    assert abs(means[0]) < 0.1
    assert means[0] + 0.2 < means[1] < means[2] - 0.2
    assert means[2] == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("guide", ["paper", "ours"])
def test_no_gradient_and_no_noise_change_is_no_guidance(guide):
    still = lambda denoised: 0.0 * denoised.sum()  # noqa: E731
    if guide == "paper":
        predict = through_denoiser(exact, LITE, still, 75.0)
    else:
        predict = corrected(exact, LITE, still, Corrections())
    assert torch.allclose(sample_ddim(predict, noise(), LITE, 10), sample_ddim(exact, noise(), LITE, 10), atol=1e-5)


def test_displaced_people_are_the_same_people_moved():
    """Sampled from equal noise they differ by the way alone, and what is said of a z_t still adds up to it."""
    by, z = 0.7 * noise(seed=3), noise(2)
    moved = displaced(exact, by, LITE)
    first = LITE.alpha_bar(LITE.timesteps(10)[0]) ** 0.5
    there, here = sample_ddim(moved, z, LITE, 10), sample_ddim(exact, z - first * by, LITE, 10)
    assert (there - here - by).abs().max() < 1e-3
    alpha_bar, said = LITE.alpha_bar(400), moved(z, 400)
    assert (alpha_bar**0.5 * said.denoised + (1 - alpha_bar) ** 0.5 * said.noise - z).abs().max() < 1e-4


def test_what_is_known_comes_back_and_the_rest_goes_with_it():
    """Given the texture, the identity's mean is known in closed form."""
    kept = block("texture")
    known = 0.3 * noise(1, seed=9)
    known[0, PLACES["texture"]] += 1.2
    seeds = list(range(48))
    found = sample_known(exact, known, kept, each_its_own(seeds), LITE, 25, rounds=4)
    assert torch.equal(found[:, kept], known[:, kept].expand(48, -1))
    a, b = TONE[PLACES["texture"]], TONE[PLACES["identity"]]
    extra = STRONG - 1
    expected = extra * b * (a @ known[0, PLACES["texture"]]) / (1 + extra * (a @ a))
    together = found[:, PLACES["identity"]].mean(0)
    assert together.mean() == pytest.approx(float(expected.mean()), rel=0.2)
    assert abs(float(found[:, PLACES["expression"]].mean())) < 0.1


def test_more_rounds_agree_better_than_pasting():
    kept, known = block("texture"), torch.zeros(1, LENGTH)
    known[0, PLACES["texture"]] = 1.2
    a, b = TONE[PLACES["texture"]], TONE[PLACES["identity"]]
    expected = float(((STRONG - 1) * b * (a @ known[0, PLACES["texture"]]) / (1 + (STRONG - 1) * (a @ a))).mean())
    missed = []
    for rounds in (1, 4):
        found = sample_known(exact, known, kept, each_its_own(range(24)), LITE, 12, rounds=rounds)
        missed.append(abs(float(found[:, PLACES["identity"]].mean()) - expected))
    assert missed[1] < missed[0]


def test_people_near_somebody_are_nearer_than_strangers():
    start = noise(1, seed=5)
    near, further, anybody = (
        (sample_near(exact, start, each_its_own([4, 5]), LITE, 20, far) - start).square().mean()
        for far in (0.2, 0.6, 1.0)
    )
    assert near < further < anybody


def test_a_seed_is_one_person_whoever_is_drawn_beside_it():
    alone, together = each_its_own([7]), each_its_own([3, 7])
    for _ in range(3):
        assert torch.equal(alone()[0], together()[1])


def test_cells_count_as_known_only_away_from_the_unknown():
    known = torch.ones(1, 1, 512, 512)
    known[..., 256:] = 0
    found = cells(known)
    texture = found[PLACES["texture"]].view(64, 64)
    assert texture[:, :31].all() and not texture[:, 31:].any()
    assert not found[4096:].any()
    assert cells(torch.ones(1, 1, 512, 512))[:4096].all()
