"""The yardstick on two made-up people, photographed by our own renderer so that no Blender is needed."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from msgspec.structs import replace as with_fields
from PIL import Image

from fitdiff.avatar import Light, read_avatar
from fitdiff.cli import main
from fitdiff.colour import linear_from_srgb
from fitdiff.evaluation import avatar_cache, known_person, known_truth, shapes, subjects, truth_report
from fitdiff.evaluation.hard_views import HARD
from fitdiff.evaluation.known_person import Ground, Subject, seen_texels
from fitdiff.evaluation.neutral_likeness import Front
from fitdiff.evaluation.shapes import FaceShape, reachable
from fitdiff.evaluation.views import as_bytes
from fitdiff.face import embedded
from fitdiff.progress import silent
from fitdiff.render.colour import to_srgb

PEOPLE = 2
DIRECTION = (0.5, 0.4, 0.8)


@pytest.fixture(scope="module")
def ground():
    return Ground(embedded.load())


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """What `make` and Blender leave, with a lamp in place of a panorama."""
    folder = tmp_path_factory.mktemp("people")
    subjects.make(folder, PEOPLE)
    for place in folder.iterdir():
        avatar = read_avatar(place / "avatar")
        head = known_person.Head(avatar)
        drawn = head.draw(
            known_person.camera_from_avatar(avatar), [0.4, 0.7, 0.7, 1.0, 1.0, 1.0, *DIRECTION], shadowed=True
        )
        picture = to_srgb(drawn.over(torch.full((1, 3, 1, 1), 0.2)))
        Image.fromarray(as_bytes(picture)).save(place / "photo.png")
        (place / "lit.json").write_text(json.dumps({"direction": DIRECTION, "share": 1.5, "front": [1, 1, 1]}))
    return folder


@pytest.fixture(scope="module")
def subject(people, ground):
    return Subject(people / "00", ground)


def test_the_truth_itself_has_no_error(subject, ground):
    light = Light(ambient=0.4, diffuse=0.7, specular=0.7, colour=(1.0, 1.0, 1.0), direction=DIRECTION)
    perfect = replace(subject.avatar, manifest=with_fields(subject.avatar.manifest, light=light))
    figures = subject.judge(perfect, Front(perfect, ground.model, subject.neutral))
    assert max(figures["shape"].values()) < 1e-6
    assert max(figures["outline"].values()) == 0
    assert all(one["psnr"] == 100 and one["ssim"] == pytest.approx(1) for one in figures["maps"].values())
    assert figures["normals"] == pytest.approx(0, abs=1e-3)
    assert figures["light"] == pytest.approx(0, abs=1e-3)
    assert figures["albedo"] == pytest.approx({"delta_e": 0, "level": 0, "hue": 0}, abs=1e-6)
    assert figures["front"] == pytest.approx({name: float(name != "dlib") for name in figures["front"]}, abs=1e-3)


def test_errors_that_were_put_in_are_found(subject, ground):
    avatar = subject.avatar
    light = Light(ambient=0.4, diffuse=0.7, specular=0.7, colour=(1.0, 1.0, 1.0), direction=(0.8, 0.4, -0.5))
    maps = {**avatar.maps, "specular": np.full((8, 8), 51, np.uint8)}
    linear = linear_from_srgb(avatar.maps["diffuse"] / 255.0) / 2
    maps["diffuse"] = (255 * to_srgb(torch.from_numpy(linear)).numpy() + 0.5).astype(np.uint8)
    turned = np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])  # the head's axes by a quarter, and its camera with them
    camera = avatar.manifest.camera
    rotation = tuple(map(tuple, (np.array(camera.rotation) @ turned.T).tolist()))
    camera = with_fields(camera, rotation=rotation)
    mesh = replace(
        avatar.mesh,
        vertices=(avatar.mesh.vertices @ turned.T).astype(np.float32),
        shape_keys=(avatar.mesh.shape_keys.astype(np.float32) @ turned.T).astype(np.float32),
        fit_residual=(avatar.mesh.fit_residual @ turned.T).astype(np.float32),
    )
    about = with_fields(avatar.manifest, light=light, camera=camera)
    other = replace(avatar, manifest=about, maps=maps, mesh=mesh)
    front = Front(other, ground.model, subject.neutral)
    figures = subject.judge(other, front)
    # The frame in which an engine puts the head is its own affair.
    assert max(figures["shape"].values()) < 0.01
    assert figures["normals"] < 0.2
    whole = replace(other, maps=avatar.maps)
    again = Front(whole, ground.model, subject.neutral).picture
    assert (again - subject.front.picture).abs().mean() < 1e-3 < (front.picture - subject.front.picture).abs().mean()
    # Of the light, what counts is where the photo's camera saw it come from: here the lamp turned with the head.
    assert figures["light"] == pytest.approx(0, abs=0.1)
    assert figures["albedo"]["level"] == pytest.approx(-1, abs=0.03)
    assert figures["albedo"]["hue"] < 0.5
    specular = np.square(subject.maps["specular"] - 0.2)[subject.seen].mean()
    assert figures["maps"]["specular"]["mse"] == pytest.approx(specular, rel=1e-3)


def test_no_prior_of_ours_says_these_people_exactly(people, ground):
    for place in sorted(people.iterdir()):
        one = Subject(place, ground)
        best = one.shape.errors(reachable(ground.basis, ground.mean, one.shape))
        assert 0.15 < best["overall"] < 1.0 < one.shape.overall(ground.mean)
        assert {"roughness", "diffuse", "specular", "normal"} < set(one.avatar.maps)
        assert one.avatar.manifest.arkit


def test_the_photo_shows_the_side_that_is_turned_to_it(people, ground):
    """Two people look to either side; u runs from the face's right to its left."""
    for place in sorted(people.iterdir()):
        one = Subject(place, ground)
        seen = seen_texels(one.head, one.camera) & ground.face
        right, left = seen[:, :256].sum(), seen[:, 256:].sum()
        assert abs(one.yaw) == pytest.approx(subjects.MOST_YAW)
        assert (left > 1.2 * right) if one.yaw > 0 else (right > 1.2 * left)
        assert one.skin.sum() < one.seen.sum() and not one.skin[~ground.face].any()


