"""What the training tests share."""

import pytest

from fitdiff.training.synthetic import Crowd


@pytest.fixture(scope="session")
def crowd() -> Crowd:
    """A small one on the shipped skins."""
    return Crowd(seed=3, size=64)
