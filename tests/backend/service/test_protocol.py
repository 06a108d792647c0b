"""The protocol as docs/protocol.md has it, spoken byte by byte to a real service whose worker plays."""

from __future__ import annotations

import base64
import ctypes
import io
import itertools
import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fitdiff import __version__
from fitdiff.engines.registry import ENGINES
from fitdiff.errors import FitDiffError
from fitdiff.progress import Progress
from fitdiff.service import lifeline, messages
from fitdiff.service.framing import REQUEST_LIMIT, encode
from fitdiff.service.progress import PREVIEW_BYTES, PREVIEW_SIDE, Meter, png
from fitdiff.service.server import METHODS, capabilities

from .actor import noise
from .conftest import whole
from .wire import CLIENT, Wire, wait_until

linux = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="looks at processes through /proc")


def test_the_greeting_says_what_this_service_can_do(wire):
    about = wire.about
    assert (about["protocolVersion"], about["version"]) == (1, __version__)
    assert about["capabilities"]["engines"] == list(ENGINES)  # the first is the default
    cards = about["capabilities"]["engineCards"]
    assert [card["name"] for card in cards] == list(ENGINES)
    assert cards[0]["qualities"]["fine"] == {"steps": 50, "resolution": 1024} and cards[0]["draws_people"]
    assert about["capabilities"]["resolutions"] == [512, 1024, 2048]
    assert sorted(about["capabilities"]["methods"]) == sorted(METHODS)
    assert about["device"]["kind"] == "cpu"


def test_an_engine_without_its_weights_is_not_offered(monkeypatch, tmp_path):
    assert "diffusion" in capabilities()["engines"]
    monkeypatch.setattr("fitdiff.weight_files.folders", lambda: [tmp_path])
    monkeypatch.setattr("fitdiff.weight_files.ASSETS", tmp_path)
    (tmp_path / "denoiser.safetensors").touch()  # one of two is not enough
    assert capabilities()["engines"] == [name for name in ENGINES if name != "diffusion"]


@pytest.fixture(scope="module")
def lasting():
    """One service for tests that do not change it."""
    with Wire() as wire:
        wire.ids = itertools.count(1000)  # none of those that tests write by hand
        yield wire


def test_before_the_greeting_nothing_is_done(service, tmp_path):
    wire = service(greet=False)
    assert wire.code(wire.send("ping")) == "not-initialized"
    assert wire.code(wire.play("quick", tmp_path / "a")) == "not-initialized"
    refused = wire.ask("initialize", protocolVersion=2, client=CLIENT)["error"]
    assert refused["data"]["code"] == "protocol-version"
    assert refused["data"]["data"] == {"protocolVersion": 1}
    assert wire.code(wire.send("ping")) == "not-initialized"
    assert "result" in wire.ask("initialize", protocolVersion=1, client=CLIENT)
    assert wire.ask("ping")["result"] == {"worker": "none", "running": None, "waiting": 0}


ROOT = os.path.abspath(os.sep)
PHOTO = os.path.join(ROOT, "p.jpg")


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("reconstuct", {}, "method-unknown"),
        ("_stop", {}, "method-unknown"),
        ("initialize", {}, "params-invalid"),
        ("initialize", {"protocolVersion": "1", "client": CLIENT}, "params-invalid"),
        ("reconstruct", {}, "params-invalid"),
        ("reconstruct", {"photo": PHOTO, "out": ROOT, "sharpness": 1}, "params-invalid"),
        ("reconstruct", {"photo": PHOTO, "out": ROOT, "engine": "magic"}, "params-invalid"),
        ("reconstruct", {"photo": PHOTO, "out": ROOT, "likeness": 1.5}, "params-invalid"),
        ("reconstruct", {"photo": PHOTO, "out": ROOT, "steps": 0}, "params-invalid"),
        ("reconstruct", {"photo": PHOTO, "out": ROOT, "steps": 10**9}, "params-invalid"),
        ("reconstruct", {"photo": PHOTO, "out": ROOT, "resolution": 700}, "params-invalid"),
        ("reconstruct", {"photo": "p.jpg", "out": ROOT}, "path-not-absolute"),
        ("reconstruct", {"photo": PHOTO, "out": "../head"}, "path-not-absolute"),
        ("reconstruct", {"photo": PHOTO, "out": ROOT + "a\0b"}, "path-not-absolute"),
        ("reconstruct", {"photo": PHOTO, "out": ROOT, "face_model": "../../face.mat"}, "path-not-absolute"),
        ("inspect", {"photo": "p.jpg"}, "path-not-absolute"),
        ("inspect", {"photo": PHOTO, "face": 0}, "params-invalid"),
        ("cancel", {}, "params-invalid"),
        ("ping", {"loud": True}, "params-invalid"),
        ("release", [], "params-invalid"),
    ],
)
def test_what_is_not_understood_is_named(lasting, method, params, code):
    lasting.heard.clear()
    lasting.write(encode(json.dumps({"jsonrpc": "2.0", "id": "it", "method": method, "params": params}).encode()))
    assert lasting.code("it") == code
    assert lasting.ask("ping")["result"]["worker"] == "none"  # and nothing was started


