"""What every kernel is to the planner and to the program around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.library import Library, Schedule


@dataclass(frozen=True)
class Kernel(ABC):
    """A function of stored tensors and constants that computes one stored tensor.

    Shapes and tiles are fields; what differs between layers of one shape (weights, scales, zero
    points, clamps) are parameters. Equal kernels are therefore compiled once. Every subclass has a
    field `family` with its name, by which it is read back from JSON.
    """

    @property
    @abstractmethod
    def operands(self) -> tuple[Buffer, ...]:
        """How the operands are stored."""

    @property
    @abstractmethod
    def result(self) -> Buffer:
        """How the result is stored."""

    @property
    def products(self) -> int:
        """How many products it sums up, those of padded channels left out."""
        return 0

    @abstractmethod
    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The scheduled function of operands, parameters and result, in this order."""


@dataclass(frozen=True)
class OneOperand(Kernel):
    """A kernel of one tensor: how that is stored, and how the result is."""

    operand: Buffer
    stored: Buffer

    @property
    def operands(self) -> tuple[Buffer, ...]:
        """The operand."""
        return (self.operand,)

    @property
    def result(self) -> Buffer:
        """How the result is stored."""
        return self.stored


@dataclass(frozen=True)
class TwoOperands(Kernel):
    """A kernel of two tensors: how these are stored, and how the result is."""

    left: Buffer
    right: Buffer
    stored: Buffer

    @property
    def operands(self) -> tuple[Buffer, ...]:
        """Both tensors."""
        return self.left, self.right

    @property
    def result(self) -> Buffer:
        """How the result is stored."""
        return self.stored


@dataclass(frozen=True)
class WindowSums(OneOperand):
    """A kernel that sums products of filters with what windows see of a map."""

    window: Window

    @property
    def channels_seen(self) -> int:
        """How many channels of the map a filter sees."""
        return 1

    @property
    def products(self) -> int:
        """Those of every tap and channel that a filter sees."""
        return self.stored.rows * self.stored.width * self.window.taps * self.channels_seen
