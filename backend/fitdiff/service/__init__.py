"""`fitdiff serve`: a light process that speaks the protocol (docs/protocol.md), and a worker of its that computes."""
