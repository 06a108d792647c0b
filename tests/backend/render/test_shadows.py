"""How a head shades itself, and what its folds get back from the skin beside them."""

import pytest
import torch

from fitdiff.render.renderer import Surface
from fitdiff.render.shadows import Shaded, softened, with_bounces


def skin(albedo: float, count: int = 4) -> Surface:
    up = torch.tensor([[0.0, 0.0, 1.0]]).expand(count, 3)
    return Surface(
        position=0 * up,
        normal=up,
        view=up,
        uv=torch.full((count, 2), 0.5),
        region=torch.zeros(count, dtype=torch.int64),
        albedo=torch.tensor([[1.2, 1.0, 0.8]]).expand(count, 3) * albedo,
        specular=torch.zeros(count, 1),
        occlusion=torch.ones(count, 1),
        translucency=torch.zeros(count, 1),
        owner=None,
    )


def shaded(room: float, lamp: float, around: float) -> Shaded:
    return Shaded({"skin": torch.tensor([room, lamp, around]).view(1, 3, 1, 1)})


ROOM = torch.tensor([[1.0, 0.0, 0.0, 1, 1, 1, 0, 0, 1]])
LAMP = torch.tensor([[0.0, 1.0, 0.0, 1, 1, 1, 0, 0, 1]])


def test_the_open_gets_all_and_the_deepest_fold_nothing():
    for albedo in (0.1, 0.5):
        pale = torch.full((1, 3), albedo)
        assert with_bounces(torch.ones(1, 1), pale) == pytest.approx(torch.ones(1, 3), abs=0.01)
        assert not with_bounces(torch.zeros(1, 1), pale).any()


def test_pale_skin_fills_its_folds_more_than_dark_skin_and_red_more_than_blue():
    room = torch.linspace(0.05, 0.95, 10)[:, None]
    dark, pale = (with_bounces(room, torch.full((1, 3), albedo)) for albedo in (0.05, 0.6))
    assert (pale > dark).all() and (dark >= room - 1e-6).all() and (pale < 1).all()
    red, _, blue = with_bounces(room, torch.tensor([[0.5, 0.3, 0.2]])).unbind(1)
    assert (red > blue).all()
    assert (pale.diff(dim=0) > 0).all()


def test_a_fold_beside_lit_skin_gets_some_of_the_lamps_light_in_the_skins_colour():
    fold, open_ = shaded(0.3, 0.0, 0.8)(skin(0.5), LAMP), shaded(1.0, 0.0, 0.8)(skin(0.5), LAMP)
    assert (fold > 0).all() and not open_.any()
    assert (fold[:, 0] / fold[:, 2] > 1.2 / 0.8).all()  # redder than the skin itself
    assert not shaded(0.3, 0.0, 0.0)(skin(0.5), LAMP).any()  # where nothing is lit there is nothing to lend
    assert (fold < 0.3 * shaded(0.3, 1.0, 0.8)(skin(0.5), LAMP)).all()
    assert not shaded(0.0, 1.0, 1.0)(skin(0.5), ROOM).any()


def test_soft_lamps_cast_pale_shadows():
    lamp = torch.tensor([0.0, 0.5, 1.0])
    assert torch.equal(softened(lamp, torch.ones(1)), lamp)
    assert softened(lamp, torch.tensor([0.5])).tolist() == [0.5, 0.75, 1.0]


def test_light_is_unsure_where_a_strong_lamp_ends_and_nowhere_in_a_room():
    from fitdiff.face.embedded import load
    from fitdiff.render.mesh import MeshTables
    from fitdiff.render.shadows import Shadows

    face = load()
    vertices = face.vertices(torch.zeros(1, face.identity_count), torch.zeros(1, face.expression_count))[0]
    shadows = Shadows(face.topology, vertices, MeshTables(face.topology))
    room = shadows.unsure(torch.tensor([[1.0, 0.0, 0, 1, 1, 1, 1, 0.2, 0]]))
    portrait = shadows.unsure(torch.tensor([[0.6, 0.6, 0, 1, 1, 1, 0.3, 0.5, 0.8]]))
    low_sun = shadows.unsure(torch.tensor([[0.2, 1.5, 0, 1, 1, 1, 1, 0.2, 0]]))
    assert not room.any()
    size = room.shape[-1]
    forehead = [one[0, 0, size // 5 : size // 4] for one in (portrait, low_sun)]
    edge = slice(int(0.40 * size), int(0.5 * size))
    assert forehead[1][:, edge].amax(1).mean() > 0.4 > 0.2 > forehead[0][:, edge].max()
    assert forehead[1][:, edge].mean() > 2 * forehead[1][:, int(0.65 * size) : int(0.75 * size)].mean()
