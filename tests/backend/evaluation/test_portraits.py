"""`fitdiff evaluate FOLDER`: who is taken, by which groups, and what a stopped run leaves and goes on with."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fitdiff.cli import main
from fitdiff.errors import FitDiffError
from fitdiff.evaluation import avatar_cache, portrait_report, portrait_results, results
from fitdiff.evaluation.engine_variants import RunSettings
from fitdiff.evaluation.portrait_groups import groups
from fitdiff.evaluation.portrait_results import SHOWN, TILE, PortraitCache, PortraitResult
from fitdiff.evaluation.portraits import Portrait, portraits_in
from fitdiff.evaluation.recognisers import networks
from fitdiff.face import embedded
from fitdiff.held_back import held_back
from fitdiff.training.build import portrait_labels

from ..perception.portraits import portrait

NAMES = [f"person_{number}" for number in range(12)]
KEPT_BACK = [name for name in NAMES if held_back(name)]


@pytest.fixture
def folder(tmp_path):
    """A folder of portraits whose pictures are nobody."""
    (tmp_path / "photo").mkdir()
    for name in NAMES:
        (tmp_path / "photo" / f"{name}.jpg").touch()
    rows = [f"{name},{20 + number},{'yes' if number % 2 else 'no'}," for number, name in enumerate(NAMES)]
    (tmp_path / "portraits.csv").write_text("\n".join(["name,age,glasses,hat", *rows]), encoding="utf-8")
    (tmp_path / "other.csv").write_text("something,else\n1,2\n", encoding="utf-8")
    return tmp_path


def test_a_folder_gives_its_people_and_what_its_tables_say(folder, tmp_path):
    people = portraits_in(folder)
    assert [one.name for one in people] == sorted(NAMES)
    assert people[1].about == {"age": "21", "glasses": "yes"}  # empty cells say nothing
    (tmp_path / "more.tsv").write_text("\ufeffname,glasses,hair\nperson_1.jpg,no,short\n", encoding="utf-8")
    plain = portraits_in(folder / "photo", tmp_path / "more.tsv")
    assert plain[1].about == {"glasses": "no", "hair": "short"} and plain[0].about == {}
    assert [one.name for one in portraits_in(folder, only_held_back=True)] == KEPT_BACK
    assert 0 < len(KEPT_BACK) < len(NAMES) / 2
    assert [one.name for one in portraits_in(folder, only=["person_3"])] == ["person_3"]


def test_labels_made_by_eye_are_a_table_too(folder):
    bob = {"scalp": "bald", "turned": True, "glasses": [{"glass": "clear", "lenses": [], "place": "hair"}]}
    bob |= {"covers": [{"kind": kind, "outline": [(0, 0), (9, 0), (9, 9)]} for kind in ("scarf", "hat", "hat")]}
    named = {"person_1": {}, "person_2": bob, "person_3": {"glasses": [{"glass": "dark", "lenses": []}]}}
    sized = {name: {"width": 9, "height": 9} | one for name, one in named.items()}
    text = json.dumps({"about": "", "made_by": "", "licence": "CC0-1.0", "portraits": sized})
    (folder / "labels.json").write_text(text, encoding="utf-8")
    usual = portrait_labels.read(folder / "labels.json")["person_1"]
    rows = {one.name: one.about for one in portraits_in(folder, folder / "labels.json")}
    assert {key: rows["person_1"][key] for key in ("scalp", "beard", "colour")} == {
        key: getattr(usual, key) for key in ("scalp", "beard", "colour")
    }
    assert [rows[name]["glasses"] for name in named] == ["none", "none", "dark"]
    assert rows["person_2"]["covers"] == "hat and scarf" and rows["person_2"]["scalp"] == "bald"
    assert (
        rows["person_2"]["turned"] == "yes" and rows["person_2"]["fringe"] == "no" and rows["person_2"]["age"] == "22"
    )
    (folder / "labels.json").write_text('{"portraits": [1]}', encoding="utf-8")
    with pytest.raises(FitDiffError, match="cannot be read"):
        portraits_in(folder, folder / "labels.json")


def test_photos_that_differ_in_their_endings_alone_are_two_people(folder):
    (folder / "photo" / "person_1.png").touch()
    names = [one.name for one in portraits_in(folder)]
    assert {"person_1.jpg", "person_1.png"} < set(names) and len(set(names)) == len(NAMES) + 1


def test_wrong_folders_tables_and_names_are_told(folder, tmp_path):
    for code, words in {
        "usage-only": {"only": ["nobody"]},
        "usage-table": {"table": folder / "other.csv"},
        "table-unreadable": {"table": folder / "none.csv"},
    }.items():
        with pytest.raises(FitDiffError) as told:
            portraits_in(folder, **words)
        assert told.value.code == code
    (tmp_path / "empty").mkdir()
    with pytest.raises(FitDiffError, match="no photos"):
        portraits_in(tmp_path / "empty")


@pytest.mark.parametrize("words", [["--held-back"], ["--only", "a"], ["--table", "a.csv"]])
def test_options_of_folders_need_one(words, tmp_path, capfd):
    assert main(["evaluate", "photo.png", "--out", str(tmp_path / "out"), *words]) == 2
    assert main(["evaluate", str(tmp_path), "photo.png", "--out", str(tmp_path / "out")]) == 2


def figures_by(seen: dict[str, float | None]) -> dict:
    """An engine's figures on one photo where every recogniser says the same."""
    view = {"identity": {name: {"whole": seen["whole"], "inside": seen["inside"]} for name in seen["networks"]}}
    photo = {"landmarks_percent": 1.0, "mesh_percent": None, "photometric": 0.03, "photometric_psnr": 28.0}
    return {"seconds": 2.0, "views": {"photo": view | photo, "relit": view}}


