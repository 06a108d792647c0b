"""The extension's reader, in Blender's own Python, on the table that the backend's reader is held against too."""

from __future__ import annotations

from blender_fitdiff.scene.reader import read_avatar
from tests import damaged_avatars


def test_every_case_is_answered_as_the_backend_answers_it(tmp_path):
    assert damaged_avatars.answers(tmp_path, read_avatar) == [damaged_avatars.expected()]
