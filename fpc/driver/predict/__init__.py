"""Latencies predicted: by a cost model, by a table."""
