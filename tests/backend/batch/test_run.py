"""Batches with playing workers: what is done, kept, tried again, refused and left when things go wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from fitdiff.batch.journal import FILE, Journal, is_whole
from fitdiff.batch.pool import LocalPool, workers_here
from fitdiff.errors import FitDiffError

from ..service.wire import wait_until
from .actor import COMMAND
from .conftest import Place

DONE, KEPT, FAILED = ("done", False), ("done", True), ("failed", False)
posix = pytest.mark.skipif(os.name == "nt", reason="signals")


def code(place: Place, photo: str) -> str:
    return place.entry(photo).error["code"]


def test_every_photo_gets_its_folder_and_workers_stay(place):
    place.add("a.jpg", "sub/b.jpg", "Zoë 顔 🙂.png", "a.png")
    assert set(place.run().values()) == {DONE}
    names = {entry.photo: entry.folder for entry, _ in place.told}
    assert names["Zoë 顔 🙂.png"] == "Zoë 顔 🙂"
    assert names["sub/b.jpg"] == "b"
    assert len(set(names.values())) == 4
    for entry, _ in place.told:
        assert is_whole(place.out, entry)
    pids = {note for entry, _ in place.told for note in entry.notes if note.startswith("pid")}
    assert len(pids) <= 2  # four photos, no more than two processes
    assert place.rubbish() == []


def test_threads_are_shared_out_among_workers(place):
    place.add("a.jpg")
    place.run(pool=LocalPool(1, 60, COMMAND, threads=3))
    assert "threads 3" in place.entry("a.jpg").notes
    assert workers_here(jobs=1, memory=None) == 1
    assert workers_here(jobs=10**6, memory=0) == 1


def test_a_second_run_does_only_what_is_new(place):
    place.add("a.jpg", "b.jpg")
    place.run()
    place.add("c.jpg", "A-first.jpg")
    assert place.run() == {"a.jpg": KEPT, "b.jpg": KEPT, "c.jpg": DONE, "A-first.jpg": DONE}
    counts = place.report()["counts"]
    assert counts == {"done": 2, "kept": 2, "failed": 0, "waiting": 0}


def test_other_settings_and_other_photos_need_leave_to_replace(place):
    place.add("a.jpg", "b.jpg")
    place.run()
    (place.folder / "b.jpg").write_bytes((place.folder / "a.jpg").read_bytes())
    assert place.run() == {"a.jpg": KEPT, "b.jpg": FAILED}
    assert code(place, "b.jpg") == "avatar-exists"
    assert place.run(settings={"seed": 7}) == {"a.jpg": FAILED, "b.jpg": FAILED}
    assert place.run(settings={"seed": 7}, overwrite=True) == {"a.jpg": DONE, "b.jpg": DONE}
    assert place.run(settings={"seed": 7}, overwrite=True) == {"a.jpg": KEPT, "b.jpg": KEPT}
    assert place.run() == {"a.jpg": FAILED, "b.jpg": FAILED}


def test_a_refusal_does_not_forget_what_was_done(place):
    place.add("a.jpg")
    place.run()
    place.run(settings={"seed": 7})
    assert place.run() == {"a.jpg": KEPT}


def test_a_report_never_forgets_heads_that_are_there(place):
    """Neither a repeat with other settings nor one over other photos."""
    place.add("a.jpg", "b.jpg")
    place.run()
    assert "earlier" not in place.report()["counts"]
    place.run(settings={"seed": 7})
    told = [(head["photo"], head["status"], head["kept"]) for head in place.report()["heads"]]
    assert sorted(told[:2]) == [("a.jpg", "done", True), ("b.jpg", "done", True)]
    assert sorted(told[2:]) == [("a.jpg", "failed", False), ("b.jpg", "failed", False)]
    assert place.report()["counts"] == {"done": 0, "kept": 0, "failed": 2, "waiting": 0, "earlier": 2}
    (place.folder / "a.jpg").unlink()
    place.add("c.jpg")
    place.run()
    told = {head["photo"]: (head["status"], head["kept"]) for head in place.report()["heads"]}
    assert told == {"a.jpg": KEPT, "b.jpg": KEPT, "c.jpg": DONE}
    assert "a/preview.png" in (place.out / "report.html").read_text(encoding="utf-8")
    shutil.rmtree(place.out / "a")
    place.run()
    assert {head["photo"] for head in place.report()["heads"]} == {"b.jpg", "c.jpg"}


def test_what_exists_can_be_skipped_whatever_it_was_made_of(place):
    place.add("a.jpg")
    place.run()
    (place.out / FILE).unlink()  # nobody knows any more what they were made of
    place.add("b.jpg")
    (place.out / "c").mkdir()
    (place.out / "c" / "diary.txt").write_text("mine")
    place.add("c.jpg")
    assert place.run(settings={"seed": 7}, skip_existing=True) == {"a.jpg": KEPT, "b.jpg": DONE, "c.jpg": FAILED}
    assert next(head for head in place.report()["heads"] if head["photo"] == "a.jpg")["folder"] == "a"
    assert place.run(settings={"seed": 8}, skip_existing=True)["b.jpg"] == KEPT
    assert (place.out / "c" / "diary.txt").read_text() == "mine"
    damaged = next((place.out / "b").glob("maps/*.png"), place.out / "b" / "mesh.npz")
    damaged.write_bytes(b"")
    assert place.run(settings={"seed": 9}, skip_existing=True)["b.jpg"] == FAILED


def test_faces_of_a_split_photo_are_skipped_too(place):
    place.add("group.jpg")
    first = place.run(faces="all")
    assert len(first) > 1
    assert set(first.values()) == {DONE}
    assert place.run(faces="all", settings={"seed": 7}, skip_existing=True) == dict.fromkeys(first, KEPT)


def test_what_is_not_ours_is_left_alone_even_with_leave(place):
    place.add("a.jpg")
    (place.out / "a").mkdir(parents=True)
    (place.out / "a" / "holiday.txt").write_text("mine")
    for overwrite in (False, True):
        assert place.run(overwrite=overwrite) == {"a.jpg": FAILED}
        assert code(place, "a.jpg") == "avatar-exists"
    assert os.listdir(place.out / "a") == ["holiday.txt"]


@posix
def test_an_output_that_is_a_link_is_not_followed(place, tmp_path):
    place.add("a.jpg")
    place.run()
    (place.out / "a").rename(tmp_path / "elsewhere")
    (place.out / "a").symlink_to(tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere" / "avatar.json").stat().st_ino
    assert place.run(settings={"seed": 7}, overwrite=True) == {"a.jpg": FAILED}
    assert (tmp_path / "elsewhere" / "avatar.json").stat().st_ino == before


@pytest.mark.parametrize("damage", ["mesh.npz", "avatar.json"])
def test_a_damaged_head_is_made_again(place, damage):
    place.add("a.jpg")
    place.run()
    (place.out / "a" / damage).write_bytes(b"")
    assert place.run() == {"a.jpg": DONE}
    assert place.run() == {"a.jpg": KEPT}


def test_a_head_without_its_last_line_is_made_again(place):
    """Killed between an avatar's rename and the line that tells of it."""
    place.add("a.jpg", "b.jpg")
    place.run(workers=1)
    lines = (place.out / FILE).read_bytes().splitlines(keepends=True)
    assert json.loads(lines[-1])["status"] == "done"
    (place.out / FILE).write_bytes(b"".join(lines[:-1]) + lines[-1][:40])
    assert place.run() == {"a.jpg": KEPT, "b.jpg": DONE}


