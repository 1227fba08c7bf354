"""Running networks compiled by TVM on this machine."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fpc.diagnostics.errors import MeasureError
from fpc.ir.constant import Array
from fpc.measure.tvm.artifact import TvmTensor, unpacked

_TIMED = "timed"


class TvmModel:
    """An artifact made ready to run; calling it runs it.

    It is given as its folder, or as the bytes of a zip archive of that. As a `Runner` it takes one
    array an input, of exactly the input's type and shape, and returns one array an output, both in
    the manifest's order. `MeasureError` when the artifact or an input does not fit.

    `threads` share the work of long kernels. TVM starts them for each thread of the program that
    runs models, once, and no more than there are cores of the fastest kind: `MeasureError`
    (`measure.tvm-threads`) when they are not as many as asked for.
    """

    def __init__(self, content: bytes | Path | str, *, threads: int = 1) -> None:
        runtime = tvm_runtime()
        self._threads = threads
        self._started_threads = runtime.num_threads
        with unpacked(Path(content) if isinstance(content, str) else content) as artifact:
            self._artifact = artifact
            library = runtime.load_module(str(artifact.library))
            self._parameters = runtime.tensor(artifact.parameters())
        self._tensor = runtime.tensor
        self._machine = virtual_machine(library, runtime.cpu())

    @property
    def runtime_name(self) -> str:
        """TVM with its version, and the instruction set of the kernels."""
        return runtime_name(self._artifact.isa)

    @property
    def inputs(self) -> tuple[TvmTensor, ...]:
        """Names, types, shapes and quantisation of what it takes."""
        return self._artifact.inputs

    @property
    def outputs(self) -> tuple[TvmTensor, ...]:
        """The same of what it gives."""
        return self._artifact.outputs

    def __call__(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs for `inputs`."""
        self._choose_threads()
        results = self._machine[self._artifact.entry](*self._arguments(inputs))
        return self._artifact.shaped([result.numpy() for result in results])

    def time_ms(self, repeats: int, *, warm_up: int = 3) -> tuple[float, ...]:
        """Wall-clock milliseconds of each of `repeats` runs on zeros, after `warm_up` more."""
        arguments = self._arguments(self._artifact.zeros())
        self._machine.save_function(self._artifact.entry, _TIMED, *arguments, include_return=False)
        run = self._machine[_TIMED]
        self._choose_threads()
        timings: list[float] = []
        for turn in range(warm_up + repeats):
            started = time.perf_counter()
            run()
            if turn >= warm_up:
                timings.append((time.perf_counter() - started) * 1e3)
        return tuple(timings)

    def _choose_threads(self) -> None:
        # TVM looks here whenever a kernel has work for threads.
        os.environ["TVM_NUM_THREADS"] = str(self._threads)
        # By itself it binds its workers, and who calls it, to the first processors of the machine.
        os.environ.setdefault("TVM_BIND_THREADS", "0")
        if self._threads > 1 and self._started_threads() != self._threads:
            raise MeasureError(
                "tvm-threads",
                f"TVM has {self._started_threads()} threads here, {self._threads} are asked for",
                help="it starts them once, one a core at most: ask for fewer, or for the same "
                "number for all models of a process",
            )

    def _arguments(self, inputs: Sequence[Array]) -> list[Any]:
        return [*map(self._tensor, self._artifact.matrices(inputs)), self._parameters]


def runtime_name(isa: str) -> str:
    """TVM with its version, and the instruction set of the kernels."""
    return f"TVM {version('apache-tvm')} ({isa})"


def import_runtime_only() -> None:
    """Let this process, before it imports TVM, import no more of it than running networks needs."""
    modules: dict[str, Any] = sys.modules
    modules["torch"] = None  # TVM would import it where it finds it, which takes a second
    os.environ["TVM_USE_RUNTIME_LIB"] = "1"  # nor is its compiler needed, here or by a client


def tvm_runtime() -> Any:
    """TVM's module `runtime`; `MeasureError` (`measure.tvm-missing`) without TVM."""
    try:
        version("apache-tvm")
    except PackageNotFoundError:
        raise MeasureError(
            "tvm-missing",
            "running a network compiled by TVM needs the package apache-tvm",
            help="install fpc with its extra `tvm`",
        ) from None
    import tvm.runtime

    return tvm.runtime


def virtual_machine(library: Any, device: Any) -> Any:
    """What runs the program of a loaded library, here or, with a device of a session, there."""
    from tvm.runtime.vm import VirtualMachine

    return VirtualMachine(library, device)
