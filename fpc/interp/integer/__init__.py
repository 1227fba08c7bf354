"""What every quantised op means, bit for bit, under each numerics."""
