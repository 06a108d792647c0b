"""Real installations of a tiny backend with a real pip: states, cancel and resume, crashes, repair, removal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from .small_world import PATIENCE, ROOT, SmallWorld, served, sha256, until, wheel

pytestmark = pytest.mark.slow
posix_only = pytest.mark.skipif(os.name == "nt", reason="signals and mounts of POSIX")


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "engine"


def state(install, folder: Path, world: SmallWorld):
    return install.state(folder, world.bundle)


def runs(install, folder: Path) -> bool:
    python = install.python_of(folder)
    code = "import fitdiff, small, torch; print(small.SIZE)"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "1"


def test_from_nothing_to_ready_and_away_again(install, folder, world, put):
    assert state(install, folder, world).name == install.MISSING
    job = put()
    assert (job.outcome, job.error) == (install.DONE, None)
    found = state(install, folder, world)
    assert (found.name, found.version, found.torch, found.build) == (install.READY, "0.1.0", "2.13.0+cpu", "cpu")
    assert runs(install, folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "env-1",
        "environment.json",
        "install.lock",
        "install.log",
    ]
    told = json.loads((folder / "environment.json").read_text())
    assert list(told["torch_files"]) == [world.torch.name]  # the one file without a pinned hash is written down
    assert "fitdiff/assets/weights/net.safetensors" in told["sizes"]
    (folder / "mine.txt").write_text("not FitDiff's")
    assert install.remove(folder).wait(PATIENCE) == install.DONE
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_asking_for_the_state_runs_nothing(install, folder, world, put, here, monkeypatch):
    world.bring(offline=here)
    put()

    def refuse(*words, **more):
        raise AssertionError("state() must not start a process")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert state(install, folder, world).name == install.READY
    assert state(install, folder / "elsewhere", world).name == install.MISSING
    assert not (folder / "elsewhere").exists()


def test_progress_by_line_and_by_megabyte_then_cancel_then_resume(install, folder, world, monkeypatch):
    with served(world.packages) as (packages, fetched), served(world.index, pause=0.03) as (index, torches):
        monkeypatch.setenv("PIP_FIND_LINKS", f"{packages}/")
        job = install.install(folder, online=True, build="cpu", torch_index=index, wheels=world.bundle)
        assert until(lambda: job.progress.total > 2 and 0.3 < job.progress.done < job.progress.total)
        seen = job.progress
        assert (seen.stage, seen.line) == ("download torch", "torch 2.13.0+cpu")
        assert seen.total == pytest.approx(world.torch.stat().st_size / 1e6, abs=0.01)
        assert state(install, folder, world).name == install.INSTALLING
        job.cancel()
        assert job.wait(PATIENCE) == install.CANCELLED
        assert job.error is None
        found = state(install, folder, world)
        assert (found.name, found.resumable, found.reason) == (install.MISSING, True, "")
        assert not list(folder.glob("env-*"))  # downloads are kept, half an environment is not
        assert [path for path in fetched if path.endswith(".whl")] == ["/small-1.0-py3-none-any.whl"]
        assert not [path for path in torches if path.endswith(".whl")]
        job = install.install(folder, online=True, build="cpu", torch_index=index, wheels=world.bundle)
        assert job.wait(PATIENCE) == install.DONE, job.error
        assert len([path for path in fetched if path.endswith(".whl")]) == 1  # not fetched a second time
    assert state(install, folder, world).name == install.READY
    assert not (folder / "downloads").exists()


@posix_only
@pytest.mark.parametrize("victim", ["worker", "Blender"])
def test_killed_in_the_middle_leaves_missing_and_no_process(install, folder, world, put, here, victim):
    with served(world.index, pause=0.05) as (index, _):
        code = (
            "import sys, time; from pathlib import Path\n"
            f"sys.path.insert(0, {str(ROOT)!r})\n"
            "from blender_fitdiff.backend import install\n"
            f"job = install.install(Path({str(folder)!r}), online=True, build='cpu', torch_index={index!r}, "
            f"wheels=Path({str(world.bundle)!r}))\n"
            "while not job.outcome:\n"
            "    if job.progress.total > 2: print('downloading', flush=True)\n"
            "    time.sleep(0.05)\n"
            "print(job.outcome, job.error.code, flush=True)\n"
        )
        blender = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert blender.stdout is not None
        assert blender.stdout.readline().strip() == "downloading"
        (worker,) = _children(blender.pid)
        below = _children(worker)
        os.kill(worker if victim == "worker" else blender.pid, signal.SIGKILL)
        if victim == "worker":
            assert until(lambda: not _alive(worker))
            assert blender.communicate(timeout=PATIENCE)[0].split()[-2:] == ["failed", "install-crash"]
        else:
            blender.wait()
        assert below
        assert until(lambda: not any(_alive(pid) for pid in (worker, *below)))
    assert until(lambda: state(install, folder, world).name != install.INSTALLING)
    assert state(install, folder, world).name == install.MISSING
    world.bring(offline=here)
    assert put().outcome == install.DONE
    assert state(install, folder, world).name == install.READY
    assert len(list(folder.glob("env-*"))) == 1


def _children(pid: int) -> list[int]:
    listed = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(word) for words in listed for word in words]


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_two_at_once_are_one(install, folder, world, put):
    gate = threading.Event()
    with served(world.index, gate=gate) as (index, _):
        first = install.install(folder, online=True, build="cpu", torch_index=index, wheels=world.bundle)
        assert until(lambda: install.state(folder, world.bundle).name == install.INSTALLING)
        second = put()
        assert (second.outcome, second.error.code) == (install.FAILED, "install-busy")
        third = install.remove(folder)
        assert (third.wait(PATIENCE), third.error.code) == (install.FAILED, "install-busy")
        gate.set()
        assert first.wait(PATIENCE) == install.DONE
    assert state(install, folder, world).name == install.READY


def test_an_update_is_made_beside_the_old_one(install, folder, world, put, here):
    world.bring(offline=here)
    put()
    world.bring("0.2.0", cli="raise SystemExit('does not start')", offline=here)
    found = state(install, folder, world)
    assert found.name == install.OUTDATED
    assert "0.1.0" in found.reason
    assert "0.2.0" in found.reason
    job = put()
    assert (job.outcome, job.error.code) == (install.FAILED, "install-check")
    assert state(install, folder, world).name == install.OUTDATED  # and the old one still runs
    assert runs(install, folder)
    world.bring("0.2.0", offline=here)
    assert put().outcome == install.DONE
    assert state(install, folder, world).version == "0.2.0"
    assert len(list(folder.glob("env-*"))) == 1
    assert runs(install, folder)


def test_what_is_broken_is_told_and_repaired(install, folder, world, put, here):
    world.bring(offline=here)
    put()
    changed = next(folder.glob("env-*/**/site-packages/torch/__init__.py"))
    changed.write_text("import nothing")
    assert "has changed" in state(install, folder, world).reason
    changed.unlink()
    found = state(install, folder, world)
    assert (found.name, "is missing" in found.reason) == (install.BROKEN, True)
    assert install.python_of(folder) is None
    job = install.check(folder)
    assert (job.wait(PATIENCE), job.error.code) == (install.FAILED, "install-broken")
    assert put().outcome == install.DONE
    assert state(install, folder, world).name == install.READY
    for text in ("{", "[]", '{"folder": "/"}', (folder / "environment.json").read_text().replace("env-", "../env-")):
        (folder / "environment.json").write_text(text)
        assert state(install, folder, world).name == install.BROKEN
        assert install.python_of(folder) is None


@posix_only
def test_a_python_that_went_away_and_a_folder_that_moved(install, folder, world, put, here, tmp_path):
    world.bring(offline=here)
    put()
    folder.rename(tmp_path / "moved")
    found = install.state(tmp_path / "moved", world.bundle)
    assert (found.name, "copied" in found.reason) == (install.BROKEN, True)
    (tmp_path / "moved").rename(folder)
    assert state(install, folder, world).name == install.READY
    python = folder / "env-1" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/blender/4.2/python/bin/python3.11")
    assert "update of Blender" in state(install, folder, world).reason


def test_a_check_that_fails_makes_it_broken_until_it_passes(install, folder, world, put, here):
    world.bring(offline=here)
    put()
    problems = next(folder.glob("env-*/**/site-packages/fitdiff")) / "problems.json"
    advice = {"code": "memory-low", "what": "Little memory.", "remedy": "Close something.", "stops": False}
    fault = {"code": "self-test", "what": "The self test failed.", "remedy": "Press Repair.", "stops": True}
    problems.write_text(json.dumps([advice, fault]))
    job = install.check(folder)
    assert (job.wait(PATIENCE), job.error.sentence) == (install.FAILED, "The self test failed. Press Repair.")
    assert (state(install, folder, world).name, state(install, folder, world).reason) == (
        install.BROKEN,
        "The self test failed. Press Repair.",
    )
    problems.write_text(json.dumps([advice]))
    assert install.check(folder).wait(PATIENCE) == install.DONE
    assert state(install, folder, world).name == install.READY


SLOW = """
import pathlib, time
if pathlib.Path(__file__).with_name("slow").exists():
    time.sleep(99)
