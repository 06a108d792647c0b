"""The service: framing, protocol, and what it survives."""
