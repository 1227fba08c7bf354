"""Searching where more than latency is limited."""
