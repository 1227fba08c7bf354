"""Comparing kernels of a library: by a clock, here or on boards, or by simulated cycles."""
