"""The client against a real service: jobs, progress, cancel, crashes, silence, versions, logs."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from blender_fitdiff.backend import process, session
from blender_fitdiff.backend.client import ServiceClient
from blender_fitdiff.backend.process import clean_environment
from blender_fitdiff.workflow import preview_png

from .conftest import ENVIRONMENT, PATIENCE

posix = pytest.mark.skipif(os.name == "nt", reason="signals")


def code(job) -> str | None:
    assert job.wait(PATIENCE)
    return job.error and job.error.code


def wait_until(true) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def ended(pid: int) -> bool:
    """Reaped as well: a zombie can still be signalled."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_job_from_start_to_end(client, tmp_path):
    assert client.state == "stopped"
    told = []
    job = client.reconstruct("/pictures", tmp_path / "head", steps=8, on_progress=told.append)
    assert not job.poll()
    assert job.progress.stage == "waiting"
    assert code(job) is None
    assert job.poll()
    assert job.result["avatar"] == str(tmp_path / "head")
    assert sorted(os.listdir(tmp_path / "head")) == ["avatar.json", "mesh.npz", "preview.png"]
    assert [told[0].stage, told[0].fraction] == ["starting", None]
    assert [told[-1].stage, told[-1].fraction, told[-1].seconds_left] == ["fitting", 1.0, 0.0]
    assert job.progress == told[-1]
    assert preview_png.decode(job.progress.preview).std() > 50  # noise, as it was sent
    assert client.state == "ready"
    assert {"fit", "landmarks"} <= set(client.about["capabilities"]["engines"])


def weight(pid: int | str) -> int | None:
    """How the kernel weighs a process's session against others; None where it does not: an unweighed session of a
    container reads as an empty file, and most systems have no such file.
    """
    try:
        return int(Path(f"/proc/{pid}/autogroup").read_text().rpartition("nice")[2])
    except (FileNotFoundError, ValueError):
        return None


@pytest.mark.skipif(weight("self") is None, reason="sessions are not weighed here")
def test_it_gives_way_to_the_window_that_asked_it(client, tmp_path):
    mine = weight("self")
    assert code(client.reconstruct("/pictures", tmp_path / "head", steps=1)) is None
    assert (weight("self"), weight(client.pid)) == (mine, 5)


@posix
@pytest.mark.parametrize(("asked", "nice"), [("15", 15), ("99", 19), ("much", 5)])
def test_it_gives_way_as_far_as_its_client_asks(make, tmp_path, asked, nice):
    job = make(environment={**ENVIRONMENT, "FITDIFF_NICE": asked}).reconstruct("/pictures", tmp_path / "head", steps=1)
    assert code(job) is None
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, job.result["pid"]) == min(mine + nice, 19)


def test_nothing_waits(make, python, tmp_path):
    """Not for the process either: here it is one that never says a word."""
    client = make(arguments=("-c", "import time; time.sleep(600)"))
    before = threading.active_count()
    client.start()
    jobs = [
        client.ping(),
        client.reconstruct("/slow", tmp_path / "head"),
        client.inspect("/slow"),
        client.release(),
    ]
    jobs[1].cancel()
    assert client.state == "starting"
    assert not any(job.poll() for job in jobs)
    assert [job.wait(0) for job in jobs] == [False] * 4
    wait_until(lambda: client.pid is not None)
    pid = client.pid
    client.stop()
    assert client.state == "stopped"
    assert [code(job) for job in jobs] == ["cancelled"] * 4  # it was killed, since it does not end either
    wait_until(lambda: threading.active_count() <= before)
    assert os.name == "nt" or ended(pid)


def test_what_the_backend_refuses_arrives_whole(client, tmp_path):
    job = client.reconstruct("/refuse", tmp_path / "head")
    assert code(job) == "several-faces"
    assert job.error.sentence == "Two faces."
    assert job.error.details == "here"
    assert job.error.data == {"faces": [[1, 2, 3, 4]]}
    assert code(client.reconstruct("/quick", tmp_path / "head", sharpness=3)) == "params-invalid"
    assert code(client.reconstruct("/quick\udcff", tmp_path / "head")) == "path-not-text"


