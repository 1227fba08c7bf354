"""How far an integer network is from its float original: as a whole, layer by layer."""
