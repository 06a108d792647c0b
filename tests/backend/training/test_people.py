"""The made-up people: seeded, varied, consistent."""

import numpy as np
import torch

from fitdiff.face.skin import unstacked
from fitdiff.perception.dlib_resnet import DlibResNet
from fitdiff.training import genes, photographs, traits
from fitdiff.training.paint import paint
from fitdiff.training.synthetic import HELD_OUT, Crowd, MapPool, mirrored


def test_a_person_is_the_same_in_any_company():
    together = genes.draw(1, 10, 4)
    alone = genes.draw(1, 12, 1)
    assert all(torch.equal(together[name][2:3], alone[name]) for name in together)
    assert not torch.equal(genes.draw(2, 12, 1)["identity"], alone["identity"])
    assert not torch.equal(genes.draw(1, HELD_OUT, 1)["identity"], genes.draw(1, 0, 1)["identity"])


def test_people_span_human_skin_and_have_everything_skins_lack():
    drawn = genes.draw(0, 0, 300)
    assert drawn["melanin"].min() < -1.3 and drawn["melanin"].max() > 2.5
    shares = {name: float((drawn[name] > 0).float().mean()) for name in ("beard", "lipstick_gain", "scalp")}
    assert all(0.1 < share < 0.9 for share in shares.values()), shares
    assert 0.05 < float((drawn["freckle_gain"].amax(1) > 0.3).float().mean()) < 0.9
    assert drawn["brow"].std(0).min() > 0.01
    old = drawn["age"] > 0.7
    assert drawn["creases"][old].mean() > 2 * drawn["creases"][drawn["age"] < 0.3].mean()


def people_of_traits(count: int) -> tuple[list[traits.Traits], np.ndarray]:
    random = np.random.default_rng(4)
    drawn = [traits.draw(random) for _ in range(count)]
    return drawn, np.stack([traits.shape(one, random) for one in drawn])


def told(shapes: np.ndarray, one: np.ndarray) -> float:
    """Spreads between two kinds of people, in the direction that tells them apart best."""
    apart = np.linalg.solve(np.cov(shapes.T), shapes[one].mean(0) - shapes[~one].mean(0))
    along = shapes @ apart
    return float((along[one].mean() - along[~one].mean()) / np.sqrt((along[one].var() + along[~one].var()) / 2))


def test_shape_follows_sex_age_ancestry_and_weight_and_spreads_as_before():
    drawn, shapes = people_of_traits(4000)
    assert np.abs(shapes).max() <= 2.5 and np.abs(shapes.mean(0)).max() < 0.1
    assert shapes.var(0).min() > 0.85 and shapes.var(0).max() < 1.1
    ancestry = np.stack([one.ancestry for one in drawn])
    assert np.allclose(ancestry.sum(1), 1)
    kinds = {name: ancestry.argmax(1) == row for row, name in enumerate(traits.ANCESTRIES)}
    kinds |= {
        "male": np.array([one.male > 0.5 for one in drawn]),
        "heavy": np.array([one.weight > 0.3 for one in drawn]),
    }
    kinds["old"] = np.array([one.age > 0.6 for one in drawn])
    found = {name: told(shapes, kind) for name, kind in kinds.items()}
    chance = told(np.random.default_rng(5).normal(size=shapes.shape), kinds["male"])
    assert min(found.values()) > 1.5 * chance and max(found.values()) < 4, (found, chance)


def test_every_shape_goes_with_every_skin():
    drawn, _ = people_of_traits(3000)
    main, melanin = np.array([one.ancestry.argmax() for one in drawn]), np.array([one.melanin for one in drawn])
    for skin in (melanin < -0.7, melanin > 1.7):
        shares = np.bincount(main[skin], minlength=3) / skin.sum()
        assert shares.min() > 0.04, shares
    assert melanin[main == 0].mean() > melanin[main == 2].mean() + 0.8


