"""The direct engine: its losses, and a few steps on the demo photo."""

import math

import numpy as np
import pytest
import torch

from fitdiff.avatar import stored_diffuse
from fitdiff.engines import fit
from fitdiff.errors import FitDiffError
from fitdiff.fitting import solve, terms
from fitdiff.fitting.energy import drawn_over, metrics
from fitdiff.fitting.evidence import read_evidence
from fitdiff.fitting.light_hints import LightHints
from fitdiff.fitting.result import HAIR_UNSEEN
from fitdiff.fitting.settings import FitSettings
from fitdiff.perception.analyse import analyse
from fitdiff.photo import photo_from_pixels
from fitdiff.render.colour import to_linear, to_srgb


def test_losses_are_zero_at_the_truth_and_bounded_for_a_wrong_landmark():
    points = torch.rand(30, 2) * 200
    ones = torch.ones(30)
    assert float(terms.landmarks(points, points, ones, 60.0)) == 0.0
    wrong = points.clone()
    wrong[3] += 1000
    worst = float(terms.landmarks(wrong, points, ones, 60.0))
    wrong[3] += 1e5
    assert worst == pytest.approx(float(terms.landmarks(wrong, points, ones, 60.0)), rel=0.01)
    embedding = torch.randn(1, 64)
    assert float(terms.cosine(embedding, 3 * embedding)) == pytest.approx(0, abs=1e-6)
    picture = torch.rand(1, 3, 8, 8)
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    changed = picture.clone()
    changed[..., 6] = 0
    assert terms.photometric(changed, picture, mask) == terms.photometric(picture, picture, mask)