def test_cancel_and_go_on(client, tmp_path):
    running = client.reconstruct("/slow", tmp_path / "a", steps=2000)
    waiting = client.reconstruct("/quick", tmp_path / "b")
    wait_until(lambda: running.progress.step > 1)
    waiting.cancel()
    assert code(waiting) == "cancelled"
    assert not running.poll()
    ping = client.ping()
    assert code(ping) is None
    assert ping.result["worker"] == "busy"
    running.cancel()
    assert code(running) == "cancelled"
    running.cancel()  # once more does no harm
    assert code(client.reconstruct("/quick", tmp_path / "c")) is None
    assert code(client.release()) is None
    assert sorted(os.listdir(tmp_path)) == ["c", "logs"]


def test_progress_that_cannot_be_shown_stops_nothing(client, tmp_path):
    job = client.reconstruct("/quick", tmp_path / "head", on_progress=lambda progress: 1 / 0)
    assert code(job) is None
    assert "ZeroDivisionError" in client.log.tail()


@posix
def test_a_crash_is_told_and_the_next_click_starts_again(client, tmp_path):
    job = client.reconstruct("/slow", tmp_path / "a", steps=2000)
    wait_until(lambda: job.progress.stage == "fitting")
    pid = client.pid
    killed = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    assert code(job) == "backend-crashed"
    print(f"told after {1000 * (time.perf_counter() - killed):.0f} ms")
    assert job.error.details == "ended with -9"
    assert ended(pid)
    assert client.state == "stopped"
    assert code(client.reconstruct("/quick", tmp_path / "b")) is None
    assert client.pid != pid
    assert sorted(os.listdir(tmp_path)) == ["b", "logs"]


def test_a_worker_crash_is_an_error_and_not_the_end(client, tmp_path):
    assert code(client.reconstruct("/crash", tmp_path / "a")) == "worker-crashed"
    pid = client.pid
    assert code(client.reconstruct("/quick", tmp_path / "b")) is None
    assert client.pid == pid


def test_five_crashes_in_three_minutes_and_no_more(make, tmp_path):
    client = make(arguments=("-c", "import sys; print('no reason', file=sys.stderr); sys.exit(3)"))
    codes = [code(client.ping()) for _ in range(7)]
    assert codes == ["backend-broken"] * 5 + ["backend-gave-up"] * 2
    assert client.state == "given up"
    wait_until(
        lambda: client.log.path.read_text().count("no reason") == 5
    )  # each stderr is read to its end in its own time
    assert "no reason" in client.log.tail()
    assert str(client.log.path) in client.ping().error.sentence
    client._crashes[0] -= 181  # the first of them is forgotten with time
    assert client.state == "stopped"
    assert code(client.ping()) == "backend-broken"
    assert client.state == "given up"
    client.start()  # a person's wish
    assert client.state == "starting"


def test_an_interpreter_that_is_not_there(make, tmp_path):
    client = make(tmp_path / "nowhere" / "python")
    assert code(client.ping()) == "backend-missing"


def test_an_interpreter_without_fitdiff(make):
    client = make(environment={}, arguments=("-m", "fitdiff_of_no_name.service"))
    job = client.ping()
    assert code(job) == "backend-broken"
    wait_until(lambda: "fitdiff_of_no_name" in client.log.tail())


def test_an_answer_that_is_none(make):
    assert code(make(arguments=("-c", "print('hello', flush=True); input()")).ping()) == "backend-garbled"


def test_another_version_is_refused_for_every_job(make, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "PROTOCOL", 2)
    client = make()
    jobs = [client.ping(), client.reconstruct("/quick", tmp_path / "head")]
    assert [code(job) for job in jobs] == ["protocol-version"] * 2
    assert "update" in jobs[1].error.sentence
    assert client.state == "refused"


def test_a_backend_that_does_not_answer_the_greeting_is_ended(make, monkeypatch):
    monkeypatch.setattr(session, "HANDSHAKE", 0.5)
    client = make(arguments=("-c", "import time; time.sleep(600)"))
    assert code(client.ping()) == "backend-broken"


@posix
def test_a_backend_that_falls_silent_is_ended(client, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "HEARTBEAT", 0.3)
    monkeypatch.setattr(session, "SILENCE", 3.0)  # a loaded machine may keep the service from its pings for a second
    job = client.reconstruct("/hold", tmp_path / "head")
    wait_until(lambda: job.progress.stage == "starting")
    assert not job.wait(4)  # the worker says nothing, but its service answers pings
    os.kill(client.pid, signal.SIGSTOP)
    assert code(job) == "backend-crashed"


