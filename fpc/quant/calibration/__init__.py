"""What activations look like on samples, and the ranges that follow."""