@pytest.fixture
def judged(perception):
    """Twelve people of growing lightness, age and likeness; the last one failed."""
    known = list(networks(perception))
    found = []
    for number, name in enumerate(NAMES):
        about = {"age": str(10 + 5 * number), "sex": "man" if number % 3 else "woman", "country": name, "kind": "one"}
        about |= {"width": str(400 + number % 2), "title": "Mr" if number % 3 else "Ms", "hat": str(number // 11)}
        figures = figures_by({"whole": number / 10, "inside": number / 20, "networks": known})
        picture = np.full((TILE, len(SHOWN) * TILE, 3), number, np.uint8)
        parting = {"hair_iou": None, "matte_error": number / 100} if number % 2 else {}
        one = PortraitResult(
            Portrait(name, Path(name), about), {"fit": figures}, 30.0 + number, 1.0, parting, {"fit": picture}
        )
        found.append(one)
    error = {"error": FitDiffError("no-face", "<b>No face.</b>").to_json()}
    lost = replace(found[-1], engines={"fit": error}, pictures={}, lightness=None)
    return [*found[:-1], replace(lost, portrait=replace(lost.portrait, photo=Path("none.jpg")))]


def test_people_fall_into_thirds_of_skin_ages_and_few_values(judged):
    found = {title: len(part) for title, part in groups(judged).items()}
    assert found == {
        "everyone": 12,
        "skin: dark": 4,
        "skin: middle": 4,
        "skin: light": 3,
        "age: under 18": 2,
        "age: 18 to 29": 2,
        "age: 30 to 44": 3,
        "age: 45 to 59": 3,
        "age: 60 and over": 2,
        "sex: man": 8,
        "sex: woman": 4,
        "hat: 0": 11,
        "hat: 1": 1,
    }  # neither a country each nor what all have, no measures, and nothing twice


def test_groups_have_medians_and_counts_everywhere_they_are_told(judged):
    about = portrait_report.report(judged, ["fit"], RunSettings(), "fitdiff evaluate faces")
    dark, everyone = (about["groups"][title] for title in ("skin: dark", "everyone"))
    assert dark["people"] == NAMES[:4]
    assert dark["medians"]["fit"]["dlib.relit.whole"] == {
        "count": 4,
        "median": pytest.approx(0.15),
        "min": 0,
        "max": 0.3,
    }
    assert everyone["medians"]["fit"]["dlib.relit.whole"]["count"] == 11
    assert everyone["medians"]["fit"]["dlib.flat.whole"] == {"count": 0}
    assert everyone["medians"]["fit"]["parting.matte_error"] == {"count": 5, "median": 0.05, "min": 0.01, "max": 0.09}
    assert "matte" in [title for title, _, _ in portrait_report.columns(about)]
    assert "hair IoU" not in [title for title, _, _ in portrait_report.columns(about)]  # nobody has a hair's mask
    lines = portrait_report.table(about, "fit").splitlines()
    assert lines[0].split()[0] == "people" and lines[1].split()[:5] == ["everyone", "11", "of", "12", "0.25"]
    page = portrait_report.page(about, {"fit": {}})
    assert "<b>" not in page and "&lt;b&gt;No face." in page and "everyone (11 of 12)" in page
    kept = results.kept(about)
    assert kept["people"] == 12 and kept["failed"] == {"fit": 1}
    assert not any(name in json.dumps(kept) for name in NAMES)
    text = results.results_page({"portraits": kept})
    assert "## Portraits by group" in text and "|skin: dark (4)|" in text and "Failed: 1." in text


def test_sheets_have_a_row_for_everyone(judged):
    about = portrait_report.report(judged, ["fit"], RunSettings())
    found = portrait_report.sheets(judged, about)["fit"]
    assert list(found) == ["sheet-fit-01.jpg", "sheet-fit-02.jpg"]
    first, second = found.values()
    assert max(first.shape) <= 2000 and first.shape[0] > portrait_report.ROWS * TILE
    greys = first[:, TILE // 2].max(1)  # a line down through the photos
    rows = [int((greys == number).sum()) for number in range(1, portrait_report.ROWS)]
    assert rows == [TILE] * len(rows)
    assert second.shape[1] == first.shape[1]
    assert (second[-TILE:, TILE + 20 :] > 200).any()  # the reason stands where the pictures would


def test_a_stopped_run_leaves_a_report_of_those_who_are_done(folder, judged, tmp_path, monkeypatch):
    def two_then_stop(cache, person, *_):
        if person.name == "person_10":
            raise KeyboardInterrupt
        return judged[NAMES.index(person.name)]

    monkeypatch.setattr(os, "nice", lambda by: None, raising=False)
    monkeypatch.setattr(PortraitCache, "judge", two_then_stop)
    out = tmp_path / "out"
    assert main(["evaluate", str(folder), "--out", str(out), "--engines", "fit"]) == 130
    about = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert [one["person"] for one in about["people"]] == ["person_0", "person_1"]
    assert (out / "sheet-fit-01.jpg").is_file()


@pytest.fixture(scope="module")
def small_folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("faces")
    Image.fromarray(portrait(seed=2).pixels).save(place / "ada.png")
    Image.fromarray(np.full((200, 160, 3), 127, np.uint8)).save(place / "nobody.png")
    (place / "table.csv").write_text("name,hair\nada,long\nnobody,none\n", encoding="utf-8")
    return place


@pytest.mark.slow
def test_a_run_tells_failures_and_goes_on_where_it_stopped(small_folder, tmp_path, monkeypatch, capfd, perception):
    polite = []
    monkeypatch.setattr(os, "nice", polite.append, raising=False)
    words = ["evaluate", str(small_folder), "--out", str(tmp_path), "--engines", "landmarks", "--json"]
    assert main(words) == 0 and polite == [10]
    said = capfd.readouterr()
    answer = json.loads(said.out)
    assert answer["people"] == 2 and answer["failed"] == ["nobody"] and "nobody: No face" in said.err
    about = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    ada = about["people"][0]
    assert ada["engines"]["landmarks"]["dlib.photo.inside"] < 1 and 20 < ada["lightness"] < 90
    with Image.open(tmp_path / "sheet-landmarks-01.jpg") as sheet:
        assert sheet.height > 2 * TILE and sheet.width > len(SHOWN) * TILE
    assert "<img " in (tmp_path / "report.html").read_text(encoding="utf-8")

    def never(*_):
        raise AssertionError("made again")

    monkeypatch.setattr(avatar_cache, "run", never)
    monkeypatch.setattr(portrait_results, "judge_avatar", never)
    cache = PortraitCache(tmp_path, embedded.load())
    person = portraits_in(small_folder, only=["ada"])[0]
    again = cache.judge(person, ["landmarks"], RunSettings())
    assert again.errors == {} and again.lightness == ada["lightness"]
    assert again.pictures["landmarks"].shape == (TILE, len(SHOWN) * TILE, 3)
    other = cache.judge(person, ["landmarks"], RunSettings(seed=1))
    assert "made again" in other.errors["landmarks"]
    monkeypatch.setattr(portrait_results, "_judges", lambda: "changed")
    assert "made again" in cache.judge(person, ["landmarks"], RunSettings()).errors["landmarks"]
