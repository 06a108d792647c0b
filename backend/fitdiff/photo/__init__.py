"""From a file that may be anything to upright sRGB pixels, or one sentence that says why not."""

from .reading import Limits, Photo, open_photo, photo_from_pixels

__all__ = ["Limits", "Photo", "open_photo", "photo_from_pixels"]
