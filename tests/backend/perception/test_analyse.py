"""From a photo's pixels to camera, mask and gaze with the embedded networks, on rendered people of known truth; and
the photos that are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from fitdiff.errors import FitDiffError
from fitdiff.face import embedded
from fitdiff.perception.analyse import Analysis, analyse, crop_camera, posed_head
from fitdiff.perception.gaze import gaze_of
from fitdiff.perception.pose_fit import euler_degrees
from fitdiff.perception.regions import LEFT_BROW, RIGHT_BROW, polygon, raised_oval, whole_brow
from fitdiff.photo import photo_from_pixels

from .portraits import BACKDROP, SIDE, Portrait, portrait

pytestmark = pytest.mark.usefixtures("perception")


def look(seen: Portrait, focal: bool = True) -> Analysis:
    return analyse(photo_from_pixels(seen.pixels, float(seen.camera.focal[0]) if focal else None))


@pytest.mark.parametrize("yaw", [-40, 0, 20])
def test_camera_of_a_rendered_person(yaw: float) -> None:
    seen = portrait(seed=yaw + 50, yaw=yaw)
    analysis = look(seen)
    pose = analysis.pose
    found, true = euler_degrees(pose.rotation), euler_degrees(seen.camera.rotation[0].double().numpy())
    assert abs(found[0] - true[0]) < 6 and abs(found[2] - true[2]) < 4
    assert abs(found[1] - true[1]) < 12  # FaceMesh straightens a tilted head by almost half
    assert pose.verdict == "good" and pose.mean_percent < 3
    missed = np.linalg.norm(pose.projected["facemesh468"] - seen.landmarks, axis=1).mean()
    assert missed < 0.02 * seen.interocular  # landmarks alone miss by twice that
    assert pose.distance == pytest.approx(0.9, rel=0.1)


def test_unknown_focal_length_changes_little() -> None:
    seen = portrait(seed=5, yaw=15)
    known, assumed = look(seen).pose, look(seen, focal=False).pose
    assert assumed.focal_source == "assumed" and known.focal_source == "exif"
    assert abs(known.angles[0] - assumed.angles[0]) < 3


@pytest.mark.parametrize("melanin", [-1.5, 0.0, 1.8])
def test_mask_covers_the_rendered_skin(melanin: float) -> None:
    seen = portrait(seed=2, yaw=12, melanin=melanin)
    analysis = look(seen)
    skin = analysis.mask.over_photo("skin", (SIDE, SIDE))
    inside = analysis.mask.over_photo("skin", (SIDE, SIDE)) > 0.5
    assert seen.skin[inside].mean() > 0.985  # what it calls skin is skin
    points = analysis.face.landmarks468
    for index in (50, 280, 4, 151, 199, 117, 346):  # cheeks, nose, forehead, chin, under the eyes
        x, y = points[index, :2].astype(int)
        assert skin[y, x] > 0.8, index


def skin_overlap(seed: int, melanin: float, fringe: float | None, yaw: float) -> float:
    """Intersection over union of the mask with the rendered truth, where the face oval with the forehead reaches and
    neither brows, lips nor eyes are."""
    side = 1.0 if seed % 2 else -1.0
    seen = portrait(seed=seed, yaw=yaw, melanin=melanin, fringe=fringe, light=(0.9 * side, 0.4, 0.7))
    analysis = look(seen)
    mask = analysis.mask
    points = mask.crop.inside(seen.landmarks)
    shape = seen.skin.shape
    counted = mask.crop.paste(polygon(raised_oval(points), mask.crop.size), shape) > 0.5
    aside = [mask.over_photo(name, shape) for name in ("lips", "eyes", "mouth_inner")]
    brows = (polygon(whole_brow(points, brow), mask.crop.size) for brow in (RIGHT_BROW, LEFT_BROW))
    for part in [*aside, *(mask.crop.paste(brow, shape) for brow in brows)]:
        counted &= ndimage.maximum_filter(part, 5) < 0.02
    found, true = mask.over_photo("skin", shape)[counted], seen.skin[counted].astype(np.float32)
    return float(np.minimum(found, true).sum() / np.maximum(found, true).sum())


@pytest.mark.slow
def test_dark_and_light_skins_are_masked_alike() -> None:
    cases = [(seed, fringe, yaw) for seed, (fringe, yaw) in enumerate([(None, 0), (0.45, 15), (0.2, -25), (0.6, 0)])]
    dark, light = (np.mean([skin_overlap(s, m, f, y) for s, f, y in cases]) for m in (1.8, -1.5))
    assert min(dark, light) > 0.88
    assert abs(dark - light) < 0.03


def test_visible_skin_is_the_meshes() -> None:
    seen = portrait(seed=3, yaw=35)
    analysis = look(seen)
    head = posed_head(analysis.model, analysis.pose, analysis.mask.crop)
    visible = head.skin
    true = analysis.mask.crop.read(np.repeat((seen.head * 255).astype(np.uint8)[..., None], 3, 2))[..., 0] > 0.5
    crop = analysis.mask.crop
    oval = polygon(raised_oval(crop.inside(seen.landmarks)), crop.size) > 0.5  # skull and neck are anybody's guess
    assert true[(visible > 0.9) & oval].mean() > 0.97
    assert visible[true & oval].mean() > 0.85
    camera = crop_camera(analysis.pose.camera(), analysis.mask.crop)
    points = analysis.model.landmarks(analysis.model.mean[None], "facemesh468")
    whole = analysis.pose.camera().project(points).screen[0].numpy()
    assert np.allclose(camera.project(points).screen[0].numpy(), analysis.mask.crop.inside(whole), atol=0.05)


def test_gaze_follows_the_eyes() -> None:
    def found(gaze: tuple[float, float]) -> np.ndarray:
        analysis = look(portrait(seed=11, yaw=12, gaze=gaze))
        return gaze_of(analysis.face, analysis.pose, analysis.model)[0]

    left, right = found((0.3, 0.0)), found((-0.3, 0.0))
    assert left[0] - right[0] > 0.25
    assert abs(left[0] + right[0]) / 2 < 0.15


def test_identity_features_are_of_this_face() -> None:
    one, same, other = (look(portrait(seed=s, yaw=y)) for s, y in ((1, 0), (1, 12), (8, 0)))
    network = one.perception.identity
    near = float(network.distance(one.identity.embedding, same.identity.embedding)[0])
    far = float(network.distance(one.identity.embedding, other.identity.embedding)[0])
    assert near < far
    assert len(one.conditioning.maps) >= 3


def test_models_that_know_only_68_points_are_posed_too() -> None:
    from dataclasses import replace

    model = embedded.load()
    few = type(model)(
        model.name, model.licence,
        replace(model.topology, landmarks={"ibug68": model.topology.landmarks["ibug68"]}),
        model.mean, model.identity_basis, model.expression_basis,
    )  # fmt: skip
    seen = portrait(seed=6, yaw=25)
    analysis = analyse(photo_from_pixels(seen.pixels, float(seen.camera.focal[0])), model=few)
    assert abs(analysis.pose.angles[0] - 25) < 8 and analysis.pose.verdict != "bad"


def canvas(width: int = SIDE, height: int = SIDE) -> Image.Image:
    return Image.new("RGB", (width, height), tuple(round(255 * v**0.45) for v in BACKDROP))


def cartoon() -> np.ndarray:
    image = canvas()
    draw = ImageDraw.Draw(image)
    draw.ellipse((120, 100, 360, 380), fill=(255, 221, 40), outline=(0, 0, 0), width=6)
    for x in (190, 270):
        draw.ellipse((x, 180, x + 24, 230), fill=(0, 0, 0))
    draw.arc((180, 240, 300, 330), 20, 160, fill=(0, 0, 0), width=8)
    return np.array(image)


def crowd() -> np.ndarray:
    image = canvas(960, 640)
    for i in range(6):
        person = Image.fromarray(portrait(seed=20 + i, yaw=8 * (i - 2)).pixels).resize((320, 320))
        image.paste(person, (320 * (i % 3), 320 * (i // 3)))
    return np.array(image)


def small(pixels: int) -> np.ndarray:
    """A face of about so many pixels in a photo of 640."""
    image = canvas(640, 480)
    side = round(pixels / 0.42)
    image.paste(Image.fromarray(portrait(seed=3).pixels).resize((side, side), Image.Resampling.LANCZOS), (250, 150))
    return np.array(image)


REFUSED = {
    "black": (lambda: np.zeros((300, 400, 3), np.uint8), {"no-face"}),
    "white": (lambda: np.full((300, 400, 3), 255, np.uint8), {"no-face"}),
    "noise": (lambda: np.random.default_rng(0).integers(0, 255, (400, 400, 3), dtype=np.uint8), {"no-face"}),
    "one pixel": (lambda: np.zeros((1, 1, 3), np.uint8), {"no-face"}),
    "one row": (lambda: np.zeros((1, 4000, 3), np.uint8), {"no-face"}),
    "back wall": (lambda: np.array(canvas()), {"no-face"}),
    "crowd": (crowd, {"several-faces"}),
    "face of 20 pixels": (lambda: small(20), {"face-too-small", "no-face"}),
    "face of 45 pixels": (lambda: small(45), {"face-too-small"}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, codes = REFUSED[name]
    with pytest.raises(FitDiffError) as caught:
        analyse(photo_from_pixels(make()))
    assert caught.value.code in codes
    assert caught.value.sentence.endswith(".") and "\n" not in caught.value.sentence
    json.dumps(caught.value.to_json())
    if name == "crowd":
        assert len(caught.value.data["faces"]) == 6
        assert analyse(photo_from_pixels(make()), face=2).face.score > 0.3


def test_a_cartoon_is_refused_or_posed_without_exploding() -> None:
    try:
        pose = analyse(photo_from_pixels(cartoon())).pose
    except FitDiffError as problem:
        assert problem.code in ("no-face", "face-too-small")
    else:
        assert np.isfinite(pose.rotation).all() and np.abs(pose.identity).max() < 5


def test_upside_down_is_found_and_rolled() -> None:
    pixels = np.ascontiguousarray(portrait(seed=1).pixels[::-1, ::-1])
    pose = analyse(photo_from_pixels(pixels)).pose
    assert abs(abs(pose.angles[2]) - 180) < 6 and pose.verdict != "bad"


@pytest.mark.parametrize("yaw", [-90, 70])
def test_profiles_are_refused_or_posed_without_exploding(yaw: float) -> None:
    seen = portrait(seed=4, yaw=yaw)
    try:
        analysis = look(seen)
    except FitDiffError as problem:
        assert problem.code in ("no-face", "face-too-small")
        return
    pose = analysis.pose
    assert np.abs(pose.identity).max() < 5 and np.abs(pose.expression).max() < 5
    assert pose.angles[0] * yaw > 0 and abs(pose.angles[0]) > 25
    assert np.isfinite(analysis.mask.skin).all()


def test_half_a_face_at_the_photos_edge() -> None:
    pixels = np.ascontiguousarray(portrait(seed=1).pixels[:, : SIDE // 2 + 10])
    try:
        analysis = analyse(photo_from_pixels(pixels))
    except FitDiffError as problem:
        assert problem.code in ("no-face", "face-too-small")
    else:
        assert np.isfinite(analysis.pose.rotation).all()
        assert analysis.mask.over_photo("face", pixels.shape[:2]).max() <= 1
