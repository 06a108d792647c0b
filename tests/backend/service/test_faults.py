"""What the service survives. After each fault: nothing half written, its client told, no process left.

Figures are printed, not asserted.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from .actor import CONTENT
from .conftest import whole
from .places import full_disk, read_only
from .wire import ACTOR, PATIENCE, Wire, gone, wait_until

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="looks at processes through /proc")

STEPS = 27  # of a job of the playing worker's
MOMENTS = sorted(random.Random(7).sample(range(1, STEPS + 1), 9)) + [STEPS]  # the last: while its files are written


def leftovers(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not whole(folder / name))


def test_ten_workers_killed(wire, tmp_path):
    answers, slowest = [], 0.0
    for number, moment in enumerate(MOMENTS):
        id = wire.play("quick", tmp_path / str(number), steps=STEPS)
        wire.until(id, "fitting", moment)
        pid, killed = wire.worker(), time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        answer = wire.answer(id)
        slowest = max(slowest, time.perf_counter() - killed)
        answers.append("result" if "result" in answer else answer["error"]["data"]["code"])
        assert (tmp_path / str(number)).exists() == (answers[-1] == "result")
        wait_until(lambda pid=pid: gone(pid))
    print(f"{answers.count('worker-crashed')} of 10 jobs hit, the client told after at most {1000 * slowest:.0f} ms")
    assert set(answers) <= {"worker-crashed", "result"}
    assert answers.count("worker-crashed") >= 5
    assert leftovers(tmp_path) == []
    assert "result" in wire.answer(wire.play("quick", tmp_path / "next"))


def test_ten_services_killed(service, tmp_path):
    for number, moment in enumerate(MOMENTS):
        wire = service()
        wire.until(wire.play("quick", tmp_path / str(number), steps=STEPS), "fitting", moment)
        pid = wire.worker()
        wire.process.kill()
        while wire.hear() is not None:  # its end is heard: the pipe is closed
            pass
        wait_until(lambda pid=pid: gone(pid))
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("part", ["crash", "garble"])
def test_a_worker_that_breaks_is_one_error(wire, tmp_path, part):
    id = wire.play(part, tmp_path / "a", steps=2000)
    assert wire.code(id) == "worker-crashed"
    assert "memory" not in wire.answer(id)["error"]["message"]
    assert "result" in wire.answer(wire.play("quick", tmp_path / "b"))


def test_killed_by_the_system_is_said_to_be_memory(wire, tmp_path):
    id = wire.play("slow", tmp_path / "a", steps=2000)
    wire.until(id, "fitting")
    os.kill(wire.worker(), signal.SIGKILL)
    error = wire.answer(id)["error"]
    assert error["data"]["details"] == "SIGKILL"
    assert "memory" in error["message"]


def test_a_worker_that_cannot_start_is_an_error_each_time(tmp_path):
    code = "from fitdiff.service.server import serve; serve(worker=['/nowhere/python'])"
    with Wire.of([sys.executable, "-c", code]) as wire:
        for name in "ab":
            assert wire.code(wire.play("quick", tmp_path / name)) == "worker-missing"
        assert "result" in wire.ask("ping")


def test_two_hundred_jobs_cancelled_at_random(wire, tmp_path):
    chance = random.Random(3)
    ids = [wire.play("quick", tmp_path / str(number), steps=2) for number in range(200)]
    order = chance.sample(ids, 150)
    for id in order:
        wire.send("cancel", id=id)
        if chance.random() < 0.2:
            time.sleep(0.02)
    outcomes = {}
    for number, id in enumerate(ids):
        answer = wire.answer(id)
        outcomes[number] = "result" if "result" in answer else answer["error"]["data"]["code"]
        assert (tmp_path / str(number)).exists() == (outcomes[number] == "result")
    answered = [message["id"] for message in wire.heard if "method" not in message and message["id"] in ids]
    assert sorted(answered) == ids  # each exactly once
    counts = {name: list(outcomes.values()).count(name) for name in ("result", "cancelled")}
    print(counts)
    assert sum(counts.values()) == 200
    assert counts["result"] >= 50
    assert counts["cancelled"] >= 50
    assert leftovers(tmp_path) == []
    assert wire.ask("ping")["result"] == {"worker": "idle", "running": None, "waiting": 0}


def test_two_clients_write_to_one_place(service, tmp_path):
    one, other = service(), service()
    for _ in range(5):
        ids = [(wire, wire.play("quick", tmp_path / "head", steps=2)) for wire in (one, other)]
        for wire, id in ids:
            answer = wire.answer(id)
            assert "result" in answer or "head" in answer["error"]["message"]
        assert whole(tmp_path / "head")
    assert leftovers(tmp_path) == []


def test_disk_full(wire, tmp_path):
    with full_disk(tmp_path / "disk", len(CONTENT) * 2) as disk:
        assert wire.code(wire.play("quick", disk / "head")) == "disk-full"
        assert os.listdir(disk) == []
    assert "result" in wire.answer(wire.play("quick", tmp_path / "head"))


def test_read_only_output(wire, tmp_path):
    with read_only(tmp_path / "closed") as folder:
        assert wire.code(wire.play("quick", folder / "head")) == "write-denied"
        assert os.listdir(folder) == []
    assert "result" in wire.answer(wire.play("quick", tmp_path / "head"))


@pytest.mark.parametrize("name", ["Zoë 顔 🙂", "a b'c\"d$(e)", "line\nbreak", "x" * 200, "/".join(["deep" * 40] * 12)])
def test_unusual_paths(wire, tmp_path, name):
    assert wire.answer(wire.play("quick", tmp_path / name))["result"]["avatar"] == str(tmp_path / name)
    assert whole(tmp_path / name)


@pytest.mark.parametrize("name", ["x" * 5000, "/".join(["deep" * 40] * 200)])
def test_paths_that_no_disk_takes(wire, tmp_path, name):
    assert "error" in wire.answer(wire.play("quick", tmp_path / name))
    assert os.listdir(tmp_path) == []
    assert "result" in wire.ask("ping")


# --- the client goes --------------------------------------------------------------------------------------------------


def test_stdout_closed(wire, tmp_path):
    id = wire.play("slow", tmp_path / "a", steps=1000)
    wire.until(id, "fitting")
    pid = wire.worker()
    # The reading thread holds the pipe: what it reads next is the end, as if it had been closed by the system.
    wire.deaf()
    wire.process.wait(PATIENCE)
    wait_until(lambda: gone(pid))
    assert os.listdir(tmp_path) == []


def test_a_client_that_does_not_read_holds_up_nobody(tmp_path):
    """Ten thousand pings unread: the service stops reading them, keeps its memory, and goes on when they are read."""
    with Wire(read=False) as wire:
        sent: list[int] = []
        sender = wire.in_background(lambda: [sent.append(wire.send("ping")) for _ in range(10_000)])
        before, end = -1, time.monotonic() + PATIENCE
        # Until a whole second has changed nothing; on a busy machine the sender may rest as long before it has begun.
        while (before < len(sent) or before <= 1000) and time.monotonic() < end:
            before = len(sent)
            time.sleep(1)
        assert 1000 < before < 10_000
        assert int(open(f"/proc/{wire.process.pid}/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") < 64 << 20
        wire.listen()
        sender.join(PATIENCE)
        last = wire.send("ping")
        assert "result" in wire.answer(last)
        assert len([message for message in wire.heard if "result" in message]) == 10_002


@pytest.mark.parametrize("pipe_stays_open", [False, True])
def test_parent_killed(tmp_path, pipe_stays_open):
    """Killed so that it cannot say goodbye; in the second case somebody else still holds the service's stdin."""
    program = textwrap.dedent(f"""
        import json, os, sys, time
        sys.path[:0] = {[str(Path(__file__).parents[3]), str(Path(__file__).parents[3] / "backend")]!r}
        from tests.backend.service.wire import Wire
        wire = Wire({ACTOR!r})
        id = wire.play("slow", __import__("pathlib").Path({str(tmp_path / "head")!r}), steps=1000)
        wire.until(id, "fitting")
        print(json.dumps([wire.process.pid, wire.worker(), wire.process.stdin.fileno()]), flush=True)
        time.sleep(600)
    """)
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    service, worker, pipe = json.loads(parent.stdout.readline())
    held = os.open(f"/proc/{parent.pid}/fd/{pipe}", os.O_WRONLY) if pipe_stays_open else None
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: gone(service) and gone(worker))
    if held is not None:
        os.close(held)
    assert os.listdir(tmp_path) == []


def test_terminated(wire, tmp_path):
    id = wire.play("slow", tmp_path / "a", steps=1000)
    wire.until(id, "fitting")
    pid = wire.worker()
    wire.process.terminate()
    assert wire.code(id) == "cancelled"
    assert wire.process.wait(PATIENCE) == 0
    assert gone(pid)
    assert os.listdir(tmp_path) == []


def test_a_deaf_worker_does_not_outlive_its_service(wire, tmp_path):
    wire.until(wire.play("hold", tmp_path / "a"), "starting")
    wait_until(lambda: wire.worker() is not None)
    pid = wire.worker()
    time.sleep(0.5)  # it has begun to sleep
    wire.process.kill()
    wait_until(lambda: gone(pid))
