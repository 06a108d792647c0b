"""Makes files that FitDiff ships: skins, traits, the cover network, the shape guess. For maintainers only."""