@pytest.mark.parametrize(
    ("stream", "id", "code", "number"),
    [
        (encode(b"{"), None, "message-broken", -32700),
        (encode(b"\xff\xfe"), None, "message-broken", -32700),
        (encode(b'{"id": 5, "out": "\\udcff"}'), None, "message-broken", -32700),
        (encode(b'{"id": 5, "params": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"), None, "message-broken", -32700),
        (encode(b"[" * 50_000), None, "message-invalid", -32600),
        (encode(b""), None, "message-broken", -32700),
        (encode(b"[]"), None, "message-invalid", -32600),
        (encode(b'{"jsonrpc": "2.0", "method": "ping"}'), None, "message-invalid", -32600),
        (encode(b'{"jsonrpc": "2.0", "method": "ping", "id": null}'), None, "message-invalid", -32600),
        (encode(b'{"jsonrpc": "2.0", "method": "ping", "id": 1.5}'), None, "message-invalid", -32600),
        (encode(b'{"jsonrpc": "1.0", "method": "ping", "id": "a"}'), "a", "message-invalid", -32600),
        (encode(b'{"jsonrpc": "2.0", "result": 1, "id": 5}'), 5, "message-invalid", -32600),
        (encode(b'{"jsonrpc": "2.0", "method": "no", "id": 5}'), 5, "method-unknown", -32601),
        (encode(b'{"jsonrpc": "2.0", "method": "ping", "id": 5, "params": 3}'), 5, "params-invalid", -32602),
        (encode(b" " * (REQUEST_LIMIT + 1)), None, "frame-too-large", -32000),
        (b"GET / HTTP/1.1\r\n\r\n", None, "frame-garbage", -32000),
        (b"Content-Length: many\r\n\r\n", None, "frame-length", -32000),
    ],
)
def test_what_is_no_request_is_named(lasting, stream, id, code, number):
    lasting.heard.clear()
    lasting.write(stream)
    error = lasting.answer(id)["error"]
    assert (error["data"]["code"], error["code"]) == (code, number)
    assert "result" in lasting.ask("ping")


requests = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "1.0", 2]),
        "id": st.one_of(st.integers(10**6, 10**7), st.text(max_size=70), st.none(), st.booleans()),
        "method": st.one_of(st.sampled_from(["ping", "cancel", "nothing"]), st.text(max_size=10), st.none()),
        "params": st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=8,
        ),
    },
)


@settings(max_examples=60)
@given(st.lists(st.one_of(requests.map(lambda r: encode(json.dumps(r).encode())), st.binary(max_size=40)), max_size=4))
def test_no_stream_of_nonsense_stops_it(lasting, parts):
    """And every complete request is answered, exactly once, before the next one."""
    lasting.heard.clear()
    lasting.write(b"".join(parts) + b"." * 600)  # longer than any body that nonsense announces here
    ping = lasting.send("ping")
    assert "result" in lasting.answer(ping)
    assert all("error" in message or message["result"] is not None for message in lasting.heard)
    assert len(lasting.heard) <= 2 * len(parts) + 2


# --- a job ------------------------------------------------------------------------------------------------------------


def test_a_job_tells_its_progress_and_its_result(wire, tmp_path):
    id = wire.play("quick", tmp_path / "head", steps=40)
    assert wire.answer(id)["result"]["avatar"] == str(tmp_path / "head")
    assert whole(tmp_path / "head")
    told = [message["params"] for message in wire.heard if message.get("method") == "progress"]
    assert told[0] == {"id": id, "stage": "starting", "step": 0, "total": 0, "secondsLeft": None}
    fitting = [step for step in told if step["stage"] == "fitting"]
    assert [step["step"] for step in fitting] == sorted({step["step"] for step in fitting})
    assert (fitting[0]["step"], fitting[-1]["step"], fitting[-1]["total"]) == (1, 40, 40)
    assert fitting[-1]["secondsLeft"] == 0
    assert 2 <= len(fitting) < 40  # not every step is told


def test_pictures_are_small_and_few(wire, tmp_path):
    id = wire.play("pictures", tmp_path / "head", steps=10)
    wire.answer(id)
    pictures = [base64.b64decode(m["params"]["preview"]) for m in wire.heard if "preview" in m.get("params", {})]
    assert 1 <= len(pictures) < 10
    for picture in pictures:
        assert len(picture) <= PREVIEW_BYTES
        assert PREVIEW_SIDE / 2 < max(Image.open(io.BytesIO(picture)).size) <= PREVIEW_SIDE  # noise is made smaller


