"""Networks of a space as PyTorch modules, written as Python's text."""
