"""The hair over the scalp: its colour is read from the photo whatever the light, and only where hair can be."""

from dataclasses import replace

import pytest
import torch

from fitdiff.colour import linear_from_srgb
from fitdiff.face import embedded
from fitdiff.face.appearance import Paint, head_maps
from fitdiff.face.hairline import growth
from fitdiff.generation.random_person import random_person
from fitdiff.hair.scalp import LENGTH, PhotoHair, hair_like_brows, photo_hair, stored_hair, with_photo_hair
from fitdiff.render.atlas import Atlas
from fitdiff.render.camera import Camera
from fitdiff.render.colour import to_srgb
from fitdiff.render.geometry import vertex_normals
from fitdiff.render.projection import HeadInPhoto
from fitdiff.render.renderer import Renderer

SIZE, SIDE = 128, 160
SKIN = torch.tensor([0.45, 0.28, 0.2])
BROWN = torch.tensor([0.12, 0.07, 0.04])
LAMPS = {"even": (0.8, 0.2, 0.2, 1, 1, 1, 0.0, 0.3, 1.0), "warm": (0.3, 0.7, 0.1, 1.1, 0.9, 0.6, 0.6, 0.6, 0.8)}


@pytest.fixture(scope="module")
def model():
    return embedded.load()


@pytest.fixture(scope="module")
def atlas(model):
    return Atlas(model.topology, SIZE)


def skin_map(colour):
    return colour.view(1, 3, 1, 1).expand(1, 3, SIZE, SIZE).clone()


def explained(model, hair, light="even", target=(0.0, 0.02, 0.0), receding=0.0, hat=False):
    """A photo of a head whose scalp has this colour, or under a hat of it, and a head found in it that knows nothing of
    hair."""
    renderer, vertices = Renderer(model.topology), model.vertices(torch.zeros(1, 158))
    camera = Camera.facing((SIDE, SIDE), 0.9, 22.0, target=torch.tensor(target))
    numbers = torch.tensor([LAMPS[light]])

    def drawn(albedo):
        paint = Paint(specular=torch.zeros(1, 1, SIZE, SIZE))
        return renderer(vertices, head_maps(model, albedo, paint, 16), camera, numbers)

    grown = growth(model, SIZE)
    there = torch.from_numpy(grown.inside > receding * grown.recedes)[None, None]
    photo = to_srgb(drawn(torch.where(there, hair.view(1, 3, 1, 1), skin_map(SKIN))).over(torch.zeros(1, 3, 1, 1)))
    found, parted = drawn(skin_map(SKIN)), drawn(there.float().expand(1, 3, -1, -1))
    covered = (parted.buffer("albedo")[:, :1] > 0.5).float()
    head = (found.face >= 0).float()[None]
    nothing = torch.zeros(1, 1, SIDE, SIDE)
    return HeadInPhoto(
        photo=photo,
        camera=camera,
        window=camera,
        skin=nothing,
        features=nothing,
        hair=covered * float(not hat and hair is not SKIN),
        head=head - covered * float(hat),
        face=found.face,
        fitted=found.image,
        vertices=vertices[0],
        normals=vertex_normals(vertices, renderer.mesh)[0],
        triangles=renderer.mesh.triangles,
    )


@pytest.mark.parametrize("light", LAMPS)
@pytest.mark.parametrize("hair", [BROWN, SKIN], ids=["brown", "bald"])
def test_the_colour_comes_out_whatever_the_light(model, atlas, hair, light):
    found = photo_hair(explained(model, hair, light), skin_map(SKIN), model, atlas)
    assert found is not None
    assert torch.allclose(found.colour, hair, rtol=0.15), (found, hair)
    assert found.bald == (hair is SKIN)


@pytest.mark.parametrize("receding", [-0.008, 0.0, 0.012, 0.024])
def test_the_hairline_is_where_the_photo_has_it(model, atlas, receding):
    found = photo_hair(explained(model, BROWN, receding=receding), skin_map(SKIN), model, atlas)
    assert found.receding == pytest.approx(receding, abs=0.004)
    assert torch.allclose(found.colour, BROWN, rtol=0.15)


def test_pale_hair_under_coloured_light_is_not_greenish(model, atlas):
    found = photo_hair(explained(model, torch.tensor([0.4, 0.44, 0.46])), skin_map(SKIN), model, atlas)
    red, green, blue = found.colour.tolist()
    assert red >= green >= blue and green == pytest.approx(0.44, rel=0.15)


def test_a_fringe_leaves_the_hairline_where_it_usually_is(model, atlas):
    found = photo_hair(explained(model, BROWN, receding=-0.03), skin_map(SKIN), model, atlas)
    assert found.receding == 0 and torch.allclose(found.colour, BROWN, rtol=0.15)


