"""Emulated ARM on this machine: what programs compute and execute, and cycles by LLVM's model."""