def test_maps_are_maps(crowd):
    skin = paint(crowd.canvas, genes.draw(crowd.seed, 0, 6))
    assert skin.diffuse.shape == (6, 3, 64, 64) and skin.specular.shape == (6, 1, 64, 64)
    assert skin.diffuse.min() > 0 and skin.diffuse.max() <= 0.92
    assert skin.specular.min() > 0 and skin.specular.max() <= 1
    assert torch.allclose(skin.normal.norm(dim=1), torch.ones(6, 64, 64), atol=1e-5)
    assert skin.normal[:, 2].min() > 0 and skin.normal[:, :2].abs().mean() > 1e-3
    assert torch.equal(paint(crowd.canvas, genes.draw(crowd.seed, 0, 6)).diffuse, skin.diffuse)
    back = unstacked(skin.stacked())
    assert torch.allclose(back.diffuse, skin.diffuse, atol=1e-4) and torch.allclose(
        back.specular, skin.specular, atol=1e-5
    )


def test_brows_lie_on_the_brows_and_lips_are_glossy(crowd):
    drawn = genes.draw(crowd.seed, 0, 8)
    drawn["brow"][:, 0], drawn["brow"][:, 2] = 1.2, 1.0
    thick = paint(crowd.canvas, drawn)
    drawn["brow"][:, 0] = 0.0
    bare = paint(crowd.canvas, drawn)
    change = (bare.diffuse - thick.diffuse).mean((0, 1))
    rows, columns = torch.nonzero(change > 0.5 * change.max(), as_tuple=True)
    brow = crowd.canvas.points[17:27] * 64
    assert brow[:, 1].min() - 6 < rows.min() and rows.max() < brow[:, 1].max() + 5
    assert brow[:, 0].min() - 4 < columns.min() and columns.max() < brow[:, 0].max() + 4
    lips = crowd.canvas.lips[0, 0] > 0.9
    drawn["lipstick_gain"][:] = 0.0
    assert paint(crowd.canvas, drawn).specular[:, 0, lips].mean() > bare.specular[:, 0, ~lips].mean() + 0.1


def test_wrinkles_are_grooves_that_shine_less(crowd):
    drawn = genes.draw(crowd.seed, 0, 2)
    drawn["creases"][:] = 0.0
    smooth = paint(crowd.canvas, drawn)
    drawn["creases"][:] = 1.2
    old = paint(crowd.canvas, drawn)
    changed = (old.normal - smooth.normal).abs().sum(1) > 0.05
    assert 0.005 < float(changed.float().mean()) < 0.3
    assert (old.specular - smooth.specular)[:, 0][changed].mean() < 0
    assert (old.diffuse - smooth.diffuse).mean(1)[changed].mean() < 0


def test_photographs(crowd):
    found = crowd.people(0, 3, views=2)
    first, second = found.shots
    assert first.image.shape == (3, 3, photographs.SIDE, photographs.SIDE)
    assert first.image.min() >= 0 and first.image.max() <= 1
    assert (first.image - second.image).abs().mean() > 0.02 and first.light.shape == (3, 9)
    inside = ((first.landmarks > -40) & (first.landmarks < photographs.SIDE + 40)).float().mean()
    assert inside > 0.95
    again = crowd.people(1, 1)
    assert torch.allclose(again.shots[0].image, first.image[1:2], atol=2e-3)
    crops = DlibResNet().crop(first.image, first.landmarks)
    middle = crops[:, :, 60:90, 60:90]
    assert crops.shape == (3, 3, 150, 150) and middle.std() > 0.01