print('{"problems": []}')
"""


def test_a_check_of_nothing_and_of_something_that_hangs(install, folder, world, put, here):
    job = install.check(folder)
    assert (job.wait(PATIENCE), job.error.code) == (install.FAILED, "environment-missing")
    world.bring(cli=SLOW, offline=here)
    put()
    (next(folder.glob("env-*/**/site-packages/fitdiff")) / "slow").touch()
    job = install.check(folder)
    job.cancel()
    assert job.wait(PATIENCE) == install.CANCELLED
    assert state(install, folder, world).name == install.READY  # a check that was cancelled says nothing


def test_offline_from_a_bundle_and_never_without_one(install, folder, world, put, here, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    job = put(online=False)
    assert (job.outcome, job.error.code) == (install.FAILED, "install-offline")
    assert "Allow Online Access" in job.error.sentence
    assert state(install, folder, world).reason == job.error.sentence
    world.bring(offline=here)
    assert put(online=False).outcome == install.DONE
    assert (state(install, folder, world).name, state(install, folder, world).reason) == (install.READY, "")
    assert runs(install, folder)
    world.bring(offline=f"3.9 {here.split()[1]}")
    job = put(online=False)
    assert (job.outcome, job.error.code) == (install.FAILED, "install-python")
    assert "3.9" in job.error.sentence


def test_a_damaged_offline_package_is_refused(install, folder, world, put, here):
    world.bring(offline=here)
    with (world.bundle / world.torch.name).open("ab") as file:
        file.write(b"more")
    job = put(online=False)
    assert (job.outcome, job.error.code) == (install.FAILED, "bundle-damaged")
    assert world.torch.name in job.error.sentence
    assert state(install, folder, world).name == install.MISSING


def test_another_file_than_the_pinned_one_is_refused(install, folder, world, put):
    world.bring(lock=f"small==1.0 --hash=sha256:{'0' * 64}\n")
    job = put()
    assert (job.outcome, job.error.code) == (install.FAILED, "install-hash")
    assert state(install, folder, world).reason == job.error.sentence
    assert not list(folder.glob("env-*"))


def test_neither_torchs_index_nor_the_downloads_folder_replaces_a_pinned_package(
    install, module, folder, world, put, here
):
    """The index offers packages of a pinned one's name, and the folder already holds wheels that nobody asked for."""
    evil = {"small/__init__.py": "SIZE = 666\n"}
    others = [wheel(world.index / "files", "small", "1.0", evil)]
    others.append(others[0].rename(others[0].with_name("small-1.0-1-py3-none-any.whl")))
    others[0] = wheel(world.index / "files", "small", "1.0", evil)
    page = world.index / "cpu" / "small" / "index.html"
    page.parent.mkdir()
    page.write_text("".join(f'<a href="../../files/{one.name}#sha256={sha256(one)}">{one.name}</a>' for one in others))
    fingerprint = module("installing.bundle").read(world.bundle).fingerprint
    downloads = folder / "downloads" / f"cpu-py{here.split()[0]}-{fingerprint[:8]}"
    wheel(downloads, "small", "1.0", evil)
    wheel(downloads, "evil", "1.0", {"evil.py": ""})
    assert put().outcome == install.DONE
    assert runs(install, folder)
    assert list(json.loads((folder / "environment.json").read_text())["torch_files"]) == [world.torch.name]
    assert not list(folder.glob("env-*/**/site-packages/evil*"))


