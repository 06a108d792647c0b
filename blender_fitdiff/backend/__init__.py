"""Installs the backend and talks to its service. No bpy here: it works, and is tested, outside Blender too."""
