"""How good and how fast: metrics, benchmarks, reports."""
