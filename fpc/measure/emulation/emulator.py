"""Programs of 64-bit ARM on this machine: QEMU's user mode and a folder with an arm64 Debian.

QEMU translates a program's instructions and passes its system calls on to this machine's kernel.
The folder, the ARM root, has Python at usr/bin/python3 and aarch64 wheels at opt/site-packages.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fpc.diagnostics.errors import MissingBackendError
from fpc.ir.constant import Array
from fpc.measure.process.child import run_program
from fpc.measure.process.exchange import Plan, Result

EMULATOR = "qemu-aarch64"
"""QEMU's user mode, dynamically linked: the static builds of distributions take no plugins."""

PROCESSOR = "cortex-a72"
"""Not `max`: with its extensions QEMU 7.2 gives wrong results in LiteRT's integer kernels."""

ROOT_VARIABLE = "FPC_ARM_ROOTFS"
DEFAULT_ROOT = Path(".cache/arm-rootfs")

_WITHOUT_PLUGINS = (EMULATOR, "qemu-aarch64-static")
_NOT_FOR_THE_GUEST = ("PYTHON", "COVERAGE", "COV_")


@dataclass(frozen=True)
class GuestProgram:
    """A module of fpc that measures one model, and the package of its runtime."""

    module: str
    package: str


LITERT = GuestProgram("fpc.measure.litert.program", "ai_edge_litert")
TVM = GuestProgram("fpc.measure.tvm.program", "tvm")


@dataclass(frozen=True)
class ArmEmulator:
    """An emulated processor that runs the Python of the ARM root `root`."""

    root: Path
    emulator: str = EMULATOR
    processor: str = PROCESSOR

    @classmethod
    def at_hand(cls, processor: str = PROCESSOR) -> ArmEmulator:
        """Any emulator and the root that `$FPC_ARM_ROOTFS` names, whether they are there or not."""
        emulator = next((name for name in _WITHOUT_PLUGINS if shutil.which(name)), EMULATOR)
        root = Path(os.environ.get(ROOT_VARIABLE, DEFAULT_ROOT))
        return cls(root.absolute(), emulator, processor)

    @classmethod
    def counting(cls) -> ArmEmulator:
        """The emulator that takes plugins, and the same root, whether they are there or not."""
        return replace(cls.at_hand(), emulator=EMULATOR)

    @property
    def packages(self) -> Path:
        """Where the aarch64 wheels are unpacked."""
        return self.root / "opt" / "site-packages"

    def require(self, program: GuestProgram) -> None:
        """`MissingBackendError` without emulator or root, or a root without the runtime."""
        if shutil.which(self.emulator) is None:
            raise MissingBackendError(
                "missing",
                f"{self.emulator} is not installed, and running ARM programs needs it",
                help="install it (Debian: apt-get install qemu-user)",
            )
        if not (self.root / "usr" / "bin" / "python3").exists():
            raise MissingBackendError(
                "missing",
                f"there is no ARM root at {self.root}",
                help=f"`make arm-root` builds one; {ROOT_VARIABLE} names another",
            )
        if not (self.packages / program.package).exists():
            raise MissingBackendError(
                "missing",
                f"the ARM root at {self.root} lacks the package {program.package}",
                help="`make arm-root` builds it anew",
            )

    def version(self) -> str:
        """The emulator's release."""
        command = [self.emulator, "--version"]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        found = re.search(r"version (\S+)", told)
        return found[1] if found is not None else "unknown"

    def run(
        self,
        program: GuestProgram,
        content: bytes,
        inputs: Sequence[Array],
        plan: Plan,
        options: Sequence[str] = (),
    ) -> tuple[tuple[Array, ...], Result]:
        """As `fpc.measure.process.child.run_program`, emulated; `options` are QEMU's."""
        command = (*self.python(*options), "-m", program.module)
        return run_program(command, content, inputs, plan, guest_environment())

    def python(self, *options: str) -> tuple[str, ...]:
        """What starts the root's Python, which finds fpc; `options` are QEMU's."""
        ours = Path(__file__).parents[3]
        return (
            *(self.emulator, "-cpu", self.processor, "-L", str(self.root)),
            *(*options, "-U", "LD_LIBRARY_PATH"),
            *("-E", f"PYTHONHOME={self.root / 'usr'}"),
            *("-E", f"PYTHONPATH={self.packages}:{ours}"),
            # What Python does by chance or only once would be counted as the model's.
            *("-E", "PYTHONHASHSEED=0", "-E", "PYTHONDONTWRITEBYTECODE=1"),
            str((self.root / "usr" / "bin" / "python3").resolve()),
        )


def guest_environment() -> Mapping[str, str]:
    """What the emulated Python may see of this machine's environment."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_THE_GUEST)
    }
