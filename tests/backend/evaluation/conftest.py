"""The networks and the demo photo that evaluation's tests share with perception's."""

from pathlib import Path

import pytest

from ..perception.conftest import PHOTOS, perception  # noqa: F401


@pytest.fixture(scope="session")
def demo_photo(perception) -> Path:  # noqa: F811
    path = PHOTOS / "astronaut.png"
    if not path.is_file():
        pytest.skip("no photo astronaut.png: run `python3 build.py assets`")
    return path
