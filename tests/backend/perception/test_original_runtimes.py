"""The torch ports against what the original runtimes computed: TensorFlow Lite, MediaPipe, ONNX Runtime, dlib, ndf.

reference_outputs.npz holds their outputs for a formula picture and for cut-outs of the astronaut; docs/perception.md
says how it was made.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

REFERENCE = np.load(Path(__file__).parent / "reference_outputs.npz")
# Rows and columns of the astronaut's photo, whole pixels, so that no resampling enters.
CUTS = {
    128: (slice(0, 384, 3), slice(32, 416, 3)),
    192: (slice(20, 212), slice(130, 322)),
    256: (slice(0, 256), slice(95, 351)),
    150: (slice(40, 190), slice(150, 300)),
    112: (slice(60, 172), slice(168, 280)),
    224: (slice(0, 224), slice(100, 324)),
}


def pattern(size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size] / size
    waves = [0.5 + 0.25 * np.sin(7 * x + 3 * k) + 0.25 * np.cos(11 * y * x + 5 * y - k) for k in range(3)]
    return np.round(np.stack(waves, -1) * 255).astype(np.uint8)


@pytest.fixture(params=["pattern", "astronaut"])
def picture(request):
    """Name, and a function from a size to (1, 3, size, size) sRGB 0..1."""
    if request.param == "pattern":
        make = pattern
    else:
        photo = request.getfixturevalue("photos")["astronaut.png"]

        def make(size: int) -> np.ndarray:
            return photo[CUTS[size]]

    def tensor(size: int) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(make(size))).permute(2, 0, 1)[None].float() / 255

    return request.param, tensor


def check(name: str, result: torch.Tensor, tolerance: float) -> None:
    expected = REFERENCE[name]
    np.testing.assert_allclose(result.detach().numpy().reshape(expected.shape), expected, rtol=0, atol=tolerance)


def test_blazeface(perception, picture):
    name, tensor = picture
    logits, places = perception.finder.detector.network(tensor(128))
    check(f"{name}_blazeface_logits", logits, 1e-3)  # of up to 107
    check(f"{name}_blazeface_places", places[0, ::3], 1e-3)  # pixels


def test_facemesh(perception, picture):
    name, tensor = picture
    points, irises, presence = perception.finder.landmarker.first(tensor(192))
    check(f"{name}_facemesh_points", points, 1e-3)  # pixels
    check(f"{name}_facemesh_irises", irises, 1e-3)
    check(f"{name}_facemesh_presence", presence, 1e-5)


def test_facemesh_v2(perception, picture):
    name, tensor = picture
    points, irises, presence = perception.finder.landmarker.second(tensor(256))
    check(f"{name}_facemesh_v2_points", points, 1e-3)  # pixels
    check(f"{name}_facemesh_v2_irises", irises, 1e-3)
    check(f"{name}_facemesh_v2_presence", presence, 1e-5)


def test_dlib(perception, picture):
    name, tensor = picture
    check(f"{name}_dlib", perception.conditioner.features(tensor(150)).embedding, 1e-5)


def test_fr_feature(perception, picture):
    name, tensor = picture
    check(f"{name}_fr", perception.identity.features(tensor(112)).embedding, 1e-5)


def test_mobilefacenet(mobilefacenet, picture):
    name, tensor = picture
    check(f"{name}_mobilefacenet", mobilefacenet.features(tensor(112)).embedding, 2e-4)  # of up to 6


def test_squeezenet(perception, picture):
    name, tensor = picture
    check(f"{name}_squeezenet", perception.perceptual.logits(tensor(224)), 1e-3)
