"""Identity and expression components: ICT's scan modes first, the artist targets' variety beyond them after."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .hm08 import Hm08
from .parts import affine_field

IDENTITY_COMPONENTS, EXPRESSION_COMPONENTS = 158, 25
ARTIST_PEOPLE, ARTIST_SHARE = 1200, 0.3
EXPRESSION_SAMPLES = 3000

_DETAIL_FOLDERS = ("eyes", "mouth", "ears", "nose", "head", "neck", "cheek", "chin", "forehead", "eyebrows", "asym")
_ETHNICITIES, _SEXES, _AGES = ("african", "asian", "caucasian"), ("female", "male"), ("young", "old")
_LEVELS = {"muscle": ("minmuscle", "averagemuscle", "maxmuscle"), "weight": ("minweight", "averageweight", "maxweight")}


class ArtistPeople:
    """Random people from MakeHuman's targets: a mix of ethnicity, sex, age, build, and a few small local changes.

    All targets at random would be caricatures: weights are small and most are zero.
    """

    def __init__(self, hm08: Hm08, rows: np.ndarray) -> None:
        self.macro = {key: value[rows].astype(np.float32) for key, value in hm08.targets("macrodetails").items()}
        local: dict[str, np.ndarray] = {}
        for folder in _DETAIL_FOLDERS:
            local |= {key: value[rows] for key, value in hm08.targets(folder).items()}
        local = {key: value.astype(np.float32) for key, value in local.items() if np.abs(value).max() > 1e-3}
        self.names = list(local)
        self.local = np.stack(list(local.values()))
        paired = [name.replace("/l-", "/x-").replace("/r-", "/x-") for name in self.names]
        keys = sorted(set(paired))
        self.key = np.array([keys.index(name) for name in paired])
        self.asymmetric = np.array([name.startswith("asym") for name in self.names])

    def sample(self, count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Displacements (rows, 3) in decimetres."""
        for _ in range(count):
            yield self._macro(rng) + self._details(rng)

    def _macro(self, rng: np.random.Generator) -> np.ndarray:
        ethnicity = dict(zip(_ETHNICITIES, rng.dirichlet([0.6] * 3), strict=True))
        male, old = float(np.clip(rng.normal(0.5, 0.5), 0, 1)), float(rng.uniform(0, 0.9))
        muscle = _between(_LEVELS["muscle"], float(rng.uniform(-1, 1)))
        weight = _between(_LEVELS["weight"], float(np.clip(rng.normal(0, 0.5), -1, 1)))
        total = np.zeros_like(self.local[0])
        for sex, sex_share in zip(_SEXES, (1 - male, male), strict=True):
            for age, age_share in zip(_AGES, (1 - old, old), strict=True):
                for name, share in ethnicity.items():
                    total += sex_share * age_share * share * self.macro[f"macrodetails/{name}-{sex}-{age}"]
                for m, m_share in muscle.items():
                    for w, w_share in weight.items():
                        share = sex_share * age_share * m_share * w_share
                        if share:
                            total += share * self.macro[f"macrodetails/universal-{sex}-{age}-{m}-{w}"]
        return total

    def _details(self, rng: np.random.Generator) -> np.ndarray:
        keys = self.key.max() + 1
        shared = (rng.random(keys) < 0.25) * np.abs(rng.normal(0, 0.45, keys)).clip(0, 1.2)
        own = (rng.random(len(self.key)) < 0.05) * rng.uniform(0, 0.3, len(self.key))
        crooked = (rng.random(len(self.key)) < 0.1) * rng.uniform(0, 0.5, len(self.key))
        weights = np.where(self.asymmetric, crooked, shared[self.key] + own).astype(np.float32)
        return np.tensordot(weights, self.local, 1)


def _between(levels: tuple[str, ...], where: float) -> dict[str, float]:
    low, middle, high = levels
    return {low: max(-where, 0.0), middle: 1 - abs(where), high: max(where, 0.0)}


