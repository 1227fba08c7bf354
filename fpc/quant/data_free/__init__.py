"""Calibration without data: images made up, ranges that trained batch norms promise."""
