"""Tiles found by measuring: the table of them, and what there is to measure."""
