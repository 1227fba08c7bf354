"""Cycles of a simulated Cortex-A72, held against Arm's own tables of its pipelines.

Cortex-A72 Software Optimization Guide (Arm UAN 0016A), sections 3.4, 3.9 and 3.14: throughput and
latency of instructions.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace

import pytest

from fpc.diagnostics.errors import MeasureError, MissingBackendError
from fpc.measure.emulation.executed_blocks import Block, Blocks, joined, within
from fpc.measure.emulation.llvm_mca import LlvmMca

A72 = LlvmMca("cortex-a72")
ADD_TO_ITSELF = bytes.fromhex("00040091")  # add x0, x0, #1
LOAD, LOAD_ANOTHER = bytes.fromhex("0000c03d"), bytes.fromhex("0104c03d")  # ldr q0/q1, [x0, ..]


def executed(*parts: tuple[bytes, int]) -> Blocks:
    """Pieces of code far from one another, each executed so many times."""
    return Counter({Block(at << 12, code): times for at, (code, times) in enumerate(parts)})


needs_llvm = pytest.mark.skipif(
    shutil.which(A72.simulator) is None, reason="simulating needs llvm-mca (Debian: llvm)"
)


@needs_llvm
@pytest.mark.parametrize(
    ("block", "cycles"),
    [
        (["add x0, x0, #1"], 1),
        (["add x0, x0, #1"] * 3, 3),
        (["ldr q0, [x0]", "ldr q1, [x0, #16]"], 2),
        (["smull v0.8h, v2.8b, v3.8b", "smull v1.8h, v2.8b, v3.8b"], 2),
        (["smull v0.8h, v2.8b, v3.8b", "add v1.4s, v2.4s, v3.4s"], 1),
    ],
    ids=["latency", "chain", "one-load-pipe", "one-multiplier", "two-pipes"],
)
def test_cycles_are_those_of_the_processors_pipes(block: list[str], cycles: int) -> None:
    [turn] = A72.cycles_a_turn([block])
    assert turn == pytest.approx(cycles, rel=0.1)


@needs_llvm
def test_blocks_count_as_often_as_they_are_executed() -> None:
    chain, loads = 3 * ADD_TO_ITSELF, LOAD + LOAD_ANOTHER
    assert A72.cycles(executed((chain, 1000))) == pytest.approx(3000, rel=0.1)
    assert A72.cycles(executed((chain, 1000), (loads, 500))) == pytest.approx(4000, rel=0.1)
    assert A72.cycles(executed()) == 0


@needs_llvm
def test_what_is_hardly_executed_costs_as_much_as_the_rest() -> None:
    rare = bytes.fromhex("00000000")  # no instruction
    cycles = A72.cycles(executed((ADD_TO_ITSELF, 100_000), (rare, 50)))
    assert cycles == pytest.approx(A72.cycles(executed((ADD_TO_ITSELF, 100_050))))


@needs_llvm
def test_a_call_is_a_jump() -> None:
    call, jump = bytes.fromhex("00000094"), bytes.fromhex("00000014")  # bl, b
    assert A72.cycles(executed((call, 100))) == A72.cycles(executed((jump, 100)))


def test_blocks_that_are_never_jumped_to_belong_to_those_before() -> None:
    first, second, third, other = (
        Block(address, bytes(4 * length))
        for address, length in ((96, 2), (104, 1), (108, 3), (104, 5))
    )
    straight = Counter({first: 7, second: 7, third: 7, other: 3})
    assert joined(straight) == Counter({Block(96, bytes(24)): 7, other: 3})
    jumped_to = Counter({first: 7, second: 8, third: 8})
    assert joined(jumped_to) == Counter({first: 7, Block(104, bytes(16)): 8})
    loop_of_two = Counter({first: 2, Block(100, bytes(4)): 5, second: 7})
    assert joined(loop_of_two) == Counter({Block(96, bytes(12)): 2, Block(100, bytes(8)): 5})
    assert set(within(straight, range(100, 106))) == {second, other}


@needs_llvm
def test_code_for_another_machine_is_refused() -> None:
    with pytest.raises(MeasureError, match="cannot simulate") as caught:
        A72.cycles_a_turn([["vpdpbusd %zmm0, %zmm1, %zmm2"]])
    assert caught.value.code == "measure.llvm-mca"
    assert any("vpdpbusd" in note for note in caught.value.notes)


def test_tools_that_are_missing_are_named() -> None:
    for without in (replace(A72, simulator="no-mca"), replace(A72, disassembler="no-mc")):
        with pytest.raises(MissingBackendError, match=r"no-mca?.* is not installed") as caught:
            without.require()
        assert "apt-get install llvm" in str(caught.value.help)
