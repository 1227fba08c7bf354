"""Models measured, cost models fitted to the samples, targets of one's own made of both."""
