"""The research stack with networks of the true architecture and random weights in the true formats."""

import importlib.util
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fitdiff import weight_files
from fitdiff.errors import FitDiffError
from fitdiff.perception import IdentityNetwork, Perception, PerceptualNetwork, alignment, weights
from fitdiff.perception.research import files
from fitdiff.perception.research.fan import MIRROR, Fan, peaks
from fitdiff.perception.research.finder import ResearchFinder
from fitdiff.perception.research.loading import start_torchvision
from fitdiff.perception.research.perceptual import GROUPS, Lpips
from fitdiff.perception.research.scrfd import ANCHORS, SIZE, STRIDES, Scrfd
from fitdiff.perception.types import Detection

from .research_networks import IResNet, Scrfd10G, export, randomise


def needs(package: str) -> pytest.MarkDecorator:
    """Where a package is installed, its tests run, and fail if it does not start."""
    absent = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(absent, reason=f"{package} is not installed: pip install fitdiff[research]")


needs_onnx, needs_lpips = needs("onnx2torch"), needs("lpips")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that is the only place where weights are looked for."""
    monkeypatch.setattr(weight_files, "folders", lambda: [tmp_path])
    return tmp_path


@pytest.mark.parametrize("part", ["finder", "conditioner", "identity", "perceptual"])
def test_what_is_missing_is_said(folder, part, monkeypatch):
    if part == "finder":  # its mesh comes from the embedded stack
        monkeypatch.setattr(weights, "load", lambda network, name, device="cpu": network)
    with pytest.raises(FitDiffError) as caught:
        getattr(Perception("research"), part)
    assert caught.value.code == "weights-missing"
    assert "embedded stack" in caught.value.sentence and str(folder) in caught.value.details


def test_a_missing_package_is_said(folder, monkeypatch):
    (folder / files.ARCFACE.names[0]).touch()
    monkeypatch.setattr(files, "missing_packages", lambda wanted: ["onnx2torch"])
    with pytest.raises(FitDiffError) as caught:
        Perception("research").identity  # noqa: B018
    assert caught.value.code == "package-missing"
    assert "pip install fitdiff[research]" in caught.value.sentence
    row = next(row for row in weights.report() if row["name"] == "arcface")
    assert not row["present"] and row["path"] and row["missing_packages"] == ["onnx2torch"]


@needs_onnx
@pytest.mark.slow
def test_arcface_taps_the_ends_of_the_stages(folder):
    """With the deepest of the published networks; R50 is made of the same blocks, fewer of them."""
    generator = torch.Generator().manual_seed(0)
    true = randomise(IResNet((3, 13, 30, 3)))
    export(true, torch.zeros(1, 3, 112, 112), folder / "glintr100.onnx")
    network = Perception("research").identity
    assert isinstance(network, IdentityNetwork)
    image = torch.rand(1, 3, 200, 180, generator=generator).requires_grad_()
    marks = torch.rand(1, 468, 2, generator=generator) * 60 + 60
    network.embed(image, marks).embedding.square().sum().backward()
    assert image.grad.isfinite().all() and image.grad.abs().max() > 0

    # In double precision: random layers amplify rounding, which differs by processor. What is left is the file's own
    # rounding, whose batch norms were folded into its convolutions.
    network, true = network.double(), true.double()
    crops = torch.rand(2, 3, 112, 112, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        seen = network.features(crops)
        _, *maps = true.maps(crops * 2 - 1)
        embedding = true.last(maps[-1])
    assert seen.embedding.shape == (2, 512)
    assert tuple(tuple(one.shape[1:]) for one in seen.maps) == network.map_shapes
    for found, expected in zip((seen.embedding, *seen.maps), (embedding, *maps), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=1e-5)


def test_a_broken_package_is_said(folder, monkeypatch):
    (folder / "w600k_r50.onnx").touch()
    monkeypatch.setattr(files, "missing_packages", lambda wanted: [])
    monkeypatch.setitem(sys.modules, "onnx2torch", None)
    with pytest.raises(FitDiffError) as caught:
        Perception("research").identity  # noqa: B018
    assert caught.value.code == "package-broken"


def test_a_torchvision_for_another_torch_is_said(folder, monkeypatch, tmp_path):
    (folder / "w600k_r50.onnx").touch()
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("raise RuntimeError('compiled for another CUDA')")
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(files, "missing_packages", lambda wanted: [])
    with pytest.raises(FitDiffError) as caught:
        Perception("research").identity  # noqa: B018
    assert caught.value.code == "package-broken" and "another CUDA" in caught.value.details


@needs_onnx
def test_an_onnx_file_of_another_kind_is_refused(folder):
    (folder / "arcface.onnx").write_bytes(b"this is no network")
    (folder / "scrfd.onnx").write_bytes(b"this is no network")
    export(torch.nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 112, 112), folder / "w600k_r50.onnx")
    with pytest.raises(FitDiffError) as caught:
        Perception("research").identity  # noqa: B018
    assert caught.value.code == "weights-damaged" and "w600k_r50.onnx" in caught.value.sentence
    (folder / "w600k_r50.onnx").unlink()
    for load in (lambda: Perception("research").identity, Scrfd.load):
        with pytest.raises(FitDiffError) as caught:
            load()
        assert caught.value.code == "weights-damaged"


@needs_onnx
@pytest.mark.slow
def test_scrfd_from_onnx_equals_its_network(folder):
    true = randomise(Scrfd10G())
    export(true, torch.zeros(1, 3, SIZE, SIZE), folder / "det_10g.onnx")
    detector = Scrfd.load()
    image = torch.randint(0, 256, (1, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with torch.no_grad():
        ours = detector.decode(detector.network((image - 127.5) / 128))
        expected = detector.decode(true((image - 127.5) / 128))
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-2, rtol=1e-3)
    assert ours[0].shape == (16800,) and ours[1].shape == (16800, 7, 2)
    detector.score = float(ours[0].max()) - 1e-4
    found = detector(image)
    best = int(ours[0].argmax())
    assert len(found) >= 1
    np.testing.assert_allclose(found[0].box, ours[1][best, :2].flatten(), atol=0.1)


def test_scrfd_places_a_planted_face():
    """One anchor says where a face is; the photo is wider than the network's square."""

    class Planted(torch.nn.Module):
        def forward(self, x):
            outputs = []
            for width in (1, 4, 10):
                for stride in STRIDES:
                    out = torch.zeros((SIZE // stride) ** 2 * ANCHORS, width)
                    if stride == 16:
                        anchor = ANCHORS * (12 * (SIZE // stride) + 20)  # at x 320, y 192
                        distances = {1: [0.9], 4: [2, 3, 4, 5], 10: [-1, -1, 1, -1, 0, 0, -0.5, 1, 0.5, 1]}
                        out[anchor] = torch.tensor(distances[width], dtype=torch.float32)
                        out[anchor + 1] = out[anchor] * 0.99  # the same face again
                    outputs.append(out)
            return outputs

    (face,) = Scrfd(Planted())(torch.zeros(1, 3, 900, 1280))
    np.testing.assert_allclose(face.box, np.array([320 - 32, 192 - 48, 320 + 64, 192 + 80]) * 2)
    assert face.score == pytest.approx(0.9)
    np.testing.assert_allclose(face.keypoints[:4], np.array([(304, 176), (336, 176), (320, 192), (320, 208)]) * 2)


def test_both_stacks_give_the_same_kind_of_face(perception, photos, faces):
    """SCRFD planted where the astronaut's face is, FAN with random weights: what they do not know comes from FaceMesh."""
    photo, known = photos["astronaut.png"], faces["astronaut.png"]
    scale = max(photo.shape[:2]) / SIZE
    box, keypoints = np.array(known.box) / scale, known.keypoints / scale
    five = np.concatenate([keypoints[:3], keypoints[3:4] - (8, 0), keypoints[3:4] + (8, 0)])
    cell = np.round((box[:2] + box[2:]) / 2 / 16)

    class Planted(torch.nn.Module):
        def forward(self, x):
            centre = cell * 16
            said = {
                1: [0.9],
                4: [*(centre - box[:2]) / 16, *(box[2:] - centre) / 16],
                10: ((five - centre) / 16).ravel(),
            }
            outputs = {
                (width, stride): torch.zeros((SIZE // stride) ** 2 * ANCHORS, width)
                for width in said
                for stride in STRIDES
            }
            for width, values in said.items():
                anchor = ANCHORS * int(cell[1] * (SIZE // 16) + cell[0])
                outputs[width, 16][anchor] = torch.tensor(np.asarray(values), dtype=torch.float32)
            return list(outputs.values())

    finder = ResearchFinder(Scrfd(Planted()), randomise(Fan()), perception.finder.landmarker)
    (face,) = finder(photo)
    np.testing.assert_allclose(face.box, known.box, atol=1)
    assert np.abs(face.landmarks468[:, :2] - known.landmarks468[:, :2]).max() < 0.06 * known.interocular
    np.testing.assert_allclose(face.keypoints[:3], known.keypoints[:3], atol=0.1)
    np.testing.assert_array_equal(face.keypoints[4:], face.landmarks468[[234, 454], :2])
    assert face.landmarks68.shape == (68, 2) and np.isfinite(face.landmarks68).all()
    assert not np.allclose(face.landmarks68, known.landmarks68)  # they are FAN's


def test_fan_equals_the_published_code(folder):
    spec = importlib.util.find_spec("face_alignment")
    if spec is None:
        pytest.skip("face-alignment is not installed")
    # Its network definition needs torch only; the package itself would import much more.
    place = Path(spec.origin).parent / "models" / "fan.py"
    source = importlib.util.spec_from_file_location("fan_reference", place)
    module = importlib.util.module_from_spec(source)
    source.loader.exec_module(module)
    true = randomise(module.FAN(4))
    torch.save(true.state_dict(), folder / "2DFAN4-11f355bf06.pth.tar")
    picture = torch.rand(1, 3, 256, 256)
    with torch.no_grad():
        expected = true(picture)[-1]
        torch.testing.assert_close(Fan.load()(picture), expected, atol=1e-4 * float(expected.abs().max()), rtol=1e-4)


def test_fan_reads_a_torch_file_and_nothing_else(folder):
    path = folder / "2DFAN4-11f355bf06.pth.tar"
    true = randomise(Fan())
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in true.state_dict().items()}}, path)
    picture = torch.rand(1, 3, 256, 256)
    with torch.no_grad():
        torch.testing.assert_close(Fan.load()(picture), true(picture))
    assert true(picture).shape == (1, 68, 64, 64)

    class Harmful:
        def __reduce__(self):
            return (exec, ("raise SystemExit('a pickle was run')",))

    for content in (Harmful(), [1, 2], {"conv1.weight": torch.zeros(3)}):
        torch.save(content, path)
        with pytest.raises(FitDiffError) as caught:
            Fan.load()
        assert caught.value.code == "weights-damaged"
    path.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(FitDiffError):
        Fan.load()


def test_peaks_are_exact_to_a_quarter_cell():
    heat = torch.zeros(1, 3, 64, 64)
    heat[0, 0, 10, 20], heat[0, 0, 10, 21] = 1, 0.5  # leans to the right
    heat[0, 1, 0, 0] = 1  # in the corner there is nothing to lean on
    heat[0, 2, 63, 5], heat[0, 2, 40, 5] = 1, 2
    expected = torch.tensor([[20.75, 10.5], [0.5, 0.5], [5.5, 40.5]])
    torch.testing.assert_close(peaks(heat)[0], expected)


@pytest.mark.parametrize("angle", [0.0, 0.7, -2.5])
def test_fan_puts_its_points_back_into_the_photo(angle):
    """A network that marks the brightest spot must find it in the photo, whatever the face's turn."""

    class Brightest(Fan):
        def forward(self, images):
            assert images.shape == (2, 3, 256, 256)
            return torch.nn.functional.avg_pool2d(images.mean(1, keepdim=True), 4).expand(-1, 68, -1, -1)

    y, x = torch.meshgrid(torch.arange(400) + 0.5, torch.arange(500) + 0.5, indexing="ij")
    spot = (262.0, 171.0)
    image = torch.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / 50).expand(1, 3, -1, -1).contiguous()
    right, left = np.array([230.0, 190.0]), np.array([230 + 40 * np.cos(angle), 190 + 40 * np.sin(angle)])
    found = Detection((200, 150, 300, 260), 1.0, np.stack([right, left, *[right] * 4]).astype(np.float32))
    points = Brightest().landmarks(image, found)
    assert np.abs(points - spot).max() < 255 / 64 * 0.6


def test_mirror_is_its_own_inverse():
    assert sorted(MIRROR) == list(range(68))
    assert [MIRROR[MIRROR[i]] for i in range(68)] == list(range(68))
    assert MIRROR[36] == 45 and MIRROR[48] == 54 and MIRROR[8] == 8 and MIRROR[60] == 64


@needs_lpips
def test_lpips_equals_the_package(folder):
    """Random VGG weights in torchvision's format, the package's own heads; against the formula step by step."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for place, a, b in (row for group in GROUPS for row in group):
        state[f"features.{place}.weight"] = torch.randn(b, a, 3, 3, generator=generator) * (2 / (9 * a)) ** 0.5
        state[f"features.{place}.bias"] = torch.randn(b, generator=generator) * 0.01
    state |= {"classifier.0.weight": torch.zeros(2, 2), "classifier.0.bias": torch.zeros(2)}
    torch.save(state, folder / "vgg16-397923af.pth")
    network = Perception("research").perceptual
    assert isinstance(network, PerceptualNetwork)
    first, second = torch.rand(2, 2, 3, 64, 64, generator=generator)
    with torch.no_grad():
        distance = network.distance(first, second)
        assert network.distance(first, first).abs().max() == 0
    reference = package_lpips(state)
    with torch.no_grad():
        expected = reference(first, second, normalize=True).flatten()
    torch.testing.assert_close(distance, expected, atol=1e-5, rtol=1e-4)


def package_lpips(state):
    """lpips's own network around the same VGG."""
    start_torchvision()
    import lpips

    network = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
    slices = dict(network.net.named_parameters())
    for name in slices:
        place, part = name.split(".")[-2:]
        slices[name].data.copy_(state[f"features.{place}.{part}"])
    return network.eval()


def test_lpips_without_heads_is_zero_and_differentiable():
    network = Lpips()
    for head in network.heads:
        head.data.fill_(0.1)
    first = torch.zeros(1, 3, 32, 32, requires_grad=True)
    network.distance(first, torch.rand(1, 3, 32, 32)).sum().backward()
    assert first.grad.isfinite().all()


def test_alignment_is_the_embedded_one():
    """Both stacks cut faces out in the same way: the template's points land on the template."""
    from fitdiff.perception.research.arcface import ArcFace

    network = ArcFace(torch.nn.Identity())
    marks = torch.zeros(1, 468, 2)
    true = alignment.square(torch.tensor([[90.0, 80.0]]), torch.tensor([140.0]), torch.tensor([0.3]), 112)
    places = alignment.apply(true, torch.tensor([network.template]) + 0.5)[0]
    for group, place in zip(network.landmark_groups, places, strict=True):
        marks[0, list(group)] = place
    y, x = torch.meshgrid(torch.arange(200) + 0.5, torch.arange(200) + 0.5, indexing="ij")
    crop = network.crop(torch.stack([x, y, x])[None], marks)
    centre = alignment.apply(true, torch.tensor([[[56.5, 56.5]]]))[0, 0]
    torch.testing.assert_close(crop[0, :2, 56, 56], centre, atol=0.05, rtol=0)
