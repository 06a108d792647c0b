"""Maps at another size, against torch's own interpolation."""

import pytest
import torch
from torch.nn.functional import interpolate

from fitdiff.resize import enlarged, resized


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(8, 8, 8), (8, 8, 12), (8, 8, 16), (1, 1, 2), (8, 4, 64), (3, 3, 24), (16, 16, 8), (72, 72, 144), (72, 36, 144)],
)
def test_enlarged_is_interpolated_there_and_back(height, width, size, mode):
    random = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 3, height, width, generator=random, dtype=torch.float64).requires_grad_()
    found = enlarged(maps, size, mode)
    wanted = interpolate(maps, (size, size), mode=mode, align_corners=False)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)  # weights of single precision
    weight = torch.rand(wanted.shape, generator=random, dtype=torch.float64)
    (back,) = torch.autograd.grad((found * weight).sum(), maps)
    (wanted_back,) = torch.autograd.grad((wanted * weight).sum(), maps)
    torch.testing.assert_close(back, wanted_back, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("size", [8, 16, 24])
def test_resized_is_smoothed_where_it_shrinks(size):
    maps = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    wanted = interpolate(maps, (size, size), mode="bilinear", align_corners=False, antialias=size < 16)
    assert resized(maps, size).equal(wanted)
    assert enlarged(maps, 16) is maps
