"""Tiles by measuring: what is right and fastest is kept, what is wrong is never timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.isa.table import ISAS, isa_of_this_machine
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.program import Program
from fpc.backends.tvm.tuning.case import Case, cases, needed, tilable
from fpc.backends.tvm.tuning.tables import shipped_tiles, tiles_of_file
from fpc.backends.tvm.tuning.tile_space import tile_space, untiled
from fpc.backends.tvm.tuning.tile_table import Circumstances, TileTable, TunedKernel
from fpc.diagnostics.errors import BackendError, MeasureError, UsageError
from fpc.driver import tune_kernel
from fpc.driver.tune import TuneOptions, tune
from fpc.driver.tune_kernel import Refusal, best_tile, compiled_and_timed
from fpc.driver.watch import random_inputs
from fpc.interp.executor import run_keeping
from fpc.interp.numerics import Numerics
from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.op import Layout
from fpc.ir.types import f32
from fpc.measure.kernel_program import wrong_elements
from fpc.measure.kernel_rounds import best_of_rounds
from fpc.measure.kernels import KernelTimes
from tests.numeric.integer_cases import Draw, one_op

HERE = isa_of_this_machine()
THEN = Circumstances(machine="a machine", date="2026-01-02", versions={"kernels": "1"})


def pointwise() -> Graph:
    draw = Draw(5)
    x = draw.type((1, 4, 8, 24))
    w, b, scale = draw.weights((40, 1, 1, 24), x)
    return one_op(ops.Conv2d(layout=Layout.NHWC), [x, w, b], draw.quant(scale))


def case() -> Case:
    graph = pointwise()
    planned = plan(graph, HERE, TileTable(HERE.name))
    calls = tuple(tilable(planned, HERE).values())
    keep = needed(planned, calls)
    values = run_keeping(graph, random_inputs(graph), keep, Numerics.TFLITE_XNNPACK)
    [found] = cases(planned, calls, values)
    return found


def other_tiles(kernel: AnyKernel) -> list[AnyKernel]:
    return [one for one in tile_space(kernel, HERE) if one != kernel]


def entry(kernel: AnyKernel, microseconds: float = 1.0) -> TunedKernel:
    return TunedKernel(kernel=kernel, microseconds=microseconds, untuned_microseconds=2.0)


def table(*kernels: AnyKernel, isa: str = HERE.name) -> TileTable:
    found = TileTable(isa)
    for kernel in kernels:
        found = found.with_entry(entry(kernel), THEN)
    return found


class FakeClock:
    """Takes so many seconds for a kernel, or refuses it."""

    def __init__(self, answer: Callable[[AnyKernel], float | Refusal]) -> None:
        self.answer = answer
        self.cases: list[Case] = []

    def __call__(self, case: Case, candidates: Sequence[AnyKernel], isa) -> Iterator[object]:
        self.cases.append(case)
        return map(self.answer, candidates)


def test_the_fastest_candidate_is_taken():
    given = case()
    fast = other_tiles(given.kernel)[2]
    clock = FakeClock(lambda kernel: 3e-6 if kernel == fast else 4e-6)
    found = best_tile(given, HERE, clock)
    assert found.entry.kernel == fast
    assert (found.entry.microseconds, found.entry.untuned_microseconds) == (3.0, 4.0)


def test_what_is_hardly_faster_changes_nothing():
    given = case()
    clock = FakeClock(lambda kernel: 4e-6 if kernel == given.kernel else 3.95e-6)
    assert best_tile(given, HERE, clock).entry.kernel == given.kernel


def test_a_candidate_that_is_refused_is_not_taken_however_fast():
    given = case()
    wrong, *_, fast = other_tiles(given.kernel)
    times = {given.kernel: 4e-6, fast: 3e-6, wrong: Refusal("7 elements of its result are wrong")}
    found = best_tile(given, HERE, FakeClock(lambda kernel: times.get(kernel, 5e-6)))
    assert found.entry.kernel == fast
    [reason] = found.refused
    assert "7 elements" in reason
    assert "ConvolutionTile(" in reason


def test_without_a_right_kernel_to_begin_with_nothing_is_tuned():
    given = case()
    with pytest.raises(MeasureError) as caught:
        best_tile(given, HERE, FakeClock(lambda kernel: Refusal("SIGILL")))
    assert caught.value.code == "measure.untuned-kernel"
    assert "SIGILL" in caught.value.notes


def test_candidates_are_compiled_checked_and_timed():
    given = case()
    candidates = [given.kernel, *other_tiles(given.kernel)[:2]]
    for answer in compiled_and_timed(given, candidates, HERE):
        assert isinstance(answer, float)
        assert 0 < answer < 1
    wrong = replace(given, expected=given.expected ^ 1)
    answers = compiled_and_timed(wrong, candidates, HERE)
    assert list(answers) == [Refusal(f"{4 * 8 * 40} elements of its result are wrong")] * 3


def test_what_cannot_be_compiled_takes_no_other_with_it(monkeypatch):
    given = case()
    kernels = [given.kernel, *other_tiles(given.kernel)[:2]]

    def build(program: Program) -> bytes:
        if kernels[1] in program.kernels:
            raise BackendError("tvm-died", "ended by SIGABRT")
        return b""

    def times(library, names, *others) -> KernelTimes:
        return KernelTimes(dict.fromkeys(names, 1e-6), dict.fromkeys(names, 0))

    monkeypatch.setattr("fpc.backends.tvm.build.build", build)
    monkeypatch.setattr(tune_kernel, "time_kernels", times)
    answers = list(compiled_and_timed(given, kernels, HERE))
    assert answers == [1e-6, Refusal("ended by SIGABRT"), 1e-6]


def test_padding_of_a_result_may_hold_anything():
    expected = np.arange(12).reshape(3, 4)
    found = expected.copy()
    found[:, 3] = 99
    assert wrong_elements(found, expected, slice(0, 3)) == 0
    assert wrong_elements(found, expected, slice(1, 4)) == 3


def test_kernels_take_turns_and_only_the_fastest_go_on():
    """The first kernel is the reference, the third is fast but for one hiccup."""
    seconds = {f"k{n}": 1e-4 * (9 - n) for n in range(9)}
    turns: list[str] = []

    def kernel(name: str) -> Callable[[int], float]:
        def run(number: int) -> float:
            turns.append(name)
            return 1.0 if name == "k8" and turns.count(name) == 4 else seconds[name]

        return run

    found = best_of_rounds({name: kernel(name) for name in seconds}, "k0")
    assert found == seconds
    assert turns[9:18] == turns[18:27] == list(seconds)
    assert set(turns[-5:]) == {"k0", "k5", "k6", "k7", "k8"}
    assert turns.count("k1") < turns.count("k0") == turns.count("k8")


def test_the_planner_takes_tiles_from_the_table():
    given = case()
    wanted = other_tiles(given.kernel)[1]
    planned = plan(pointwise(), HERE, table(wanted))
    assert wanted in planned.program.kernels
    assert given.kernel not in planned.program.kernels


def test_a_table_of_another_instruction_set_changes_nothing():
    given = case()
    others = table(other_tiles(given.kernel)[1], isa="another")
    assert others.tuned(given.kernel, HERE) == given.kernel


def test_a_tile_that_the_kernel_cannot_have_changes_nothing():
    given = case()
    odd = replace(given.kernel, tile=replace(given.kernel.tile, positions=7))
    assert table(odd).tuned(given.kernel, HERE) == given.kernel


def test_the_later_entry_counts_and_the_earlier_goes():
    first, second, *_ = other_tiles(case().kernel)
    later = Circumstances(machine="b", date="2026-01-03", versions={})
    found = table(first).with_entry(entry(second), later)
    assert found.tuned(first, HERE) == second
    assert [tuning.circumstances for tuning in found.tunings] == [later]
    assert table(first).over(found).tuned(second, HERE) == first


def test_another_day_is_no_reason_to_measure_again():
    kernel = case().kernel
    found = table(kernel)
    assert found.entry(kernel, THEN.model_copy(update={"date": "2027-01-01"})) is not None
    assert found.entry(kernel, THEN.model_copy(update={"versions": {"kernels": "2"}})) is None
    assert found.entry(kernel, THEN.model_copy(update={"machine": "another"})) is None


def test_a_table_is_read_as_it_was_written(tmp_path):
    file = tmp_path / "tiles.json"
    written = table(*other_tiles(case().kernel)[:1])
    file.write_text(written.to_json())
    assert tiles_of_file(file, HERE) == written


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("", BackendError, "backend.tiles"),
        ('{"format": 2, "isa": "plain", "tunings": []}', BackendError, "backend.tiles"),
        ('{"format": 1, "isa": "another", "tunings": []}', UsageError, "usage.tiles"),
        (None, UsageError, "usage.tiles"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, kind, code):
    file = tmp_path / "tiles.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(kind) as caught:
        tiles_of_file(file, HERE)
    assert caught.value.code == code
    assert str(file) in caught.value.message


@pytest.mark.parametrize("isa", ISAS.values(), ids=lambda isa: isa.name)
def test_shipped_tables_hold_tiles_that_their_kernels_may_have(isa):
    for tuning in shipped_tiles(isa).tunings:
        for one in tuning.kernels:
            assert one.kernel in set(tile_space(one.kernel, isa))
            assert one.microseconds <= one.untuned_microseconds


def test_kernels_of_equal_speed_share_an_entry():
    kernel = case().kernel
    assert untiled(replace(kernel, saturates=not kernel.saturates)) == untiled(kernel)
    assert {untiled(one) for one in tile_space(kernel, PLAIN)} == {untiled(kernel)}


def test_a_network_is_tuned_once(tmp_path, monkeypatch):
    """A budget ends it, the next run goes on there, and then nothing is left."""
    monkeypatch.setenv("FPC_CACHE", str(tmp_path / "cache"))
    options = TuneOptions(tmp_path / "tiles.json", budget_s=0.0)
    clock = FakeClock(lambda kernel: 1e-6 * (9 - kernel.tile.positions % 9))
    nothing = tune([two_layers()], options, clock=clock)
    assert (nothing.measured, nothing.left, clock.cases) == (0, 2, [])
    whole = tune([two_layers()], replace(options, budget_s=None), clock=clock)
    assert (whole.measured, whole.left, whole.refused) == (2, 0, ())
    first, second = clock.cases
    assert first.work > second.work > 16 * 40 * 8
    [network] = whole.networks
    assert (network.kernels, network.known) == (2, 2)
    assert 0 < network.tuned_ms < network.untuned_ms
    again = tune([two_layers()], options, clock=clock)
    assert (again.measured, again.left) == (0, 0)
    assert len(clock.cases) == 2


def two_layers() -> Graph:
    generator = np.random.default_rng(0)
    graph = Graph("two_layers")
    x = graph.add_input("x", f32(1, 24, 4, 4))
    for units in (40, 8):
        shape = (units, x.type.shape[1], 1, 1)
        w = graph.constant(generator.standard_normal(shape).astype(np.float32))
        x = graph.add(ops.Conv2d(), x, w).output
    graph.set_outputs([x])
    return graph
