"""The panel's work without a panel: photos, orders, progress, errors and what is remembered, with a service that plays."""

from __future__ import annotations

from pathlib import Path

import pytest

from blender_fitdiff.backend.job import Job
from blender_fitdiff.desk import orders, wording
from blender_fitdiff.desk.costs import KEPT, Costs
from blender_fitdiff.desk.desk import CANCELLING, IDLE, LOOKING, MADE, WORKING, Desk
from blender_fitdiff.desk.engines import ASSUMED, Engine, offered
from blender_fitdiff.desk.orders import Order
from blender_fitdiff.errors import FitDiffError

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
def desk(service, tmp_path) -> Desk:
    return Desk(lambda: service, Costs(tmp_path / "costs.json"), tmp_path / "temporary")


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "Ada.JPG"
    path.write_bytes(b"photo")
    return path


@pytest.fixture
def order(photo, tmp_path) -> Order:
    return Order(photo, tmp_path / "heads" / "ada")


def test_looking_finds_the_faces_and_the_picture_of_them(desk, service, photo, tmp_path):
    desk.look(photo)
    assert (desk.phase, desk.busy, desk.working) == (LOOKING, True, False)
    out = service.last.params["out"]
    out.mkdir(parents=True)
    (out / "faces.png").write_bytes(b"picture")
    service.last.finish(SEEN, None)
    assert desk.tick()
    assert (desk.phase, desk.busy, desk.trouble) == (IDLE, False, None)
    assert [(face.number, face.pixels) for face in desk.faces] == [(1, 130.0)]
    assert desk.picture == out / "faces.png"
    assert not desk.tick()  # nothing new


def test_several_faces_are_a_sentence_and_a_choice(desk, service, photo, order):
    told = {"code": "several-faces", "message": "Two faces.", "details": "", "data": {"faces": TWO}}
    desk.look(photo)
    service.last.finish({**SEEN, "faces": TWO, "error": told}, None)
    desk.tick()
    assert (desk.trouble.code, desk.trouble.sentence) == ("several-faces", "Two faces.")
    assert [face.number for face in desk.faces] == [1, 2]
    assert wording.offer(desk.trouble) == "FACE"
    # who did not wait for the look hears of them from the service itself
    desk.choose(photo)
    desk.begin(order)
    service.last.finish(None, FitDiffError("several-faces", "Two faces.", data={"faces": TWO}))
    desk.tick()
    assert [face.number for face in desk.faces] == [1, 2]
    assert desk.phase == IDLE
    desk.begin(Order(order.photo, order.out, face=2))
    assert (desk.trouble, service.last.params["face"]) == (None, 2)


def test_a_random_person_needs_no_photo(desk, service, photo, tmp_path):
    desk.choose(photo)
    person = orders.Draw(orders.person_folder(tmp_path / "heads", 7), seed=7)
    desk.draw(person)
    assert (desk.phase, service.last.method) == (WORKING, "sample")
    assert service.last.params == {"out": tmp_path / "heads" / "person-7", "seed": 7, "overwrite": True}
    service.last.finish({"avatars": [str(person.out)], "seeds": [7], "sheet": None, "timings": {"total": 2.0}}, None)
    desk.tick()
    assert (desk.made.folder, desk.made.name, desk.made.verdict) == (person.out, "Person 7", "good")
    assert desk.photo == photo  # what was chosen stays chosen
    assert desk.costs.typical("sample") is not None
    desk.placed()
    desk.draw(person)
    service.last.finish(None, FitDiffError("weights-missing", "The model is not installed."))
    desk.tick()
    assert (desk.phase, desk.trouble.code) == (IDLE, "weights-missing")


def test_the_time_that_is_left_knows_of_stages_to_come(desk, service, order):
    desk.begin(order)
    assert desk.seconds_left == 0.0  # nothing is known
    service.last.advance({"stage": "sampling", "step": 1, "total": 4, "secondsLeft": 9.0})
    assert desk.seconds_left == 9.0
    desk.costs.note(order.kind, 1000)
    assert 900 < desk.seconds_left <= 1000
    service.last.advance({"stage": "sampling", "step": 2, "total": 4, "secondsLeft": 2000.0})
    assert desk.seconds_left == 2000.0


def test_a_folder_knows_its_photo(photo, tmp_path):
    made = [orders.avatar_folder(tmp_path / "heads", photo, seed, face) for seed in (0, 1, 23) for face in (None, 1, 2)]
    assert len(set(made)) == 9
    assert all(orders.is_of(folder, photo) for folder in made)
    names = [Order(photo, made[0], seed=seed, face=face).name for seed, face in ((0, None), (3, None), (0, 2), (3, 2))]
    assert names == ["Ada", "Ada 3", "Ada face 2", "Ada face 2 3"]
    assert not orders.is_of(orders.avatar_folder(tmp_path, tmp_path / "Bea.jpg"), photo)
    assert not orders.is_of(orders.person_folder(tmp_path, 1), photo)
    assert not orders.is_of(Path(), photo)


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

    assert orders.can_draw(told(["sample"], ["fit", "diffusion"]))
    assert not orders.can_draw(told(["sample"], ["fit"]))
    assert not orders.can_draw(told(["inspect"], ["fit", "diffusion"]))
    assert not orders.can_draw(None)


