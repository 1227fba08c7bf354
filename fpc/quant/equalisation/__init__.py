"""Scaling channels between layers so that one range suits them all."""
