"""Recognisers: who is who in real photos, and gradients down to the photo."""

from itertools import combinations

import pytest
import torch

from fitdiff.perception import IdentityNetwork, PerceptualNetwork

SAME = {"obama.jpg", "obama2.jpg", "obama3.jpg"}


def inputs(photos, faces, name):
    image = torch.from_numpy(photos[name]).permute(2, 0, 1)[None].float() / 255
    return image, torch.from_numpy(faces[name].landmarks468[None, :, :2])


@pytest.fixture(params=["identity", "conditioner", "mobilefacenet"])
def network(request, perception):
    if request.param == "mobilefacenet":
        return request.getfixturevalue("mobilefacenet")
    return getattr(perception, request.param)


def test_margins_between_one_person_and_others(network, photos, faces):
    with torch.no_grad():
        known = {name: network.embed(*inputs(photos, faces, name)).embedding for name in photos}
    same, other = [], []
    for a, b in combinations(photos, 2):
        (same if {a, b} <= SAME else other).append(float(network.distance(known[a], known[b])))
    assert len(same) == 3 and len(other) == 7
    assert max(same) < network.same_person < min(other)
    margins = {"dlib": (0.5, 0.75), "fr": (0.3, 0.8), "mobilefacenet": (0.25, 0.65)}[network.name]
    assert max(same) < margins[0] and min(other) > margins[1], (same, other)


def test_shapes_and_protocol(network):
    assert isinstance(network, IdentityNetwork)
    assert len(network.map_shapes) >= 3
    with torch.no_grad():
        seen = network.features(torch.rand(2, 3, network.crop_size, network.crop_size))
    assert seen.embedding.shape == (2, network.embedding_size)
    assert tuple(tuple(features.shape[1:]) for features in seen.maps) == network.map_shapes


def test_a_batch_is_its_members(network, photos, faces):
    image, marks = inputs(photos, faces, "astronaut.png")
    batch, both = torch.cat([image, image.flip(1)]), torch.cat([marks, marks + 2.5])
    together = network.embed(batch, both).embedding
    for i in range(2):
        alone = network.embed(batch[i : i + 1], both[i : i + 1]).embedding
        torch.testing.assert_close(alone[0], together[i], atol=1e-4, rtol=0)


def test_gradient_reaches_the_pixels(network, photos, faces):
    """Moving the photo along its gradient by a little changes the distance by what the gradient says."""
    image, marks = inputs(photos, faces, "astronaut.png")
    with torch.no_grad():
        target = network.embed(*inputs(photos, faces, "obama2.jpg")).embedding
    image, marks = image.double(), marks.double()
    double = type(network)().double().eval()
    double.load_state_dict(network.state_dict())
    image.requires_grad_()
    loss = double.distance(double.embed(image, marks).embedding, target.double()).sum()
    (gradient,) = torch.autograd.grad(loss, image)
    assert gradient.isfinite().all()
    step = gradient / gradient.norm() * 1e-6
    with torch.no_grad():
        ahead, behind = (
            double.distance(double.embed(image + s, marks).embedding, target.double()) for s in (step, -step)
        )
    torch.testing.assert_close((ahead - behind).sum() / 2e-6, gradient.norm(), rtol=1e-3, atol=0)
    outside = gradient.abs().sum(1)[0].clone()
    x0, y0, x1, y1 = (int(value) for value in faces["astronaut.png"].box)
    margin = y1 - y0
    outside[max(y0 - margin, 0) : y1 + margin, max(x0 - margin, 0) : x1 + margin] = 0
    assert outside.max() == 0  # nothing beyond the crop


def test_perceptual_distance(perception, photos):
    network = perception.perceptual
    assert isinstance(network, PerceptualNetwork)
    image = torch.from_numpy(photos["astronaut.png"]).permute(2, 0, 1)[None].float() / 255
    slight = (image + 0.02 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    blurred = torch.nn.functional.avg_pool2d(image, 9, 1, 4)
    with torch.no_grad():
        zero, small, large = (float(network.distance(image, other)) for other in (image, slight, blurred))
    assert zero == 0 and 0 < small < large
    black = torch.zeros(1, 3, 64, 64, requires_grad=True)
    (gradient,) = torch.autograd.grad(network.distance(black, torch.rand(1, 3, 64, 64)).sum(), black)
    assert gradient.isfinite().all() and gradient.abs().max() > 0