def test_hours_without_a_job_are_no_silence(client, tmp_path, monkeypatch):
    assert code(client.reconstruct("/quick", tmp_path / "a", steps=1)) is None
    pid = client.pid
    monkeypatch.setattr(session, "HEARTBEAT", 0.3)
    monkeypatch.setattr(session, "SILENCE", 3.0)  # a loaded machine may keep the service from its pings for a second
    time.sleep(3.5)  # nobody asks for anything
    job = client.reconstruct("/hold", tmp_path / "b")
    assert not job.wait(1), job.error
    assert client.pid == pid


def test_what_is_not_answered_in_time_is_given_up(make, monkeypatch):
    client = make(arguments=("-c", "import time; time.sleep(600)"))
    job = client._request("ping", timeout=0.3)
    assert code(job) == "backend-timeout"


def test_stop_cancels_and_ends(client, tmp_path):
    job = client.reconstruct("/slow", tmp_path / "head", steps=2000)
    wait_until(lambda: job.progress.stage == "fitting")
    pid = client.pid
    client.stop()
    assert code(job) == "cancelled"
    wait_until(lambda: os.name == "nt" or ended(pid))
    assert client.state == "stopped"
    assert os.listdir(tmp_path) == ["logs"]


def test_two_clients_in_one_folder(make, tmp_path):
    jobs = [make().reconstruct("/quick", tmp_path / name) for name in "ab"]
    assert [code(job) for job in jobs] == [None, None]


def test_the_log_has_an_end(client, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "LOG_BYTES", 300_000)
    assert code(client.reconstruct("/spam", tmp_path / "head")) is None
    assert code(client.release()) is None
    sizes = [path.stat().st_size for path in (tmp_path / "logs").glob("backend-*")]
    assert len(sizes) == 2
    assert 300_000 < sum(sizes) < 700_000


def test_old_logs_go(tmp_path):
    for number in range(20):
        (tmp_path / f"backend-{number}.log").write_text("old")
    log = process.Log(tmp_path)
    log.say("new")
    assert len(list(tmp_path.iterdir())) == process.LOGS_KEPT + 1


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(make, tmp_path):
    (tmp_path / "logs").write_text("a file")
    client = make()
    assert code(client.ping()) == "backend-missing"  # it cannot even be the process's folder
    assert "started" not in client.log.tail()


def test_the_environment_is_clean():
    dirty = {
        "PATH": "/bin",
        "PYTHONHOME": "/blender/python",
        "PYTHONPATH": "/evil",
        "PYTHONSTARTUP": "x",
        "MATERIALX_SEARCH_PATH": "/blender",
        "PXR_MTLX_STDLIB_SEARCH_PATHS": "/blender",
        "VIRTUAL_ENV": "/venv",
        "CONDA_PREFIX": "/conda",
        "OMP_NUM_THREADS": "2",
    }
    clean = clean_environment(dirty, {"MINE": "1"})
    assert {name for name in clean if name in dirty} == {"PATH", "OMP_NUM_THREADS"}
    assert clean["MINE"] == "1"
    assert clean["PYTHONSAFEPATH"] == "1"


def test_what_lies_in_the_working_folder_is_not_imported(python, tmp_path, monkeypatch):
    """The folder that Blender happens to be in may hold anything."""
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    client = ServiceClient(python, tmp_path / "logs", environment=ENVIRONMENT)
    assert code(client.ping()) is None
    client.stop()


OTHERS = [Path(f"/usr/bin/python3.{minor}") for minor in (11, 12, 13, 14)]
OTHERS += sorted(Path.home().glob(".pyenv/versions/3.1[1-4].*/bin/python"))


@pytest.mark.parametrize("other", [path for path in OTHERS if path.is_file()], ids=lambda path: path.parts[-3])
def test_other_pythons_can_be_the_client(other, python, tmp_path):
    import subprocess

    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from blender_fitdiff.backend.client import ServiceClient
client = ServiceClient({str(python)!r}, {str(tmp_path / "logs")!r}, environment={ENVIRONMENT!r},
                  arguments=("-m", "tests.backend.service.actor"))
job = client.reconstruct("/pictures", {str(tmp_path / "head")!r}, steps=4)
assert job.wait(60) and not job.error, job.error
assert job.progress.preview
client.stop()
print("done", sys.version_info[1], *sorted({{"bpy", "numpy"}} & set(sys.modules)))
"""
    done = subprocess.run([str(other), "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("done"), done.stderr
    assert len(done.stdout.split()) == 2
