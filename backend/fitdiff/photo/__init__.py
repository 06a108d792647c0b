"""Read untrusted photo files into upright sRGB pixels, or raise one sentence that says why not."""

from .reading import Limits, Photo, open_photo, photo_from_pixels

__all__ = ["Limits", "Photo", "open_photo", "photo_from_pixels"]
