"""docs/results.md: written from reports and from nothing else."""

import json
from pathlib import Path

import numpy as np
import pytest

from fitdiff.evaluation import provenance, report, results, truth_report
from fitdiff.evaluation.engine_variants import RunSettings
from fitdiff.evaluation.known_truth import SubjectResult
from fitdiff.evaluation.real_photos import EngineResult, PhotoResult
from fitdiff.evaluation.shapes import PARTS
from fitdiff.face import embedded

DOCS = Path(__file__).resolve().parents[3] / "docs"
COMMAND = "fitdiff evaluate ada.jpg ada2.jpg --out out"


def test_the_page_in_the_docs_is_what_the_reports_say():
    found = results.read(DOCS / "results")
    assert found
    assert (DOCS / "results.md").read_text(encoding="utf-8") == results.results_page(found), (
        "run: python -m fitdiff.evaluation.results docs/results --out docs/results.md"
    )


def photos_report(perception) -> dict:
    identity = {name: {"whole": 0.3123456, "inside": 0.21} for name in report.networks(perception)}
    seen = {"identity": identity, "landmarks_percent": 1.25, "mesh_percent": None, "photometric": 0.03}
    views = {"photo": seen | {"photometric_psnr": 28.0}, "turned_17": seen}
    figures = {"seconds": 2.0, "guided_by": ["dlib"], "views": views}
    model = embedded.load()
    heads = [EngineResult(figures, neutral=scale * model.mean.numpy()) for scale in (1.0, 1.01)]
    photos = [PhotoResult(name, {"fit": head}) for name, head in zip(("ada.jpg", "ada2.jpg"), heads, strict=True)]
    failed = PhotoResult("nobody.jpg", {}, {"code": "no-face", "message": "No face."})
    return report.report([*photos, failed], ["fit"], RunSettings(), model.topology, COMMAND)


def test_photos_have_their_command_machine_and_figures(perception, tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(photos_report(perception)), encoding="utf-8")
    out = tmp_path / "results.md"
    assert results.main([str(tmp_path / "kept"), "--keep", f"one={tmp_path / 'report.json'}", "--out", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    about = json.loads((tmp_path / "kept" / "one.json").read_text(encoding="utf-8"))
    assert about["photos"] == ["ada.jpg", "ada2.jpg", "nobody.jpg"] and "engines" not in json.dumps(about["photos"])
    assert f"`{COMMAND}`" in page and about["date"][:10] in page and provenance.processor() in page
    assert "Failed: nobody.jpg." in page
    assert "|dlib, distance: in view, inside the face|0.21 (0.21 to 0.21)\\*|" in page
    assert "|landmarks found again, % of inter-ocular|1.25 (1.25 to 1.25)|" in page
    assert "|dlib, distance: turned by 40\N{DEGREE SIGN}, better side|–\\*|" in page
    assert "|seconds|2 (2 to 2)|" in page


def test_people_have_reachable_and_groups(tmp_path):
    about = {"light": "dim", "room": "night", "lightness": 40.0}
    about["reachable"] = dict.fromkeys(("overall", "surface", *PARTS), 0.3)
    found = {"fit": {"shape": {"overall": 2.5}, "albedo": {"delta_e": 7.25, "level": -0.5}, "seconds": 3.0}}
    picture = dict.fromkeys(["photo"], np.zeros((8, 8, 3), np.uint8))
    people = [SubjectResult(name, about, found, picture) for name in ("00", "01", "02")]
    page = results.results_page({"truth": results.kept(truth_report.report(people, ["fit"], RunSettings(), "fitdiff"))})
    assert "|whole face, vertex to vertex, mm|2.50 (2.50 to 2.50)|0.30 (0.30 to 0.30)|" in page
    assert "|direction of the light, degrees|–||" in page
    assert "|dim (3)|7.2|-0.50|" in page and "|dark skin (1)|" in page


def test_speed_is_a_table_of_stages():
    about = {"format": results.BENCH, "benchmark": "render", **provenance.provenance("fitdiff bench render")}
    case = {
        "faces": 12,
        "size": 48,
        "maps": 64,
        "batch": 1,
        "rasterizer": "numba",
        "forward_ms": 1.25,
        "backward_ms": 2.0,
    }
    assert "|12|48|64|1|numba|1.2|2.0|" in results.results_page({"render": results.kept(about | case)})
    one = {"engine": "fit", "stages_s": {"open": 0.1, "fit: fitting": 20.04}, "total_s": 21.0, "first_round_s": 30.0}
    one |= {"first_preview_s": None, "peak_mib": 900.4, "rounds": 2, "device": "cpu", "resolution": 512}
    other = one | {"engine": "diffusion", "stages_s": {"open": 0.2, "diffusion: sampling": 9.0}}
    page = results.results_page({"speed": about | {"benchmark": "reconstruct"} | one | {"against": other}})
    assert "|open|0.1|0.2|" in page and "|fitting|20.0||" in page and "|sampling||9.0|" in page
    assert "|memory at most, MiB|900|900|" in page and "|first preview after|–|–|" in page


def test_figures_are_kept_short():
    assert results.kept({"format": results.BENCH, "a": [1.23456, {"b": 1234567.0}], "n": 3}) == {
        "format": results.BENCH,
        "a": [1.235, {"b": 1235000.0}],
        "n": 3,
    }


@pytest.mark.parametrize("checkout", [True, False])
def test_the_commit_is_the_checkouts(checkout, tmp_path, monkeypatch):
    if not checkout:
        monkeypatch.setattr(provenance, "CHECKOUT", tmp_path)
    told = provenance.commit()
    assert (told is None) == (not (provenance.CHECKOUT / ".git").exists())
    assert told is None or 10 <= len(told) <= 12
