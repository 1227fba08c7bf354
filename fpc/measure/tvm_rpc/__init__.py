"""Networks compiled by TVM, on a farm of boards."""
