"""What an emulated ARM program executes between its marks, by a plugin of QEMU."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self, TypeAlias

from fpc.diagnostics.errors import MeasureError, MissingBackendError

_SOURCE = Path(__file__).with_name("executed_blocks.c")
_INSTRUCTION_BYTES = 4


class Block(NamedTuple):
    """Instructions that are executed one after the other, and where they lie."""

    address: int
    code: bytes

    @property
    def end(self) -> int:
        """Where the code ends."""
        return self.address + len(self.code)

    @property
    def instructions(self) -> int:
        """How many there are."""
        return len(self.code) // _INSTRUCTION_BYTES


Blocks: TypeAlias = Counter[Block]
"""How often each block was executed."""


@dataclass(frozen=True)
class BlockCounter:
    """The plugin, built, and the file that it writes to."""

    plugin: Path

    @classmethod
    def built(cls, folder: Path, compiler: str) -> Self:
        """The plugin in `folder`.

        `MissingBackendError` without the C compiler, `MeasureError` (`measure.qemu-plugin`) when
        it cannot compile that.
        """
        require_compiler(compiler)
        plugin = folder / "executed_blocks.so"
        command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(plugin), str(_SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise MeasureError(
                "qemu-plugin",
                f"{compiler} cannot compile the plugin that counts instructions",
                notes=done.stderr.splitlines()[:10],
                help="is it a C compiler for this machine?",
            )
        return cls(plugin)

    @property
    def options(self) -> tuple[str, ...]:
        """What the emulator is told."""
        return ("-plugin", f"{self.plugin},blocks={self._written}")

    @property
    def _written(self) -> Path:
        return self.plugin.with_suffix(".blocks")

    def clear(self) -> None:
        """Forget the program before."""
        self._written.unlink(missing_ok=True)

    def parts(self, count: int) -> list[Blocks]:
        """What the program executed between its marks, which are one more than `count`.

        `MeasureError` (`measure.qemu-count`) when the emulator did not say it.
        """
        try:
            # What ran before the first mark is how the program began.
            _, *parts = map(_part, self._written.read_text().split("\n\n")[:-1])
        except (OSError, ValueError):
            parts = []
        if len(parts) != count:
            raise MeasureError(
                "qemu-count",
                "the emulator did not say how many instructions it executed",
                help="counting needs QEMU 6 to 8 with plugins (Debian: qemu-user)",
            )
        return parts


def require_compiler(compiler: str) -> None:
    """`MissingBackendError` where what compiles the plugin is not installed."""
    if shutil.which(compiler) is None:
        raise MissingBackendError(
            "missing",
            f"{compiler} is not installed, and counting ARM instructions needs it",
            help="install it (Debian: apt-get install gcc)",
        )


def _part(text: str) -> Blocks:
    blocks: Blocks = Counter()
    for line in text.splitlines():
        times, address, code = line.split(" ")
        blocks[Block(int(address, 16), bytes.fromhex(code))] += int(times)
    return blocks


def executed_instructions(blocks: Blocks) -> int:
    """How many instructions were executed in all."""
    return sum(times * block.instructions for block, times in blocks.items())


def without(blocks: Blocks, surroundings: Blocks) -> Blocks:
    """What was executed of `blocks` besides `surroundings`; less than nothing counts negative."""
    left = Counter(blocks)
    left.subtract(surroundings)
    return left


def within(blocks: Blocks, addresses: range) -> Blocks:
    """Those that lie at some addresses."""
    return Counter({block: times for block, times in blocks.items() if block.address in addresses})


def joined(blocks: Blocks) -> Blocks:
    """Blocks as pieces of code that run through, each with what always comes before it.

    The emulator ends blocks where its own buffers are full, too. A block that is executed as often
    as those together that end where it begins is never jumped to.
    """
    found: Blocks = Counter()
    ending: dict[int, list[Block]] = {}
    for block, times in sorted(blocks.items()):
        before = ending.pop(block.address, [])
        heads = {one: found[one] for one in before}
        if sum(heads.values()) != times:
            heads = {Block(block.address, b""): times}
        for head, count in heads.items():
            found.pop(head, None)
            whole = Block(head.address, head.code + block.code)
            found[whole] += count
            ending.setdefault(whole.end, []).append(whole)
    return found
