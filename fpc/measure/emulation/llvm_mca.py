"""Cycles that a processor's pipeline takes for code, by LLVM's model of it.

llvm-mc reads machine code and llvm-mca runs it through the model: dispatch, ports, latencies and
dependences between turns are simulated, caches and mispredicted jumps are not (LLVM Command Guide).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fpc.diagnostics.errors import MeasureError, MissingBackendError
from fpc.measure.emulation.executed_blocks import Blocks, executed_instructions, joined

_MACHINE = "aarch64-linux-gnu"
_TURNS = 100
_SHARE = 0.999
"""The blocks that together execute this share of all instructions are simulated."""

_SEPARATOR, _SEPARATOR_TEXT = bytes.fromhex("a0013ed4"), "brk\t#0xf00d"
"""An instruction that programs do not execute, and how llvm-mc writes it."""
_CALL = re.compile(r"^bl(r?)\t")
_CYCLES = re.compile(r"^Total Cycles:\s+(\d+)", re.MULTILINE)
_VERSION = re.compile(r"LLVM version (\S+)")


@dataclass(frozen=True)
class LlvmMca:
    """LLVM's model of `processor`, which is a name that LLVM knows."""

    processor: str
    disassembler: str = "llvm-mc"
    simulator: str = "llvm-mca"

    def require(self) -> None:
        """`MissingBackendError` where LLVM's tools are not installed."""
        for tool in (self.disassembler, self.simulator):
            if shutil.which(tool) is None:
                raise MissingBackendError(
                    "missing",
                    f"{tool} is not installed, and simulating a {self.processor} needs it",
                    help="install it (Debian: apt-get install llvm)",
                )

    def version(self) -> str:
        """The release of LLVM."""
        found = _VERSION.search(self._told(self.simulator, "--version"))
        return found[1] if found is not None else "unknown"

    def cycles(self, executed: Blocks) -> float:
        """The cycles of a program that executes these blocks and never waits for memory.

        Every block counts as often as it is executed, with its cycles a turn. Blocks that are
        hardly executed are not simulated: they take as many cycles an instruction as the others do.
        """
        whole = joined(+executed)
        wanted, simulated = _SHARE * executed_instructions(whole), Blocks()
        for block in sorted(whole, key=lambda one: whole[one] * one.instructions, reverse=True):
            if executed_instructions(simulated) >= wanted:
                break
            simulated[block] = whole[block]
        turns = self.cycles_a_turn(self._assembly([block.code for block in simulated]))
        cycles = sum(times * turn for times, turn in zip(simulated.values(), turns, strict=True))
        return cycles * executed_instructions(whole) / max(1, executed_instructions(simulated))

    def cycles_a_turn(self, blocks: Sequence[Iterable[str]]) -> list[float]:
        """What a turn of each block takes that follows on itself; a block is lines of assembly.

        `MeasureError` (`measure.llvm-mca`) for code that the model does not know.
        """
        if not blocks:
            return []
        regions = [
            "\n".join((f"# LLVM-MCA-BEGIN {index}", *block, "# LLVM-MCA-END\n"))
            for index, block in enumerate(blocks)
        ]
        told = self._told(
            self.simulator,
            f"-mtriple={_MACHINE}",
            f"-mcpu={self.processor}",
            f"-iterations={_TURNS}",
            "-instruction-info=0",
            "-resource-pressure=0",
            given="".join(regions),
        )
        found = _CYCLES.findall(told)
        if len(found) != len(regions):
            raise _unknown(self.simulator, f"it simulated {len(found)} of {len(regions)} blocks")
        return [int(cycles) / _TURNS for cycles in found]

    def _assembly(self, blocks: Sequence[bytes]) -> list[list[str]]:
        """The instructions of each block. Calls are written as jumps: what is called is there."""
        given = "\n".join(_hexadecimal(_SEPARATOR + code) for code in blocks)
        told = self._told(self.disassembler, "-disassemble", f"-triple={_MACHINE}", given=given)
        found: list[list[str]] = []
        for line in map(str.strip, told.splitlines()):
            if line == _SEPARATOR_TEXT:
                found.append([])
            elif found:
                found[-1].append(_CALL.sub(r"b\1\t", line))
        if len(found) != len(blocks):
            raise _unknown(self.disassembler, f"it read {len(found)} of {len(blocks)} blocks")
        return found

    def _told(self, tool: str, *options: str, given: str = "") -> str:
        done = subprocess.run(
            [tool, *options], input=given, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise _unknown(tool, *done.stderr.splitlines()[:10])
        return done.stdout


def _hexadecimal(code: bytes) -> str:
    return " ".join(f"{byte:#x}" for byte in code)


def _unknown(tool: str, *notes: str) -> MeasureError:
    return MeasureError(
        "llvm-mca",
        f"{tool} cannot simulate the code",
        notes=notes,
        help="code for a Cortex-A72 needs LLVM 14 or newer (Debian: apt-get install llvm)",
    )
