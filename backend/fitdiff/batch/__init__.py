"""Reconstruct many photos: find and name them, compute an avatar folder each on many workers, and report (docs/batch.md)."""
