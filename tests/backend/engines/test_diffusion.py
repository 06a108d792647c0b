"""The diffusion engine with networks that nobody has trained: every way through it, on the demo photo."""

import numpy as np
import pytest
import torch

from fitdiff.diffusion.latent import LENGTH, places
from fitdiff.engines import diffusion
from fitdiff.engines.diffusion import DiffusionSettings
from fitdiff.errors import FitDiffError
from fitdiff.fitting.evidence import read_evidence
from fitdiff.generation import people
from fitdiff.generation.complete import complete
from fitdiff.generation.generator import DENOISER, Generator
from fitdiff.generation.photo_energy import PhotoEnergy
from fitdiff.perception import Perception
from fitdiff.render.colour import to_linear, to_srgb

from ..drawn_networks import write_networks

FEW = DiffusionSettings(steps=4, likeness=0.0)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    return write_networks(tmp_path_factory.mktemp("networks"))


@pytest.fixture(autouse=True)
def installed(monkeypatch, networks):
    monkeypatch.setenv("FITDIFF_WEIGHTS", str(networks))


@pytest.fixture(scope="module")
def generator(perception, networks):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FITDIFF_WEIGHTS", str(networks))
        return Generator.load(Perception.load())


@pytest.fixture(scope="module")
def sampled(photo_analysis, networks):
    """The demo photo's head after a few steps, without likeness."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FITDIFF_WEIGHTS", str(networks))
        return diffusion.reconstruct(photo_analysis, FEW, 1)


@pytest.mark.parametrize("guidance", ["default", "paper", "none"])
def test_every_guidance_gives_a_whole_avatar_and_says_each_step(photo_analysis, guidance):
    steps = []
    settings = DiffusionSettings(steps=4, likeness=0.0, guidance=guidance, landmarks_start=1.0)
    avatar = diffusion.reconstruct(photo_analysis, settings, 5, steps.append)
    assert [(step.stage, step.step, step.total) for step in steps] == [("sampling", k, 4) for k in (1, 2, 3, 4)]
    shown = [step.step for step in steps if step.preview is not None]
    assert shown == ([1, 4] if guidance == "none" else [1, 2, 3, 4])
    assert steps[0].preview.shape[2] == 3
    about = avatar.manifest
    assert (about.engine, about.seed, about.settings["guidance"]) == ("diffusion", 5, guidance)
    assert len(about.latent.texture) == 4096 and about.settings["steps"] == 4
    assert {"SPADE denoiser", "branched VQGAN autoencoder"} <= set(about.licences)
    assert avatar.maps["diffuse"].shape == (512, 512, 3) and avatar.maps["normal"].shape == (512, 512, 3)
    assert set(about.timings) == {"look", "sampling", "likeness", "maps"}


def test_expression_and_head_are_apart(photo_analysis, sampled):
    """What lies in the folder is the head at rest; the photo's expression is where its sliders start, to the last vertex."""
    from fitdiff.pictures.relight import posed

    avatar = sampled
    model, latent = photo_analysis.model, avatar.manifest.latent
    identity, expression = (torch.tensor([values]) for values in (latent.identity, latent.expression))
    assert np.abs(model.vertices(identity)[0].numpy() - avatar.mesh.vertices).max() < 1e-5
    gaze = torch.tensor([avatar.manifest.gaze])
    fitted = model.vertices(identity, expression, gaze)[0].numpy()
    assert np.abs(posed(avatar) - fitted).max() < 1e-4
    assert np.abs(expression.numpy()).max() > 0.1 and avatar.manifest.arkit


@pytest.mark.parametrize("guidance", ["paper", "none"])
def test_parted_each_half_is_of_a_sampling_that_had_another_other_half(
    photo_analysis, generator, guidance, monkeypatch
):
    """The noise of each half is the same as when they are sampled together."""
    settings = DiffusionSettings(steps=2, likeness=0.0, guidance=guidance)
    energy, begun, ended = PhotoEnergy(read_evidence(photo_analysis), generator), [], []
    plain = diffusion.sample_ddim

    def watched(predict, noise, *rest):
        begun.append(noise)
        ended.append(plain(predict, noise, *rest))
        return ended[-1]

    monkeypatch.setattr(diffusion, "sample_ddim", watched)
    found = generator.statistics.standardise(diffusion.sample_separately(energy, generator, settings, 5))
    diffusion.sample(energy, generator, settings, 5)
    (shaped, skinned, together), (texture, light) = begun, (slice(0, 4096), slice(4279, 4288))
    shape = slice(4096, 4279)
    for own, half in ((shaped, [shape]), (skinned, [texture, light])):
        for place in (texture, shape, light):
            assert torch.equal(own[:, place], together[:, place]) == (place in half)
    for of, place in ((0, shape), (1, texture), (1, light)):
        assert torch.allclose(found[:, place], ended[of][:, place], atol=1e-4)


