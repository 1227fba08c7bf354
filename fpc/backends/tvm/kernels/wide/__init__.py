"""Kernel families of elements wider than a byte: int16 and float32."""
