"""Golden records: what a compiled network computes, kept to notice the day a bit changes."""