def test_in_hard_views_a_person_is_the_same_and_only_the_view_is_not(ground, tmp_path, monkeypatch):
    monkeypatch.setattr(subjects, "TEXELS", 64)
    views = [view for view in HARD if view.name in ("ahead", "turned 65", "from below 25", "in the dark")]
    subjects.make(tmp_path, 1, 5, views)
    made = {view.name: read_avatar(tmp_path / f"00{view.ending}" / "avatar") for view in views}
    scenes = {view.name: json.loads((tmp_path / f"00{view.ending}" / "scene.json").read_text()) for view in views}
    ahead = made["ahead"]
    for name, avatar in made.items():
        assert (
            np.array_equal(avatar.mesh.vertices, ahead.mesh.vertices) and avatar.manifest.arkit == ahead.manifest.arkit
        )
        assert np.array_equal(avatar.maps["diffuse"], ahead.maps["diffuse"])
        assert scenes[name]["group"] == name and (scenes[name]["level"] < 0.2) == (name == "in the dark")
    towards = {
        name: np.array(avatar.manifest.camera.rotation)[2] for name, avatar in made.items()
    }  # from the head to it
    yaw, pitch = (
        {name: np.degrees(np.arctan2(*pair(v))) for name, v in towards.items()}
        for pair in (lambda v: (v[0], v[2]), lambda v: (v[1], np.hypot(v[0], v[2])))
    )
    assert abs(yaw["turned 65"]) == pytest.approx(65, abs=0.01) and yaw["ahead"] == pytest.approx(0, abs=0.01)
    assert pitch["from below 25"] == pytest.approx(-25, abs=0.01)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"00{view.ending}" for view in views)


def test_made_people_stay_as_they_are(people):
    before = {path: path.stat().st_mtime_ns for path in people.rglob("*") if path.is_file()}
    subjects.make(people, PEOPLE)
    assert before == {path: path.stat().st_mtime_ns for path in people.rglob("*") if path.is_file()}


def test_lights_and_tones_are_spread():
    random = np.random.default_rng(0)
    lights = [subjects.light_of(number, random) for number in range(20)]
    assert [sum(lit.group == group for lit in lights) for group in subjects.LIGHTS] == [7, 7, 6]
    assert all(len({lit.room for lit in lights if lit.group == group}) >= 3 for group in subjects.LIGHTS)
    assert all(abs(lit.aside) <= subjects.MOST_ASIDE for lit in lights)
    assert (
        max(lit.level for lit in lights if lit.group == "dim")
        < 0.5
        < 0.8
        < min(lit.level for lit in lights if lit.group != "dim")
    )


