"""The process that computes, seen from Blender's side. No bpy here: it works, and is tested, outside Blender too."""