def test_one_bad_photo_never_stops_the_rest(place):
    place.add("a.jpg", "refuse.jpg", "z.jpg")
    assert place.run() == {"a.jpg": DONE, "refuse.jpg": FAILED, "z.jpg": DONE}
    assert code(place, "refuse.jpg") == "no-face"


def test_a_photo_that_vanishes_or_is_a_pipe_is_one_entry(place):
    place.add("a.jpg", "z.jpg")
    (place.folder / "gone.jpg").symlink_to(place.folder / "nowhere")
    os.mkfifo(place.folder / "pipe.jpg")
    assert place.run() == {"a.jpg": DONE, "gone.jpg": FAILED, "pipe.jpg": FAILED, "z.jpg": DONE}


@posix
def test_a_killed_worker_is_replaced_and_its_photo_tried_once_more(place):
    place.add("stumble.jpg", "crash.jpg", "half.jpg", "z.jpg")
    (place.folder / "stumble.jpg.seen").unlink(missing_ok=True)
    assert place.run() == {"stumble.jpg": DONE, "crash.jpg": FAILED, "half.jpg": DONE, "z.jpg": DONE}
    assert {entry.photo: entry.tries for entry, _ in place.told} == {
        "stumble.jpg": 2,
        "crash.jpg": 2,
        "half.jpg": 2,
        "z.jpg": 1,
    }
    assert code(place, "crash.jpg") == "worker-crashed"
    assert place.entry("crash.jpg").error["details"] == "SIGKILL"
    assert place.rubbish() == []


def test_workers_that_die_again_and_again_end_the_batch(place):
    place.add(*(f"{n}.jpg" for n in range(9)))
    with pytest.raises(FitDiffError) as caught:
        place.run(pool=LocalPool(2, 60, [sys.executable, "-c", "raise SystemExit(3)"]))
    assert caught.value.code == "worker-crashed"
    assert caught.value.details == "exit code 3"
    assert place.report()["counts"]["waiting"] > 0
    assert set(place.run().values()) == {DONE}  # repaired, it goes on


def test_no_worker_at_all_ends_the_batch(place):
    place.add("a.jpg")
    with pytest.raises(FitDiffError) as caught:
        place.run(pool=LocalPool(2, 60, ["/nowhere/python"]))
    assert caught.value.code == "worker-missing"


