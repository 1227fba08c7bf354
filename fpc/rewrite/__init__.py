"""Machinery for changing graphs: the rewriter, patterns, passes and pipelines."""
