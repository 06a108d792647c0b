"""The trained model ready for use: autoencoder, denoiser, the recogniser that conditions them, and their face model."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from .. import weight_files
from ..diffusion import Schedule, predictor, split
from ..diffusion.conditioning import as_condition, condition_shapes, empty_condition
from ..diffusion.prediction import Predictor
from ..diffusion.weights import FACE, Card, TrainedDenoiser, load_autoencoder, load_denoiser
from ..errors import FitDiffError
from ..face import embedded
from ..face.brow_rule import BrowRule
from ..face.model import MorphableModel
from ..face.skin import Skin, unstacked
from ..networks import Autoencoder
from ..networks.denoiser import Condition
from ..perception.bundle import Perception
from ..perception.types import IdentityFeatures, IdentityNetwork
from ..weight_files import AUTOENCODER, DENOISER, find_trained


class Generator:
    """From noise to people. Latents are in natural units, except inside samplers, where they are standardised."""

    def __init__(
        self,
        autoencoder: Autoencoder,
        denoiser: TrainedDenoiser,
        recogniser: IdentityNetwork,
        card: Card | None = None,
        brows: BrowRule | None = None,
    ) -> None:
        self.autoencoder = autoencoder.eval().requires_grad_(False)
        self.network = denoiser.network.eval().requires_grad_(False)
        self.schedule, self.statistics = Schedule(denoiser.schedule), denoiser.statistics
        self.recogniser, self.face, self.brows = recogniser, denoiser.face, brows
        self.licences = {card.what: card.licence for card in (card, denoiser.card) if card is not None}

    @staticmethod
    def load(perception: Perception) -> Generator:
        """The same object each time, so that networks load once per process. Raises FitDiffError weights-missing,
        weights-damaged or weights-other."""
        return _loaded(perception, _find(AUTOENCODER), _find(DENOISER))

    @property
    def device(self) -> torch.device:
        return self.statistics.mean.device

    @property
    def texture_side(self) -> int:
        return self.autoencoder.config.size

    def condition(self, seen: IdentityFeatures) -> Condition:
        return as_condition(self.recogniser, seen)

    def nobody(self) -> Condition:
        return empty_condition(self.recogniser, self.device)

    def predictor(self, condition: Condition | None = None, classifier_free: float = 1.0) -> Predictor:
        """For the person whom the condition describes; without one, for anybody."""
        if condition is None:
            return predictor(self.network, self.schedule, self.nobody())
        return predictor(self.network, self.schedule, condition, self.nobody(), classifier_free)

    def skin(self, z: Tensor) -> Skin:
        """z (B, 4288) -> what the skin tile shows, linear."""
        skin = self.decoded(z)
        return skin if self.brows is None else skin._replace(diffuse=self.brows(skin.diffuse))

    def decoded(self, z: Tensor) -> Skin:
        """The same without the brows' correction, for guidance: it would exploit a correction that hides its errors."""
        return unstacked(self.autoencoder.decode(split(z).texture))

    def texture(self, skin: Skin) -> Tensor:
        """The other way round, (B, 1, 64, 64) before it is quantised."""
        return self.autoencoder.encode(skin.stacked())

    def refuse_other_faces(self, model: MorphableModel) -> None:
        """Raises FitDiffError face-model-other."""
        if model.name != self.face:
            raise FitDiffError(
                "face-model-other",
                f"The diffusion model was not trained on the face model {model.name}: "
                "use the embedded face model, or another engine.",
            )


@lru_cache(maxsize=2)
def _loaded(perception: Perception, autoencoder: Path, denoiser: Path) -> Generator:
    network, card = load_autoencoder(autoencoder, perception.device)
    trained = load_denoiser(denoiser, perception.device)
    recogniser = perception.conditioner
    wanted = (condition_shapes(recogniser), recogniser.embedding_size)
    known = (trained.network.config.maps, trained.network.config.embedding)
    if trained.autoencoder != card.sha256 or wanted != known:
        raise FitDiffError(
            "weights-other",
            f"{denoiser.name} and {autoencoder.name} do not belong together, or were trained with another recogniser "
            f"than {recogniser.name}'s: put two of one training into the weights folder.",
            details=f"autoencoder {card.sha256}, denoiser trained on {trained.autoencoder}; {known} but {wanted}",
        )
    # Brow positions are known for the embedded face only.
    brows = BrowRule(embedded.load().topology, network.config.size) if trained.face == FACE else None
    return Generator(network, trained, recogniser, card, brows and brows.to(perception.device))


def located() -> list[Path]:
    """Those of the two files that are there: the user's own come before FitDiff's."""
    return [path for name in (AUTOENCODER, DENOISER) if (path := find_trained(name)) is not None]


def _find(name: str) -> Path:
    path = find_trained(name)
    if path is None:
        raise FitDiffError(
            "weights-missing",
            "The diffusion model is not installed here, so FitDiff cannot draw people from it: use the direct fit, or "
            f"put {AUTOENCODER} and {DENOISER} into the weights folder (docs/model.md).",
            details=f"{name} not found in: {', '.join(map(str, weight_files.folders()))}",
            data={"name": name, "looked_in": [str(folder) for folder in weight_files.folders()]},
        )
    return path
