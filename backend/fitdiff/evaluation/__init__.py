"""Measure quality and speed: metrics, benchmarks, reports."""
