"""`fitdiff evaluate`: a small run with the instant engines, and what the report holds and escapes."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from fitdiff.cli import main
from fitdiff.evaluation import report
from fitdiff.evaluation.engine_variants import RunSettings
from fitdiff.evaluation.real_photos import EngineResult, PhotoResult
from fitdiff.evaluation.recognisers import networks
from fitdiff.face import embedded

from ..perception.portraits import portrait

HOSTILE = "<script>alert(1)</script>&\"'.jpg"
KEYS = {"format", "version", "fitdiff_version", "commit", "date", "command", "machine", "settings", "networks"} | {
    "photos",
    "medians",
    "between_photos",
    "shape_distances",
    "not_measured",
}


@pytest.fixture(scope="module")
def small_run(demo_photo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    blank = folder / "nobody.png"
    Image.fromarray(np.full((200, 160, 3), 127, np.uint8)).save(blank)
    named = folder / HOSTILE.replace("/", "_")
    shutil.copy(demo_photo, named)
    out = folder / "out"
    code = main(["evaluate", str(named), str(blank), "--out", str(out), "--engines", "landmarks,mean", "--json"])
    return code, out, named


@pytest.mark.slow
def test_whole_heads_are_held_against_another_photo_where_one_is_named(small_run, tmp_path):
    """But what is seen through the photo's own mask is not."""
    _, out, named = small_run
    stranger = tmp_path / "stranger.png"
    Image.fromarray(portrait(seed=2).pixels).save(stranger)
    words = ["--engines", "landmarks", "--against", str(stranger), "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(named), *words]) == 0
    own, other = (json.loads((at / "report.json").read_text(encoding="utf-8")) for at in (out, tmp_path / "out"))
    own, other = (about["photos"][0]["engines"]["landmarks"]["views"] for about in (own, other))
    for view in ("photo", "relit", "flat"):
        assert abs(own[view]["identity"]["dlib"]["whole"] - other[view]["identity"]["dlib"]["whole"]) > 0.01
        assert own[view]["identity"]["dlib"]["inside"] == other[view]["identity"]["dlib"]["inside"]
    assert main(["evaluate", str(named), "--against", str(tmp_path / "none.png"), *words[:2], *words[4:]]) == 3


@pytest.mark.slow
def test_the_json_has_its_keys_and_sane_figures(small_run):
    code, out, named = small_run
    assert code == 0
    about = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert set(about) == KEYS
    first, second = about["photos"]
    assert first["photo"] == named.name and first["error"] is None
    assert second["error"]["code"] == "no-face" and second["engines"] == {} and second["sheet"] is None
    assert set(first["engines"]) == {"landmarks", "mean"}
    for figures in first["engines"].values():
        views = figures["views"]
        assert figures["guided_by"] == [] and figures["seconds"] > 0
        assert {"photo", "turned_17", "turned_40", "relit", "relit_shadowed", "flat"} < set(views)
        for view in ("photo", "relit", "flat"):
            assert 0.4 < views[view]["identity"]["dlib"]["inside"] < 1.2  # nobody's skin: somebody else
        assert views["turned_17"]["side"] in ("left", "right")
        assert views["turned_17"]["identity"]["dlib"]["whole"] == min(
            views[f"turned_17_{side}"]["identity"]["dlib"]["whole"] for side in ("left", "right")
        )
    shaped, mean = (first["engines"][name]["views"]["photo"] for name in ("landmarks", "mean"))
    assert shaped["landmarks_percent"] < 3 < 1.5 * mean["landmarks_percent"]
    assert about["medians"]["mean"]["photometric"]["count"] == 1


@pytest.mark.slow
def test_the_page_escapes_names_and_needs_nothing_else(small_run):
    _, out, _ = small_run
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "http://" not in page and "https://" not in page
    assert page.count("<img ") == 1 and 'src="data:image/jpeg;base64,' in page
    sheets = sorted(path.name for path in out.glob("*.png"))
    assert sheets == ["01-script_alert_1__script.png"]
    assert Image.open(out / sheets[0]).width > 7 * 288


def test_the_page_names_the_guide_and_marks_what_is_missing(perception):
    identity = {name: {"whole": 0.31, "inside": 0.21} for name in networks(perception)}
    skin = {"photometric": 0.03, "photometric_psnr": 28.0}
    views = {"photo": {"identity": identity, "landmarks_percent": None, "mesh_percent": 1.0, **skin}}
    figures = {"seconds": 2.0, "stages": {}, "guided_by": ["fr"], "own": {}, "views": views}
    model = embedded.load()
    heads = [
        model.mean.numpy(),
        1.01 * model.mean.numpy(),
        model.vertices(torch.ones(1, model.identity_count))[0].numpy(),
    ]
    names = (HOSTILE, HOSTILE.replace(".jpg", "2.jpg"), "somebody.jpg")
    results = [
        PhotoResult(name, {"fit": EngineResult(figures, neutral=head)}) for name, head in zip(names, heads, strict=True)
    ]
    about = report.report(results, ["fit"], RunSettings(), model.topology)
    assert about["medians"]["fit"]["dlib.photo.inside"] == {"count": 3, "median": 0.21, "min": 0.21, "max": 0.21}
    assert about["medians"]["fit"]["landmarks_percent"] == {"count": 0}
    page = report.page(about, {})
    assert '<td class="guide">0.210</td>' in page and "<td>0.210</td>" in page
    assert "<td>–</td>" in page
    assert "<script" not in page
    shapes = about["shape_distances"]["fit"]
    assert shapes["one_person"]["median"] < 1e-3 < 1 < shapes["two_people"]["min"]
    assert "two photos of one person" in page and f"<td>{shapes['pairs'][1]['mm']:.2f}</td>" in page


def test_every_photo_gets_a_file_name_of_its_own():
    assert report.sheet_name(1, "a b.JPG") == "01-a_b.png"
    assert report.sheet_name(12, "../../é.png") == "12-photo.png"
    assert len(report.sheet_name(3, "x" * 300 + ".png")) < 80


@pytest.mark.parametrize("wrong", [["--engines", "magic"], ["--engines", ","], ["--steps", "0"]])
def test_wrong_words_are_usage_errors(wrong, tmp_path, capfd):
    assert main(["evaluate", "photo.png", "--out", str(tmp_path / "out"), *wrong]) == 2
    assert not (tmp_path / "out").exists()


def test_a_run_without_any_face_is_refused(tmp_path, capfd, perception):
    blank = tmp_path / "nobody.png"
    Image.fromarray(np.full((200, 160, 3), 127, np.uint8)).save(blank)
    assert main(["evaluate", str(blank), "--out", str(tmp_path / "out"), "--engines", "mean"]) == 3
    assert "No face" in capfd.readouterr().err


@pytest.mark.slow
def test_bench_reconstruct_tells_the_stages(demo_photo, capfd):
    words = ["bench", "reconstruct", str(demo_photo), "--engine", "landmarks", "--against", "mean", "--repeats", "1"]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert answer["against"]["engine"] == "mean" and answer["against"]["total_s"] > 0
    assert "mean: picture" in answer["against"]["stages_s"]
    stages = answer["stages_s"]
    assert list(stages)[:4] == ["open", "find the face", "pose", "skin mask"]
    assert "landmarks: picture" in stages
    assert sum(stages.values()) == pytest.approx(answer["total_s"], rel=0.25)
    assert 0 < answer["first_preview_s"] <= answer["total_s"]
    assert answer["rounds"] == 1 and answer["engine"] == "landmarks"
