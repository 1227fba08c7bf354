"""From nodes to kernels: one file a family of operators. Nothing here needs TVM."""
