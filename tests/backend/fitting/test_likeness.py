"""The residual, its priors, spreading and fine detail, on pictures with known answers."""

import torch

from fitdiff.fitting.detail import fine_detail, graininess
from fitdiff.fitting.residual import DARKER, OPEN, SHADED, Residual, ResidualPriors, residual_prior, without_glow
from fitdiff.render.projection import depth_picture, read_picture
from fitdiff.render.spread import closed, feathered, spread

AS_SKIN = torch.tensor(DARKER).view(1, 3, 1, 1)
SURE = torch.zeros(1, 1, 1, 1)


def test_an_untouched_residual_is_nothing_and_costs_nothing():
    residual = Residual(128, (16, 64))
    assert residual().shape == (1, 3, 128, 128)
    assert not residual().any()
    assert residual_prior(residual.coarse(), ResidualPriors(), SURE).item() == 0.0


def test_the_prior_prefers_brightness_to_colour_and_detail_to_shading():
    priors = ResidualPriors()
    torch.manual_seed(0)
    grey = 0.1 * torch.randn(1, 1, 64, 64).expand(1, 3, 64, 64)
    coloured = grey * torch.tensor([1.0, -1.0, 1.0]).view(1, 3, 1, 1)
    assert residual_prior(coloured, priors, SURE) > 2 * residual_prior(grey, priors, SURE)
    assert residual_prior(grey * AS_SKIN, priors, SURE) < residual_prior(grey, priors, SURE)  # darker skin is redder
    only_broad = ResidualPriors(level=0, chroma=0, symmetry=0, roughness=0)
    fine = torch.tensor([0.1, -0.1]).repeat(32).view(1, 1, 1, 64).expand(1, 3, 64, 64)
    flat = torch.full((1, 3, 64, 64), 0.1)
    assert residual_prior(flat, only_broad, SURE) > 100 * residual_prior(fine, only_broad, SURE)


def test_a_step_in_the_skin_is_dear_where_a_shadow_may_end():
    priors = ResidualPriors(level=0, broad=0, chroma=0, symmetry=0, roughness=0)
    step = torch.zeros(1, 3, 64, 64)
    step[..., 32:] = 0.4
    edge = torch.zeros(1, 1, 64, 64)
    edge[..., 32:40] = 0.5
    assert residual_prior(step, priors, edge) > 0.5 > residual_prior(step, priors, SURE) == 0
    assert residual_prior(step, priors, edge.clamp(max=0.15)) == 0  # as unsure as a portrait's light
    assert residual_prior(step, priors, edge.roll(-16, 3)) == 0  # beside the step nothing is asked for
    line = torch.tensor([0.4, -0.4]).repeat(32).expand(1, 3, 64, 64)
    assert residual_prior(line, priors, edge) < 1e-6  # lines are the person's


def test_what_is_far_paler_than_skin_is_grey_and_no_melanin():
    """A drawn brow that the person does not have, made skin again, would else be blue."""
    priors = ResidualPriors(level=1, broad=0, shadow=0, symmetry=0, roughness=0)
    little, much = torch.full((1, 3, 64, 64), 0.1), torch.full((1, 3, 64, 64), 1.0)
    assert residual_prior(little * AS_SKIN, priors, SURE) < residual_prior(little, priors, SURE)
    assert residual_prior(much * AS_SKIN, priors, SURE) > residual_prior(much, priors, SURE)
    assert residual_prior(-much * AS_SKIN, priors, SURE) < residual_prior(-much, priors, SURE)


def test_a_brow_needs_no_pale_halo():
    """The low frequencies' price pulls what is round a dark feature up by no more than the feature's area asks for."""
    only_broad = ResidualPriors(level=0, chroma=0, symmetry=0, roughness=0)
    brow = torch.zeros(1, 3, 64, 64)
    brow[..., 30:32, 20:44] = -0.8
    faint = (brow / 8).requires_grad_()
    brow.requires_grad_()
    for one in (brow, faint):
        residual_prior(one, only_broad, SURE).backward()
    assert brow.grad[..., 28, 30].abs().max() < 1.5 * faint.grad[..., 28, 30].abs().max()
    assert brow.grad[..., 30, 30].abs().max() < 0.1 * brow.grad[..., 28, 30].abs().max()


def test_what_is_seen_stays_what_is_not_comes_from_the_other_side_and_then_from_around():
    size = 64
    seen = torch.zeros(1, 1, size, size)
    seen[..., 16:48, 32:60] = 1
    residual = torch.full((1, 3, size, size), 9.0)  # where nothing is seen the residual means nothing
    residual[..., 16:48, 32:60] = 0.3
    everywhere = spread(residual, seen)
    assert torch.allclose(everywhere[..., 20:44, 36:56], torch.tensor(0.3), atol=1e-5)
    assert torch.allclose(everywhere[..., 20:44, 8:28], torch.tensor(0.3), atol=0.02)
    assert torch.allclose(everywhere, torch.tensor(0.3), atol=0.02)


def test_nothing_seen_is_no_residual_and_no_division_by_zero():
    nothing = torch.zeros(1, 1, 32, 32)
    assert torch.isfinite(spread(torch.randn(1, 3, 32, 32), nothing)).all()


