"""Chooses the build of torch for a machine, and the index that it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .machine import Card, Machine
from .problem import Problem

# PyTorch's own index, one folder below it per build. PyPI holds one build per platform, for Linux the one with CUDA.
VENDOR_INDEX = "https://download.pytorch.org/whl"
# A mirror of that index, or "pip" for whatever pip is configured with.
INDEX_SETTING = "FITDIFF_TORCH_INDEX"
BY_PIP = "pip"

WISHES = ("auto", "cpu", "cuda", "rocm")

# PyTorch 2.13's builds (its RELEASE.md): the oldest driver's major version, and the compute capabilities compiled in.
CUDA = (
    ("cu130", 580, (7, 5), (12, 9)),
    ("cu126", 525, (5, 0), (9, 0)),
)
ROCM = "rocm7.2"
# Megabytes to download, and on disk afterwards; counted for Linux x64 with torch 2.13 (docs/install.md).
SIZES = {"cpu": (334, 1260), "cuda": (2880, 5330)}
# The chips that PyTorch's ROCm build is compiled for (its build script).
ROCM_CHIPS = (
    *("gfx900", "gfx906", "gfx908", "gfx90a", "gfx942", "gfx950"),
    *("gfx1030", "gfx1100", "gfx1101", "gfx1102", "gfx1103", "gfx1150", "gfx1151", "gfx1200", "gfx1201"),
)


@dataclass(frozen=True)
class Build:
    """A build of torch. `why` tells the artist what was found and what is used."""

    tag: str  # cpu, cu130, cu126, rocm7.2, metal
    why: str
    local: str = ""  # the local version that PyTorch's index gives it: 2.13.0+cpu
    from_pypi: bool = False  # PyPI's own build is this one, and its hashes are pinned

    @property
    def kind(self) -> str:
        """cpu, cuda, rocm or metal"""
        return "cuda" if self.tag.startswith("cu") else self.tag.rstrip("0123456789.")


def choose(machine: Machine, wish: str = "auto") -> Build:
    """The build for a machine. Raises Problem for a wish that the machine cannot fulfil, and where torch does not exist."""
    if wish not in WISHES:
        raise Problem("install-build", f"There is no build “{wish}” of the backend: choose {', '.join(WISHES)}.")
    system, _, rest = machine.platform.partition("-")
    architecture = rest.rpartition("-")[2] or rest
    if system == "macosx":
        if architecture not in ("arm64", "universal2"):
            raise Problem(
                "install-platform",
                "FitDiff's backend needs a Mac with Apple silicon: PyTorch no longer exists for Intel Macs.",
            )
        if wish in ("cuda", "rocm"):
            raise Problem(
                "install-build", "Macs have neither CUDA nor ROCm: choose auto, which computes on the processor."
            )
        return Build("metal", "Apple silicon: the backend computes on the processor.", from_pypi=True)
    if (system, architecture) not in (("linux", "x86_64"), ("linux", "aarch64"), ("win", "amd64")):
        raise Problem(
            "install-platform", f"FitDiff's backend does not exist for this kind of machine ({machine.platform})."
        )
    windows = system == "win"
    reasons = []
    if wish in ("auto", "cuda"):
        tag, why = cuda_for(machine.nvidia)
        if tag:
            return Build(tag, why, f"+{tag}")
        reasons.append(why)
    if wish == "rocm" or (wish == "auto" and machine.amd):
        usable = [chip for chip in machine.amd if chip in ROCM_CHIPS]
        if usable and architecture == "x86_64" and not windows:
            return Build(ROCM, f"AMD {usable[0]}: the backend uses ROCm.", f"+{ROCM}")
        reasons.append(
            f"AMD {machine.amd[0]} is not supported by ROCm."
            if machine.amd
            else "No AMD card was found; ROCm needs Linux."
        )
    if wish in ("cuda", "rocm"):
        raise Problem("install-build", f"{reasons[-1]} Choose auto or cpu.")
    why = (
        " ".join(reasons + ["The backend uses the processor."]) if wish == "auto" else "The backend uses the processor."
    )
    return Build("cpu", why, "" if windows else "+cpu", from_pypi=windows)


def cuda_for(found: tuple[Card, ...]) -> tuple[str, str]:
    """(build, why) for the best of the cards; an empty build where no card or driver is good enough."""
    if not found:
        return "", "No NVIDIA card was found."
    for tag, driver, oldest, newest in CUDA:
        for card in found:
            if card.driver >= driver and oldest <= card.capability <= newest:
                return tag, f"{card.name}: the backend uses CUDA."
    card = max(found, key=lambda card: card.capability)
    needed = min((driver for _, driver, oldest, newest in CUDA if oldest <= card.capability <= newest), default=None)
    if needed is None:
        return "", f"{card.name} is too old for PyTorch's CUDA builds."
    return "", f"The driver of {card.name} ({card.driver}) is too old: with version {needed} or newer it could be used."


def source(build: Build, environ: Mapping[str, str], argument: str | None = None) -> str | None:
    """The index to name to pip for a build; None leaves it to pip's own configuration."""
    chosen = argument or environ.get(INDEX_SETTING, "")
    if chosen == BY_PIP or (build.from_pypi and not chosen):
        return None
    return f"{(chosen or VENDOR_INDEX).rstrip('/')}/{build.tag}"


def requirement(build: Build, version: str, index: str | None) -> str:
    """What to ask pip for: the exact build where an index is named, any build where pip's configuration decides."""
    return f"torch=={version}{build.local}" if index else f"torch=={version}"
