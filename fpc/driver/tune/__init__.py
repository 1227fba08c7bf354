"""The best tiles of TVM's kernels, found by timing candidates."""
