"""The trained generator: people drawn from noise, varied, completed, and held against a photo."""
