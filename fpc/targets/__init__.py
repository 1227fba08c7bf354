"""What a target is, as data: hardware, runtime, number formats, where each operator runs."""
