"""Running networks compiled by TVM on a board that serves TVM's RPC."""

from __future__ import annotations

import struct
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fpc.diagnostics.errors import MeasureError
from fpc.ir.constant import Array
from fpc.measure.child import last_lines, timed_out
from fpc.measure.device import Machine
from fpc.measure.tvm import runtime_name, tvm_runtime, virtual_machine
from fpc.measure.tvm_artifact import unpacked
from fpc.measure.tvm_tracker import RegisteredBoard

LOST = "board-lost"
"""The code of a `MeasureError` without its family."""

_INVOKE = "invoke_stateful"
_EXECUTABLE = "/proc/thread-self/exe"
"""The program that serves. QEMU's user mode shows `/proc/self` as its guest, and this as itself."""

_MACHINE_OFFSET = 18
"""Where ELF files say what machine they are for (`e_machine`, ELF-64 Object File Format)."""
_FASTEST_CORES = 1
"""`tvm::runtime::threading::ThreadGroup::kBig`: where TVM puts its threads."""
_MACHINES = {40: "arm", 62: "x86_64", 164: "hexagon", 183: "aarch64", 243: "riscv64"}


class RemoteTvmModel:
    """An artifact made ready to run on a board, as `fpc.measure.tvm.TvmModel` here.

    `key` is what the board calls itself. The board ends the session after `timeout_s` seconds.
    `MeasureError` when the artifact or an input does not fit, `measure.board-lost` when the
    connection is gone, `measure.board-runtime` when the board's TVM refuses.
    """

    def __init__(
        self, board: RegisteredBoard, key: str, content: bytes | Path, timeout_s: float
    ) -> None:
        self._tensor = tvm_runtime().tensor
        self._board, self._key, self._timeout_s = board, key, timeout_s
        with unpacked(content) as artifact, self._remotely():
            self._artifact = artifact
            self._session = _session(board, timeout_s)
            self._session.upload(str(artifact.library))
            library = self._session.load_module(artifact.library.name)
            self._session.get_function("runtime.config_threadpool")(_FASTEST_CORES, 1)
            self._device = self._session.cpu(0)
            self._parameters = self._tensors(artifact.parameters())
            self._machine = virtual_machine(library, self._device)
            self._library_machine = _machine_of(artifact.library.read_bytes())

    @property
    def runtime_name(self) -> str:
        """TVM with its version, and the instruction set of the kernels."""
        return runtime_name(self._artifact.isa)

    def __call__(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs for `inputs`."""
        matrices = self._artifact.matrices(inputs)
        with self._remotely():
            self._give(matrices)
            self._machine.invoke_stateful(self._artifact.entry)
            results = self._machine.get_outputs(self._artifact.entry)
            return self._artifact.shaped([result.numpy() for result in results])

    def time_ms(self, repeats: int, *, warm_up: int = 3) -> tuple[float, ...]:
        """Milliseconds by the board's clock of each of `repeats` runs, after `warm_up` more."""
        entry = self._artifact.entry
        with self._remotely():
            self._give(self._artifact.matrices(self._artifact.zeros()))
            for _ in range(warm_up):
                self._machine.invoke_stateful(entry)
            if not repeats:
                return ()
            evaluate = self._machine.time_evaluator(_INVOKE, self._device, 1, repeats)
            return tuple(second * 1e3 for second in evaluate(entry).results)

    def machine(self) -> Machine:
        """The board: its key, its processor where its TVM can tell, and whether it is emulated."""
        kind, processor = self._library_machine, ""
        with self._remotely():
            with suppress(AttributeError, RuntimeError):
                processor = self._session.get_function("target.llvm_get_system_cpu")()
            serving = _machine_of(bytes(self._session.download(_EXECUTABLE)))
        name = f"{self._key}: {processor} ({kind})" if processor else f"{self._key} ({kind})"
        is_emulated = serving != kind
        return Machine(f"{name}, emulated" if is_emulated else name, is_emulated)

    def _give(self, matrices: Sequence[Array]) -> None:
        given = (*self._tensors(matrices), *self._parameters)
        self._machine.set_input(self._artifact.entry, *given)

    def _tensors(self, arrays: Sequence[Array]) -> list[Any]:
        return [self._tensor(array, self._device) for array in arrays]

    @contextmanager
    def _remotely(self) -> Generator[None]:
        """TVM's errors as what they say of the board."""
        from tvm.error import RPCError, RPCSessionTimeoutError

        try:
            yield
        except RPCSessionTimeoutError:
            raise timed_out(self._timeout_s) from None
        except (AttributeError, RPCError) as error:
            raise MeasureError(
                "board-runtime",
                f"TVM on the board at {self._board} cannot run the network",
                notes=last_lines(str(error).encode()),
                help=f"it must be the release of this machine ({_installed()}) and the board of "
                "the kind that --target names",
            ) from None
        except RuntimeError as error:
            raise lost(self._board, str(error)) from None


def _session(board: RegisteredBoard, timeout_s: float) -> Any:
    import tvm.rpc

    rpc: Any = tvm.rpc
    return rpc.connect(board.host, board.port, board.match_key, session_timeout=timeout_s)


def lost(board: RegisteredBoard, fact: str) -> MeasureError:
    """The error for a board that is gone."""
    return MeasureError(
        LOST,
        f"the board at {board} was lost during the measurement",
        notes=last_lines(fact.encode()),
        help="did it restart, or run out of memory? Samples of other models are kept; measure "
        "this one again",
    )


def _installed() -> str:
    return " ".join(f"{name}=={version(name)}" for name in ("apache-tvm", "apache-tvm-ffi"))


def _machine_of(program: bytes) -> str:
    """What kind of processor an ELF file is for."""
    (number,) = struct.unpack_from("<H", program, _MACHINE_OFFSET)
    return _MACHINES.get(number, f"machine {number}")
