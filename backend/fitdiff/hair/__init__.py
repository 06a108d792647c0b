"""Hair: where the photo shows it, in which colour, and where its strands are rooted."""
