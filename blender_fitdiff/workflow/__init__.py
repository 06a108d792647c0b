"""The work behind the panel, from a photo to an avatar folder, without bpy."""
