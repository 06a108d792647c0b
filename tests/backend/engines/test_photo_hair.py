"""The hair over the scalp: its colour is read from the photo whatever the light, and only where hair can be."""

import pytest
import torch

from fitdiff.engines.photo_hair import hair_colour, with_photo_hair
from fitdiff.face import embedded, texels
from fitdiff.face.appearance import Paint, head_maps
from fitdiff.likeness.finish import Explained
from fitdiff.render.atlas import Atlas
from fitdiff.render.camera import Camera
from fitdiff.render.colour import to_srgb
from fitdiff.render.geometry import vertex_normals
from fitdiff.render.renderer import Renderer

SIZE, SIDE = 128, 160
SKIN = torch.tensor([0.45, 0.28, 0.2])
BROWN, BLUE = torch.tensor([0.12, 0.07, 0.04]), torch.tensor([0.05, 0.1, 0.4])
LAMPS = {"even": (0.8, 0.2, 0.2, 1, 1, 1, 0.0, 0.3, 1.0), "warm": (0.3, 0.7, 0.1, 1.1, 0.9, 0.6, 0.6, 0.6, 0.8)}


@pytest.fixture(scope="module")
def model():
    return embedded.load()


@pytest.fixture(scope="module")
def atlas(model):
    return Atlas(model.topology, SIZE)


def skin_map(colour):
    return colour.view(1, 3, 1, 1).expand(1, 3, SIZE, SIZE).clone()


def explained(model, hair, light="even", target=(0.0, 0.02, 0.0)):
    """A photo of a head whose scalp has this colour, and a head found in it that knows nothing of hair."""
    renderer, vertices = Renderer(model.topology), model.vertices(torch.zeros(1, 158))
    camera = Camera.facing((SIDE, SIDE), 0.9, 22.0, target=torch.tensor(target))
    numbers = torch.tensor([LAMPS[light]])

    def drawn(albedo):
        paint = Paint(specular=torch.zeros(1, 1, SIZE, SIZE))
        return renderer(vertices, head_maps(model, albedo, paint, 16), camera, numbers)

    scalp = texels.bake(model.topology, model.topology.vertex_masks["scalp"][:, None].astype(float), SIZE)[..., 0]
    there = torch.from_numpy(scalp).float()[None, None] > 0.4
    photo = to_srgb(drawn(torch.where(there, hair.view(1, 3, 1, 1), skin_map(SKIN))).over(torch.zeros(1, 3, 1, 1)))
    found = drawn(skin_map(SKIN))
    nothing = torch.zeros(1, 1, SIDE, SIDE)
    return Explained(
        photo=photo,
        camera=camera,
        window=camera,
        skin=nothing,
        features=nothing,
        face=found.face,
        fitted=found.image,
        vertices=vertices[0],
        normals=vertex_normals(vertices, renderer.mesh)[0],
        triangles=renderer.mesh.triangles,
    )


@pytest.mark.parametrize("light", LAMPS)
@pytest.mark.parametrize("hair", [BROWN, SKIN], ids=["brown", "bald"])
def test_the_colour_comes_out_whatever_the_light(model, atlas, hair, light):
    found = hair_colour(explained(model, hair, light), skin_map(SKIN), model.topology, atlas)
    assert found is not None
    assert torch.allclose(found, hair, rtol=0.15), (found, hair)


def test_a_blue_cap_is_no_hair(model, atlas):
    assert hair_colour(explained(model, BLUE), skin_map(SKIN), model.topology, atlas) is None


def test_a_scalp_outside_the_picture_tells_nothing(model, atlas):
    below = explained(model, BROWN, target=(0.0, -0.2, 0.0))
    assert hair_colour(below, skin_map(SKIN), model.topology, atlas) is None


def test_hair_grows_on_the_scalp_alone(model):
    plain = skin_map(SKIN)
    with_hair = with_photo_hair(plain, BROWN, model.topology)
    masks = [
        texels.bake(model.topology, model.topology.vertex_masks[name][:, None].astype(float), SIZE)[..., 0]
        for name in ("scalp", "face")
    ]
    scalp, face = (torch.from_numpy(mask) for mask in masks)
    bare, grown = (face > 0.9) & (scalp < 0.02), scalp > 0.9
    assert torch.allclose(with_hair[..., bare], plain[..., bare])
    assert torch.allclose(with_hair[..., grown].log().mean(-1).exp()[0], BROWN, rtol=0.2)
    assert torch.equal(
        with_photo_hair(plain, BROWN, model.topology, 0.0), with_photo_hair(plain, SKIN, model.topology, 0.0)
    )
    assert torch.equal(with_photo_hair(plain, BROWN, model.topology), with_hair)  # the same hairs each time
