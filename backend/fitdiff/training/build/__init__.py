"""Makes what training and perception ship: skins, traits, the cover network, shapes guessed from photos. Maintainers' alone."""
