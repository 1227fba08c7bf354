"""Where tensors lie that share one piece of memory: parameters, and the results of calls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from fpc.backends.tvm.buffer import Buffer, Parameter, round_up
from fpc.backends.tvm.program import Program, Slot
from fpc.ir.constant import Array
from fpc.ir.dtype import DType

_ALIGNMENT_BYTES = 64
"""Of the tensors that TVM's kernels take."""


@dataclass(frozen=True)
class Memory:
    """The bytes that tensors take together, and at which of them each begins."""

    size_bytes: int
    offsets: Mapping[Slot, int]

    @property
    def content(self) -> Parameter:
        """All of the bytes as one tensor."""
        return Parameter(DType.U8, (self.size_bytes,))


def memory_of_parameters(parameters: Sequence[Parameter]) -> Memory:
    """All parameters, one after the other."""
    ends = list(accumulate(map(_size_bytes, parameters), initial=0))
    offsets = {Slot("parameter", index): end for index, end in enumerate(ends[:-1])}
    return Memory(max(ends[-1], _ALIGNMENT_BYTES), offsets)


def memory_of_results(program: Program) -> Memory:
    """The results of a program's calls, except for its outputs, which lie elsewhere.

    Results that are not needed at once share a place, the largest first. Each lies in the middle of
    its place: of two threads the one then writes below the middle and the other above it, whatever
    the shape, and each finds the memory in its own cache.
    """
    last = {slot: i for i, call in enumerate(program.calls) for slot in call.arguments}
    needed = {
        slot: range(slot.index, last.get(slot, slot.index) + 1)
        for slot in (Slot("result", index) for index in range(len(program.calls)))
        if slot not in program.outputs
    }
    sizes = {slot: _size_bytes(program.result(slot)) for slot in needed}
    places: list[list[Slot]] = []
    for slot in sorted(needed, key=lambda slot: -sizes[slot]):
        free = (
            place for place in places if all(_apart(needed[slot], needed[other]) for other in place)
        )
        place = next(free, None)
        if place is None:
            places.append([slot])
        else:
            place.append(slot)
    ends = list(accumulate((sizes[place[0]] for place in places), initial=0))
    offsets = {
        slot: end - round_up((sizes[place[0]] + sizes[slot]) // 2, _ALIGNMENT_BYTES)
        for place, end in zip(places, ends[1:], strict=True)
        for slot in place
    }
    return Memory(max(ends[-1], _ALIGNMENT_BYTES), offsets)


def _apart(one: range, other: range) -> bool:
    return one.stop <= other.start or other.stop <= one.start


def _size_bytes(tensor: Buffer | Parameter) -> int:
    size = math.prod(tensor.shape) * tensor.dtype.numpy.itemsize
    return round_up(size, _ALIGNMENT_BYTES)


def packed(parameters: Sequence[Array]) -> Array:
    """The bytes of a program's parameters, as `memory_of_parameters` has them."""
    memory = memory_of_parameters([Parameter.of(array) for array in parameters])
    content = np.zeros(memory.size_bytes, np.uint8)
    for array, offset in zip(parameters, memory.offsets.values(), strict=True):
        content[offset : offset + array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)
    return content
