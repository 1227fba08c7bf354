"""`fpc search --measure host` with LiteRT's clock; what it says of time is left to benchmarks."""

from __future__ import annotations

from fpc.driver.search.best_network import SearchOptions
from fpc.driver.search.rounds import FeedbackOptions, search_by_measuring
from fpc.measure.device import device_name
from fpc.measure.litert.runner import LiteRtRunner
from fpc.search.journal import measurements
from tests.cli.test_search import SMALL
from tests.cli.test_search import measurements as top1_table


def test_networks_are_built_compiled_checked_and_timed(tmp_path):
    space, table, journal = (tmp_path / name for name in ("small.toml", "top1.csv", "journal"))
    space.write_text(SMALL)
    table.write_text(top1_table())
    options = SearchOptions(1000.0, target="host", space=str(space), accuracy=str(table))
    feedback = FeedbackOptions({"host": LiteRtRunner()}, rounds=1, turns=1, journal=journal)
    report = search_by_measuring(options, feedback).report
    assert report.feedback is not None
    [first] = report.feedback.rounds
    assert measurements(journal) == len(first.trials) + report.feedback.disturbed_turns
    assert {trial.failure for trial in first.trials} == {None}
    for trial in first.trials:
        assert trial.measured_ms is not None
        assert trial.measured_interval_ms is not None
        low, high = trial.measured_interval_ms
        assert 0.0 < low <= trial.measured_ms <= high
    assert report.evidence == "measured"
    assert report.feedback.condition.startswith(device_name())
    # The largest network is within any budget, and nothing is better.
    assert report.subnet.text == "32px/16-e4k5-e4k5"
    assert report.latency_ms == report.feedback.measured_ms
