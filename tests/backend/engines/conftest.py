"""The demo photo, looked at once for all tests of engines."""

import pytest

from fitdiff.perception.analyse import analyse
from fitdiff.photo import open_photo

from ..perception.conftest import PHOTOS, perception  # noqa: F401


@pytest.fixture(scope="session")
def photo_analysis(perception):  # noqa: F811
    path = PHOTOS / "astronaut.png"
    if not path.is_file():
        pytest.skip("no photo astronaut.png: run `python3 build.py assets`")
    return analyse(open_photo(path), perception=perception)
