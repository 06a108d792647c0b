"""`fitdiff serve`: a light process that speaks the protocol (docs/protocol.md), and its worker process that computes."""
