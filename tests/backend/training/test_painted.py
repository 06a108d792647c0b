"""People painted once: what is kept is what was painted, an interrupted run goes on, and both sources agree."""

import pytest
import torch

from fitdiff.errors import FitDiffError
from fitdiff.perception.dlib_resnet import DlibResNet
from fitdiff.training import latents, painted
from fitdiff.training.painted import Painted
from fitdiff.training.synthetic import mirrored


@pytest.fixture(scope="module")
def folder(crowd, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(painted, "SHARD", 2)
        place = tmp_path_factory.mktemp("painted")
        assert painted.write(place, crowd, 3, 2, first=5, at_once=2) == 3
    return place


def test_people_come_back_as_painted(crowd, folder):
    people = Painted(folder)
    assert len(people) == 3 and people.says == "3 made-up people of seed 3, 2 photographs each"
    assert (
        people.maps(0, 3) - crowd.maps(5, 3)
    ).abs().max() < 0.03  # 8 bits; the third component of normals is worked out
    shots = crowd.people(6, 1, 2).shots
    for view, shot in enumerate(shots):
        apart = (people.column("image", 1, 1)[:, view].float() / 255 - shot.image).abs()
        # People painted together and alone differ in the last digit on some processors, and there a photograph's JPEG may
        # round a whole block the other way.
        assert (apart <= 0.5 / 255 + 1e-6).float().mean() > 0.97 and apart.max() < 0.1
        assert torch.allclose(people.column("landmarks", 1, 1)[:, view], shot.landmarks, atol=1e-3)
        assert torch.allclose(people.column("light", 1, 1)[:, view], shot.light)


def test_it_goes_on_where_it_stopped(crowd, folder, monkeypatch):
    monkeypatch.setattr(painted, "SHARD", 2)
    files = sorted(folder.glob("*.safetensors"))
    before = [path.read_bytes() for path in files]
    files[1].unlink()
    assert painted.write(folder, crowd, 3, 2, first=5, minutes=0.0) == 2
    assert painted.write(folder, crowd, 3, 2, first=5) == 3
    assert [path.read_bytes() for path in files] == before and not list(folder.glob("*.partial"))
    with pytest.raises(FitDiffError) as caught:
        painted.write(folder, crowd, 3, 1, first=5)
    assert caught.value.code == "training-other-run"


def test_batches_depend_on_the_step_alone(folder, tmp_path):
    people = Painted(folder, seed=1)
    batches = [people.batch(step, 4) for step in range(6)]
    assert torch.equal(batches[3], Painted(folder, seed=1).batch(3, 4)) and not torch.equal(batches[3], batches[4])
    plain = people.maps(0, 3)
    for one in torch.cat(batches):
        apart = [(other - one).abs().max() for kind in (plain, mirrored(plain)) for other in kind]
        assert min(apart) == 0
    with pytest.raises(FitDiffError) as caught:
        Painted(tmp_path)
    assert caught.value.code == "training-no-people"


def test_both_sources_agree(crowd, folder):
    torch.manual_seed(1)
    recogniser = DlibResNet().eval().requires_grad_(False)
    maps, kept = Painted(folder).source(recogniser).people(5, 2)
    straight, drawn = latents.made_up(crowd, recogniser, 2, 2).people(5, 2)
    assert (maps - straight).abs().max() < 0.03 and len(kept) == len(drawn) == 2
    for one, other in zip(kept, drawn, strict=True):
        assert torch.equal(one.identity, other.identity) and torch.equal(one.expression, other.expression)
        assert torch.allclose(one.camera, other.camera) and torch.allclose(one.points, other.points, atol=1e-5)
        assert (one.crops - other.crops).abs().max() < 0.02
