"""The training loop: it learns, resumes exactly, and leaves nothing half-written."""

import json
import os
import signal
from dataclasses import replace

import pytest
import torch
from torch import nn

from fitdiff.diffusion.weights import load_autoencoder, load_denoiser
from fitdiff.errors import FitDiffError
from fitdiff.face.registry import load_face_model
from fitdiff.networks import Autoencoder
from fitdiff.perception.dlib_resnet import DlibResNet
from fitdiff.perception.squeezenet import SqueezeNet
from fitdiff.training import latents, losses
from fitdiff.training.autoencoder import AutoencoderTask, AutoencoderTraining
from fitdiff.training.denoiser import DenoiserTask, DenoiserTraining, Scene
from fitdiff.training.loop import RunSettings, rate_at, run
from fitdiff.training.machine import Average, Machine, checked
from fitdiff.training.synthetic import Crowd, MapPool

from .test_checkpoints import SMALL, SMALL_DENOISER

MACHINE = Machine("cpu")
TINY = replace(
    AutoencoderTraining.lite(),
    network=SMALL,
    discriminator=replace(AutoencoderTraining.lite().discriminator, channels=4),
    batch=2,
    crop=32,
    revive_every=3,
    fitted_over=8,
    near_over=8,
    settle=4,
    adversarial_from=0.5,
)


@pytest.fixture(scope="module")
def looks() -> SqueezeNet:
    torch.manual_seed(1)
    return SqueezeNet().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def recogniser() -> DlibResNet:
    torch.manual_seed(1)
    return DlibResNet().eval().requires_grad_(False)


def autoencoder_task(crowd, looks, settings=TINY) -> AutoencoderTask:
    return AutoencoderTask(settings, MapPool(crowd, 4, 1, 2).batch, looks, MACHINE, "tests")


def test_a_continued_run_is_the_run(crowd, looks, tmp_path):
    whole = autoencoder_task(crowd, looks)
    run(whole, RunSettings(tmp_path / "whole", 6, log_every=2), MACHINE)
    once = autoencoder_task(crowd, looks)
    ended = run(once, RunSettings(tmp_path / "parts", 6, minutes=0.0), MACHINE)
    assert ended.step == 0 and not ended.finished

    def stop_at(step):
        def report(progress):
            if progress.step == step:
                os.kill(os.getpid(), signal.SIGINT)

        return report

    with pytest.raises(FitDiffError) as caught:
        run(once, RunSettings(tmp_path / "parts", 6, log_every=2), MACHINE, stop_at(3))
    assert caught.value.code == "cancelled" and "after step 3" in caught.value.sentence
    again = autoencoder_task(crowd, looks)
    outcome = run(again, RunSettings(tmp_path / "parts", 6, log_every=2), MACHINE)
    assert outcome.finished
    for name, value in whole.average.network.state_dict().items():
        assert torch.equal(again.average.network.state_dict()[name], value), name
    lines = [json.loads(line) for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6] and "judge" in lines[-1] and "judge" not in lines[0]
    network, card = load_autoencoder(outcome.files[0])
    assert card.steps == 6 and card.trained_on == "tests" and network.config == SMALL
    assert (tmp_path / "parts" / "curves.png").stat().st_size > 500 and list((tmp_path / "parts" / "samples").iterdir())


def test_a_run_is_not_mixed_with_another(crowd, looks, tmp_path):
    run(autoencoder_task(crowd, looks), RunSettings(tmp_path, 1), MACHINE)
    with pytest.raises(FitDiffError) as caught:
        run(autoencoder_task(crowd, looks, replace(TINY, rate=1.0)), RunSettings(tmp_path, 2), MACHINE)
    assert caught.value.code == "training-other-run"


def test_the_autoencoder_learns(crowd, looks):
    bare = replace(SMALL, mosaic=False, mean=0, logarithms=False)  # nothing fitted: all is to be learnt
    settings = replace(TINY, network=bare, rate=3e-3, adversarial=0.0, perceptual=0.0, edges=0.0, noise=0.0, batch=4)
    task = autoencoder_task(crowd, looks, settings)
    plain = [float(task.step(step, 1000)["plain"]) for step in range(80)]
    assert sum(plain[-5:]) < 0.6 * sum(plain[:5])


def test_accumulated_parts_make_the_same_step(crowd, looks):
    settings = replace(TINY, adversarial=0.0, noise=0.0, batch=4)
    one, parts = (
        autoencoder_task(crowd, looks, settings),
        autoencoder_task(crowd, looks, replace(settings, accumulate=2)),
    )
    found = [task.step(0, 10) for task in (one, parts)]
    assert float(found[0]["plain"]) == pytest.approx(float(found[1]["plain"]), rel=1e-4)


@pytest.fixture(scope="module")
def data(tmp_path_factory, recogniser):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("latents")
    network = Autoencoder(replace(SMALL, size=512)).eval()
    crowd = Crowd(seed=1, size=512)
    latents.write(folder, latents.made_up(crowd, recogniser, 3, 2), network, "sha", recogniser, at_once=2)
    return folder, network, crowd


