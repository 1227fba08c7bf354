"""Feedback without a clock: the device's truth is another cost model's, and the search finds it."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fpc.diagnostics.errors import InfeasibleError, MeasureError, SearchError
from fpc.driver.search.best_network import Found, Problem, SearchOptions, search
from fpc.driver.search.rounds import FeedbackOptions, search_by_measuring
from fpc.measure.protocol import Runner
from fpc.report.search_schema import FeedbackPart
from fpc.search.space.encoding import decode
from tests.hidden_truth import HiddenTruth, build, drawn_factors

FPGA = SearchOptions(budget_ms=4.0, target="fpga", space="mnasnet")


def device(options: SearchOptions, seed: int, **changes: object) -> HiddenTruth:
    problem = Problem.of(options)
    truth = HiddenTruth(
        problem.space, problem.cost_model.kernel_ms, drawn_factors(seed), problem.overhead_ms
    )
    return replace(truth, **changes)


def searched(options: SearchOptions, *runners: Runner, **changes: object) -> Found:
    named = {f"ssh:board{number}": runner for number, runner in enumerate(runners)}
    feedback = FeedbackOptions(named, build=build)
    return search_by_measuring(options, replace(feedback, **changes))


def feedback_of(found: Found) -> FeedbackPart:
    assert found.report.feedback is not None
    return found.report.feedback


@pytest.mark.parametrize(
    ("options", "seed"),
    [
        *((FPGA, seed) for seed in range(3)),
        (SearchOptions(budget_ms=5.0, target="host"), 0),
        (SearchOptions(budget_ms=80.0, target="rpi4-arm"), 1),
    ],
)
def test_families_of_kernels_that_cost_something_else(options, seed):
    truth = device(options, seed)
    found = searched(options, truth)
    feedback = feedback_of(found)
    assert feedback.is_settled, feedback.missed
    assert len(feedback.rounds) <= 4
    budget_ms = options.budget_ms
    assert 0.97 * budget_ms <= feedback.measured_ms <= budget_ms
    true_ms = truth.latency_ms(found.candidate.subnet)
    assert 0.96 * budget_ms <= true_ms <= (1.0 + truth.noise) * budget_ms
    assert feedback.corrected_ms == pytest.approx(true_ms, rel=0.01)
    assert feedback.turns >= 6
    report = found.report
    assert report.latency_ms == feedback.measured_ms
    assert report.evidence == feedback.evidence == "measured"
    assert report.prediction.latency_ms == feedback.predicted_ms


@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_what_is_found_is_what_the_true_prices_find(factor):
    """Where all prices are wrong by one factor, a search by true prices is one of another budget.

    Three percent of the budget are what the feedback may leave.
    """
    truth = device(FPGA, 0, factor=lambda _: factor)
    found = searched(FPGA, truth)
    assert feedback_of(found).is_settled
    problem = Problem.of(FPGA)
    assert problem.accuracy is not None
    prepared = problem.exact(problem.costs(problem.cost_model.kernel_ms, 0.0), problem.accuracy)
    front = prepared.front()
    best, enough = (front.best(share * FPGA.budget_ms / factor) for share in (1.005, 0.96))
    assert best.top1_interval is not None
    assert enough.top1_interval is not None
    assert found.candidate.top1_interval is not None
    chosen = found.candidate.top1_interval[0]
    assert enough.top1_interval[0] <= chosen <= best.top1_interval[0]


@dataclass(frozen=True)
class Undisturbed:
    """A search that nothing stopped."""

    truth: HiddenTruth
    found: Found
    journal: Path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    truth, journal = device(FPGA, 1), tmp_path_factory.mktemp("whole") / "journal.jsonl"
    return Undisturbed(truth, searched(FPGA, truth, journal=journal), journal)


@pytest.mark.parametrize("patience", [4, 19, 40])
def test_a_killed_search_that_is_resumed_finds_the_same(tmp_path, patience, undisturbed):
    expected = undisturbed.found.report
    journal = tmp_path / "killed.jsonl"
    truth = device(FPGA, 1, patience=patience)
    with pytest.raises(KeyboardInterrupt):
        searched(FPGA, truth, journal=journal)
    # A line that the power did not last for.
    journal.write_bytes(journal.read_bytes() + b'{"kind": "timing", "subn')
    truth.patience = 1_000_000
    resumed = searched(FPGA, truth, journal=journal, resume=True).report
    assert resumed.model_copy(update={"timings_ms": {}}) == expected.model_copy(
        update={"timings_ms": {}}
    )
    assert Counter(truth.asked) == Counter(undisturbed.truth.asked)
    lines = journal.read_text().splitlines()
    assert sorted(lines) == sorted(undisturbed.journal.read_text().splitlines())


def test_a_finished_search_measures_nothing_again(tmp_path, undisturbed):
    journal = tmp_path / "journal.jsonl"
    shutil.copy(undisturbed.journal, journal)
    again = device(FPGA, 1)
    found = searched(FPGA, again, journal=journal, resume=True)
    assert found.candidate == undisturbed.found.candidate
    assert again.asked == []
    assert journal.read_bytes() == undisturbed.journal.read_bytes()


def test_more_rounds_go_on_with_the_journal(tmp_path, undisturbed):
    journal, truth = tmp_path / "journal.jsonl", device(FPGA, 1)
    one = feedback_of(searched(FPGA, truth, journal=journal, rounds=1))
    assert not one.is_settled
    assert one.missed == one.rounds[0].missed
    four = feedback_of(searched(FPGA, truth, journal=journal, resume=True))
    assert four.is_settled
    assert four.rounds[0] == one.rounds[0]
    assert four == feedback_of(undisturbed.found)
    assert Counter(truth.asked) == Counter(undisturbed.truth.asked)


@pytest.mark.parametrize(
    "disturbs",
    [
        pytest.param(lambda number: number % 3 == 1, id="now and then"),
        pytest.param(lambda number: number < 30, id="for a while"),
    ],
)
def test_turns_that_were_disturbed_are_taken_again(tmp_path, disturbs, undisturbed):
    journal = tmp_path / "journal.jsonl"
    truth = device(FPGA, 1, disturbs=disturbs)
    found = searched(FPGA, truth, journal=journal)
    feedback = feedback_of(found)
    assert feedback.is_settled
    assert 0.97 * FPGA.budget_ms <= feedback.measured_ms <= FPGA.budget_ms
    assert truth.latency_ms(found.candidate.subnet) <= (1.0 + truth.noise) * FPGA.budget_ms
    assert feedback.disturbed_turns == sum(map(disturbs, range(1, 1 + len(truth.asked))))
    again = device(FPGA, 1, patience=0)
    assert feedback_of(searched(FPGA, again, journal=journal, resume=True)) == feedback


def test_a_device_that_is_always_disturbed_is_measured_all_the_same():
    truth = device(FPGA, 1, disturbs=lambda _: True)
    with pytest.raises(InfeasibleError) as caught:
        searched(FPGA, truth, rounds=1)
    assert set(Counter(truth.asked).values()) == {9}
    assert "something else had the processor in 54 turns" in caught.value.notes[1]


def test_several_boards_share_the_turns(tmp_path):
    boards = [device(FPGA, 1) for _ in range(3)]
    found = searched(FPGA, *boards, journal=tmp_path / "journal.jsonl")
    assert feedback_of(found).is_settled
    assert feedback_of(found).runners == ("ssh:board0", "ssh:board1", "ssh:board2")
    first = feedback_of(found).rounds[0].trials
    for board in boards:
        assert {trial.subnet for trial in first} <= set(board.asked)


def test_boards_of_two_kinds_are_refused():
    with pytest.raises(SearchError, match="several devices or runtimes") as caught:
        searched(FPGA, device(FPGA, 1), device(FPGA, 1, device="another board"))
    assert caught.value.code == "search.several-conditions"


def test_a_network_that_fails_is_left_out(tmp_path, undisturbed):
    first, second, *_ = (trial.subnet for trial in feedback_of(undisturbed.found).rounds[0].trials)
    truth = device(FPGA, 1, fails=lambda name: name in (first, second))
    journal = tmp_path / "journal.jsonl"
    feedback = feedback_of(searched(FPGA, truth, journal=journal))
    assert feedback.is_settled
    failed = feedback.rounds[0].trials[0]
    assert (failed.measured_ms, failed.failure) == (None, "it is dead")
    assert Counter(truth.asked)[first] == 1
    again = device(FPGA, 1)
    assert feedback_of(searched(FPGA, again, journal=journal, resume=True)) == feedback
    assert again.asked == []


def test_a_dead_board_is_the_error(tmp_path):
    journal = tmp_path / "journal.jsonl"
    with pytest.raises(MeasureError, match="it is dead"):
        searched(FPGA, device(FPGA, 1, fails=lambda _: True), journal=journal)
    # Nothing is held against networks that no board could measure.
    assert feedback_of(searched(FPGA, device(FPGA, 1), journal=journal, resume=True)).is_settled


def test_a_budget_below_what_is_there_is_told_by_measurements():
    """The prices promise a network; the device is ten times as slow."""
    with pytest.raises(InfeasibleError, match="runs within 4 ms") as caught:
        searched(FPGA, device(FPGA, 1, factor=lambda _: 10.0))
    assert caught.value.code == "search.nothing-within"
    assert "ms, measured: 224px/" in caught.value.notes[0]


def test_a_budget_that_the_prices_refuse_can_be_met():
    """No network is predicted below 1.2 ms; the device is twice as fast."""
    options = replace(FPGA, budget_ms=1.0)
    with pytest.raises(InfeasibleError):
        search(options)
    feedback = feedback_of(searched(options, device(options, 1, factor=lambda _: 0.5)))
    assert feedback.is_settled
    assert 0.97 < feedback.measured_ms <= 1.0


def test_an_evaluator_is_no_sum(tmp_path: Path):
    options = replace(FPGA, accuracy="true")
    with pytest.raises(SearchError) as caught:
        searched(options, device(FPGA, 1))
    assert caught.value.code == "search.measured-evaluator"


def test_candidates_lie_on_both_sides_of_the_budget(undisturbed):
    for each in feedback_of(undisturbed.found).rounds:
        predicted = [trial.predicted_ms for trial in each.trials]
        assert min(predicted) < FPGA.budget_ms < max(predicted)
        assert len({decode(trial.subnet) for trial in each.trials}) == len(each.trials) == 6
