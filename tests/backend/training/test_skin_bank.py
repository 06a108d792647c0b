"""The file of photographic skins, and the blur that half of painting is."""

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from scipy.ndimage import gaussian_filter

from fitdiff.training.skin_bank import blur, decoded, encoded


def test_skins_come_back_as_they_were_stored(tmp_path):
    """Colours last in memory, as pictures are read: a file once held their texels in another order."""
    skins = torch.rand(2, 6, 5, 3, generator=torch.Generator().manual_seed(0)).permute(0, 3, 1, 2) - 0.5
    save_file({"fine": encoded(skins, 0.8)}, tmp_path / "skins.safetensors")
    back = decoded(load_file(tmp_path / "skins.safetensors")["fine"], 0.8)
    assert (back - skins).abs().max() <= 0.5 * 0.8 / 127 + 1e-6


@pytest.mark.parametrize("sigma", [0.4, 1.35, 5.0])
def test_blur_is_gaussian(sigma):
    pictures = torch.rand(2, 3, 40, 31, generator=torch.Generator().manual_seed(1))
    reach = max(1, int(np.ceil(2.5 * sigma)))
    expected = gaussian_filter(
        pictures.double().numpy(), (0, 0, sigma, sigma), mode="nearest", radius=(0, 0, reach, reach)
    )
    assert np.abs(blur(pictures, sigma).numpy() - expected).max() < 1e-6
