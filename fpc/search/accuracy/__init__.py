"""What networks score: regressions, the tables they are fitted to, judges of a user's own."""
