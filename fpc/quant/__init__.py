"""From a float graph and samples to an integer graph: a plan, what improves it, what judges it."""
