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
from fpc.measure.device import Machine
from fpc.measure.process.child import last_lines, timed_out
from fpc.measure.tvm.artifact import unpacked
from fpc.measure.tvm.model import runtime_name, tvm_runtime, virtual_machine
from fpc.measure.tvm_rpc.tracker import RegisteredBoard

LOST = "board-lost"
"""The code of a `MeasureError` without its family."""

_INVOKE = "invoke_stateful"
_GUEST, _EXECUTABLE = "/proc/self/exe", "/proc/thread-self/exe"
"""The program that serves: QEMU's user mode shows its guest as the one, itself as the other."""

_MACHINE_OFFSET = 18
"""Where ELF files say what machine they are for (`e_machine`, ELF-64 Object File Format)."""
_FASTEST_CORES = 1
"""`tvm::runtime::threading::ThreadGroup::kBig`: where TVM puts its threads."""
_MACHINES = {40: "arm", 62: "x86_64", 164: "hexagon", 183: "aarch64", 243: "riscv64"}


class BoardSession:
    """A session with a board, which calls itself `key` and ends it after `timeout_s` seconds.

    What TVM says of the board is raised within `remotely`.
    """

    def __init__(self, board: RegisteredBoard, key: str, timeout_s: float) -> None:
        self._tensor = tvm_runtime().tensor
        self._board, self._key, self._timeout_s = board, key, timeout_s
        with self.remotely():
            self._session = _session(board, timeout_s)
            self._session.get_function("runtime.config_threadpool")(_FASTEST_CORES, 1)
            self.device = self._session.cpu(0)

    def load(self, library: Path) -> Any:
        """The library, brought there."""
        self._session.upload(str(library))
        return self._session.load_module(library.name)

    def tensors(self, arrays: Sequence[Array]) -> list[Any]:
        """The arrays, brought there."""
        return [self._tensor(array, self.device) for array in arrays]

    def machine(self) -> Machine:
        """The board: its key, its processor where its TVM can tell, and whether it is emulated."""
        processor = ""
        with self.remotely():
            with suppress(AttributeError, RuntimeError):
                processor = self._session.get_function("target.llvm_get_system_cpu")()
            kind, serving = map(self._machine_of, (_GUEST, _EXECUTABLE))
        name = f"{self._key}: {processor} ({kind})" if processor else f"{self._key} ({kind})"
        is_emulated = serving != kind
        return Machine(f"{name}, emulated" if is_emulated else name, is_emulated)

    @contextmanager
    def remotely(self) -> Generator[None]:
        """TVM's errors as what they say of the board.

        `MeasureError`: `measure.board-lost` when the connection is gone, `measure.board-runtime`
        when the board's TVM refuses, `measure.timeout`.
        """
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

    def _machine_of(self, program: str) -> str:
        """What kind of processor a program on the board is for."""
        content = bytes(self._session.download(program))
        (number,) = struct.unpack_from("<H", content, _MACHINE_OFFSET)
        return _MACHINES.get(number, f"machine {number}")


class RemoteTvmModel:
    """An artifact made ready to run on a board, as `fpc.measure.tvm.model.TvmModel` here.

    `MeasureError` when the artifact or an input does not fit, and as `BoardSession.remotely`.
    """

    def __init__(self, session: BoardSession, content: bytes | Path) -> None:
        self._session = session
        with unpacked(content) as artifact, session.remotely():
            self._artifact = artifact
            library = session.load(artifact.library)
            [self._parameters] = session.tensors([artifact.parameters()])
            self._machine = virtual_machine(library, session.device)

    @property
    def runtime_name(self) -> str:
        """TVM with its version, and the instruction set of the kernels."""
        return runtime_name(self._artifact.isa)

    def __call__(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs for `inputs`."""
        matrices = self._artifact.matrices(inputs)
        with self._session.remotely():
            self._give(matrices)
            self._machine.invoke_stateful(self._artifact.entry)
            results = self._machine.get_outputs(self._artifact.entry)
            return self._artifact.shaped([result.numpy() for result in results])

    def time_ms(self, repeats: int, *, warm_up: int = 3) -> tuple[float, ...]:
        """Milliseconds by the board's clock of each of `repeats` runs, after `warm_up` more."""
        entry = self._artifact.entry
        with self._session.remotely():
            self._give(self._artifact.matrices(self._artifact.zeros()))
            for _ in range(warm_up):
                self._machine.invoke_stateful(entry)
            if not repeats:
                return ()
            evaluate = self._machine.time_evaluator(_INVOKE, self._session.device, 1, repeats)
            return tuple(second * 1e3 for second in evaluate(entry).results)

    def machine(self) -> Machine:
        """The board."""
        return self._session.machine()

    def _give(self, matrices: Sequence[Array]) -> None:
        given = (*self._session.tensors(matrices), self._parameters)
        self._machine.set_input(self._artifact.entry, *given)


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
        help="did it restart, or run out of memory? What was found before is kept; the same "
        "command again goes on there",
    )


def _installed() -> str:
    return " ".join(f"{name}=={version(name)}" for name in ("apache-tvm", "apache-tvm-ffi"))
