"""Everything that makes the weights: made-up people, losses, the two training loops, checkpoints. Nothing else needs it."""
