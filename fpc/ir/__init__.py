"""The graph IR: typed values, operators, graphs, their text and their rules."""
