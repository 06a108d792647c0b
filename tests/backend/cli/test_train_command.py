"""`fitdiff train`, as it is called."""

import json

from fitdiff.cli import main


def test_a_sheet_of_people(tmp_path, capfd):
    assert main(["train", "people", "--out", str(tmp_path / "p.png"), "--count", "2", "--show", "maps", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["people"] == 2
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_what_is_missing_is_said(tmp_path, capfd):
    nothing = str(tmp_path / "none.safetensors")
    code = main(["train", "latents", "--autoencoder", nothing, "--out", str(tmp_path / "l"), "--json"])
    assert code == 4 and json.loads(capfd.readouterr().out)["error"]["code"] == "weights-damaged"
    code = main(["train", "people", "--out", str(tmp_path / "p.png"), "--skins", nothing, "--json"])
    assert code == 4 and json.loads(capfd.readouterr().out)["error"]["code"] == "asset-skins"
    assert main(["train", "autoencoder", "--out", str(tmp_path / "a"), "--json"]) == 2
    assert not (tmp_path / "a").exists()
