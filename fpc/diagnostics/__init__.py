"""What went wrong, where in the user's model, and what to do about it."""
