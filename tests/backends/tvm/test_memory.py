"""Where a program's results and parameters lie."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations, pairwise, starmap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpc.backends.tvm.buffer import Buffer, Parameter
from fpc.backends.tvm.kernels.copy import Copy
from fpc.backends.tvm.memory import memory_of_parameters, memory_of_results, packed
from fpc.backends.tvm.network import Network
from fpc.backends.tvm.program import Call, Program, Slot
from fpc.ir.dtype import DType

WIDE, NARROW = (Buffer(DType.U8, 4, width, width) for width in (480, 320))


def chain(*buffers: Buffer) -> Program:
    """Copies of an input from storage to storage; the last one is the output."""
    copies = list(starmap(Copy, pairwise(buffers)))
    kernels = tuple(dict.fromkeys(copies))
    given = Slot("input", 0), *(Slot("result", index) for index in range(len(copies)))
    calls = tuple(
        Call(kernels.index(copy), (slot,)) for copy, slot in zip(copies, given, strict=False)
    )
    return Program("plain", buffers[:1], (), kernels, calls, (Slot("result", len(calls) - 1),))


@given(st.lists(st.integers(1, 300), min_size=2, max_size=12), st.data())
def test_no_result_lies_on_another_that_is_still_needed(widths: list[int], data) -> None:
    straight = chain(*(Buffer(DType.U8, 4, width, width) for width in widths))
    results = len(straight.calls)
    readers = {data.draw(st.integers(i, results - 1)): Slot("result", i) for i in range(results)}
    calls = tuple(
        replace(call, arguments=(*call.arguments, *([readers[i]] if readers.get(i) else [])))
        for i, call in enumerate(straight.calls)
    )
    program = replace(straight, calls=calls)
    memory = memory_of_results(program)
    lies = {slot: range(at, at + 4 * widths[slot.index + 1]) for slot, at in memory.offsets.items()}
    for index, call in enumerate(calls):
        later = {slot for other in calls[index:] for slot in other.arguments}
        kept = [slot for slot in lies if slot.index < index and slot in later]
        at_once = [lies[slot] for slot in {*kept, *({Slot("result", index)} & lies.keys())}]
        for one, other in combinations(at_once, 2):
            assert one.stop <= other.start or other.stop <= one.start, call
    assert all(each.start >= 0 and each.stop <= memory.size_bytes for each in lies.values())
    assert all(each.start % 64 == 0 for each in lies.values())


def test_results_that_are_not_needed_at_once_have_one_middle() -> None:
    memory = memory_of_results(chain(NARROW, WIDE, NARROW, WIDE, NARROW, NARROW, WIDE))
    wide, narrow = 1920, 1280
    offsets = [memory.offsets[Slot("result", index)] for index in range(5)]
    assert offsets == [0, wide, 0, wide, (wide - narrow) // 2]
    assert memory.size_bytes == wide + narrow


def test_an_output_lies_elsewhere() -> None:
    program = chain(WIDE, NARROW)
    assert memory_of_results(program).offsets == {}
    assert "output0" in Network.of(program).script()


@pytest.mark.parametrize("dtypes", [(), (np.int8,), (np.int8, np.float32, np.int16)])
def test_parameters_are_found_at_their_offsets(dtypes) -> None:
    random = np.random.default_rng(0)
    arrays = [random.integers(-99, 99, (3, 7)).astype(dtype) for dtype in dtypes]
    content = packed(arrays)
    memory = memory_of_parameters([Parameter.of(array) for array in arrays])
    assert len(content) == memory.size_bytes > 0
    for array, offset in zip(arrays, memory.offsets.values(), strict=True):
        assert offset % 64 == 0
        found = content[offset : offset + array.nbytes].view(array.dtype)
        np.testing.assert_array_equal(found.reshape(array.shape), array)
    assert math.fsum(array.nbytes for array in arrays) <= memory.size_bytes
