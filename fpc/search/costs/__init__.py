"""What networks of a space cost: milliseconds, bytes, multiply-adds."""
