"""The user's folders are where each platform's own programs have theirs."""

from pathlib import Path, PureWindowsPath

import pytest
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from fitdiff import user_folders
from fitdiff.user_folders import data_folder, log_folder, weights_folder

VARIABLES = ("FITDIFF_DATA_DIR", "FITDIFF_LOG_DIR", "XDG_DATA_HOME", "XDG_STATE_HOME")
LOCAL = r"C:\Users\ada\AppData\Local"


@pytest.fixture
def on(monkeypatch, tmp_path):
    """on(platform): a user called ada of that platform, with nothing set."""

    def become(platform: str) -> Path:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("WIN_PD_OVERRIDE_LOCAL_APPDATA", LOCAL)
        kinds = {"linux": Unix, "darwin": MacOS, "win32": Windows}
        monkeypatch.setattr(user_folders, "PlatformDirs", kinds[platform])
        monkeypatch.setattr("sys.platform", platform)
        return tmp_path

    return become


def test_linux(on):
    home = on("linux")
    assert data_folder() == home / ".local/share/fitdiff"
    assert weights_folder() == home / ".local/share/fitdiff/weights"
    assert log_folder() == home / ".local/state/fitdiff/log"


def test_linux_with_folders_of_the_users_own(on, monkeypatch):
    on("linux")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert (data_folder(), weights_folder()) == (Path("/data/fitdiff"), Path("/data/fitdiff/weights"))
    assert log_folder() == Path("/state/fitdiff/log")


def test_a_mac(on):
    library = on("darwin") / "Library"
    assert data_folder() == library / "Application Support/FitDiff"
    assert weights_folder() == library / "Application Support/FitDiff/weights"
    assert log_folder() == library / "Logs/FitDiff"


def test_windows(on):
    on("win32")
    places = [PureWindowsPath(folder()) for folder in (data_folder, weights_folder, log_folder)]
    assert places == [PureWindowsPath(LOCAL, "FitDiff", name) for name in ("data", "weights", "logs")]  # any case


def test_what_the_user_names_comes_first(on, monkeypatch):
    on("linux")
    monkeypatch.setenv("FITDIFF_DATA_DIR", "/mine/data")
    monkeypatch.setenv("FITDIFF_LOG_DIR", "/mine/logs")
    assert (data_folder(), log_folder()) == (Path("/mine/data"), Path("/mine/logs"))