def test_a_photo_that_never_ends_is_given_up(place):
    place.add("hold.jpg", "a.jpg")
    assert place.run(limit=10.0) == {"a.jpg": DONE, "hold.jpg": FAILED}
    assert code(place, "hold.jpg") == "photo-timeout"


def test_a_full_disk_ends_the_batch_which_can_go_on(place):
    place.add("a.jpg", "full.jpg", "z.jpg")
    with pytest.raises(FitDiffError) as caught:
        place.run(workers=1)
    assert caught.value.code == "disk-full"
    assert place.report()["counts"] == {"done": 1, "kept": 0, "failed": 0, "waiting": 2}


def test_several_faces_are_named_taken_or_chosen(place):
    place.add("group.jpg", "z.jpg")
    assert place.run() == {"group.jpg": FAILED, "z.jpg": DONE}
    assert [face["number"] for face in place.entry("group.jpg").error["data"]["faces"]] == [1, 2, 3, 4]
    assert place.entry("group.jpg").thumbnail
    # The third is a bystander's: smaller than 80 pixels.
    expected = {f"group.jpg#{n}": DONE for n in (1, 2, 4)}
    assert place.run(faces="all", overwrite=True) == {**expected, "z.jpg": DONE}
    assert {entry.folder for entry, _ in place.told} == {"group/face-1", "group/face-2", "group/face-4", "z"}
    assert set(place.run(faces="all").values()) == {KEPT}


def test_the_largest_face_is_taken(place):
    place.add("group.jpg")
    assert place.run(faces="largest") == {"group.jpg": DONE}
    assert place.entry("group.jpg").face == 2
    assert place.run(faces="largest") == {"group.jpg": KEPT}


def test_the_page_is_one_file_without_scripts_and_with_nothing_unescaped(place):
    place.add("<script>alert('x')&.jpg", "refuse-<img src=x>.jpg")
    place.run()
    page = (place.out / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page and "<b>here" not in page and "<img src=x" not in page
    assert "&lt;script&gt;" in page and "No face &lt;b&gt;here" in page
    assert "Content-Security-Policy" in page
    assert not re.search(r"(src|href)=[\'\"]?(?!data:)[a-z]+:", page)
    assert page.count("data:image/jpeg;base64,") == 2
    told = place.report()["heads"]
    assert {head["photo"]: head["folder"] is None for head in told} == {
        "<script>alert('x')&.jpg": False,
        "refuse-<img src=x>.jpg": True,
    }


def test_two_batches_do_not_write_into_one_folder(place):
    place.out.mkdir()
    log = Journal(place.out)
    place.add("a.jpg")
    with pytest.raises(FitDiffError) as caught:
        place.run()
    assert caught.value.code == "batch-running"
    log.close()
    assert place.run() == {"a.jpg": DONE}


def test_the_journal_passes_over_what_it_cannot_read(place):
    place.add("a.jpg")
    place.run()
    with open(place.out / FILE, "ab") as file:
        file.write(b'{"photo": 3}\n\xff\xfe\n{"photo": "a.jpg", "ke')
    assert place.run() == {"a.jpg": KEPT}


SCRIPT = """
import sys
from pathlib import Path
from tests.backend.batch.conftest import Place
place = Place(Path(sys.argv[1]), Path(sys.argv[2]))
place.run(pool=None)
"""


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_in_the_middle_it_leaves_nothing_half_written_and_goes_on(place, number):
    place.add(*(f"slow-{n}.jpg" for n in range(8)))
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(place.folder), str(place.out)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log = place.out / FILE
    wait_until(lambda: log.exists() and b'"done"' in log.read_bytes())
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, said = process.communicate(timeout=60)
    if number != signal.SIGKILL:
        assert "run the same command again to continue" in said
        counts = place.report()["counts"]
        assert counts["done"] >= 1 and counts["done"] + counts["waiting"] == 8
        assert place.rubbish() == []
    (place.folder / "hurry").touch()
    statuses = list(place.run().values())
    assert statuses.count(KEPT) >= 1
    assert statuses.count(KEPT) + statuses.count(DONE) == 8
    assert place.rubbish() == []


def test_results_stream_as_they_finish(place):
    """A line in the journal while others are still at work."""
    place.add("a.jpg", "hold.jpg")
    stopped = []

    def run() -> None:
        with pytest.raises(FitDiffError) as caught:
            place.run()
        stopped.append(caught.value.code)

    runner = threading.Thread(target=run, daemon=True)
    runner.start()
    wait_until(lambda: place.told)
    assert runner.is_alive()
    assert place.entry("a.jpg").status == "done"
    lines = [json.loads(line) for line in (place.out / FILE).read_text().splitlines()]
    assert [(line["photo"], line["status"]) for line in lines][-1] == ("a.jpg", "done")
    place.batch.stop()
    runner.join(60)
    assert stopped == ["cancelled"]
