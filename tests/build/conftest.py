"""Nothing here may leave a trace outside of tmp_path, or ask the network."""

from __future__ import annotations

import pytest

from building import places


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path):
    for name in ("VENVS", "CACHE", "OUT", "WHEELS", "DIST"):
        folder = tmp_path / "places" / name.lower()
        folder.mkdir(parents=True)
        monkeypatch.setattr(places, name, folder)
