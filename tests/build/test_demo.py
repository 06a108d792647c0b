"""The demo, with everything there but its programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from building import blenders, demo, places, steps

from .stand_ins import build, environment


@pytest.fixture
def demo_steps(monkeypatch, tmp_path):
    """The demo with everything there but its programs: each is noted, and leaves what it would leave."""
    commands = []
    monkeypatch.setattr(demo, "ensure_backend", lambda options: environment())
    monkeypatch.setattr(demo, "ensure_assets", lambda backend: tmp_path / "photos")
    blender = blenders.Blender("bpy 5.0.1", Path("python"), is_python=True)
    monkeypatch.setattr(demo, "ensure_blenders", lambda options, widest: [blender])

    def step(title, command, **_):
        commands.append(command)
        if "blender_fitdiff.demo" in command:
            files = [Path(command[command.index("blender_fitdiff.demo") + 2]) / "head.blend"]
            files += [files[0].with_name(name) for name in ("cycles.png", "relit_1.png", "relit_2.png", "relit_3.png")]
        else:
            out = Path(command[command.index("--out") + 1])
            files = [out if out.suffix else out / ("parts.png" if "inspect" in command else "avatar.json")]
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("made")

    monkeypatch.setattr(demo, "step", step)
    return commands


def test_demo_goes_from_the_photo_to_the_sheet(demo_steps, tmp_path, capsys):
    assert build.main(["demo"]) == steps.OK
    verbs = [command[1] if command[1] != "-m" else command[2] for command in demo_steps]
    assert verbs == ["blender_fitdiff.backend.once", "blender_fitdiff.demo", *["relight"] * 3, "inspect", "sheet"]
    assert demo_steps[0][0] == "python"  # Blender's, which the extension's client runs in
    assert str(tmp_path / "photos" / demo.DEMO_PHOTO) in demo_steps[0]
    assert all(str(places.OUT / "demo" / "avatar") in command for command in demo_steps[:3])
    sheet = demo_steps[-1]
    assert sheet.index(str(places.OUT / "demo" / "seen" / "parts.png")) == 1 + sheet.index(
        str(places.OUT / "demo" / "photo.png")
    )
    assert str(places.OUT / "demo" / "sheet.png") in capsys.readouterr().out


def test_demo_of_photos_has_a_folder_for_each_and_a_gallery(demo_steps, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(places, "OUT", tmp_path / "out")
    photos = [tmp_path / "a" / "me.jpg", tmp_path / "b" / "me.jpg"]
    assert build.main(["demo", str(photos[0])]) == steps.USAGE
    assert f"There is no photo {photos[0]}" in capsys.readouterr().err and not demo_steps
    for photo in photos:
        photo.parent.mkdir()
        photo.write_bytes(b"photo")
    assert build.main(["demo", *map(str, photos)]) == steps.OK
    heads = [command for command in demo_steps if "blender_fitdiff.backend.once" in command]
    assert [command[command.index("--out") - 1] for command in heads] == [str(photo) for photo in photos]
    out = places.OUT / "demo"
    assert {path.name for path in out.iterdir()} == {"1-me", "2-me", "gallery.png"}
    gallery = demo_steps[-1]
    assert [sum(f"{folder}/" in word for word in gallery) for folder in ("1-me", "2-me")] == [9, 9]
    assert str(out / "gallery.png") in capsys.readouterr().out


def test_demo_without_blender_leaves_the_avatar_and_says_so(demo_steps, monkeypatch, capsys):
    monkeypatch.setattr(demo, "ensure_blenders", lambda options, widest: [])
    assert build.main(["demo"]) == steps.MISSING
    assert blenders.NO_BLENDER in capsys.readouterr().out
    assert (places.OUT / "demo" / "avatar" / "avatar.json").is_file()
    assert len(demo_steps) == 1
    assert demo_steps[0][0] == str(environment().python)


def test_demo_notices_a_step_that_left_nothing(demo_steps, monkeypatch, capsys):
    monkeypatch.setattr(demo, "step", lambda title, command, **_: None)
    assert build.main(["demo"]) == steps.FAILED
    assert "avatar.json" in capsys.readouterr().err
