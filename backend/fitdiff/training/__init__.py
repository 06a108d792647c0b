"""Training of FitDiff's networks: made-up people, losses, the two trainings, checkpoints. No other package needs it."""
