"""What a plan is made of: integers of weights, and activations that share a scale."""
