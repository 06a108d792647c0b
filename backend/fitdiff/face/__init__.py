"""Parametric faces."""