def test_each_engine_has_its_own_steps(photo, tmp_path):
    def steps(engine: str) -> int:
        return orders.Order(photo, tmp_path, engine=ASSUMED[engine], quality="finest").options()["steps"]

    assert (steps("fit"), steps("diffusion")) == (300, 100)
    finest = orders.quality_choices(ASSUMED["diffusion"], None)[-1]
    assert finest.description == "100 steps, maps of 2048 pixels"


def test_a_job_goes_from_the_click_to_the_scene(desk, service, order):
    desk.begin(order)
    assert (desk.phase, service.starts) == (WORKING, 1)
    assert service.last.params["overwrite"] is True
    assert (service.last.params["steps"], service.last.params["resolution"]) == (50, 512)
    desk.tick()
    service.last.advance({"stage": "fitting", "step": 3, "total": 10, "secondsLeft": 7.0})
    assert desk.tick()
    assert (desk.progress.fraction, desk.progress.seconds_left) == (0.3, 7.0)
    service.last.finish({**DONE, "avatar": str(order.out)}, None)
    assert desk.tick()
    assert (desk.phase, desk.busy, desk.working) == (MADE, True, True)
    assert (desk.made.folder, desk.made.name, desk.notes) == (order.out, "Ada", ("turned upright",))
    with pytest.raises(FitDiffError, match="being made"):
        desk.begin(order)
    desk.placed()
    assert (desk.phase, desk.busy, desk.made, desk.last.name) == (IDLE, False, None, "Ada")
    assert desk.costs.typical("diffusion/standard") is not None


def test_cancel_is_no_trouble(desk, service, order):
    desk.begin(order)
    desk.cancel()
    assert desk.phase == CANCELLING
    desk.tick()
    assert (desk.phase, desk.trouble, desk.made) == (IDLE, None, None)
    assert desk.costs.typical("diffusion/standard") is None
    desk.begin(order)  # and the next click works
    assert desk.phase == WORKING


def test_a_made_head_can_be_left_out(desk, service, order):
    desk.begin(order)
    service.last.finish({**DONE, "avatar": str(order.out)}, None)
    desk.tick()
    desk.cancel()
    assert (desk.phase, desk.made, desk.last) == (IDLE, None, None)


def test_a_service_that_dies_is_a_sentence_and_the_next_click_goes_on(desk, service, order):
    desk.begin(order)
    service.last.finish(None, FitDiffError("backend-crashed", "It has stopped.", details="ended with -9"))
    desk.tick()
    assert (desk.phase, desk.trouble.sentence, desk.busy) == (IDLE, "It has stopped.", False)
    desk.begin(order)
    assert (desk.phase, desk.trouble) == (WORKING, None)


def test_without_a_backend_a_click_says_so_and_a_photo_does_not(tmp_path, photo, order):
    def none() -> Playing:
        raise FitDiffError("backend-missing", "Not installed.")

    desk = Desk(none, Costs(tmp_path / "costs.json"), tmp_path)
    desk.look(photo)
    assert (desk.phase, desk.trouble) == (IDLE, None)
    desk.begin(order)
    assert (desk.phase, desk.trouble.code, wording.offer(desk.trouble)) == (IDLE, "backend-missing", "INSTALL")


def test_heads_that_cannot_be_written_are_told_before_the_service_is_asked(desk, service, photo, tmp_path):
    (tmp_path / "heads").write_text("a file in the folder's place")
    desk.begin(Order(photo, tmp_path / "heads" / "ada"))
    assert (desk.phase, desk.trouble.code, service.jobs) == (IDLE, "write-denied", [])


def test_another_photo_forgets_the_last_one_and_a_look_gives_way_to_a_click(desk, service, photo, order, tmp_path):
    desk.look(photo)
    first = service.last
    other = tmp_path / "Bea.png"
    desk.look(other)
    assert first.error.code == "cancelled"
    service.last.finish(SEEN, None)
    desk.tick()
    assert len(desk.faces) == 1
    desk.look(photo)
    assert desk.faces == ()
    look = service.last
    desk.begin(order)
    assert look.error.code == "cancelled"
    assert desk.phase == WORKING
    desk.tick()
    assert (desk.phase, desk.trouble) == (WORKING, None)


def test_costs_are_what_was_measured_and_survive(tmp_path):
    file = tmp_path / "deep" / "costs.json"
    costs = Costs(file)
    assert costs.typical("fit/fine") is None
    for seconds in (100.0, 1.0, 2.0, 9.0, 3.0, 4.0):
        costs.note("fit/fine", seconds)
    again = Costs(file)
    assert again.typical("fit/fine") == 3.0  # the middle one of the last five
    assert KEPT == 5
    assert again.typical("landmarks") is None
    for broken in ("[1]", "{", '{"fit": "x"}', '{"fit": [null]}'):
        file.write_text(broken)
        assert Costs(file).typical("fit") is None


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
    quick = Order(photo, tmp_path, engine=ASSUMED["landmarks"], quality="finest", face_model="mine")
    assert quick.options() == {"engine": "landmarks", "seed": 0, "overwrite": True, "face_model": "mine"}
    assert quick.kind == "landmarks"
    fine = Order(photo, tmp_path, quality="fine", seed=4)
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
    assert wording.cost(None) == ""
    assert wording.cost(62) == "About 1 min 2 s on this machine"
    assert wording.stage("fitting") == "Fitting the head to the photo"
    assert wording.stage("baking pores") == "Baking pores"


def test_a_copied_report_has_everything():
    error = FitDiffError("no-face", "No face.", details="deep")
    assert wording.report(error, "Blender 5").splitlines() == ["No face.", "[no-face]", "Blender 5", "deep"]
