"""The road from a model file to an artifact; the one place that knows all of it."""
