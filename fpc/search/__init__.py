"""The best subnet of a space of networks under a latency budget."""
