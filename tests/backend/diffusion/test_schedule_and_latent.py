"""The noise schedule and the layout of the latent."""

import pytest
import torch

from fitdiff.diffusion import LENGTH, Parts, Schedule, ScheduleConfig, Statistics, join, split
from fitdiff.diffusion.latent import places


def test_the_schedule_ends_in_noise():
    paper, lite = Schedule(ScheduleConfig.paper()), Schedule(ScheduleConfig.lite())
    assert paper.alpha_bars[0] == pytest.approx(1 - 0.0015)
    assert (paper.alpha_bars[1:] < paper.alpha_bars[:-1]).all() and paper.alpha_bars[-1] < 5e-4
    assert lite.alpha_bars[0] > 0.99 and lite.alpha_bars[-1] < 1e-4
    shifted = Schedule(ScheduleConfig(shift=3.0))
    ratio = [s.alpha_bars / (1 - s.alpha_bars) for s in (paper, shifted)]
    assert ratio[0] / ratio[1] == pytest.approx(9.0)


@pytest.mark.parametrize("predicts", ["noise", "velocity"])
def test_the_target_resolves_to_what_was_mixed(predicts):
    schedule, generator = Schedule(ScheduleConfig.lite()), torch.Generator().manual_seed(0)
    z0, noise = torch.randn(2, 6, 40, generator=generator, dtype=torch.float64)
    t = torch.tensor([0, 1, 250, 500, 750, 999])
    z = schedule.noisy(z0, noise, t)
    said = schedule.target(z0, noise, t, predicts)
    found = schedule.resolve(said, z, t, predicts)
    assert torch.allclose(found[0], z0, atol=1e-4) and torch.allclose(found[1], noise, atol=1e-5)
    one = schedule.resolve_at(said[3:4], z[3:4], 500, predicts)
    assert torch.allclose(one[0], z0[3:4], atol=1e-6) and torch.allclose(one[1], noise[3:4], atol=1e-6)


def test_timesteps():
    schedule = Schedule(ScheduleConfig())
    assert schedule.timesteps(4) == [999, 749, 499, 249]
    assert schedule.timesteps(1000) == list(range(999, -1, -1))
    finer = Schedule(ScheduleConfig.lite())
    assert finer.timesteps(1000) == list(range(999, -1, -1))
    few = finer.timesteps(20)
    assert few[0] == 999 and few[1] < 910 and few[-1] < 5 and len(set(few)) == 20 and few == sorted(few, reverse=True)
    with pytest.raises(ValueError, match="1 to 1000"):
        schedule.timesteps(0)


def test_split_and_join():
    z = torch.arange(2.0 * LENGTH).view(2, LENGTH)
    parts = split(z)
    assert [tuple(part.shape) for part in parts] == [(2, 1, 64, 64), (2, 158), (2, 25), (2, 9)]
    assert torch.equal(join(parts), z) and parts.light[0, -1] == 4287
    assert isinstance(parts, Parts) and places()["light"] == slice(4279, 4288)


def test_statistics_keep_the_textures_proportions():
    generator = torch.Generator().manual_seed(0)
    spread = torch.linspace(0.1, 4.0, LENGTH)
    z = 3 + spread * torch.randn(500, LENGTH, generator=generator)
    z[:, -1] = 0.25  # a number that never changes
    statistics = Statistics.measured(z)
    plain = statistics.standardise(z)
    assert torch.allclose(statistics.restore(plain), z, atol=1e-4)
    assert float(plain[:, :4096].std()) == pytest.approx(1, abs=0.01)
    assert float(plain[:, 4000].std() / plain[:, 2000].std()) == pytest.approx(
        float(spread[4000] / spread[2000]), rel=0.15
    )
    assert (plain[:, 4096:-1].std(0) - 1).abs().max() < 0.01
    assert plain[:, -1].abs().max() == 0