def test_a_broad_smile_opens_the_lips_nearly_as_far_as_its_landmarks_say():
    from fitdiff.face.arkit import ARKIT_NAMES, from_arkit
    from fitdiff.face.embedded import load
    from fitdiff.fitting.evidence import trust
    from fitdiff.fitting.loss import Weights

    face, weights, unit = load(), Weights(), 60.0
    smile = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0, "mouthUpperUpLeft": 0.5, "mouthUpperUpRight": 0.5}
    wanted = torch.from_numpy(from_arkit(face, np.array([smile.get(name, 0.0) for name in ARKIT_NAMES]))).float()[None]
    person = torch.zeros(1, face.identity_count)

    def seen(expression: torch.Tensor) -> torch.Tensor:
        points = face.landmarks(face.vertices(person, expression), "facemesh468")[0, :, :2]
        return points * torch.tensor([unit, -unit]) / 0.063  # pixels, the eyes that far apart

    def opening(points: torch.Tensor) -> float:
        return float((points[13] - points[14]).norm() / unit)

    target, expression = seen(wanted), torch.zeros_like(wanted).requires_grad_()
    optimiser = torch.optim.Adam([expression], lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        missed = terms.landmarks(seen(expression), target, trust("facemesh468", target), unit)
        (weights.landmarks * missed + weights.expression * terms.expression_prior(expression)).backward()
        optimiser.step()
    found, closed = opening(seen(expression.detach())), opening(seen(torch.zeros_like(wanted)))
    assert found - closed > 0.9 * (opening(target) - closed) > 0.03


def test_the_light_prior_dislikes_coloured_and_dead_lamps():
    white = torch.tensor([[0.55, 0.6, 0.6, 1, 1, 1, 0, 0, 1.0]])
    red = white.clone()
    red[0, 3:6] = torch.tensor([1.5, 0.8, 0.7])
    dark = white.clone()
    dark[0, :2] *= 0.2
    ordinary = LightHints()
    assert terms.light_prior(white, ordinary) < 0.1 * terms.light_prior(red, ordinary)
    assert terms.light_prior(white, ordinary) < 0.1 * terms.light_prior(dark, ordinary)


def test_the_light_prior_wants_what_the_photo_hints_at():
    red, dim = torch.tensor([1.5, 0.8, 0.7]), math.log(0.2)
    tint = (red.log() - red.log().mean()).tolist()
    light = torch.tensor([[0.11, 0.12, 0.12, *red.tolist(), 0, 0, 1.0]])
    white = torch.tensor([[0.55, 0.6, 0.6, 1, 1, 1, 0, 0, 1.0]])
    hints = LightHints(dim, tuple(tint))
    assert terms.light_prior(light, hints) < 0.1 * terms.light_prior(white, hints)


def test_an_uneven_room_costs_more_when_its_sides_differ_in_colour():
    grey = torch.full((8, 3), 0.1)
    tinted = grey * torch.tensor([2.0, 1.0, 0.0])
    assert terms.uneven_prior(torch.zeros(8, 3), 30.0, 300.0) == 0
    assert terms.uneven_prior(tinted, 30.0, 300.0) > 3 * terms.uneven_prior(grey, 30.0, 300.0)


FEW = FitSettings(steps=4, preview_every=2)


@pytest.fixture(scope="module")
def fitted(perception, photo_analysis):
    steps = []
    avatar = fit.reconstruct(photo_analysis, FEW, 3, steps.append)
    return avatar, steps


@pytest.mark.slow
def test_a_few_steps_already_bring_the_photo_closer(photo_analysis):
    few = solve.Fit(read_evidence(photo_analysis), FitSettings(steps=16))

    def now():
        head = few.head
        return metrics(drawn_over(few.evidence, head.rendered(), head.vertices(), head.window()), few.evidence)

    before = now()
    few.solve()
    after = now()
    assert after["photometric"] < 0.75 * before["photometric"]
    assert after["identity_guide"] > before["identity_guide"] + 0.05


@pytest.mark.slow
def test_the_recogniser_elsewhere_shapes_and_paints_the_head_but_not_its_eyes(photo_analysis):
    one = solve.Fit(read_evidence(photo_analysis), FitSettings(steps=1))
    head, loss = one.head, one.loss(seed=0)

    def pay(loss):
        maps, view = head.maps(head.albedo()), loss.any_view(head.light)
        return loss.elsewhere(head, head.vertices(), maps, head.window(), view)

    first = pay(loss)
    first.backward()
    assert head.identity.grad.abs().max() > 0
    assert head.skin.grad.abs().max() > 0
    assert head.residual.levels[0].grad.abs().max() > 0
    assert head.iris.grad is None or not head.iris.grad.any()
    assert head.sclera.grad is None or not head.sclera.grad.any()
    rendering = head.renderer(head.vertices(), head.maps(head.albedo()), head.window(), head.light, head.shade)
    picture = to_srgb(rendering.over(to_linear(one.evidence.photo)))
    terms.likeness(picture, rendering, one.evidence, alone=True, spare_eyes=True).backward()
    assert head.iris.grad is None or not head.iris.grad.any()  # nor in the photo's own view
    turned = [pay(loss).item() for _ in range(3)]
    assert len(set(turned)) == 3  # from somewhere else each time
    assert pay(one.loss(seed=0)).item() == first.item()


def test_eyes_of_any_colour_cost_nothing_when_the_photo_shows_them(photo_analysis):
    one = solve.Fit(read_evidence(photo_analysis), FitSettings(steps=1))
    loss, head = one.loss(seed=0), one.head
    usual = loss._priors(head).item()
    seen = head.iris_start.clone()
    head.iris.data = head.iris_start = seen.new_tensor([[0.05, 0.09, 0.16]])
    assert loss._priors(head).item() == pytest.approx(usual, rel=1e-5)
    head.iris.data = seen
    assert loss._priors(head).item() > usual + 1


@pytest.mark.slow
def test_nobody_paints_where_the_photo_shows_nothing(photo_analysis):
    one = solve.Fit(read_evidence(photo_analysis), FitSettings(steps=1))
    head, loss = one.head, one.loss(seed=0)
    head.shown = torch.zeros(1, 1, 512, 512)
    head.shown[..., :256] = 1
    maps, view = head.maps(head.albedo()), loss.any_view(head.light)
    loss.elsewhere(head, head.vertices(), maps, head.window(), view).backward()
    fine = head.residual.levels[1].grad.abs()
    assert fine[..., :128].max() > 0 and not fine[..., 130:].any()


@pytest.mark.slow
def test_it_reports_every_step_and_gives_a_whole_avatar(fitted):
    avatar, steps = fitted
    assert [step.step for step in steps] == [1, 2, 3, 4]
    assert [step.step for step in steps if step.preview is not None] == [1, 2, 4]
    assert avatar.maps["diffuse"].shape == (512, 512, 3)
    assert avatar.maps["normal"].shape == (512, 512, 3)
    assert avatar.manifest.engine == "fit"
    assert avatar.manifest.seed == 3
    assert avatar.manifest.timings["fit"] > 0


@pytest.mark.slow
def test_hair_that_the_photo_does_not_show_is_said_to_be_a_guess(fitted, photo_analysis, perception):
    assert fitted[0].manifest.hair is not None and fitted[0].notes == ()
    top = int(photo_analysis.face.landmarks468[:, 1].min())  # the middle of the forehead
    cut = photo_from_pixels(np.ascontiguousarray(photo_analysis.photo.pixels[top + 10 :]))
    one = solve.Fit(read_evidence(analyse(cut, perception=perception)), FitSettings(steps=1)).avatar()
    assert one.notes == (HAIR_UNSEEN[one.manifest.hair is None],)
    if one.manifest.hair is not None:
        assert one.manifest.hair.colour == pytest.approx(one.manifest.brows.colour, rel=0.05)


@pytest.mark.slow
def test_the_same_photo_gives_the_same_avatar(fitted, photo_analysis):
    again = fit.reconstruct(photo_analysis, FEW, 3)
    assert np.array_equal(again.maps["diffuse"], fitted[0].maps["diffuse"])
    assert np.array_equal(again.mesh.vertices, fitted[0].mesh.vertices)


@pytest.mark.slow
def test_without_likeness_the_photo_leaves_no_texture_of_its_own(photo_analysis):
    plain = solve.Fit(read_evidence(photo_analysis), FitSettings(steps=2, likeness=0.0))
    plain.solve()
    albedo = plain.head.prior().detach().clamp(0.004, 0.97)
    wanted = stored_diffuse(albedo[0].permute(1, 2, 0).numpy()).astype(int)
    assert np.abs(plain.avatar().maps["diffuse"].astype(int) - wanted).max() <= 1


def test_a_face_that_nobody_can_make_out_is_refused(photo_analysis):
    from dataclasses import replace

    class Unclear:
        pose = replace(photo_analysis.pose, verdict="bad", reasons=("test",))

    with pytest.raises(FitDiffError) as refused:
        fit.reconstruct(Unclear())
    assert refused.value.code == "face-unclear"
