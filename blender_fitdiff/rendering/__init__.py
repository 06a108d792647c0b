"""Pictures of what stands in the scene: renderers as each Blender has them, and sheets made with numpy alone."""
