"""Better weights and biases, one walk over the layers of an integer graph."""
