"""Renders pictures of heads, and puts them on sheets."""
