"""The work that the panel shows, as plain Python: from a photo to an avatar folder, and to an installed engine."""