@pytest.mark.slow
def test_a_seed_is_one_head_and_another_seed_another(photo_analysis, sampled):
    one, (again, other) = sampled, (diffusion.reconstruct(photo_analysis, FEW, seed) for seed in (1, 2))
    assert np.array_equal(one.maps["diffuse"], again.maps["diffuse"])
    assert np.array_equal(one.mesh.vertices, again.mesh.vertices)
    assert not np.array_equal(one.maps["diffuse"], other.maps["diffuse"])


def test_without_likeness_the_maps_are_the_decoders(sampled, generator):
    avatar = sampled
    z = torch.zeros(1, LENGTH)
    z[:, places()["texture"]] = torch.tensor(avatar.manifest.latent.texture)
    stored = 255 * to_srgb(generator.skin(z).diffuse)[0].permute(1, 2, 0).numpy()
    shown = (stored > 30) & (stored < 240)  # no skin is blacker or whiter, whatever an untrained network says
    assert shown.mean() > 0.5
    assert np.abs(avatar.maps["diffuse"] - stored)[shown].max() < 2


@pytest.mark.slow
def test_guidance_brings_the_landmarks_home(photo_analysis):
    """Networks that know nothing leave the shape to the guidance alone."""
    missed = {}
    for guidance in ("none", "default"):
        settings = DiffusionSettings(steps=25, likeness=0.0, guidance=guidance, landmarks_start=1.0, preview_every=100)
        avatar = diffusion.reconstruct(photo_analysis, settings, 1)
        missed[guidance] = avatar.manifest.metrics["landmarks_mean_percent"]
    assert missed["default"] < 0.5 * missed["none"]


@pytest.mark.slow
def test_the_likeness_pass_follows_the_sampling(photo_analysis, sampled):
    steps = []
    settings = DiffusionSettings(steps=FEW.steps, likeness_steps=4)
    avatar = diffusion.reconstruct(photo_analysis, settings, 1, steps.append)
    assert [step.stage for step in steps] == ["sampling"] * steps[0].total + ["fitting"] * 4
    assert not np.array_equal(avatar.maps["diffuse"], sampled.maps["diffuse"])
    assert avatar.manifest.metrics["photometric"] < sampled.manifest.metrics["photometric"]


def test_it_stops_where_it_is_told(photo_analysis):
    seen = []

    def report(progress):
        seen.append(progress.step)
        if progress.step == 2:
            raise FitDiffError("cancelled", "Cancelled.")

    with pytest.raises(FitDiffError) as stopped:
        diffusion.reconstruct(photo_analysis, DiffusionSettings(steps=50, landmarks_start=1.0), 0, report)
    assert stopped.value.code == "cancelled" and seen == [1, 2]


def test_the_energies_fall_towards_the_photo(photo_analysis, generator):
    energy = PhotoEnergy(read_evidence(photo_analysis), generator)
    pose = photo_analysis.pose
    posed = generator.statistics.mean.clone()[None]
    posed[0, 4096:4254], posed[0, 4254:4279] = torch.tensor(pose.identity), torch.tensor(pose.expression)
    with torch.no_grad():
        right = energy.draw(generator.statistics.standardise(posed))
        posed[0, 4096:4254] += 2.0
        wrong = energy.draw(generator.statistics.standardise(posed))
        assert energy.paper_energy(right) < energy.paper_energy(wrong)
        assert energy.fit_energy(right) < energy.fit_energy(wrong)


def test_the_first_light_explains_the_photo_with_the_skin_that_goes_with_it(photo_analysis, generator):
    """Whatever skin the model suggests: in that light and tone, the bare skin's middle colour is the photo's."""
    energy, pose = PhotoEnergy(read_evidence(photo_analysis), generator), photo_analysis.pose
    z = generator.statistics.mean.clone()[None]
    z[0, 4096:4254], z[0, 4254:4279] = torch.tensor(pose.identity), torch.tensor(pose.expression)
    light, skin = energy.initial_light(z)
    with torch.no_grad():
        drawn = energy.draw(generator.statistics.standardise(torch.cat([z[:, :-9], light], 1)), skin)
        guessed = energy.draw(generator.statistics.standardise(z))
    bare = torch.from_numpy(photo_analysis.mask.skin > 0.9)[None, None] & (drawn.head.rendering.alpha > 0.99)

    def off(picture):
        middle = (
            to_linear(one).permute(0, 2, 3, 1)[bare[:, 0]].median(0).values for one in (picture, energy.evidence.photo)
        )
        return (next(middle) / next(middle)).log()

    assert (off(drawn.head.picture) - off(drawn.head.picture).mean()).abs().max() < 0.1  # its hue
    assert off(drawn.head.picture).mean().abs() < 0.35 < off(guessed.head.picture).mean().abs()  # its brightness


