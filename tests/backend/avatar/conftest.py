"""A small face model and an avatar made from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitdiff import avatar as av
from fitdiff.face.model import MorphableModel
from fitdiff.topology import Topology
from tests import synthetic_groom, synthetic_head

CAMERA = av.Camera(
    width=320,
    height=400,
    focal_px=900.0,
    principal=(150.0, 210.0),
    rotation=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    translation=(0.0, 0.01, -0.8),
)
LIGHT = av.Light(ambient=0.4, diffuse=0.8, specular=0.3, colour=(1.0, 0.9, 0.8), direction=(0.5, 0.6, 0.7))


@pytest.fixture(scope="session")
def model() -> MorphableModel:
    head = synthetic_head.arrays(8, 10)
    topology = Topology(head["quads"], head["uv"], head["uv_quads"], head["quad_region"])
    generator = torch.Generator().manual_seed(3)
    vertex_count = len(head["vertices"])
    return MorphableModel(
        "synthetic",
        "CC0-1.0",
        topology,
        torch.from_numpy(head["vertices"]),
        torch.randn(6, vertex_count, 3, generator=generator) * 1e-3,
        torch.randn(4, vertex_count, 3, generator=generator) * 1e-3,
        tuple(head["shape_key_names"].tolist()),
        torch.from_numpy(head["shape_keys"].astype(np.float32)),
    )


@pytest.fixture(scope="session")
def avatar(model: MorphableModel) -> av.Avatar:
    pictures = synthetic_head.maps(24)
    return av.avatar_from_model(
        model,
        identity=torch.linspace(-1, 1, 6),
        expression=torch.tensor([1.0, -0.5, 0.0, 0.3]),
        gaze=torch.tensor([[0.1, 0.0], [0.1, -0.05]]),
        arkit={"shape03": 0.7, "shape10": 1.2},
        texture=torch.randn(16, generator=torch.Generator().manual_seed(1)),
        light=LIGHT,
        camera=CAMERA,
        hair=av.Hair(colour=(0.2, 0.1, 0.05), length=0.006),
        brows=av.Hair(colour=(0.15, 0.08, 0.05), length=0.007),
        groom=av.Groom(**synthetic_groom.arrays()),
        maps={
            **pictures,
            "hair": pictures["normal"],
            "brows": pictures["normal"],
            "displacement": (np.arange(24 * 24).reshape(24, 24) * 100).astype(np.uint16),
        },
        engine="test",
        seed=5,
        settings={"steps": 3, "nested": {"on": True}},
        metrics={"landmarks": 1.5},
        timings={"fit": 0.5},
        preview=pictures["diffuse"],
        photo=np.zeros((400, 320, 3), np.uint8) + np.arange(320, dtype=np.uint8)[None, :, None],
    )