@pytest.mark.slow
def test_the_command_measures_reports_and_goes_on(people, tmp_path, monkeypatch, capfd, perception):
    monkeypatch.setattr(shapes, "ROUNDS", 5)  # a region lies well enough after a few; reports take their time
    words = ["evaluate", "--truth", str(people), "--out", str(tmp_path), "--engines", "landmarks,mean", "--json"]
    assert main(words) == 0
    answer = json.loads(capfd.readouterr().out)
    assert answer["truth"]["people"] == PEOPLE and answer["truth"]["failed"] == []
    about = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    assert [entry["person"] for entry in about["people"]] == ["00", "01"]
    for entry in about["people"]:
        shaped, mean = (entry["engines"][name] for name in ("landmarks", "mean"))
        for one in (shaped, mean):
            assert entry["reachable"]["overall"] < 1 < one["shape"]["overall"] < 8
        assert 2 < shaped["normals"] < 25 and 0 < shaped["light"] < 90
        assert 5 < shaped["maps"]["diffuse"]["psnr"] < 40 and 0 < shaped["maps"]["diffuse"]["ssim"] < 1
        assert Image.open(tmp_path / entry["sheet"]).width > 7 * 200
    groups = about["groups"]
    assert {"warm", "neutral"} < set(groups) and "dim" not in groups
    assert groups["dark skin"]["medians"]["mean"]["albedo.delta_e"]["count"] == 1
    crossed = {name: group["people"] for name, group in groups.items() if name.startswith("dark skin, ")}
    assert list(crossed.values()) == [groups["dark skin"]["people"]]  # one person stands in one light
    medians = about["medians"]["landmarks"]["shape.nose"]
    assert medians["min"] <= medians["median"] <= medians["max"] and medians["count"] == PEOPLE
    page = (tmp_path / "truth.html").read_text(encoding="utf-8")
    assert page.count("<img ") == PEOPLE and "<script" not in page and "http://" not in page and "https://" not in page

    def never(*_):
        raise AssertionError("made again")

    monkeypatch.setattr(avatar_cache, "run", never)
    one = tmp_path / "one"
    shutil.copytree(people / "00", one / "00")
    words = ["evaluate", "--truth", str(one), "--out", str(tmp_path), "--engines", "mean", "--json"]
    assert main(words) == 0  # nothing of this person has changed: the avatar lies there
    again = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    assert again["people"][0]["engines"]["mean"] == about["people"][0]["engines"]["mean"]
    lying, changed = avatar_cache.AvatarCache(tmp_path / "avatars"), known_truth.RunSettings(seed=1)
    with pytest.raises(AssertionError, match="made again"):
        lying.avatar("00", people / "00" / "photo.png", "mean", changed, lambda: None, silent)


def test_an_engine_or_a_person_that_fails_stands_in_the_report(tmp_path):
    failed = {"code": "face-unclear", "message": "<b>The face cannot be made out.</b>"}
    results = [
        known_truth.SubjectResult("00", error=failed),
        known_truth.SubjectResult(
            "01",
            {
                "light": "dim",
                "room": "night",
                "lightness": 40.0,
                "reachable": dict.fromkeys(("overall", "surface", *truth_report_parts()), 0.3),
            },
            {"fit": {"error": failed}, "mean": {"shape": {"overall": 2.5}, "normals": None, "albedo": {"level": -0.5}}},
            {"truth": dict.fromkeys(known_truth.truth_pictures.CAPTIONS, np.zeros((8, 8, 3), np.uint8))},
        ),
    ]
    about = truth_report.report(results, ["fit", "mean"], known_truth.RunSettings())
    assert about["medians"]["fit"]["shape.overall"] == {"count": 0}
    assert about["medians"]["mean"]["shape.overall"]["median"] == 2.5
    assert about["medians"]["mean"]["normals"] == {"count": 0}
    assert about["medians"]["mean"]["albedo.off"]["median"] == 0.5
    json.dumps(about, allow_nan=False)
    page = truth_report.page(about, {entry["sheet"]: np.zeros((8, 8, 3), np.uint8) for entry in about["people"]})
    assert "<b>" not in page and page.count("&lt;b&gt;The face cannot be made out.") == 2


def truth_report_parts():
    from fitdiff.evaluation.shapes import PARTS

    return tuple(PARTS)


def test_a_folder_without_photos_is_refused(tmp_path, capfd):
    (tmp_path / "00").mkdir()
    assert main(["evaluate", "--truth", str(tmp_path), "--out", str(tmp_path / "out")]) == 3
    assert "photographed" in capfd.readouterr().err
    assert main(["evaluate", "--out", str(tmp_path / "out")]) == 2


def test_a_truth_that_is_not_whole_is_one_failed_person(people, tmp_path, ground):
    shutil.copytree(people / "00", tmp_path / "00")
    (tmp_path / "00" / "lit.json").write_text("{")
    result = known_truth.judge_subject(
        tmp_path / "00", ground, ["mean"], known_truth.RunSettings(), avatar_cache.AvatarCache(tmp_path / "avatars")
    )
    assert result.error["code"] == "truth-broken" and result.engines == {}


def test_the_shape_of_a_face_is_measured_on_skin(ground):
    shape = FaceShape(ground.topology, ground.mean)
    assert all(0.0005 < shape.areas[rows].sum() < 0.06 for rows in shape.rows.values())  # square metres
