"""TVM as kernel compiler: kernels that fpc schedules itself, linked into one library.

`fpc.backends.tvm.planner` chooses a kernel, its tiles and the storage of every tensor without TVM;
`fpc.backends.tvm.build` compiles the plan in a child process.
"""
