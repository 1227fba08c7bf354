"""LiteRT on this machine."""
