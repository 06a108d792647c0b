"""`fitdiff reconstruct`: what its options mean to the engines, and the line that shows how far it is."""

from __future__ import annotations

import inspect
import io
import json

import msgspec
import pytest
import torch
from rich.console import Console

from fitdiff import cli, weight_files
from fitdiff.commands.reconstruct import order_of
from fitdiff.engines import diffusion, fit, landmarks, registry
from fitdiff.face.model import MorphableModel
from fitdiff.face.registry import load_face_model
from fitdiff.fitting.settings import FitSettings
from fitdiff.perception import Perception
from fitdiff.progress import Progress
from fitdiff.progress_bar import progress_bar
from fitdiff.reconstruction import Order

WORDS = ["reconstruct", "photo.jpg", "--out", "head"]


@pytest.fixture
def called(monkeypatch):
    """(engine, arguments) of every call of an engine; none of them runs."""
    calls = []
    for engine in (diffusion, fit, landmarks):
        monkeypatch.setattr(
            engine, "reconstruct", lambda *words, name=engine.NAME, **more: calls.append((name, words, more))
        )
    return calls


def engine_of(*words: str):
    order = order_of(cli.build_parser(["reconstruct"]).parse_args([*WORDS, *words]))
    name = order.engine or next(iter(registry.ENGINES))
    return lambda analysis, report: registry.run(name, analysis, msgspec.structs.asdict(order), order.seed, report)


def test_without_options_it_is_the_diffusion_engine_with_its_own_settings(called):
    engine_of()("analysis", print)
    assert called == [("diffusion", ("analysis", diffusion.DiffusionSettings(), 0, print), {})]


def test_the_best_engine_is_one_that_runs_here_and_knows_the_face(monkeypatch, tmp_path):
    model, perception = load_face_model(None), Perception.load()
    assert registry.best(model, perception) == ("diffusion", None)
    stranger = MorphableModel.__new__(MorphableModel)
    torch.nn.Module.__init__(stranger)
    stranger.name = "lsfm"
    engine, why = registry.best(stranger, perception)
    assert engine == "fit" and why.startswith("Made by Direct Fit. ") and "lsfm" in why
    monkeypatch.setattr(weight_files, "ASSETS", tmp_path)
    monkeypatch.setattr(weight_files, "folders", lambda: [tmp_path])
    engine, why = registry.best(model, perception)
    assert engine == "fit" and "not installed" in why


def test_options_reach_the_engines(called):
    engine_of("--engine", "fit", "--likeness", "0.25", "--steps", "7", "--resolution", "1024", "--seed", "3")(
        "analysis", print
    )
    engine_of("--engine", "landmarks", "--seed", "4")("analysis", print)
    settings = FitSettings(steps=7, resolution=1024, likeness=0.25)
    assert called[0] == ("fit", ("analysis", settings, 3, print), {})
    assert called[1] == ("landmarks", ("analysis", landmarks.LandmarkSettings(), 4, print), {})
    engine_of("--engine", "diffusion", "--guidance", "paper", "--guidance-scale", "40", "--likeness", "0")(
        "analysis", print
    )
    own = diffusion.DiffusionSettings(guidance="paper", scale=40.0, likeness=0.0)
    assert called[2] == ("diffusion", ("analysis", own, 0, print), {})


def test_every_engine_has_a_card_and_a_file_that_agree():
    for name, card in registry.ENGINES.items():
        module = card.module()
        assert module.NAME == name == card.name
        assert list(inspect.signature(module.settings).parameters) == list(card.options)
        assert list(inspect.signature(module.check).parameters) == ["model", "perception"]
        assert not card.steps or card.qualities["standard"].steps == card.steps
    told = {name: card.to_json() for name, card in registry.ENGINES.items()}
    assert json.loads(json.dumps(told)) == told


def test_what_the_panel_assumes_until_the_service_has_spoken_is_so(extension):
    desk = extension("workflow.engines")
    told = {
        "capabilities": {
            "engines": list(registry.ENGINES),
            "engineCards": [c.to_json() for c in registry.ENGINES.values()],
        }
    }
    so = desk.offered(told)
    assert {name: so[name] for name in desk.ASSUMED} == desk.ASSUMED  # an engine that it does not know yet comes later


def test_every_engine_has_steps_of_its_own(called):
    for engine in ("fit", "diffusion"):
        engine_of("--engine", engine)("analysis", print)
    assert [words[1].steps for _, words, _ in called] == [FitSettings().steps, diffusion.DiffusionSettings().steps]


def test_the_command_and_the_service_order_the_same():
    """What a request may leave away means what the command means by it, and nothing else can be asked for."""
    args = cli.build_parser(["reconstruct"]).parse_args(WORDS)
    assert order_of(args) == Order(photo="photo.jpg", out="head")
    assert set(vars(args)) - {"command", "json", "debug"} == set(Order.__struct_fields__)


@pytest.mark.parametrize("likeness", ["0", "1", "0.5"])
def test_likeness_includes_both_ends(likeness):
    args = cli.build_parser(["reconstruct"]).parse_args([*WORDS, "--likeness", likeness])
    assert args.likeness == float(likeness)


@pytest.mark.parametrize(
    "words",
    [
        ["--likeness", "-0.1"],
        ["--likeness", "1.01"],
        ["--likeness", "nan"],
        ["--likeness", "much"],
        ["--steps", "0"],
        ["--steps", "2001"],
        ["--resolution", "600"],
        ["--engine", "magic"],
        ["--guidance", "magic"],
        ["--guidance-scale", "-1"],
        ["--guidance-scale", "nan"],
        ["--stack", "magic"],
    ],
)
def test_wrong_values_are_wrong_usage(words, capfd):
    assert cli.main([*WORDS, *words, "--json"]) == 2
    error = json.loads(capfd.readouterr().out)["error"]
    assert error["code"] == "usage"
    assert words[0] in error["message"]


def test_an_avatar_that_is_there_is_found_before_anything_is_computed(tmp_path, capfd):
    (tmp_path / "head").mkdir()
    (tmp_path / "head" / "avatar.json").write_text("{}")
    words = ["reconstruct", str(tmp_path / "nowhere.jpg"), "--out", str(tmp_path / "head"), "--json"]
    assert cli.main(words) == 3
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "avatar-exists"
    assert cli.main([*words, "--overwrite"]) == 3
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "photo-missing"


def test_the_bar_counts_steps_and_starts_again_with_each_stage():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress_bar(console) as bar:
        (task,) = bar._progress.tasks
        bar.stage("looking")
        assert (task.description, task.total) == ("looking", None)
        for step in (1, 2, 3):
            bar.show(Progress("fitting", step, 4))
        assert (task.description, task.completed, task.total) == ("fitting", 3, 4)
        bar.show(Progress("writing", 0, 0))
        assert (task.description, task.completed, task.total) == ("writing", 0, None)
        bar._progress.refresh()
    assert "writing" in console.file.getvalue()


def test_the_bar_goes_away_after_an_error_and_writes_no_codes_into_a_log():
    log = io.StringIO()
    console = Console(file=log)
    for _ in range(2):  # a bar that is still alive would not let a second one start
        with pytest.raises(ZeroDivisionError), progress_bar(console) as bar:
            bar.stage("looking")
            raise ZeroDivisionError
    assert "\x1b" not in log.getvalue()
