"""A board that ssh reaches, with nothing but Python there."""
