"""Instruction sets, one file each: their vectors, their dot product, their target."""