def test_a_picture_is_told_without_loss():
    pixels = np.random.default_rng(0).integers(90, 110, (PREVIEW_SIDE, 200, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(pixels)))), pixels)


def test_the_time_left_is_what_the_steps_took(monkeypatch):
    clock = iter([10.0, 11.0, 12.0, 12.05, 16.0])
    monkeypatch.setattr("fitdiff.service.progress.time", SimpleNamespace(monotonic=lambda: next(clock)))
    meter = Meter()
    told = [meter.params(1, Progress("fitting", step, 20)) for step in (1, 2, 3, 4, 5)]
    assert [step and step["secondsLeft"] for step in told] == [None, 18.0, 17.0, None, 22.5]
    assert told[3] is None  # too soon after the one before


def test_only_the_last_picture_of_a_hurry_is_lost_not_the_first(monkeypatch):
    clock = iter([0.0, 0.2, 0.4, 0.7])
    monkeypatch.setattr("fitdiff.service.progress.time", SimpleNamespace(monotonic=lambda: next(clock)))
    meter = Meter()
    told = [meter.params(1, Progress("fitting", step, 20, noise())) for step in (1, 2, 3, 4)]
    assert ["preview" in step for step in told] == [True, False, False, True]


def test_jobs_run_in_their_order_in_one_worker(wire, tmp_path):
    ids = [wire.play("quick", tmp_path / str(number)) for number in range(5)]
    pids = {wire.answer(id)["result"]["pid"] for id in ids}
    assert len(pids) == 1
    answered = [message["id"] for message in wire.heard if "method" not in message and message["id"] in ids]
    assert answered == ids


def test_stdout_is_the_protocols_alone(wire, tmp_path):
    assert "result" in wire.answer(wire.play("chatter", tmp_path / "head"))
    assert all(message["jsonrpc"] == "2.0" for message in wire.heard)


@pytest.mark.parametrize(
    ("part", "code"), [("refuse", "several-faces"), ("fail", "internal"), ("swell", "reply-too-large")]
)
def test_a_job_that_fails_says_why_and_the_next_one_runs(wire, tmp_path, part, code):
    first = wire.play(part, tmp_path / "a")
    error = wire.answer(first)["error"]
    assert error["data"]["code"] == code
    if code == "several-faces":
        assert error["message"] == "Two faces."
        assert error["data"] == {"code": code, "details": "here", "data": {"faces": [[1, 2, 3, 4]]}}
    if code == "internal":
        assert "RuntimeError: a fault" in error["message"]
        assert os.path.isfile(error["data"]["data"]["log"])
    assert "result" in wire.answer(wire.play("quick", tmp_path / "b"))


def test_ids_may_be_words_and_must_differ_while_in_use(wire, tmp_path):
    order = {"photo": PHOTO, "out": str(tmp_path / "head"), "steps": 500}
    message = encode(json.dumps({"jsonrpc": "2.0", "id": "Ada", "method": "reconstruct", "params": order}).encode())
    wire.write(message + message)
    assert wire.code("Ada") == "id-in-use"
    wire.heard.clear()
    assert wire.ask("cancel", id="Ada")["result"] == {"was": "running"}
    assert wire.code("Ada") == "cancelled"
    wire.heard.clear()
    wire.write(message.replace(b'"steps": 500', b'"steps":   5'))  # the same id again, which was cancelled once
    assert "result" in wire.answer("Ada")


# --- cancel, ping, release --------------------------------------------------------------------------------------------


def test_cancel_takes_effect_within_a_step(wire, tmp_path):
    id = wire.play("slow", tmp_path / "head", steps=1000)
    wire.until(id, "fitting", 2)
    before = sum("params" in message for message in wire.heard)
    assert wire.ask("cancel", id=id)["result"] == {"was": "running"}
    error = wire.answer(id)["error"]
    assert (error["code"], error["data"]["code"]) == (-32800, "cancelled")
    assert sum("params" in message for message in wire.heard) <= before + 2  # told before it heard of it
    assert os.listdir(tmp_path) == []
    assert wire.ask("ping")["result"]["worker"] == "idle"  # the same worker goes on


def test_a_waiting_job_is_cancelled_without_running(wire, tmp_path):
    first = wire.play("slow", tmp_path / "a", steps=1000)
    second = wire.play("crash", tmp_path / "b")
    assert wire.ask("cancel", id=second)["result"] == {"was": "waiting"}
    assert wire.code(second) == "cancelled"
    assert wire.ask("cancel", id=first)["result"] == {"was": "running"}
    assert wire.code(first) == "cancelled"
    assert wire.ask("cancel", id=first)["result"] == {"was": "unknown"}


