"""The extension's client of the backend: these tests run in the backend's Python and in Blender's. They need no bpy."""
