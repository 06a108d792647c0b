"""Which tests run where, what counts as passed, and what a run says at its end."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from building import blenders, parts, places, steps, testing

from .stand_ins import build, environment

SPENT = parts.Spent(1.0, 2.0)


def verdict(tmp_path, xml: str | None, code: int, **changes) -> parts.Result:
    report = tmp_path / "report.xml"
    if xml is not None:
        report.write_text(f"<testsuites><testsuite {xml}/></testsuites>")
    return parts.judge(parts.Part("pytest: some", [], {}, report=report, **changes), code, SPENT)


def test_verdicts(tmp_path):
    whole = verdict(tmp_path, 'tests="9" failures="0" errors="0" skipped="2"', 0)
    assert (whole.failure, whole.passed, whole.failed, whole.skipped) == ("", 7, 0, 2)
    broken = verdict(tmp_path, 'tests="9" failures="1" errors="1" skipped="0"', 1)
    assert (broken.passed, broken.failed) == (7, 2)
    assert broken.failure
    assert verdict(tmp_path, 'tests="0" failures="0" errors="0" skipped="0"', 5).failure == "no test ran"
    assert verdict(tmp_path, 'tests="3" failures="0" errors="0" skipped="3"', 0).failure == "no test ran"
    assert not verdict(tmp_path, 'tests="0" failures="0" errors="0" skipped="0"', 5, may_be_empty=True).failure
    assert verdict(tmp_path, 'tests="4" failures="0" errors="0" skipped="0"', -6).failure == "pytest ended with -6"


def test_a_run_that_dies_before_its_report_has_failed(tmp_path):
    dead = verdict(tmp_path, None, -11)
    assert dead.failed == 1
    assert "-11" in dead.failure


def test_summary_closes_with_the_counts_and_the_exit_code(capsys):
    good = parts.Result("pytest: backend", "", SPENT, passed=5, skipped=1)
    assert parts.summarise([parts.Result("lint", "", SPENT), good]) == steps.OK
    assert capsys.readouterr().out.splitlines()[-1] == "5 passed, 0 failed, 1 skipped"
    assert parts.summarise([good, parts.Result("lint", "ended with 1", SPENT)]) == steps.FAILED
    assert parts.summarise([parts.Result("pytest: backend", "", SPENT)]) == steps.FAILED
    assert parts.summarise([parts.Result("lint", "", SPENT)]) == steps.OK


def test_selected_paths_go_to_their_environment():
    blender = blenders.Blender("bpy 5.0.1", Path("python"), is_python=True)
    names = {
        words: [part.name for part in testing.chosen_parts(environment(), [blender], list(words))]
        for words in [(), ("-k", "photo"), ("tests/blender",), ("tests/build/test_testing.py::test_verdicts", "-x")]
    }
    assert list(names.values()) == [
        ["pytest: backend", "pytest: bpy 5.0.1"],
        ["pytest: backend", "pytest: bpy 5.0.1"],
        ["pytest: bpy 5.0.1"],
        ["pytest: backend"],
    ]


def test_an_installed_blender_takes_pytests_words_as_code_and_not_as_files_to_open(monkeypatch):
    monkeypatch.setattr(testing, "with_pytest", lambda blender, backend: blender)
    blender = blenders.Blender("Blender 4.3.2", Path("blender"), is_python=False)
    (part,) = testing.chosen_parts(environment(), [blender], ["tests/blender", "-x"])
    assert part.command[-2] == "--python-expr"
    for word in ("tests/blender", "-x", f"--junit-xml={part.report}"):
        assert word in part.command[-1]


def test_everything_runs_once_and_what_touches_bpy_in_every_blender():
    both = [blenders.Blender(f"bpy {version}", Path("python"), is_python=True) for version in ("5.3.0", "4.2.23")]
    words = {part.name: part.command[3:] for part in testing.all_parts(environment(), both)}
    assert list(words) == [
        "pytest: commands and client",
        "pytest: backend",
        "pytest: bpy 5.3.0",
        "pytest: bpy 5.3.0 window",
        "pytest: bpy 4.2.23",
        "lint",
        "the extension's zip",
    ]
    commands, engines, newest, window, older, *_ = words.values()
    ignored = [word.removeprefix("--ignore=") for word in engines if word.startswith("--ignore=")]
    assert ignored == [word for word in commands if word.startswith("tests/backend/")]
    assert all((places.ROOT / word).is_dir() for word in commands if word.startswith("tests/"))
    assert "tests/backend" in engines
    assert {"tests/build", "tests/client"} <= set(commands)
    assert f"--ignore={window[0]}" in newest
    assert "-m" not in newest
    assert older[:3] == ["tests/blender", "-m", "not once"]


def test_two_parts_run_at_once_and_all_are_shown_and_counted(monkeypatch, tmp_path, capfd):
    """The first two wait for each other's file: one after the other they would never end."""
    monkeypatch.setattr(places, "CACHE", tmp_path)

    def part(name: str, code: int, other: str = "") -> parts.Part:
        wait = f"while not pathlib.Path({other!r}).exists(): time.sleep(0.01)\n" if other else ""
        words = f"import pathlib, sys, time\npathlib.Path({name!r}).touch()\n{wait}print('said by {name}'); sys.exit({code})"
        return parts.Part(name, [sys.executable, "-c", words], dict(os.environ), tmp_path)

    asked = [part("first", 0, "second"), part("second", 1, "first"), part("third", 0), part("fourth", 2)]
    results = parts.run_beside(asked)
    assert [(result.name, result.failure) for result in results] == [
        ("first", ""),
        ("second", "ended with 1"),
        ("third", ""),
        ("fourth", "ended with 2"),
    ]
    told = capfd.readouterr().out
    assert all(f"said by {name}" in told for name in ("first", "second", "third", "fourth"))
    assert parts.summarise(results) == steps.FAILED


def test_a_part_says_its_time_and_what_it_took_of_the_processor(tmp_path, capsys):
    work = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'for _ in range(10**6): pass'])"
    result = parts.run_part(parts.Part("work", [sys.executable, "-c", work], dict(os.environ), tmp_path))
    assert result.spent.clock > 0
    if sys.platform != "win32":
        assert result.spent.processor > 0
    long = parts.Result("pytest: backend", "", parts.Spent(61.2, 90.7), passed=5)
    parts.summarise([long, parts.Result("lint", "", parts.Spent(8.0))], began=time.monotonic() - 70)
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "ok     pytest: backend: 5 passed, 0 failed, 0 skipped, 61 s (91 s of processor)",
        "ok     lint: 8 s",
        "in all 70 s (91 s of processor)",
        "5 passed, 0 failed, 0 skipped",
    ]


def test_a_test_run_without_blender_fails_only_in_ci(monkeypatch, capsys):
    monkeypatch.setattr(testing, "ensure_backend", lambda options: environment())
    monkeypatch.setattr(testing, "ensure_blenders", lambda options, widest: [])
    monkeypatch.setattr(testing, "ensure_assets", lambda backend, evaluation=False: None)
    monkeypatch.setattr(testing, "make_wheels", lambda options: None)
    monkeypatch.setattr(parts, "run_part", lambda part, log=None: parts.Result(part.name, "", SPENT, passed=1))
    for in_ci, code in ((False, steps.OK), (True, steps.FAILED)):
        monkeypatch.setattr(testing, "IN_CI", in_ci)
        assert build.main(["test"]) == code
        assert blenders.NO_BLENDER in capsys.readouterr().out
