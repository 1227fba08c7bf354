"""Networks compiled by TVM, on this machine."""
