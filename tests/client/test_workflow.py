"""The panel's work without a panel: photos, orders, progress, errors and what is remembered, with a service that plays."""

from __future__ import annotations

from pathlib import Path

import pytest

from blender_fitdiff.backend.job import Job
from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.workflow import orders, wording
from blender_fitdiff.workflow.durations import KEPT, Durations
from blender_fitdiff.workflow.engines import ASSUMED, Engine, offered
from blender_fitdiff.workflow.orders import PhotoOrder
from blender_fitdiff.workflow.workflow import CANCELLING, FINDING_FACES, IDLE, MADE, WORKING, Workflow

SEEN = {"faces": [{"number": 1, "box": [10, 20, 110, 150]}], "photo": {"notes": []}, "error": None}
TWO = [{"number": 1, "box": [0, 0, 100, 100]}, {"number": 2, "box": [200, 0, 320, 120]}]
DONE = {"avatar": "", "verdict": "good", "notes": ["turned upright"], "timings": {"total": 1.0}}


class Playing:
    """A service whose jobs end when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.starts = 0

    def start(self) -> None:
        self.starts += 1

    def inspect(self, photo: Path, out: Path | None = None, **options: object) -> Job:
        return self._job("inspect", {"photo": str(photo), "out": out, **options})

    def reconstruct(self, photo: Path, out: Path, **options: object) -> Job:
        return self._job("reconstruct", {"photo": str(photo), "out": out, **options})

    def sample(self, out: Path, **options: object) -> Job:
        return self._job("sample", {"out": out, **options})

    def ping(self) -> Job:
        """Beside the jobs, which are what tests look at."""
        return Job("ping", {}, lambda job: None)

    def _job(self, method: str, params: dict) -> Job:
        def cancel(job: Job) -> None:
            job.finish(None, FitDiffError("cancelled", "Cancelled."))

        self.jobs.append(Job(method, params, cancel))
        return self.jobs[-1]

    @property
    def last(self) -> Job:
        return self.jobs[-1]


@pytest.fixture
def service() -> Playing:
    return Playing()


@pytest.fixture
def workflow(service, tmp_path) -> Workflow:
    return Workflow(lambda: service, Durations(tmp_path / "durations.json"), tmp_path / "temporary")


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "Ada.JPG"
    path.write_bytes(b"photo")
    return path


@pytest.fixture
def order(photo, tmp_path) -> PhotoOrder:
    return PhotoOrder(photo, tmp_path / "heads" / "ada")


def test_find_faces_gives_the_faces_and_the_picture_of_them(workflow, service, photo, tmp_path):
    workflow.find_faces(photo)
    assert (workflow.phase, workflow.busy, workflow.working) == (FINDING_FACES, True, False)
    out = service.last.params["out"]
    out.mkdir(parents=True)
    for name in ("faces.png", "parts.png"):
        (out / name).write_bytes(b"picture")
    service.last.finish(SEEN, None)
    assert workflow.tick()
    assert (workflow.phase, workflow.busy, workflow.error) == (IDLE, False, None)
    assert [(face.number, face.pixels) for face in workflow.faces] == [(1, 130.0)]
    assert workflow.faces_picture == out / "faces.png" and workflow.parts_picture == out / "parts.png"
    assert not workflow.tick()  # nothing new


def test_several_faces_are_a_sentence_and_a_choice(workflow, service, photo, order):
    told = {"code": "several-faces", "message": "Two faces.", "details": "", "data": {"faces": TWO}}
    workflow.find_faces(photo)
    service.last.finish({**SEEN, "faces": TWO, "error": told}, None)
    workflow.tick()
    assert (workflow.error.code, workflow.error.sentence) == ("several-faces", "Two faces.")
    assert [face.number for face in workflow.faces] == [1, 2]
    assert wording.offer(workflow.error) == "FACE"
    # who did not wait for the look hears of them from the service itself
    workflow.choose(photo)
    workflow.reconstruct(order)
    service.last.finish(None, FitDiffError("several-faces", "Two faces.", data={"faces": TWO}))
    workflow.tick()
    assert [face.number for face in workflow.faces] == [1, 2]
    assert workflow.phase == IDLE
    workflow.reconstruct(PhotoOrder(order.photo, order.out, face=2))
    assert (workflow.error, service.last.params["face"]) == (None, 2)


def test_a_random_person_needs_no_photo(workflow, service, photo, tmp_path):
    workflow.choose(photo)
    person = orders.PersonOrder(orders.person_folder(tmp_path / "heads", 7), seed=7)
    workflow.make_person(person)
    assert (workflow.phase, service.last.method) == (WORKING, "sample")
    assert service.last.params == {"out": tmp_path / "heads" / "person-7", "seed": 7, "overwrite": True}
    service.last.finish({"avatars": [str(person.out)], "seeds": [7], "sheet": None, "timings": {"total": 2.0}}, None)
    workflow.tick()
    assert (workflow.made.folder, workflow.made.name, workflow.made.verdict) == (person.out, "Person 7", "good")
    assert workflow.photo == photo  # what was chosen stays chosen
    assert workflow.durations.typical("sample") is not None
    workflow.placed()
    workflow.make_person(person)
    service.last.finish(None, FitDiffError("weights-missing", "The model is not installed."))
    workflow.tick()
    assert (workflow.phase, workflow.error.code) == (IDLE, "weights-missing")


def test_the_time_that_is_left_knows_of_stages_to_come(workflow, service, order):
    workflow.reconstruct(order)
    assert workflow.seconds_left == 0.0  # nothing is known
    service.last.advance({"stage": "sampling", "step": 1, "total": 4, "secondsLeft": 9.0})
    assert workflow.seconds_left == 9.0
    workflow.durations.add(order.kind, 1000)
    assert 900 < workflow.seconds_left <= 1000
    service.last.advance({"stage": "sampling", "step": 2, "total": 4, "secondsLeft": 2000.0})
    assert workflow.seconds_left == 2000.0


def test_a_folder_knows_its_photo(photo, tmp_path):
    made = [orders.avatar_folder(tmp_path / "heads", photo, seed, face) for seed in (0, 1, 23) for face in (None, 1, 2)]
    assert len(set(made)) == 9
    assert all(orders.is_made_from(folder, photo) for folder in made)
    names = [
        PhotoOrder(photo, made[0], seed=seed, face=face).name for seed, face in ((0, None), (3, None), (0, 2), (3, 2))
    ]
    assert names == ["Ada", "Ada 3", "Ada face 2", "Ada face 2 3"]
    assert not orders.is_made_from(orders.avatar_folder(tmp_path, tmp_path / "Bea.jpg"), photo)
    assert not orders.is_made_from(orders.person_folder(tmp_path, 1), photo)
    assert not orders.is_made_from(Path(), photo)


def test_sentences_are_cut_where_lines_end():
    assert wording.lines("a bird sings in a tree", 6) == ["a bird", "sings", "in a", "tree"]
    assert wording.lines("/a/very/long/path here", 8) == ["/a/very/", "long/pat", "h here"]
    wide = {"m": 2.0}
    assert wording.lines("mm ii mm", 6, lambda text: sum(wide.get(one, 1.0) for one in text)) == ["mm", "ii", "mm"]
    assert wording.lines("never ends", -5)  # a sidebar may be narrower than its margins
    assert wording.lines("", 10) == [""]


def test_people_are_drawn_only_where_the_model_is():
    def told(methods: list[str], engines: list[str]) -> dict:
        return {"capabilities": {"methods": methods, "engines": engines}}

    assert orders.can_make_people(told(["sample"], ["fit", "diffusion"]))
    assert not orders.can_make_people(told(["sample"], ["fit"]))
    assert not orders.can_make_people(told(["inspect"], ["fit", "diffusion"]))
    assert not orders.can_make_people(None)


def test_each_engine_has_its_own_steps(photo, tmp_path):
    def steps(engine: str) -> int:
        return orders.PhotoOrder(photo, tmp_path, engine=ASSUMED[engine], quality="finest").options()["steps"]

    assert (steps("fit"), steps("diffusion")) == (300, 100)
    finest = orders.quality_choices(ASSUMED["diffusion"], None)[-1]
    assert finest.description == "100 steps, maps of 2048 pixels"


def test_a_job_goes_from_the_click_to_the_scene(workflow, service, order):
    workflow.reconstruct(order)
    assert (workflow.phase, service.starts) == (WORKING, 1)
    assert service.last.params["overwrite"] is True
    assert (service.last.params["steps"], service.last.params["resolution"]) == (50, 512)
    workflow.tick()
    service.last.advance({"stage": "fitting", "step": 3, "total": 10, "secondsLeft": 7.0})
    assert workflow.tick()
    assert (workflow.progress.fraction, workflow.progress.seconds_left) == (0.3, 7.0)
    service.last.finish({**DONE, "avatar": str(order.out)}, None)
    assert workflow.tick()
    assert (workflow.phase, workflow.busy, workflow.working) == (MADE, True, True)
    assert (workflow.made.folder, workflow.made.name, workflow.notes) == (order.out, "Ada", ("turned upright",))
    with pytest.raises(FitDiffError, match="being made"):
        workflow.reconstruct(order)
    workflow.placed()
    assert (workflow.phase, workflow.busy, workflow.made, workflow.last.name) == (IDLE, False, None, "Ada")
    assert workflow.durations.typical("diffusion/standard") is not None


def test_cancel_is_no_trouble(workflow, service, order):
    workflow.reconstruct(order)
    workflow.cancel()
    assert workflow.phase == CANCELLING
    workflow.tick()
    assert (workflow.phase, workflow.error, workflow.made) == (IDLE, None, None)
    assert workflow.durations.typical("diffusion/standard") is None
    workflow.reconstruct(order)  # and the next click works
    assert workflow.phase == WORKING


def test_a_made_head_can_be_left_out(workflow, service, order):
    workflow.reconstruct(order)
    service.last.finish({**DONE, "avatar": str(order.out)}, None)
    workflow.tick()
    workflow.cancel()
    assert (workflow.phase, workflow.made, workflow.last) == (IDLE, None, None)


def test_a_service_that_dies_is_a_sentence_and_the_next_click_goes_on(workflow, service, order):
    workflow.reconstruct(order)
    service.last.finish(None, FitDiffError("backend-crashed", "It has stopped.", details="ended with -9"))
    workflow.tick()
    assert (workflow.phase, workflow.error.sentence, workflow.busy) == (IDLE, "It has stopped.", False)
    workflow.reconstruct(order)
    assert (workflow.phase, workflow.error) == (WORKING, None)


def test_without_a_backend_a_click_says_so_and_a_photo_does_not(tmp_path, photo, order):
    def none() -> Playing:
        raise FitDiffError("backend-missing", "Not installed.")

    workflow = Workflow(none, Durations(tmp_path / "durations.json"), tmp_path)
    workflow.find_faces(photo)
    assert (workflow.phase, workflow.error) == (IDLE, None)
    workflow.reconstruct(order)
    assert (workflow.phase, workflow.error.code, wording.offer(workflow.error)) == (IDLE, "backend-missing", "INSTALL")


def test_heads_that_cannot_be_written_are_told_before_the_service_is_asked(workflow, service, photo, tmp_path):
    (tmp_path / "heads").write_text("a file in the folder's place")
    workflow.reconstruct(PhotoOrder(photo, tmp_path / "heads" / "ada"))
    assert (workflow.phase, workflow.error.code, service.jobs) == (IDLE, "write-denied", [])


def test_another_photo_forgets_the_last_one_and_a_look_gives_way_to_a_click(workflow, service, photo, order, tmp_path):
    workflow.find_faces(photo)
    first = service.last
    other = tmp_path / "Bea.png"
    workflow.find_faces(other)
    assert first.error.code == "cancelled"
    service.last.finish(SEEN, None)
    workflow.tick()
    assert len(workflow.faces) == 1
    workflow.find_faces(photo)
    assert workflow.faces == ()
    look = service.last
    workflow.reconstruct(order)
    assert look.error.code == "cancelled"
    assert workflow.phase == WORKING
    workflow.tick()
    assert (workflow.phase, workflow.error) == (WORKING, None)


def test_costs_are_what_was_measured_and_survive(tmp_path):
    file = tmp_path / "deep" / "durations.json"
    durations = Durations(file)
    assert durations.typical("fit/fine") is None
    for seconds in (100.0, 1.0, 2.0, 9.0, 3.0, 4.0):
        durations.add("fit/fine", seconds)
    again = Durations(file)
    assert again.typical("fit/fine") == 3.0  # the middle one of the last five
    assert KEPT == 5
    assert again.typical("landmarks") is None
    for broken in ("[1]", "{", '{"fit": "x"}', '{"fit": [null]}'):
        file.write_text(broken)
        assert Durations(file).typical("fit") is None


def test_photos_by_path_address_and_quotes(photo, tmp_path):
    for given in (str(photo), f'"{photo}"', f" {photo} ", photo.as_uri()):
        assert orders.checked_photo(given) == photo
    for given, code in (
        ("", "photo-none"),
        (str(tmp_path / "none.jpg"), "photo-missing"),
        (str(tmp_path), "photo-kind"),
        (f"{photo}\nrm", "photo-path"),
        ("a\0.jpg", "photo-path"),
    ):
        with pytest.raises(FitDiffError) as caught:
            orders.checked_photo(given)
        assert caught.value.code == code


def test_photos_of_one_name_get_folders_of_their_own(tmp_path):
    heads = tmp_path / "heads"
    one, other = (orders.avatar_folder(heads, tmp_path / folder / "ada.jpg") for folder in "ab")
    assert one != other
    assert one == orders.avatar_folder(heads, tmp_path / "a" / "ada.jpg")
    assert orders.avatar_folder(heads, tmp_path / "a" / "ada.jpg", 3).name == f"{one.name}-3"
    assert orders.avatar_folder(heads, tmp_path / ("x" * 300 + "/../ .jpg")).parent == heads


def test_orders_ask_only_for_what_an_engine_knows(photo, tmp_path):
    quick = PhotoOrder(photo, tmp_path, engine=ASSUMED["landmarks"], quality="finest", face_model="mine")
    assert quick.options() == {"engine": "landmarks", "seed": 0, "overwrite": True, "face_model": "mine"}
    assert quick.kind == "landmarks"
    fine = PhotoOrder(photo, tmp_path, quality="fine", seed=4)
    assert (fine.options()["resolution"], fine.kind, fine.name) == (1024, "diffusion/fine", "Ada 4")
    assert [one.id for one in orders.quality_choices(ASSUMED["fit"], (512,))] == ["draft", "standard"]
    assert orders.quality_choices(ASSUMED["landmarks"], None) == []


def test_the_menu_shows_what_the_service_tells_of_its_engines():
    told = {"capabilities": {"engines": ["fit", "later"]}}
    assert [one.title for one in offered(told).values()] == ["Direct Fit", "Later"]  # a service that tells names alone
    later = {"name": "later", "title": "Later On", "about": "", "qualities": {}, "chance": False, "draws_people": True}
    told["capabilities"]["engineCards"] = [later | {"news": 1}]
    assert offered(told)["later"] == Engine("later", "Later On", chance=False, draws_people=True)
    assert offered(None) is ASSUMED


def test_durations_are_told_as_people_do():
    told = {0.2: "0 s", 59.4: "59 s", 60: "1 min", 75: "1 min 15 s", 700: "12 min", 7200: "2.0 h"}
    assert {seconds: wording.duration(seconds) for seconds in told} == told
    assert wording.usual_duration(None) == ""
    assert wording.usual_duration(62) == "About 1 min 2 s on this machine"
    assert wording.stage("fitting") == "Fitting the head to the photo"
    assert wording.stage("baking pores") == "Baking pores"


def test_a_copied_report_has_everything():
    error = FitDiffError("no-face", "No face.", details="deep")
    assert wording.report(error, "Blender 5").splitlines() == ["No face.", "[no-face]", "Blender 5", "deep"]
