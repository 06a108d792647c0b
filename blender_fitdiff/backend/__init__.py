"""The backend's process: its own environment, and later what runs it and speaks with it. Nothing here imports bpy."""
