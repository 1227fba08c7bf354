"""Kernel families, one file each: a shape, its tiles, and the loops it becomes."""