def test_more_steps_than_the_schedule_has_are_refused(photo_analysis):
    with pytest.raises(FitDiffError) as refused:
        diffusion.reconstruct(photo_analysis, DiffusionSettings(steps=1001))
    assert refused.value.code == "usage-steps"


def test_missing_networks_are_said_in_a_sentence(photo_analysis, monkeypatch, tmp_path):
    monkeypatch.setenv("FITDIFF_WEIGHTS", "")
    monkeypatch.setattr("fitdiff.weight_files.folders", lambda: [tmp_path])
    monkeypatch.setattr("fitdiff.weight_files.ASSETS", tmp_path)
    with pytest.raises(FitDiffError) as missing:
        diffusion.reconstruct(photo_analysis, FEW)
    assert missing.value.code == "weights-missing"
    assert "direct fit" in missing.value.sentence


def test_where_brows_lie_is_known_of_our_face_alone(perception, generator, monkeypatch, tmp_path):
    assert generator.brows is not None
    monkeypatch.setenv("FITDIFF_WEIGHTS", str(write_networks(tmp_path, face="somebody-elses")))
    other, z = Generator.load(Perception.load()), torch.randn(1, LENGTH, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert other.brows is None
        assert torch.equal(other.skin(z).diffuse, other.decoded(z).diffuse)
        assert not torch.equal(generator.skin(z).diffuse, generator.decoded(z).diffuse)


def test_two_files_of_two_trainings_are_refused(networks, monkeypatch, tmp_path):
    other = write_networks(tmp_path / "other", seed=1)
    (other / DENOISER).write_bytes((networks / DENOISER).read_bytes())
    monkeypatch.setenv("FITDIFF_WEIGHTS", str(other))
    with pytest.raises(FitDiffError) as refused:
        Generator.load(Perception.load())
    assert refused.value.code == "weights-other"


def test_completion_keeps_known_texels_and_fills_the_rest(generator):
    random = torch.Generator().manual_seed(0)
    diffuse = 0.2 + 0.3 * torch.rand(1, 3, 256, 256, generator=random)
    known = torch.zeros(1, 1, 256, 256)
    known[..., :150] = 1
    skin = complete(generator, diffuse * known, known, seed=1, steps=3)
    kept = known.expand(-1, 3, -1, -1) > 0
    assert torch.equal(skin.diffuse[kept], diffuse[kept])
    filled = skin.diffuse[..., 170:]
    assert filled.min() > 0 and torch.isfinite(skin.normal).all()
    # No step at the border: what was drawn takes on the tone of what it meets.
    inside, outside = diffuse[..., 130:150].mean((2, 3)), skin.diffuse[..., 150:170].mean((2, 3))
    assert (outside / inside).log().abs().max() < 0.35
    again = complete(generator, diffuse * known, known, seed=1, steps=3)
    assert torch.equal(again.diffuse, skin.diffuse)
    other = complete(generator, diffuse * known, known, seed=2, steps=3)
    assert not torch.equal(other.specular, skin.specular)


@pytest.mark.parametrize(("keep", "kept", "changed"), [("shape", 4100, 100), ("reflectance", 100, 4100)])
def test_variations_share_what_was_asked(generator, keep, kept, changed):
    person = people.people(generator, [4], 3)[0]
    others = people.variations(generator, person, keep, [1, 2], 3)
    assert (others[:, kept] == person[kept]).all()
    assert (others[:, changed] != person[changed]).all() and others[0, changed] != others[1, changed]


def test_somebody_alike_is_nearer_than_a_stranger(generator):
    person = people.people(generator, [4], 8)[0]
    near = people.variations(generator, person, "identity", [9], 8)
    stranger = people.people(generator, [9], 8)
    assert (near - person).norm() < 0.8 * (stranger - person).norm()


def test_people_do_not_depend_on_the_batch(generator):
    alone, together = people.people(generator, [8], 3), people.people(generator, list(range(9)), 3)
    assert torch.allclose(alone[0], together[8], atol=1e-4)
