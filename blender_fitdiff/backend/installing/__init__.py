"""What makes the backend's environment. Standard library only, no bpy, and nothing from outside this folder: besides
Blender, a bare Python runs it (worker.py), which knows no Blender."""
