"""Engines: each takes what perception saw and returns an avatar."""