def test_a_hat_is_no_hair(model, atlas):
    assert photo_hair(explained(model, BROWN, hat=True), skin_map(SKIN), model, atlas) is None


def test_dyed_hair_keeps_its_hue(model, atlas):
    pink = torch.tensor([0.4, 0.12, 0.1])
    found = photo_hair(explained(model, pink), skin_map(SKIN), model, atlas)
    assert torch.allclose(found.colour, pink, rtol=0.15)


def test_a_scalp_outside_the_picture_tells_nothing(model, atlas):
    below = explained(model, BROWN, target=(0.0, -0.2, 0.0))
    assert photo_hair(below, skin_map(SKIN), model, atlas) is None


def test_what_lies_beyond_the_photos_edge_is_no_hair(model, atlas):
    """The window goes on where the photo ends, at the forehead, and there its border's colour is read: skin's."""
    whole = explained(model, BROWN)
    top = SIDE * 9 // 20
    cut = replace(whole.camera, principal=whole.camera.principal - torch.tensor([0.0, top]), size=(SIDE - top, SIDE))
    assert photo_hair(replace(whole, photo=whole.photo[:, :, top:], camera=cut), skin_map(SKIN), model, atlas) is None


def test_hair_that_no_photo_shows_is_as_the_brows_are(model):
    person = random_person(model, 2)
    albedo = torch.from_numpy(linear_from_srgb(person.maps["diffuse"] / 255.0).transpose(2, 0, 1).copy())[None].float()
    found = hair_like_brows(albedo, model)
    assert found.colour.tolist() == pytest.approx(person.manifest.brows.colour, rel=1e-3)
    assert found.receding == 0 and not found.bald
    assert hair_like_brows(skin_map(SKIN), model) is None  # a skin without brows says nothing


def test_hair_grows_on_the_scalp_alone(model):
    plain, brown = skin_map(SKIN), PhotoHair(BROWN)
    with_hair = with_photo_hair(plain, brown, model)
    inside = torch.from_numpy(growth(model, SIZE).inside)
    bare, grown = inside < -0.015, inside > 0.03
    assert torch.allclose(with_hair[..., bare], plain[..., bare])
    assert torch.allclose(with_hair[..., grown].log().mean(-1).exp()[0], BROWN, rtol=0.2)
    assert torch.allclose(with_photo_hair(plain, brown, model, 0.0), plain)
    assert torch.equal(with_photo_hair(plain, brown, model), with_hair)  # the same hairs each time


def test_what_has_receded_is_painted_as_skin(model):
    grown = growth(model, SIZE)
    shorn = torch.where(torch.from_numpy(grown.inside > 0), 0.02, skin_map(SKIN))
    painted = with_photo_hair(shorn, PhotoHair(BROWN, receding=0.02), model)
    front = torch.from_numpy((grown.recedes > 0.95) & (grown.inside > 0.012) & (grown.inside < 0.015))
    assert torch.allclose(painted[..., front].mean(-1)[0], SKIN, rtol=0.25)


def test_the_shade_of_hair_before_the_line_becomes_skin(model):
    grown = growth(model, SIZE)
    dark = torch.from_numpy(((grown.inside + 0.012) / 0.012).clip(0, 1)) * 0.6
    painted = with_photo_hair((skin_map(SKIN).log() - dark).exp().float(), PhotoHair(BROWN), model)
    before = torch.from_numpy((grown.recedes > 0.95) & (grown.inside > -0.009) & (grown.inside < -0.006))
    assert dark[before].mean() > 0.15
    assert torch.allclose(painted[..., before].mean(-1)[0], SKIN, rtol=0.06)


def test_what_is_stored_lets_strands_grow(model):
    hair, maps = stored_hair(PhotoHair(BROWN), model, SIZE)
    assert hair.colour == pytest.approx(BROWN.tolist())
    assert hair.length == LENGTH
    grown, picture = growth(model, SIZE), maps["hair"]
    assert picture.shape == (SIZE, SIZE, 3)
    assert (picture[grown.inside > 0.03, 2] == 255).all()
    assert (picture[grown.inside < -0.015, 2] == 0).all()
    assert abs((picture[..., :2] / 127.5 - 1) - grown.direction).max() < 0.005


def test_a_bald_head_and_one_that_shows_nothing_store_no_hair(model):
    assert stored_hair(PhotoHair(SKIN, bald=True), model, SIZE) == (None, {})
    assert stored_hair(None, model, SIZE) == (None, {})
