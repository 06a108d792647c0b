"""FitDiff: one photo in, one relightable head out. Everything that computes lives here; nothing here imports bpy."""

__version__ = "0.1.0"