def test_a_camera_meters_the_face_and_leaves_the_light_true(crowd):
    drawn = genes.draw(crowd.seed, 0, 4)
    skin = paint(crowd.canvas, drawn)
    shot = photographs.draw(crowd.seed, 0, 4)
    shot |= {
        name: torch.zeros_like(shot[name]) for name in ("blur", "grain", "thing", "glasses", "hair", "tone", "miss")
    }
    shot["quality"], shot["fill"][:, 3] = torch.full((4,), 0.01), 0.0
    found = {}
    for times in (0.05, 1.0, 8.0):
        light = torch.cat([times * shot["light"][:, :3], shot["light"][:, 3:]], 1)
        metered = crowd.photographer.shoot(drawn, skin, {**shot, "light": light})
        factor = metered.light[:, :3] / light[:, :3]
        assert torch.allclose(factor, factor[:, :1].expand(-1, 3)) and torch.equal(metered.light[:, 3:], light[:, 3:])
        # The light that is kept renders that photograph again.
        again = crowd.photographer.shoot(drawn, skin, {**shot, "light": metered.light, "metering": torch.zeros(4)})
        assert torch.allclose(again.image, metered.image, atol=0.01) and torch.equal(again.light, metered.light)
        found[times] = factor[:, 0]
    assert found[0.05].min() > 2 and found[8.0].max() < 0.5
    assert (found[0.05] < 20).all() and (found[8.0] > 1 / 8).all()  # a dark room stays darker than a bright one
    assert found[1.0].min() > 0.4 and found[1.0].max() < 2.5


def test_what_is_in_the_way_changes_the_photograph_only(crowd):
    drawn = genes.draw(crowd.seed, 0, 1)
    skin = paint(crowd.canvas, drawn)
    shot = photographs.draw(crowd.seed, 0, 1)
    shot |= {name: torch.zeros_like(shot[name]) for name in ("blur", "grain", "thing", "glasses", "hair")}
    shot["quality"] = torch.full((1,), 0.01)
    plain = crowd.photographer.shoot(drawn, skin, shot)
    worn = crowd.photographer.shoot(drawn, skin, {**shot, "glasses": torch.ones(1)})
    eyes = worn.landmarks[0, [33, 133, 362, 263]].mean(0).round().long()
    changed = (worn.image - plain.image).abs().amax(1)[0] > 0.05
    assert changed[eyes[1] - 30 : eyes[1] + 30].sum() > 0.9 * changed.sum() > 20
    assert torch.equal(plain.light, worn.light) and torch.equal(plain.landmarks, worn.landmarks)


def test_compression_is_blocks_of_cosines():
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    fine = photographs.compressed(image, torch.tensor([1e-4, 1e-4]))
    assert torch.allclose(fine, image, atol=2e-3)
    coarse = photographs.compressed(image, torch.tensor([2.0, 2.0]))
    assert 0.02 < (coarse - image).abs().mean() < 0.3
    flat = torch.full((1, 3, 16, 16), 0.5)
    assert (photographs.compressed(flat, torch.tensor([3.0])) - 0.5).abs().max() < 0.1


def test_a_continued_pool_draws_what_it_would_have(crowd):
    whole = MapPool(crowd, capacity=4, fresh=2, paint_at_once=2)
    batches = [whole.batch(step, 3) for step in range(4)]
    later = MapPool(Crowd(seed=3, size=64), capacity=4, fresh=2, paint_at_once=2)
    assert torch.equal(later.batch(3, 3), batches[3])
    assert not torch.equal(batches[2], batches[3])


def test_eight_bits_and_mirrors(crowd):
    maps = crowd.maps(0, 2)
    held = MapPool.decoded(MapPool.encoded(maps))
    assert (held - maps).abs().max() < 0.02 and (held[:, 6:].norm(dim=1) - 1).abs().max() < 1e-5
    flat = torch.zeros(1, 9, 2, 2)
    flat[:, 8] = 1
    assert MapPool.decoded(MapPool.encoded(flat))[0, 6:8].abs().max() < 5e-3
    turned = mirrored(maps)
    assert torch.equal(mirrored(turned), maps) and torch.equal(turned[:, 6], -maps[:, 6].flip(2))
