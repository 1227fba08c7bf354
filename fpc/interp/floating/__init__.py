"""What every op means on float32 arrays."""
