"""Pictures of what stands in the scene: engines as each Blender has them, and sheets made with numpy alone."""
