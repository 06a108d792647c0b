"""The zip that build.py makes, installed by this Blender into a folder of its own: it comes, works and goes again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from building import places
from building.extension import add_offline, extension_tool, pack
from building.files import sha256

from .packed import BLENDER, packed_extension, this_blender

ROOT = Path(__file__).resolve().parents[3]
LIFE = Path(__file__).with_name("life.py")


@pytest.fixture(scope="module")
def zip_file(tmp_path_factory) -> Iterator[Path]:
    """With it in dist/, so that what is packed from it lands there too."""
    folder = tmp_path_factory.mktemp("packaging")
    made = packed_extension(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "CACHE", folder / "cache")
        patch.setattr(places, "DIST", folder / "dist")
        yield made


@pytest.fixture(scope="module")
def user(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("user")


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """This environment's Python by a path with our name in it, as in a clone: it must not be taken for ours."""
    place = tmp_path_factory.mktemp("clones") / "blender_fitdiff"
    try:
        place.symlink_to(sys.prefix, target_is_directory=True)
    except OSError:  # Windows asks for a right that few accounts have
        return Path(sys.executable)
    return place / Path(sys.executable).relative_to(sys.prefix)


@pytest.fixture(scope="module")
def live(zip_file, user, python):
    """live(step): one step in a new Blender that has this user's settings."""

    def run(step: str) -> dict:
        environment = {**os.environ, "BLENDER_USER_RESOURCES": str(user)}
        environment.pop("PYTHONPATH", None)  # the sources are there for the tests, not for an installed extension
        words = [str(zip_file), step]
        if BLENDER:
            code = f"import sys, runpy; sys.argv = {[str(LIFE), *words]!r}; runpy.run_path({str(LIFE)!r}, run_name='__main__')"
            command = [BLENDER, "--background", "--python-exit-code", "3", "--python-expr", code]
        else:
            command = [str(python), str(LIFE), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        told = [line[5:] for line in done.stdout.splitlines() if line.startswith("TOLD ")]
        assert told, done.stdout + done.stderr
        return json.loads(told[0])

    return run


@pytest.fixture(scope="module")
def told_by_install() -> dict:
    return {}


@pytest.fixture
def installed(live, user, told_by_install) -> dict:
    """What the installation told: once for all tests, and again after the one that uninstalls."""
    if not (user / "extensions" / "user_default" / "fitdiff").is_dir():
        told_by_install.update(live("install"))
    return told_by_install


def test_the_zip_holds_the_extension_and_its_wheels_as_data(zip_file):
    with zipfile.ZipFile(zip_file) as archive:
        names = archive.namelist()
        manifest = archive.read("blender_manifest.toml").decode()
    for name in ("__init__.py", "LICENSE", "backend/install.py", "backend/installing/worker.py", "wheels/bundle.json"):
        assert name in names
    assert "wheels/fitdiff-0.1.0-py3-none-any.whl" in names
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", "README.md"))]
    assert "wheels =" not in manifest
    for line in (
        'id = "fitdiff"',
        'name = "FitDiff"',
        'blender_version_min = "4.2.0"',
        "network =",
        "files =",
        "clipboard =",
    ):
        assert line in manifest


def test_it_installs_and_registers(installed):
    assert (installed["done"], installed["enabled"]) == (["FINISHED"], True)
    assert "import_avatar" in installed["named"]["operators"]


def test_registering_twice_leaves_nothing(installed, live):
    told = live("twice")
    for number in (0, 1):
        assert told["rounds"][number]["enabled"]
        assert told["rounds"][number]["named"] == installed["named"]
        assert told["rounds"][number]["after"] == {}


def test_blenders_own_python_gets_nothing_and_the_backend_is_missing(installed, live, user):
    told = live("state")
    assert told["state"] == "missing"
    assert told["inside"]
    assert "fitdiff-0.1.0-py3-none-any.whl" in told["wheels"]
    assert told["on the path"] == []
    assert told["importable"] == []
    assert Path(told["folder"]).is_relative_to(user)
    assert not list(user.rglob("site-packages"))


def test_uninstalling_takes_the_backend_along(installed, live, user):
    folder = Path(live("state")["folder"])
    (folder / "env-1").mkdir(parents=True, exist_ok=True)
    (folder / "env-1" / "large").write_bytes(b"backend")
    assert live("uninstall")["done"] == ["FINISHED"]
    assert not folder.exists()
    assert not list((user / "extensions" / "user_default").glob("fitdiff"))


def test_offline_packages_say_for_whom_they_are(zip_file, tmp_path):
    stage = tmp_path / "stage"
    with zipfile.ZipFile(zip_file) as archive:
        archive.extractall(stage)
    (stage / "wheels" / "small.whl").write_bytes(b"wheel")
    add_offline(stage, (3, 11), "linux-x86_64", {"small.whl": sha256(stage / "wheels" / "small.whl")})
    made = pack(this_blender(), stage, "fitdiff-offline.zip")
    with zipfile.ZipFile(made) as archive:
        assert 'platforms = ["linux-x64"]' in archive.read("blender_manifest.toml").decode()
        told = json.loads(archive.read("wheels/bundle.json"))["offline"]
    assert (told["platform"], told["python"], told["build"]) == ("linux-x86_64", "3.11", "cpu")


def test_a_repository_lists_it(zip_file, tmp_path):
    (tmp_path / zip_file.name).write_bytes(zip_file.read_bytes())
    words = ["server-generate", "--repo-dir", str(tmp_path), "--html"]
    subprocess.run([*extension_tool(this_blender()), *words], check=True, capture_output=True)
    (entry,) = json.loads((tmp_path / "index.json").read_text())["data"]
    assert (entry["id"], entry["archive_url"]) == ("fitdiff", f"./{zip_file.name}")
    assert entry["archive_hash"] == f"sha256:{sha256(zip_file)}"