def test_a_network_that_does_not_answer_is_a_sentence(install, folder, world, put):
    with served(world.index) as (index, _):
        pass  # nobody listens there any more
    job = put(torch_index=index)
    assert (job.outcome, job.error.code) == (install.FAILED, "install-network")
    assert state(install, folder, world).resumable


def test_a_cuda_build_brings_its_libraries_from_the_same_index(
    install, module, folder, world, here, monkeypatch, capsys
):
    """In this process, because the machine that it is for has to be made up."""
    worker, machine = module("installing.worker"), module("installing.machine")
    world.add_build("cu130")
    card = machine.Card("RTX", 580, (8, 9))
    monkeypatch.setattr(machine, "look", lambda platform: machine.Machine(platform, (card,)))
    monkeypatch.setattr(worker, "ROOM", {"cuda": 1})
    request = {"folder": str(folder), "bundle": str(world.bundle), "online": True, "build": "auto"}
    request |= {"torch_index": world.index.as_uri(), "python": sys.executable, "version": list(sys.version_info[:2])}
    folder.mkdir()
    made = worker.Worker({**request, "platform": here.split()[1]}).install()
    assert (made.torch, made.build, made.why) == ("2.13.0+cu130", "cu130", "RTX: the backend uses CUDA.")
    assert {name.partition("-")[0] for name in made.torch_files} == {"torch", "nvidia_small"}
    assert install.state(folder, world.bundle).build == "cu130"
    assert runs(install, folder)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["build"] == "cu130"


