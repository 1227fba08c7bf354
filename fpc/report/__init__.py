"""What a compilation did: one document, and views of it."""
