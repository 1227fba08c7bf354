"""`fpc search --measure`: what is printed and written, resumed and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpc.driver.search.best_network import Problem, SearchOptions
from fpc.measure.samples.database import SampleDatabase
from fpc.search.space.encoding import decode
from fpc.search.space.network import build
from fpc.targets.description import multiply_adds
from tests.cli.invoke import fpc, refuse, succeed
from tests.cli.test_search import SMALL, measurements
from tests.hidden_truth import HiddenTruth, drawn_factors

BUDGET = "0.25ms"
ASKED = ("--budget", BUDGET, "--space", "small.toml", "--accuracy", "top1.csv")


@pytest.fixture
def clock(tmp_path, monkeypatch) -> HiddenTruth:
    """A board in the place of this machine, in a folder with a space of small networks."""
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(SMALL)
    Path("top1.csv").write_text(measurements())
    problem = Problem.of(SearchOptions(1.0, space="small.toml", accuracy="top1.csv"))
    truth = HiddenTruth(problem.space, problem.cost_model.kernel_ms, drawn_factors(3), noise=0.0)
    monkeypatch.setattr("fpc.cli.search_feedback.clock", lambda on, python: truth)
    return truth


def test_rounds_are_printed(golden, clock):
    outcome = succeed("search", *ASKED, "--measure", "host")
    assert outcome.out + outcome.err == golden


def test_document_has_the_labels_of_every_latency(clock):
    document = succeed("search", *ASKED, "--measure", "host", "--json").document
    feedback = document["feedback"]
    assert document["evidence"] == feedback["evidence"] == "measured"
    assert document["latency_ms"] == feedback["measured_ms"] <= 0.25
    assert document["prediction"]["evidence"] == "predicted"
    assert document["prediction"]["latency_ms"] == feedback["predicted_ms"]
    assert feedback["condition"] == "a board, LiteRT 9.9, 1 thread"
    for each in feedback["rounds"]:
        for trial in each["trials"]:
            assert trial["turns"] >= 3
            low, high = trial["measured_interval_ms"]
            assert low <= trial["measured_ms"] <= high


def test_journal_is_beside_the_artifact_and_goes_on(clock):
    words = ("search", *ASKED, "--measure", "host", "-o", "best", "--no-compile", "--json")
    clock.patience = 5
    stopped = fpc(*words)
    assert stopped.status == 130
    assert "the 5 samples finished before are in best.journal.jsonl" in stopped.err
    assert "add --resume" in stopped.err
    journal = Path("best.journal.jsonl")
    assert not Path("best").exists()
    assert len(journal.read_text().splitlines()) == 6
    refuse(1, "search.journal-exists", *words[:-1])
    clock.patience = 1_000_000
    document = succeed(*words, "--resume").document
    assert json.loads(Path("best/report.json").read_text()) == document
    assert len(clock.asked) == len(set(enumerate(clock.asked)))
    refuse(1, "search.journal-other", *words[:-1], "--resume", "--seed", 1)


def test_samples_are_kept_and_replayed(clock):
    words = ("search", *ASKED, "--db", "samples.db", "--json")
    measured = succeed(*words, "--measure", "host").document
    with SampleDatabase(Path("samples.db")) as database:
        samples = database.samples()
    assert len(samples) == len(clock.asked)
    assert {sample.timing.name for sample in samples} == set(clock.asked)
    assert all(sample.rebuilt_graph().name for sample in samples)
    replayed = succeed(*words, "--measure", "replay").document
    assert replayed["evidence"] == replayed["feedback"]["evidence"] == "replayed"
    assert replayed["subnet"] == measured["subnet"]
    assert replayed["latency_ms"] == measured["latency_ms"]


def test_processes_build_what_this_one_does(clock):
    words = ("search", *ASKED, "--measure", "host", "--rounds", 1, "--json")
    one = succeed(*words).document
    clock.asked.clear()
    two = succeed(*words, "--jobs", 2).document
    assert {**one, "timings_ms": {}} == {**two, "timings_ms": {}}


def test_only_networks_within_other_limits_are_measured(clock):
    words = ("search", *ASKED, "--measure", "host", "--json")
    free = succeed(*words).document
    limit = free["multiply_adds"] - 1
    clock.asked.clear()
    document = succeed(*words, "--max-macs", str(limit)).document
    assert document["multiply_adds"] <= limit
    for text in set(clock.asked):
        graph = build(clock.space, decode(text))
        assert sum(map(multiply_adds, graph)) <= limit


def test_no_network_is_fast_enough(golden, clock):
    clock.factor = lambda _: 100.0
    assert refuse(1, "search.nothing-within", "search", *ASKED, "--measure", "host") == golden


def test_a_board_that_is_dead(clock):
    clock.fails = lambda _: True
    message = refuse(1, "measure.runner-died", "search", *ASKED, "--measure", "ssh:pi")
    assert "it is dead" in message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param("measure", ["--measure", "qemu"], id="emulator"),
        pytest.param("measure", ["--measure", "hosts"], id="no runner"),
        pytest.param("measure", ["--measure", "ssh:pi", "--measure", "ssh:pi"], id="twice"),
        pytest.param("measure", ["--measure", "host", "--measure", "replay"], id="record"),
        pytest.param("measure", ["--resume"], id="nothing to resume"),
        pytest.param("journal", ["--measure", "host", "--resume"], id="no journal"),
        pytest.param("jobs", ["--measure", "host", "--jobs", "many"], id="jobs"),
        pytest.param("db", ["--measure", "replay"], id="nothing to replay"),
    ],
)
def test_options_that_make_no_sense(golden, clock, code, words):
    assert refuse(2, f"usage.{code}", "search", *ASKED, *words) == golden


def test_top1_by_a_command(golden, clock):
    words = [word if word != "top1.csv" else "false" for word in ASKED]
    message = refuse(1, "search.measured-evaluator", "search", *words, "--measure", "host")
    assert message == golden
