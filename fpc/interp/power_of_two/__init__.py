"""What ops mean on integers whose scales are powers of two: shifts, rounded half up, saturated."""
