"""sRGB and back, as its standard writes it."""

import numpy as np
import pytest
import torch

from fitdiff.colour import linear_from_srgb, srgb_from_linear
from fitdiff.render.colour import to_linear, to_srgb


@pytest.mark.parametrize(("srgb", "linear"), [(0, 0), (0.04045, 0.04045 / 12.92), (0.5, 0.21404114), (1, 1)])
def test_srgb_as_the_standard_writes_it(srgb, linear):
    assert linear_from_srgb(srgb) == pytest.approx(linear, rel=1e-5)
    assert srgb_from_linear(linear) == pytest.approx(srgb, rel=1e-5)


def test_there_and_back_in_the_precision_that_is_asked_for():
    values = np.linspace(0, 1, 256)
    for dtype, miss in ((np.float32, 1e-6), (np.float64, 1e-7)):
        encoded = srgb_from_linear(values, dtype)
        assert encoded.dtype == dtype
        assert np.abs(linear_from_srgb(encoded, dtype) - values).max() < miss
    assert srgb_from_linear([-1, 2]).tolist() == pytest.approx([0, 1])


def test_arrays_and_tensors_get_the_same_colours():
    values = np.linspace(0, 1, 256, dtype=np.float32)
    assert to_srgb(torch.from_numpy(values)).numpy() == pytest.approx(srgb_from_linear(values), abs=2e-7)
    assert to_linear(torch.from_numpy(values)).numpy() == pytest.approx(linear_from_srgb(values), abs=2e-7)
