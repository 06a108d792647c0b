"""From an avatar folder to things in the scene: one small file per thing. Nothing here knows operators or panels."""
