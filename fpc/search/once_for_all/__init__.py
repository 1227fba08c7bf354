"""Subnets of once-for-all's supernets, and the files that describe them there."""
