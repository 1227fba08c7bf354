"""Spaces of networks: what they may choose, their networks as text, as layers and as graphs."""
