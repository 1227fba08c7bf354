"""How each operator of the IR is said in TFLite, one file a family."""