def test_feathering_ends_at_the_border():
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 12:52, 12:52] = 1
    soft = feathered(mask, 4)
    assert not soft[mask == 0].any()
    assert float(soft[0, 0, 32, 32]) == 1.0
    edge = soft[0, 0, 32, 12:28]
    assert float(edge[0]) < 0.2
    assert (edge.diff() >= -1e-6).all()


def test_fine_detail_is_what_is_finer_than_the_radius_in_the_colours_of_darker_skin():
    size = 96
    column = torch.arange(size, dtype=torch.float32)
    shading = (1 + 0.5 * column / size).view(1, 1, 1, size).expand(1, 3, size, size)
    lines = 1 - 0.2 * ((column % 12) < 2).float().view(1, 1, 1, size)
    weight = torch.ones(1, 1, size, size)
    found = fine_detail(0.4 * shading * lines, torch.full((1, 3, size, size), 0.4), weight, radius=5)
    inside = found[0, 0, 48, 12:84]
    on_line = (column[12:84] % 12) < 2
    assert (inside[on_line] < -0.1).all()
    assert inside[~on_line].abs().max() < 0.09
    assert torch.allclose(found, found.mean(1, keepdim=True) * AS_SKIN, atol=1e-6)


def test_noise_and_glints_stay_out_of_the_fine_detail():
    size = 96
    fitted = torch.full((1, 3, size, size), 0.4)
    torch.manual_seed(0)
    grainy = fitted * (0.004 * torch.randn(1, 1, size, size)).exp()
    weight = torch.ones(1, 1, size, size)
    assert not fine_detail(grainy, fitted, weight, radius=5, noise=0.03).any()
    spotted = fitted.clone()
    spotted[..., 20, 20] *= 2.2
    spotted[..., 70, 70] /= 2.2
    found = fine_detail(spotted, fitted, weight, radius=5, limits=(0.35, 0.15)).mean(1, keepdim=True)
    assert float(found.max()) == float(found[0, 0, 20, 20]) <= 0.15 + 1e-6
    assert float(found.min()) == float(found[0, 0, 70, 70]) < -0.3


def test_a_photos_grain_is_its_noise_and_not_its_shading():
    torch.manual_seed(1)
    size = 200
    places = torch.rand(4000, 2) * (size - 20) + 10
    ramp = (0.2 + 0.5 * torch.arange(float(size)) / size).view(1, 1, 1, size).expand(1, 3, size, size)
    trust = torch.ones(len(places))
    assert graininess(ramp, places, trust) < 1e-3
    noise = torch.randn(1, 1, size // 2, size // 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert abs(graininess(ramp * (0.04 * noise).exp(), places, trust) - 0.04) < 0.006
    spotted = ramp.clone()
    spotted[..., ::23, ::23] *= 0.2  # a few pores and hairs are no noise
    assert graininess(spotted, places, trust) < 2e-3
    assert graininess(ramp, places, 0 * trust) == 0.0


def test_nothing_glows_where_the_head_shades_itself():
    residual = torch.linspace(-1, 1, 8).view(1, 1, 1, 8).expand(1, 3, 8, 8)
    assert torch.equal(without_glow(residual, torch.ones(1, 1, 4, 4)), residual)
    dark = without_glow(residual, torch.full((1, 1, 4, 4), SHADED))
    assert torch.equal(dark, residual.clamp(max=0))
    half = without_glow(residual, torch.full((1, 1, 4, 4), (OPEN + SHADED) / 2))
    assert torch.allclose(half, torch.where(residual > 0, 0.5 * residual, residual))


def test_reading_a_photo_lands_on_pixel_centres():
    photo = torch.arange(12.0).view(1, 1, 3, 4)
    places = torch.tensor([[0.5, 0.5], [3.5, 2.5], [1.0, 0.5]])
    assert torch.allclose(read_picture(photo, places)[:, 0], torch.tensor([0.0, 11.0, 0.5]), atol=1e-5)


def test_a_slanted_triangle_has_its_own_depth_at_every_pixel():
    screen = torch.tensor([[0.0, 0.0], [16.0, 0.0], [0.0, 16.0]])
    depth = torch.tensor([1.0, 2.0, 1.0])
    face = torch.full((1, 8, 8), 0)
    picture = depth_picture(face, screen, depth, torch.tensor([[0, 1, 2]]))
    share = (torch.arange(8) + 0.5) / 16  # of the way to the far corner, on the screen
    expected = 1 / ((1 - share) / 1.0 + share / 2.0)
    assert torch.allclose(picture[0, 0, 0], expected, atol=1e-4)
    nothing = torch.full((1, 8, 8), -1)
    assert float(depth_picture(nothing, screen, depth, torch.tensor([[0, 1, 2]])).min()) > 100


def test_closing_fills_an_eye_and_leaves_the_outline():
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 20:108, 20:108] = 1
    holed = mask.clone()
    holed[..., 50:66, 50:66] = 0
    filled = closed(holed, 16)
    assert filled[..., 40:90, 40:90].min() > 0.99
    assert filled[..., :14, :].max() < 0.01
    assert float(closed(torch.zeros(1, 1, 64, 64), 8).max()) == 0.0