def rigid_part(fields: np.ndarray, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, V, 3) -> affine maps (N, 3, 4): the rotation and shift that explain the weighted points' motion best."""
    middle = np.average(points, axis=0, weights=weights)
    turns = np.array(
        [[[0, 0, 0], [0, 0, -1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0], [-1, 0, 0]], [[0, -1, 0], [1, 0, 0], [0, 0, 0]]]
    )
    motions = np.zeros((6, 3, 4))
    motions[range(3), range(3), 3] = 1
    motions[3:, :, :3] = turns
    motions[3:, :, 3] = -turns @ middle
    basis = affine_field(motions, points).reshape(6, -1).T
    root = np.sqrt(np.repeat(weights, 3))[:, None]
    amount = np.linalg.lstsq(basis * root, fields.reshape(len(fields), -1).T * root, rcond=None)[0]
    return np.tensordot(amount.T, motions, 1)


def identity_components(scans: np.ndarray, people: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How each component is made of the fields that go in, (IDENTITY_COMPONENTS, 100 + P): the same mix serves every part.

    scans (100, V, 3): unit-variance modes. people (P, V, 3): centred displacements of the artist's people.

    What the scans span is left to them alone: in their directions the real variance stands. The artist's people add
    what lies beyond, at ARTIST_SHARE of their own spread.
    """
    root = np.sqrt(np.repeat(weights, 3))
    modes = scans.reshape(len(scans), -1) * root
    extra = people.reshape(len(people), -1) * root
    span = np.linalg.svd(modes, full_matrices=False)
    onto = extra @ span[2].T  # (P, 100) in the scans' orthonormal directions
    share = ARTIST_SHARE / np.sqrt(len(people) - 1)
    beyond = share * (extra - onto @ span[2])
    # beyond = share * extra - (share * onto / s @ u.T) @ modes: keep it as a mix of the fields that went in.
    from_modes = -share * (onto / span[1]) @ span[0].T
    rows = np.concatenate([modes, beyond])
    as_fields = np.block(
        [[np.eye(len(scans)), np.zeros((len(scans), len(people)))], [from_modes, share * np.eye(len(people))]]
    )
    return _principal(rows, as_fields, IDENTITY_COMPONENTS)


def artist_components(people: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What the artist's people alone would give, (IDENTITY_COMPONENTS, V, 3): to compare with."""
    rows = people.reshape(len(people), -1) / np.sqrt(len(people) - 1)
    mix = _principal(rows * np.sqrt(np.repeat(weights, 3)), np.eye(len(people)), IDENTITY_COMPONENTS)
    return (mix @ rows).reshape(-1, *people.shape[1:])


def expression_components(shapes: np.ndarray, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same for shapes (52, V, 3) -> (EXPRESSION_COMPONENTS, 52).

    Uncentred, so that zero stays the neutral face; samples are sparse, as faces are.
    """
    root = np.sqrt(np.repeat(weights, 3))
    count = len(shapes)
    active = rng.random((EXPRESSION_SAMPLES, count)) < 0.12
    samples = active * rng.beta(1.2, 1.8, (EXPRESSION_SAMPLES, count)) / np.sqrt(EXPRESSION_SAMPLES)
    gram = np.linalg.cholesky(samples.T @ samples + 1e-12 * np.eye(count)).T
    return _principal(gram @ (shapes.reshape(count, -1) * root), gram, EXPRESSION_COMPONENTS)


def _principal(rows: np.ndarray, as_fields: np.ndarray, count: int) -> np.ndarray:
    """Principal directions of uncentred rows, scaled by their standard deviation, as mixes of the input fields."""
    energy, vectors = np.linalg.eigh(rows @ rows.T)
    order = np.argsort(-energy)[:count]
    turned = vectors[:, order].T @ as_fields
    # A component's sign is arbitrary: fix it, so that every rebuild gives the same file.
    sign = np.sign(turned[np.arange(count), np.abs(turned).argmax(1)])
    return sign[:, None] * turned
