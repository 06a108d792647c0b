"""The result of a reconstruction, and the folder that Blender imports it from (docs/avatar-format.md)."""

from .build import avatar_from_model
from .folder import read_avatar, read_manifest, refuse_to_lose, write_avatar
from .groom import Groom
from .images import stored, stored_diffuse
from .manifest import Camera, FaceModel, Hair, Latent, Light, Manifest
from .mesh import AvatarMesh
from .result import Avatar

__all__ = [
    "Avatar",
    "AvatarMesh",
    "Camera",
    "FaceModel",
    "Groom",
    "Hair",
    "Latent",
    "Light",
    "Manifest",
    "avatar_from_model",
    "read_avatar",
    "read_manifest",
    "refuse_to_lose",
    "stored",
    "stored_diffuse",
    "write_avatar",
]
