"""What a graph and a scheme say before any sample is run."""
