"""Makes the backend's environment. Only the standard library and this folder are imported, as worker.py runs in a plain Python
without Blender."""
