"""The Gaussian's fit: it finds what data were drawn from, and credits nothing that does not hold for other people."""

import pytest
import torch

from fitdiff.diffusion import Schedule, ScheduleConfig, Statistics
from fitdiff.diffusion.latent import LENGTH, places
from fitdiff.errors import FitDiffError
from fitdiff.networks.denoiser import Condition
from fitdiff.networks.prior import Prior
from fitdiff.training import moments
from fitdiff.training.latents import Rows

PEOPLE, VIEWS, RANK, FEATURES = 500, 2, 6, 8 + 4 * (2 + 1 + 1)
SPREADS = torch.tensor([20.0, 12.0, 8.0, 5.0])
EMPTY = Condition(torch.full((1, 8), 5.0), (torch.ones(1, 2, 4, 4), torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)))


def rows() -> Rows:
    """Texture in four directions, of which the embedding tells the first, with a little noise; all else is noise."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    directions = torch.linalg.qr(normal(4096, 4))[0]
    along = normal(PEOPLE, 4) * SPREADS
    latent = normal(PEOPLE, 1, LENGTH).repeat(1, VIEWS, 1)
    latent[..., places()["texture"]] = (along @ directions.T + 0.05 * normal(PEOPLE, 4096))[:, None]
    latent[..., places()["light"]] = normal(PEOPLE, VIEWS, 9)
    embedding = normal(PEOPLE, VIEWS, 8)
    embedding[..., 0] = along[:, None, 0] / SPREADS[0] + 0.1 * normal(PEOPLE, VIEWS)
    maps = (normal(PEOPLE, VIEWS, 2, 4, 4), normal(PEOPLE, VIEWS, 1, 2, 2), normal(PEOPLE, VIEWS, 1, 2, 2))
    return Rows(latent, embedding, maps, torch.zeros(PEOPLE, VIEWS, 15), torch.zeros(PEOPLE, VIEWS, 5, 2))


@pytest.fixture(scope="module")
def fitted():
    data = rows()
    statistics = Statistics.measured(data.latent.flatten(0, 1))
    prior = Prior(RANK, 4096, 192, FEATURES, 1000)
    worth = moments.fit(prior, data, statistics, Schedule(ScheduleConfig.lite()), EMPTY)
    return prior, worth, data, statistics


def test_directions_and_noise_are_found(fitted):
    prior, worth, _, statistics = fitted
    scale = statistics.scale[0]
    spread = prior.roots[0].diag()[:4]
    assert torch.allclose(spread, SPREADS / scale, rtol=0.1)
    assert prior.roots[0].diag()[4:RANK].max() < 0.06 / scale  # two directions too many are noise's own
    noise = prior.levels[prior.level[:4096]].sqrt() * scale
    assert torch.allclose(noise, torch.tensor(0.05), rtol=0.15)
    assert worth.directions == pytest.approx(
        1 - 4096 * 0.05**2 / (SPREADS.square().sum().item() + 4096 * 0.05**2), abs=0.01
    )
    assert torch.allclose(prior.kept, torch.from_numpy(Schedule(ScheduleConfig.lite()).alpha_bars).float())


def test_the_condition_tells_what_it_tells(fitted):
    prior, worth, data, statistics = fitted
    with torch.no_grad():
        at, shown = prior.given(*data.condition(torch.arange(PEOPLE), torch.zeros(PEOPLE, dtype=torch.long)))
        nobody, unseen = prior.given(*EMPTY)
    assert shown.min() == 1 and unseen.item() == 0 and nobody.abs().max() == 0
    texture = statistics.standardise(data.latent[:, 0])[:, :4096] @ prior.basis
    left = (texture - at[:, :RANK, 0]).square().mean(0) / texture.square().mean(0)
    assert left[0] < 0.05 and (left[1:4] > 0.9).all()
    assert worth.regression["texture"] == pytest.approx((SPREADS[0] ** 2 / SPREADS.square().sum()).item(), abs=0.05)
    assert worth.regression["identity"] < 0.02 and worth.regression["light"] < 0.02
    known, unknown = (root @ root.T for root in (prior.roots[1], prior.roots[0]))
    assert known[0, 0] < 0.1 * unknown[0, 0] and known[1, 1] > 0.85 * unknown[1, 1]


def test_what_texture_and_the_rest_have_in_common_is_kept_and_chance_is_not(fitted):
    """Shape tied to the direction that a photograph shows, light to one that it does not."""
    _, _, data, statistics = fitted
    latent = data.latent.clone()
    along = statistics.standardise(latent[:, 0])[:, :4096] @ fitted[0].basis[:, :2]
    along = along / along.std(0)
    shape, light = places()["identity"].start, places()["light"].start
    for place, direction in ((shape, 0), (light, 1)):
        latent[..., place] = 0.8 * along[:, None, direction] + 0.6 * latent[..., place]
    tied = Prior(RANK, 4096, 192, FEATURES, 1000)
    own = Statistics.measured(latent.flatten(0, 1))
    moments.fit(tied, data._replace(latent=latent), own, Schedule(ScheduleConfig.lite()), EMPTY)

    def common(prior: Prior, kind: int) -> torch.Tensor:
        """Correlations of the four directions with what lies behind the texture."""
        covariance = prior.roots[kind] @ prior.roots[kind].T
        spread = covariance.diagonal().sqrt()
        return (covariance / spread[:, None] / spread)[:4, RANK:]

    free, told = common(tied, 0), common(tied, 1)
    assert abs(float(free[0, 0])) == pytest.approx(0.8, abs=0.1) and abs(float(told[0, 0])) < 0.1
    for found in (free, told):
        assert abs(float(found[1, light - shape])) == pytest.approx(0.8, abs=0.15)
        found[0, 0] = found[1, light - shape] = 0
    for block in (free, told, common(fitted[0], 0), common(fitted[0], 1)):
        assert block.square().mean() < 0.1 / PEOPLE  # of what chance gives


def test_what_few_people_seem_to_have_in_common_leaves_a_covariance():
    generator = torch.Generator().manual_seed(1)
    spreads = torch.tensor([3.0, 1.0, 0.5, 2.0, 0.2])
    covariance = torch.diag(spreads.square())
    modest = 0.2 * torch.outer(spreads[:2], spreads[2:])
    assert torch.equal(moments._joined(covariance, modest)[:2, 2:], modest)
    wild = 5 * torch.randn(2, 3, generator=generator)
    joined = moments._joined(covariance, wild)
    assert torch.linalg.eigvalsh(joined).min() > 0
    assert torch.allclose(joined[:2, 2:] / wild, (joined[0, 2] / wild[0, 0]).expand(2, 3))  # drawn in, not turned


def test_people_are_known_one_by_one(fitted):
    """Where they lie in the first directions; the Gaussians about them leave the spread as it is."""
    _, _, data, statistics = fitted
    prior = Prior(RANK, 4096, 192, FEATURES, 1000, known=(PEOPLE, 3))
    moments.fit(prior, data, statistics, Schedule(ScheduleConfig.lite()), EMPTY)
    lie = statistics.standardise(data.latent[:, 0])[:, :4096] @ prior.basis[:, :3]
    assert torch.allclose(torch.corrcoef(torch.cat([lie.T, prior.known.T]))[:3, 3:].diag(), torch.ones(3), atol=1e-4)
    assert torch.allclose(prior.known.var(0) + prior.width.square(), lie.var(0), rtol=0.01)


@pytest.mark.parametrize("people", [4, 30])
def test_a_ridge_regression_solves_its_equations_for_few_people_and_for_many(people):
    generator = torch.Generator().manual_seed(2)
    x, y = torch.randn(people, 12, generator=generator), torch.randn(people, 3, generator=generator)
    slope, fit = moments.ridge_regression(x, y, 0.5)
    assert torch.allclose(x.T @ (y - x @ slope.T), 0.5 * slope.T, atol=1e-5)
    assert torch.allclose(fit, x @ slope.T)


def test_too_few_people_are_refused():
    data = rows()
    few = Rows(data.latent[:7], data.embedding[:7], tuple(m[:7] for m in data.maps), data.camera[:7], data.points[:7])
    with pytest.raises(FitDiffError) as caught:
        statistics = Statistics.measured(few.latent.flatten(0, 1))
        moments.fit(Prior(RANK, 4096, 192, FEATURES, 1000), few, statistics, Schedule(ScheduleConfig.lite()), EMPTY)
    assert caught.value.code == "training-few-people"
