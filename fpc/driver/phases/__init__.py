"""The phases of the road from a model to an artifact, and what each needs."""
