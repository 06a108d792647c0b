"""The Gaussian's denoiser against the posterior written out, and what comes of sampling with it."""

from dataclasses import replace

import pytest
import torch

from fitdiff.diffusion import Schedule, ScheduleConfig, predictor, sample_ddim, sample_dpm_solver
from fitdiff.networks import Denoiser, DenoiserConfig
from fitdiff.networks.denoiser import Condition
from fitdiff.networks.prior import FARTHEST, LEVELS, Prior, features

TEXTURE, COEFFICIENTS, RANK = 64, 16, 4
SMALL = DenoiserConfig(
    channels=0,
    maps=((2, 4, 4), (2, 2, 2), (2, 2, 2)),
    embedding=3,
    side=8,
    coefficients=COEFFICIENTS,
    predicts="velocity",
    prior=RANK,
)
SCHEDULE = Schedule(ScheduleConfig.lite())


def condition(batch: int, seed: int = 0) -> Condition:
    generator = torch.Generator().manual_seed(seed)
    maps = tuple(torch.randn(batch, *shape, generator=generator) for shape in SMALL.maps)
    return Condition(torch.randn(batch, SMALL.embedding, generator=generator), maps)


EMPTY = condition(1, seed=9)


def filled(prior: Prior) -> Prior:
    generator = torch.Generator().manual_seed(1)
    size = RANK + COEFFICIENTS
    prior.basis.copy_(torch.linalg.qr(torch.randn(TEXTURE, RANK, generator=generator))[0])
    prior.roots.copy_(torch.randn(2, size, size, generator=generator).tril() * 0.4 + torch.eye(size))
    prior.levels.copy_(torch.linspace(1e-3, 0.5, LEVELS))
    prior.level.copy_(torch.randint(LEVELS, (TEXTURE + COEFFICIENTS,), generator=generator))
    prior.slope.copy_(0.1 * torch.randn(prior.slope.shape, generator=generator))
    prior.empty.copy_(features(*EMPTY)[0])
    prior.kept.copy_(torch.from_numpy(SCHEDULE.alpha_bars))
    prior.forget()
    return prior


@pytest.fixture
def network() -> Denoiser:
    found = Denoiser(SMALL).eval()
    filled(found.prior)
    return found