def test_latents_hold_people_and_their_photographs(data, recogniser):
    folder, network, crowd = data
    rows, facts = latents.load(folder, "cpu")
    assert rows.latent.shape == (3, 2, 4288) and facts["autoencoder"] == "sha"
    with torch.no_grad():
        texture = network.encode(crowd.maps(1, 1)).flatten()
    assert torch.allclose(rows.latent[1, 0, :4096], texture, atol=1e-3)
    assert torch.equal(rows.latent[1, 0, :4279], rows.latent[1, 1, :4279])
    assert not torch.equal(rows.latent[1, 0, 4279:], rows.latent[1, 1, 4279:])
    scene = Scene(crowd.model, network, recogniser, 96, MACHINE.device)
    marks = crowd.model.landmarks(scene.vertices(rows.latent[:, 0]), "facemesh468")
    seen = scene.camera(rows.camera[:, 0]).project(marks).screen
    # The photograph's landmarks miss a little on purpose.
    assert (recogniser.five_points(seen) - rows.points[:, 0] * 96).norm(dim=2).max() < 6
    done = latents.write(folder, latents.made_up(crowd, recogniser, 3, 2), network, "sha", recogniser)
    assert done == 3
    with pytest.raises(FitDiffError) as caught:
        latents.write(folder, latents.made_up(crowd, recogniser, 3, 2), network, "other", recogniser)
    assert caught.value.code == "training-other-run"


def test_the_denoiser_trains_and_samples(data, recogniser, tmp_path):
    folder, network, crowd = data
    rows, _ = latents.load(folder, "cpu")
    settings = replace(
        DenoiserTraining.lite(),
        network=replace(SMALL_DENOISER, prior=1),
        folds=3,
        alike=1,
        batch=4,
        rendered=1,
        rendered_every=2,
        rendered_side=64,
    )
    scene = Scene(crowd.model, network, recogniser, 64, MACHINE.device)
    task = DenoiserTask(settings, rows, scene, MACHINE, "tests", "sha")
    found = task.step(0, 10)
    assert set(found) >= {"loss", "noise_0", "noise_3", "vertices", "identity", "identity_perceptual", "mse_light"}
    assert found["noise_0"] > found["noise_3"]  # the network says nothing yet, and velocity is noise at the end
    apart = [fold.basis for fold in task.folds]
    assert len(apart) == 3 and not torch.allclose(apart[0], apart[1])  # each has seen others
    parts = DenoiserTask(replace(settings, accumulate=4), rows, scene, MACHINE, "tests", "sha").step(0, 10)
    assert all(value.isfinite() for value in parts.values()) and set(parts) <= set(found)
    task.sheet = lambda: torch.zeros(3, 8, 8)
    outcome = run(task, RunSettings(tmp_path, 3, log_every=1), MACHINE)
    trained = load_denoiser(outcome.files[0])
    assert trained.autoencoder == "sha" and trained.card.steps == 3
    assert torch.allclose(trained.network.condition_mean, task.plain.condition_mean, atol=1e-2)


def test_the_denoiser_learns_a_few_people(data, recogniser):
    folder, network, crowd = data
    rows, _ = latents.load(folder, "cpu")
    bare = replace(SMALL_DENOISER, prior=0)  # nothing fitted: all is to be learnt
    settings = replace(DenoiserTraining.lite(), network=bare, batch=8, rendered=0, vertices=0.0, rate=4e-3)
    scene = Scene(crowd.model, network, recogniser, 64, MACHINE.device)
    task = DenoiserTask(settings, rows, scene, MACHINE, "tests", "sha")
    lost = [float(task.step(step, 1000)["loss"]) for step in range(45)]
    assert sum(lost[-5:]) < 0.96 * sum(lost[:5]), lost


def test_rendered_losses_reach_the_network(data, recogniser):
    folder, network, crowd = data
    rows, _ = latents.load(folder, "cpu")
    settings = replace(DenoiserTraining.lite(), network=SMALL_DENOISER, batch=2, rendered=1, rendered_side=64)
    scene = Scene(load_face_model(None), network, recogniser, 64, MACHINE.device)
    z = rows.latent[:1, 0].clone().requires_grad_(True)
    camera, points = scene.camera(rows.camera[:1, 0]), rows.points[:1, 0] * 64
    seen = scene.features(scene.picture(z, camera), points)
    seen.embedding.square().sum().backward()
    for name, part in (("texture", z.grad[:, :4096]), ("identity", z.grad[:, 4096:4254]), ("light", z.grad[:, 4279:])):
        assert part.abs().sum() > 0, name
    assert settings.rendered == 1


def test_losses_are_the_papers():
    from fitdiff.perception.types import IdentityFeatures

    one = IdentityFeatures(torch.tensor([[1.0, 0.0]]), (torch.zeros(1, 2, 3, 3), torch.zeros(1, 4, 1, 1)))
    two = IdentityFeatures(torch.tensor([[0.0, 2.0]]), (torch.ones(1, 2, 3, 3), torch.full((1, 4, 1, 1), 3.0)))
    assert losses.identity(one, two).item() == pytest.approx(1.0)
    assert losses.identity_perceptual(one, two).item() == pytest.approx(18**0.5 / 18 + 6 / 4)
    assert losses.vertices(torch.zeros(1, 5, 3), torch.full((1, 5, 3), 0.002)).item() == pytest.approx(2.0)
    assert losses.telling(torch.tensor([2.0, 0.0]), torch.tensor([-2.0, 0.0])).item() == pytest.approx(0.5)


def test_the_adversarial_weight_balances_gradients():
    layer = nn.Linear(4, 1, bias=False)
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    weight = losses.balance(3 * layer(x).mean(), layer(x).mean(), [layer.weight])
    assert weight.item() == pytest.approx(3.0, rel=1e-2)


def test_rates_and_averages():
    assert rate_at(0, 1000) == pytest.approx(1 / 200) and rate_at(500, 1000) == 1.0 and rate_at(999, 1000) < 0.01
    layer = nn.Linear(2, 1)
    average = Average(layer, 0.9)
    before = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight.add_(1.0)
    average.follow(layer, 10_000)
    assert torch.allclose(average.network.weight, before + 0.1)
    with pytest.raises(FitDiffError, match="plain") as diverged:
        checked({"plain": torch.tensor(float("nan")), "other": torch.tensor(1.0)})
    assert diverged.value.code == "training-diverged" and "other" not in diverged.value.sentence