def test_ping_and_cancel_are_answered_while_the_worker_is_deaf(service, tmp_path):
    wire = service(600, 0.3)
    id = wire.play("hold", tmp_path / "head")
    assert wire.ask("ping")["result"] == {"worker": "busy", "running": id, "waiting": 0}
    wire.ask("cancel", id=id)
    assert wire.code(id) == "cancelled"  # it was killed
    assert "result" in wire.answer(wire.play("quick", tmp_path / "next"))


def test_release_ends_the_worker_but_not_a_job(wire, tmp_path):
    assert wire.ask("release")["result"] == {"released": True}
    first = wire.play("slow", tmp_path / "a", steps=1000)
    assert wire.code(wire.send("release")) == "busy"
    wire.ask("cancel", id=first)
    wire.answer(first)
    pid = wire.answer(wire.play("quick", tmp_path / "b"))["result"]["pid"]
    assert wire.ask("release")["result"] == {"released": True}
    assert wire.ask("ping")["result"]["worker"] == "none"
    assert wire.answer(wire.play("quick", tmp_path / "c"))["result"]["pid"] != pid


def test_a_job_that_comes_during_a_release_gets_a_new_worker(wire, tmp_path):
    pid = wire.answer(wire.play("quick", tmp_path / "a"))["result"]["pid"]
    release, job = wire.send("release"), wire.play("quick", tmp_path / "b")
    assert wire.answer(release)["result"] == {"released": True}
    assert wire.answer(job)["result"]["pid"] != pid


def test_an_idle_worker_ends_by_itself(service, tmp_path):
    wire = service(0.3, 5)
    wire.answer(wire.play("quick", tmp_path / "a"))
    wait_until(lambda: wire.ask("ping")["result"]["worker"] == "none")
    assert "result" in wire.answer(wire.play("quick", tmp_path / "b"))


def test_the_queue_has_an_end(wire, tmp_path, monkeypatch):
    first = wire.play("slow", tmp_path / "a", steps=2000)
    ids = [wire.play("quick", tmp_path / "b") for _ in range(1001)]
    assert wire.code(ids[-1]) == "queue-full"
    assert wire.ask("ping")["result"] == {"worker": "busy", "running": first, "waiting": 1000}


def test_shutdown_cancels_and_ends(wire, tmp_path):
    running, waiting = wire.play("slow", tmp_path / "a", steps=1000), wire.play("quick", tmp_path / "b")
    wire.until(running, "fitting")
    assert wire.ask("shutdown")["result"] == {}
    assert wire.code(running) == wire.code(waiting) == "cancelled"
    assert wire.process.wait(60) == 0
    assert os.listdir(tmp_path) == []


def test_the_end_of_stdin_is_the_end(wire, tmp_path):
    id = wire.play("slow", tmp_path / "a", steps=1000)
    wire.until(id, "fitting")
    wire.close()
    assert wire.process.returncode == 0
    assert os.listdir(tmp_path) == []


def test_serve_leaves_json_away(capfd):
    from fitdiff import cli

    assert cli.main(["serve", "--json"]) == 2
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "usage"


def test_the_command_serves(tmp_path):
    with Wire("fitdiff.cli", "serve", "--idle", "5") as wire:
        assert wire.ask("ping")["result"]["worker"] == "none"
        wire.close()
        assert wire.process.returncode == 0


def test_every_error_has_a_number_and_keeps_its_name():
    for code, number in (("cancelled", -32800), ("photo-missing", -32000), ("internal", -32603)):
        told = messages.error(1, FitDiffError(code, "Sentence.", data={"a": 1}))["error"]
        assert told == {"code": number, "message": "Sentence.", "data": {"code": code, "details": "", "data": {"a": 1}}}


def test_nothing_heavy_is_imported_by_the_supervisor():
    code = "import sys, fitdiff.service.server; print(*{'torch', 'numpy', 'PIL', 'numba', 'rich'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


@linux
def test_a_thousand_pings_cost_nothing(wire):
    def held() -> tuple[int, int]:
        pages = int(open(f"/proc/{wire.process.pid}/statm").read().split()[1])
        return pages, len(os.listdir(f"/proc/{wire.process.pid}/fd"))

    for _ in range(200):
        wire.ask("ping")
    pages, handles = held()
    slowest = 0.0
    for _ in range(1000):
        wire.heard.clear()
        began = time.perf_counter()
        wire.ask("ping")
        slowest = max(slowest, time.perf_counter() - began)
    after_pages, after_handles = held()
    print(f"slowest of 1000 pings: {1000 * slowest:.1f} ms; {after_pages - pages} pages, {after_handles} handles")
    assert after_handles == handles
    assert after_pages - pages < 256  # one MiB


@pytest.mark.skipif(sys.maxsize < 2**32, reason="the size is that of 64-bit Windows")
def test_windows_would_recognise_the_structure_of_its_job_object():
    assert ctypes.sizeof(lifeline._ExtendedLimits) == 144
