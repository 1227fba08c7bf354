"""Tiles by measuring: what is right and fastest is kept, what is wrong is never timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.isa.table import ISAS, isa_of_this_machine
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.program import Program
from fpc.backends.tvm.sources import kernel_versions
from fpc.backends.tvm.tuning.case import Case
from fpc.backends.tvm.tuning.tables import notes_on, shipped_tiles, tiles_of_file
from fpc.backends.tvm.tuning.tile_space import tile_space, untiled
from fpc.backends.tvm.tuning.tile_table import Circumstances, TileTable, TunedKernel
from fpc.diagnostics.errors import BackendError, MeasureError, UsageError
from fpc.driver.options import Precision
from fpc.driver.tune.kernel import Refusal, best_tile, costs_of
from fpc.driver.tune.tiles import TuneOptions, tune
from fpc.ir.dtype import DType
from fpc.measure.kernels.exchange import KernelOrder
from fpc.measure.kernels.here import HostKernelRunner
from fpc.measure.kernels.protocol import KernelCondition, KernelCosts, KernelTask
from fpc.measure.kernels.rounds import best_of_rounds
from fpc.measure.process.child import died
from tests.backends.tvm.cases import pointwise, pointwise_case, two_layers

HERE = isa_of_this_machine()
THEN = Circumstances(
    machine="a machine",
    date="2026-01-02",
    evidence="measured",
    unit="us",
    versions={"kernels": "1"},
)
WRONG = -7.0
"""The cost of a kernel that gets 7 elements wrong."""
DIES = -1.0
"""The cost of a kernel that brings its process down."""


def case() -> Case:
    return pointwise_case(HERE)


def other_tiles(kernel: AnyKernel) -> list[AnyKernel]:
    return [one for one in tile_space(kernel, HERE) if one != kernel]


def entry(kernel: AnyKernel, cost: float = 1.0) -> TunedKernel:
    return TunedKernel(kernel=kernel, cost=cost, untuned_cost=2.0)


def table(*kernels: AnyKernel, isa: str = HERE.name) -> TileTable:
    found = TileTable(isa)
    for kernel in kernels:
        found = found.with_entry(entry(kernel), THEN)
    return found


@pytest.fixture
def uncompiled(monkeypatch) -> None:
    """A library is its program, so that a `FakeRunner` finds the kernels in it."""
    monkeypatch.setattr("fpc.driver.tune.kernel.build", lambda program: program.to_json().encode())


class FakeRunner:
    """Says what a kernel costs, `WRONG` or `DIES`."""

    def __init__(self, cost: Callable[[AnyKernel], float]) -> None:
        self.cost = cost
        self.tasks: list[KernelTask] = []

    def condition(self) -> KernelCondition:
        return KernelCondition("a machine", "measured", "us")

    def run(self, task: KernelTask) -> KernelCosts:
        self.tasks.append(task)
        kernels = Program.from_json(task.library.decode()).kernels
        costs = dict(zip(task.names, map(self.cost, kernels), strict=True))
        if DIES in costs.values():
            raise died(-6, b"assertion failed")
        different = {name: -round(min(cost, 0.0)) for name, cost in costs.items()}
        return KernelCosts({n: cost for n, cost in costs.items() if cost > 0}, different)


@pytest.mark.usefixtures("uncompiled")
def test_the_cheapest_candidate_is_taken():
    given = case()
    cheap = other_tiles(given.kernel)[2]
    runner = FakeRunner(lambda kernel: 3.0 if kernel == cheap else 4.0)
    found = best_tile(given, HERE, runner)
    assert found.entry.kernel == cheap
    assert (found.entry.cost, found.entry.untuned_cost) == (3.0, 4.0)


@pytest.mark.usefixtures("uncompiled")
def test_what_is_hardly_cheaper_changes_nothing():
    given = case()
    runner = FakeRunner(lambda kernel: 4.0 if kernel == given.kernel else 3.95)
    assert best_tile(given, HERE, runner).entry.kernel == given.kernel


@pytest.mark.usefixtures("uncompiled")
def test_a_candidate_that_is_refused_is_not_taken_however_cheap():
    given = case()
    wrong, *_, cheap = other_tiles(given.kernel)
    costs = {given.kernel: 4.0, cheap: 3.0, wrong: WRONG}
    found = best_tile(given, HERE, FakeRunner(lambda kernel: costs.get(kernel, 5.0)))
    assert found.entry.kernel == cheap
    [reason] = found.refused
    assert "7 elements" in reason
    assert "ConvolutionTile(" in reason


@pytest.mark.usefixtures("uncompiled")
def test_without_a_right_kernel_to_begin_with_nothing_is_tuned():
    given = case()
    with pytest.raises(MeasureError) as caught:
        best_tile(given, HERE, FakeRunner(lambda kernel: DIES))
    assert caught.value.code == "measure.untuned-kernel"
    assert any("SIGABRT; assertion failed" in note for note in caught.value.notes)


@pytest.mark.parametrize("dtype", [DType.I8, DType.I16])
def test_candidates_are_compiled_checked_and_timed(dtype):
    given = pointwise_case(HERE, dtype)
    candidates = [given.kernel, *other_tiles(given.kernel)[:2]]
    for answer in costs_of(given, candidates, HERE, HostKernelRunner()):
        assert isinstance(answer, float)
        assert 0 < answer < 1e6
    wrong = replace(given, expected=given.expected ^ 1)
    answers = costs_of(wrong, candidates, HERE, HostKernelRunner())
    assert list(answers) == [Refusal(f"{4 * 8 * 40} elements of its result are wrong")] * 3


def test_what_cannot_be_compiled_takes_no_other_with_it(monkeypatch):
    given = case()
    kernels = [given.kernel, *other_tiles(given.kernel)[:2]]

    def build(program: Program) -> bytes:
        if kernels[1] in program.kernels:
            raise BackendError("tvm-died", "ended by SIGABRT")
        return program.to_json().encode()

    monkeypatch.setattr("fpc.driver.tune.kernel.build", build)
    answers = list(costs_of(given, kernels, HERE, FakeRunner(lambda kernel: 1.0)))
    assert answers == [1.0, Refusal("ended by SIGABRT"), 1.0]


@pytest.mark.usefixtures("uncompiled")
def test_what_brings_its_process_down_takes_no_other_with_it():
    given = case()
    kernels = [given.kernel, *other_tiles(given.kernel)[:2]]
    runner = FakeRunner(lambda kernel: DIES if kernel == kernels[1] else 1.0)
    first, second, third = costs_of(given, kernels, HERE, runner)
    assert (first, third) == (1.0, 1.0)
    assert isinstance(second, Refusal)
    assert "SIGABRT" in second.reason


@pytest.mark.usefixtures("uncompiled")
def test_a_place_that_is_gone_is_no_kernels_fault():
    gone = MeasureError("no-board", "no board is registered")

    def leave(kernel: AnyKernel) -> float:
        raise gone

    runner = FakeRunner(leave)
    with pytest.raises(MeasureError) as caught:
        best_tile(case(), HERE, runner)
    assert caught.value is gone
    assert len(runner.tasks) == 1


def test_padding_of_a_result_may_hold_anything():
    expected = np.arange(12).reshape(3, 4)
    found = expected.copy()
    found[:, 3] = 99
    order = KernelOrder(Path(), [], (), expected, slice(0, 3), is_timed=True)
    assert order.wrong_elements(found) == 0
    assert replace(order, own=slice(1, 4)).wrong_elements(found) == 3


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


def test_users_hear_of_tiles_found_with_other_kernels_and_of_those_that_are_gone():
    kernel = case().kernel
    odd = replace(kernel, tile=replace(kernel.tile, positions=7))
    now = THEN.model_copy(update={"versions": {**kernel_versions(), "a simulator": "3"}})
    file = Path("mine.json")
    assert notes_on(TileTable(HERE.name).with_entry(entry(kernel), now), HERE, file, "host") == ()
    [older] = notes_on(table(kernel), HERE, file, "host")
    assert older.startswith("1 of 1 tiles in mine.json were found with other versions")
    assert "`fpc tune MODEL.onnx --target host -o mine.json`" in older
    [gone] = notes_on(TileTable(HERE.name).with_entry(entry(odd), now), HERE, file, "host")
    assert gone.startswith("1 of 1 tiles in mine.json are none")
    assert len(notes_on(table(odd), HERE, file, "host")) == 2


def test_the_later_entry_counts_and_the_earlier_goes():
    first, second, *_ = other_tiles(case().kernel)
    later = THEN.model_copy(update={"machine": "another", "date": "2026-01-03"})
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
    assert found.entry(kernel, THEN.model_copy(update={"unit": "cycles"})) is None


def test_a_table_is_read_as_it_was_written(tmp_path):
    file = tmp_path / "tiles.json"
    written = table(*other_tiles(case().kernel)[:1])
    file.write_text(written.to_json())
    assert tiles_of_file(file, HERE) == written


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("", BackendError, "backend.tiles"),
        ('{"format": 1, "isa": "plain", "tunings": []}', BackendError, "backend.tiles"),
        ('{"format": 2, "isa": "another", "tunings": []}', UsageError, "usage.tiles"),
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
            assert one.cost <= one.untuned_cost


def test_kernels_of_equal_speed_share_an_entry():
    kernel = case().kernel
    assert untiled(replace(kernel, saturates=not kernel.saturates)) == untiled(kernel)
    assert {untiled(one) for one in tile_space(kernel, PLAIN)} == {untiled(kernel)}


@pytest.mark.usefixtures("uncompiled")
def test_a_network_is_tuned_once(tmp_path, monkeypatch):
    """A budget ends it, the next run goes on there, and then nothing is left."""
    monkeypatch.setenv("FPC_CACHE", str(tmp_path / "cache"))
    options = TuneOptions(tmp_path / "tiles.json", budget_s=0.0)
    runner = FakeRunner(lambda kernel: 9.0 - kernel.tile.positions % 9)
    nothing = tune([two_layers()], options, runner=runner)
    assert (nothing.compared, nothing.left, runner.tasks) == (0, 2, [])
    whole = tune([two_layers()], replace(options, budget_s=None), runner=runner)
    assert (whole.compared, whole.left, whole.refused) == (2, 0, ())
    assert (whole.machine, whole.evidence, whole.unit) == ("a machine", "measured", "us")
    first, second = (task.expected.shape[1] for task in runner.tasks)
    assert first > second
    [network] = whole.networks
    assert (network.kernels, network.known) == (2, 2)
    assert 0 < network.tuned_cost < network.untuned_cost
    again = tune([two_layers()], options, runner=runner)
    assert (again.compared, again.left) == (0, 0)
    assert len(runner.tasks) == 2
    wide = replace(options, budget_s=None, precision=Precision.INT16)
    assert tune([two_layers()], wide, runner=runner).compared == 2
    assert all(name.startswith("fpc_wide_") for task in runner.tasks[2:] for name in task.names)
    assert tune([two_layers()], options, runner=runner).left == 0