def written_out(prior: Prior, row: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance (D, D) of what condition `row` describes; -1 is the empty picture."""
    directions = torch.block_diag(prior.basis, torch.eye(COEFFICIENTS)).double()
    known = int(row >= 0)
    root = prior.roots[known].double()
    covariance = directions @ root @ root.T @ directions.T + torch.diag(prior.levels[prior.level].double())
    at = (
        prior.slope @ features(*condition(3))[row].clamp(-FARTHEST, FARTHEST)
        if known
        else torch.zeros(RANK + COEFFICIENTS)
    )
    return directions @ at.double(), covariance


@pytest.mark.parametrize("t", [0, 40, 400, 999])
def test_it_is_the_posterior_mean(network, t):
    prior = network.prior
    z = torch.randn(4, 80, generator=torch.Generator().manual_seed(2))
    seen, empty = condition(3), EMPTY
    mixed = Condition(
        torch.cat([seen.embedding, empty.embedding]),
        tuple(torch.cat(pair) for pair in zip(seen.maps, empty.maps, strict=True)),
    )
    at, shown = prior.given(*mixed)
    assert shown.flatten().tolist() == [1, 1, 1, 0]
    found = prior.denoised(z, torch.full((4,), t), at, shown)
    kept = SCHEDULE.alpha_bar(t)
    for number, row in enumerate((0, 1, 2, -1)):
        mean, covariance = written_out(prior, row)
        of_z = kept * covariance + (1 - kept) * torch.eye(80, dtype=torch.float64)
        expected = mean + kept**0.5 * covariance @ torch.linalg.solve(of_z, z[number].double() - kept**0.5 * mean)
        assert torch.allclose(found[number].double(), expected, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("predicts", ["noise", "velocity"])
def test_what_it_says_resolves_to_what_it_means(predicts):
    network = Denoiser(replace(SMALL, predicts=predicts)).eval()
    filled(network.prior)
    z, t = torch.randn(3, 80, generator=torch.Generator().manual_seed(3)), torch.tensor([5, 300, 990])
    said = network(z, t, condition(3))
    denoised, _ = SCHEDULE.resolve(said, z, t, predicts)
    assert torch.allclose(denoised, network.prior.denoised(z, t, *network.prior.given(*condition(3))), atol=1e-3)


@pytest.mark.parametrize("sampler", [sample_ddim, sample_dpm_solver])
@pytest.mark.parametrize("row", [0, -1])
def test_samples_have_its_mean_and_covariance(network, sampler, row):
    count = 4000
    one = EMPTY if row < 0 else Condition(condition(3).embedding[:1], tuple(m[:1] for m in condition(3).maps))
    noise = torch.randn(count, 80, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        many = Condition(one.embedding.expand(count, -1), tuple(m.expand(count, -1, -1, -1) for m in one.maps))
        drawn = sampler(predictor(network, SCHEDULE, many), noise, SCHEDULE, 60).double()
    mean, covariance = written_out(network.prior, row)
    scale = covariance.diag().mean()
    assert (drawn.mean(0) - mean).square().mean() < 0.002 * scale
    assert (torch.cov(drawn.T) - covariance).square().mean().sqrt() < 0.04 * scale
    # The directions, where nearly all of the spread lies.
    values = torch.linalg.eigvalsh(covariance)[-5:]
    assert torch.allclose(torch.linalg.eigvalsh(torch.cov(drawn.T))[-5:], values, rtol=0.08)


def test_guidance_extrapolates_and_gradients_pass(network):
    z = torch.randn(2, 80, generator=torch.Generator().manual_seed(5), requires_grad=True)
    seen = Condition(condition(3).embedding[:2], tuple(m[:2] for m in condition(3).maps))
    twice = predictor(network, SCHEDULE, seen, EMPTY, 2.0)(z, 500).denoised
    once, none = (predictor(network, SCHEDULE, seen, EMPTY, scale)(z, 500).denoised for scale in (1.0, 0.0))
    assert torch.allclose(twice, 2 * once - none, atol=1e-4) and (once - none).abs().max() > 1e-2
    twice.square().sum().backward()
    assert (z.grad != 0).all()


def test_a_network_is_added_to_it():
    config = replace(DenoiserConfig.lite(), channels=32, heads=1, head_channels=8, spade=8, prior=8)
    torch.manual_seed(0)
    network = Denoiser(config).eval()
    maps = tuple(torch.rand(1, *shape) for shape in config.maps)
    seen, z, t = Condition(torch.rand(1, config.embedding), maps), torch.randn(1, 4288), torch.tensor([500])
    alone = network.prior.prediction(z, t, *network.prior.given(*seen), predicts="velocity")
    with torch.no_grad():
        assert torch.allclose(network(z, t, seen), alone, atol=1e-5)  # it starts by saying nothing
        network.doors.outwards.bias.fill_(0.5)
        assert torch.allclose((network(z, t, seen) - alone)[:, :4096], torch.tensor(0.5), atol=1e-4)


def test_a_network_reads_what_the_gaussian_says_and_may_be_shown_another():
    config = replace(DenoiserConfig.lite(), channels=32, heads=1, head_channels=8, spade=8, prior=8, known=(4, 2))
    torch.manual_seed(0)
    network = Denoiser(config).eval()
    other = Prior(8, 4096, 192, config.prior_features, 1000, (4, 2))
    other.basis[:8] = torch.eye(8)
    with torch.no_grad():
        network.doors.outwards.weight.normal_()
        maps = tuple(torch.rand(1, *shape) for shape in config.maps)
        seen, z, t = Condition(torch.rand(1, config.embedding), maps), torch.randn(1, 4288), torch.tensor([500])
        given = other.given(*seen)
        parts = other.resolved(z, t, *given)
        norms = network.prepare(seen)[:-1]
        expected = other.prediction(z, t, *given, predicts="velocity") + network._network(parts, t, norms)
        assert torch.allclose(network(z, t, seen, other), expected, atol=1e-5)
        assert not torch.allclose(network(z, t, seen), expected, atol=1e-2)


@pytest.mark.parametrize("t", [0, 300, 900])
def test_in_the_first_directions_it_is_a_sum_of_gaussians_about_known_people(network, t):
    """Against the posterior summed over a grid; a photograph's people are as before."""
    plain = network.prior
    prior = Prior(RANK, TEXTURE, COEFFICIENTS, SMALL.prior_features, 1000, (5, 1))
    prior.load_state_dict(plain.state_dict(), strict=False)
    prior.known.copy_(torch.tensor([[-2.0], [-1.5], [0.3], [0.5], [2.5]]))
    prior.width.fill_(0.3)
    prior.forget()
    z = 2 * torch.randn(3, 80, generator=torch.Generator().manual_seed(6))
    steps = torch.full((3,), t)
    at, shown = prior.given(*EMPTY)
    at, shown = at.expand(3, -1, -1), shown.expand(3, -1, -1)
    found, before = prior.denoised(z, steps, at, shown), plain.denoised(z, steps, at, shown)
    kept, grid = SCHEDULE.alpha_bar(t), torch.linspace(-6, 6, 4001, dtype=torch.float64)
    weight = torch.exp(-0.5 * ((grid[:, None] - prior.known[:, 0].double()) / 0.3).square()).sum(1)
    seen = (z[:, :TEXTURE] @ prior.basis[:, 0]).double()
    likely = torch.exp(-0.5 * (seen[:, None] - kept**0.5 * grid).square() / (1 - kept)) * weight
    expected = (likely * grid).sum(1) / likely.sum(1)
    along = prior.basis[:, 0]
    assert torch.allclose((found[:, :TEXTURE] @ along).double(), expected, atol=2e-3)
    off = found[:, :TEXTURE] - before[:, :TEXTURE]
    assert torch.allclose(off, (off @ along)[:, None] * along, atol=1e-4)
    assert torch.equal(found[:, TEXTURE:], before[:, TEXTURE:])
    asked = prior.given(*condition(3))
    assert torch.equal(prior.denoised(z, steps, *asked), plain.denoised(z, steps, *asked))


def test_a_photograph_unlike_all_drawn_ones_is_taken_for_the_farthest_of_them(network):
    near = condition(1, seed=4)
    near.embedding[0, 0] = FARTHEST
    far = Condition(near.embedding.clone(), near.maps)
    far.embedding[0, 0] = 185.0
    for one, other in zip(network.prior.given(*near), network.prior.given(*far), strict=True):
        assert torch.equal(one, other)
    far.embedding[0, 0] = -FARTHEST
    assert not torch.equal(network.prior.given(*near)[0], network.prior.given(*far)[0])
