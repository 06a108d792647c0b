"""Which tests run where, what counts as passed, and what a run says at its end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from building import blenders, parts, places, steps, testing

from .stand_ins import build, environment


def verdict(tmp_path, xml: str | None, code: int, **changes) -> parts.Result:
    report = tmp_path / "report.xml"
    if xml is not None:
        report.write_text(f"<testsuites><testsuite {xml}/></testsuites>")
    return parts.judge(parts.Part("pytest: some", [], {}, report=report, **changes), code, 1.0)


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
    good = parts.Result("pytest: backend", "", 1.0, passed=5, skipped=1)
    assert parts.summarise([parts.Result("mypy", "", 1.0), good]) == steps.OK
    assert capsys.readouterr().out.splitlines()[-1] == "5 passed, 0 failed, 1 skipped"
    assert parts.summarise([good, parts.Result("mypy", "ended with 1", 1.0)]) == steps.FAILED
    assert parts.summarise([parts.Result("pytest: backend", "", 1.0)]) == steps.FAILED
    assert parts.summarise([parts.Result("mypy", "", 1.0)]) == steps.OK


def test_selected_paths_go_to_their_environment():
    blender = blenders.Blender("bpy 5.0.1", Path("python"), is_python=True)
    names = {
        words: [part.name for part in testing.test_parts(environment(), [blender], list(words))]
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
    (part,) = testing.test_parts(environment(), [blender], ["tests/blender", "-x"])
    assert part.command[-2] == "--python-expr"
    for word in ("tests/blender", "-x", f"--junit-xml={part.report}"):
        assert word in part.command[-1]


def test_parts_beside_each_other_all_count_and_all_are_shown(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(places, "CACHE", tmp_path)

    def part(name: str, code: int) -> parts.Part:
        words = f"import sys; print('said by {name}'); sys.exit({code})"
        return parts.Part(name, [sys.executable, "-c", words], dict(os.environ), tmp_path)

    results = parts.run_beside([part("first", 0), part("second", 1)], [part("third", 0), part("fourth", 2)])
    assert [(result.name, bool(result.failure)) for result in results] == [
        ("first", False),
        ("second", True),
        ("third", False),
        ("fourth", True),
    ]
    told = capfd.readouterr().out
    assert all(f"said by {name}" in told for name in ("first", "second", "third", "fourth"))
    assert parts.summarise(results) == steps.FAILED


def test_a_test_run_without_blender_fails_only_in_ci(monkeypatch, capsys):
    monkeypatch.setattr(testing, "ensure_backend", lambda options: environment())
    monkeypatch.setattr(testing, "ensure_blenders", lambda options, widest: [])
    monkeypatch.setattr(testing, "ensure_assets", lambda backend, evaluation=False: None)
    monkeypatch.setattr(testing, "make_wheels", lambda options: None)
    monkeypatch.setattr(parts, "run_part", lambda part, log=None: parts.Result(part.name, "", 1.0, passed=1))
    for in_ci, code in ((False, steps.OK), (True, steps.FAILED)):
        monkeypatch.setattr(testing, "IN_CI", in_ci)
        assert build.main(["test"]) == code
        assert blenders.NO_BLENDER in capsys.readouterr().out
