"""Each model in a process of its own: what starts it, what it runs, what they exchange."""
