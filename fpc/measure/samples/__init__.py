"""Finished measurements: the database that keeps them, as CSV, and in place of new ones."""