def test_torch_from_where_pip_is_configured(install, folder, world, put, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", f"{world.packages} {world.index / 'files'}")
    monkeypatch.setenv("FITDIFF_TORCH_INDEX", "pip")
    assert put(torch_index=None).outcome == install.DONE
    assert state(install, folder, world).torch == "2.13.0+cpu"


def test_a_folder_that_cannot_be_one(install, world, put, tmp_path):
    (tmp_path / "engine").write_text("a file")
    job = put()
    assert (job.outcome, job.error.code) == (install.FAILED, "install-folder")
    assert str(tmp_path / "engine") in job.error.sentence


def test_an_extension_without_its_wheels(install, folder, tmp_path):
    job = install.install(folder, online=True, wheels=tmp_path / "nothing")
    assert (job.wait(PATIENCE), job.error.code) == (install.FAILED, "bundle-missing")
    assert not folder.exists()


@posix_only
def test_removal_does_not_follow_links(install, folder, world, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "work.blend").touch()
    folder.mkdir()
    (folder / "env-1").symlink_to(precious)
    (folder / "downloads").symlink_to(precious)
    assert install.remove(folder).wait(PATIENCE) == install.DONE
    assert (precious / "work.blend").exists()
    assert not folder.exists()


@posix_only
def test_a_disk_that_fills_up(install, module, world, tmp_path, monkeypatch):
    """With the check for room switched off, so that pip is the one to meet the end of the disk."""
    small = tmp_path / "small-disk"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        worker, interpreter = module("installing.worker"), module("installing.interpreter")
        here = interpreter.find()
        request = {"folder": str(small / "engine"), "bundle": str(world.bundle), "online": True, "build": "cpu"}
        request |= {"torch_index": world.index.as_uri(), "python": str(here.program), "version": list(here.version)}
        request |= {"platform": here.platform}
        (small / "engine").mkdir()
        made = worker.Worker(request)
        with pytest.raises(worker.Problem) as caught:
            made.install()
        assert caught.value.code == "disk-full"
        assert "needs 2.0 GB" in caught.value.sentence
        monkeypatch.setattr(worker, "ROOM", {"cpu": 0})
        with pytest.raises((worker.Problem, OSError)) as caught:
            made.install()
        problem = caught.value
        if isinstance(problem, OSError):
            problem = module("installing.problem").of_os_error(problem, small)
        assert problem.code == "disk-full"
        assert install.state(small / "engine", world.bundle).name == install.MISSING
    finally:
        subprocess.run(["umount", str(small)], check=True)
