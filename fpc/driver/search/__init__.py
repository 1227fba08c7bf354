"""The best network of a space, found by predicting or by measuring, and what is written of it."""
