"""Samples are kept whatever happens to the process, and nonsense is not taken for a sample."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fpc.diagnostics.errors import MeasureError
from fpc.measure.protocol import Condition, Failure, MeasureConfig, Timing
from fpc.measure.samples.csv import print_csv, read_csv
from fpc.measure.samples.database import SampleDatabase
from fpc.measure.samples.replay import ReplayRunner
from fpc.measure.samples.sample import Sample
from tests.unit.measure.fixtures import CONDITION, relu_graph, request, sample

ROOT = Path(__file__).parents[3]
SAMPLES = (
    sample("a"),
    sample('b, "quoted"\nand broken', 1.5, 0.1 + 0.2, 5e-324),
    replace(sample("c", frames_per_second=None, model_sha256="f" * 64), multiply_adds=None),
    replace(sample("d", 113_700_000.0, unit="instructions", evidence="simulated"), graph=""),
)


def refused(code: str, path: Path, *, create: bool = False) -> str:
    with pytest.raises(MeasureError) as caught, SampleDatabase(path, create=create) as database:
        database.samples()
    assert caught.value.code == code
    assert str(path) in caught.value.message
    return " ".join(caught.value.notes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.db"


def test_samples_come_back_as_they_were(path):
    with SampleDatabase(path, create=True) as database:
        for one in SAMPLES[:2]:
            database.add(one)
    with SampleDatabase(path, create=True) as database:
        database.add_all(SAMPLES[2:])
        assert len(database) == 4
    with SampleDatabase(path) as database:
        assert database.samples() == SAMPLES


def test_the_network_can_be_rebuilt():
    assert sample().rebuilt_graph().to_text() == relu_graph().to_text()
    with pytest.raises(MeasureError) as caught:
        replace(sample(), graph="").rebuilt_graph()
    assert caught.value.code == "measure.samples-no-graph"


def test_a_killed_process_loses_no_finished_sample(path):
    """It is killed while it measures the next model, with nothing closed or flushed."""
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from fpc.measure.samples.database import SampleDatabase\n"
        "from tests.unit.measure.fixtures import sample\n"
        "database = SampleDatabase(Path(sys.argv[1]), create=True)\n"
        "for name in ('first', 'second', 'third'):\n"
        "    database.add(sample(name))\n"
        "    print(name, flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    with process.stdout as written:
        while written.readline() != "third\n":
            assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with SampleDatabase(path) as database:
        assert [one.timing.name for one in database.samples()] == ["first", "second", "third"]
        database.add(sample("fourth"))
        assert len(database) == 4


def test_two_processes_may_write_at_once(path):
    with SampleDatabase(path, create=True) as one, SampleDatabase(path, create=True) as other:
        one.add(sample("a"))
        other.add(sample("b"))
        one.add(sample("c"))
        assert [kept.timing.name for kept in other.samples()] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("impossible", "fact"),
    [
        (sample("x", 1.0, 0.0), "took no time"),
        (sample("x", 1.0, float("inf")), "took no time"),
        (sample("x", runs=()), "no run"),
        (sample(""), "no name"),
        (sample("x", model_sha256="abc"), "SHA-256"),
        (sample("x", precision=""), "precision"),
        (sample("x", unit="s"), "`s`"),
        (sample("x", evidence="guessed"), "`guessed`"),
        (sample("x", evidence="simulated"), "simulated ms"),
        (sample("x", unit="instructions"), "measured instructions"),
        (sample("x", condition=Condition("", "LiteRT")), "device"),
        (sample("x", condition=Condition("cpu", "LiteRT", threads=0)), "no thread"),
        (sample("x", frames_per_second=0.0), "rate"),
        (sample("x", date="yesterday"), "yesterday"),
        (sample("x", date="2026-01-02T03:04:05"), "date"),
        (replace(sample("x"), multiply_adds=-1), "negative"),
        (replace(sample("x"), multiply_adds=5), "300000000"),
    ],
)
def test_an_impossible_sample_is_not_taken(path, tmp_path, impossible, fact):
    with SampleDatabase(path, create=True) as database:
        with pytest.raises(MeasureError) as caught:
            database.add_all([sample("good"), impossible])
        assert caught.value.code == "measure.samples-inconsistent"
        assert fact in " ".join(caught.value.notes)
        assert len(database) == 0
    table = tmp_path / "samples.csv"
    table.write_text(print_csv([sample("good"), impossible]) if impossible.timing.runs else "")
    with pytest.raises(MeasureError):
        read_csv(table)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ("median = 1", "its median is 1"),
        ("runs = '[1'", "net"),
        ("runs = '[-1]', median = -1", "took no time"),
        ("graph = x'00ff'", "net"),
        ("evidence = 'measured '", "`measured `"),
    ],
)
def test_a_row_that_was_tampered_with_is_found(path, change, fact):
    with SampleDatabase(path, create=True) as database:
        database.add(sample())
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE samples SET {change}")
    connection.close()
    assert fact in refused("measure.samples-inconsistent", path)


def test_files_that_are_no_sample_databases(path, tmp_path):
    refused("measure.samples-missing", path)
    path.write_bytes(b"")
    refused("measure.samples-empty", path)
    SampleDatabase(path, create=True).close()
    refused("measure.samples-empty", path)
    path.write_bytes(b"name,latency\n" * 100)
    for create in (False, True):
        refused("measure.samples-foreign", path, create=create)
    assert path.read_bytes() == b"name,latency\n" * 100
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE samples (name)")
    connection.close()
    for create in (False, True):
        refused("measure.samples-foreign", other, create=create)
    refused("measure.samples-unusable", tmp_path / "no" / "folder.db", create=True)


def test_a_layout_of_another_version_is_refused(path):
    SampleDatabase(path, create=True).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    refused("measure.samples-version", path)


def test_csv_loses_nothing(path, tmp_path):
    table = tmp_path / "samples.csv"
    table.write_text(print_csv(SAMPLES), encoding="utf-8")
    assert read_csv(table) == SAMPLES
    with SampleDatabase(path, create=True) as database:
        database.add_all(read_csv(table))
        assert print_csv(database.samples()) == table.read_text(encoding="utf-8")


def test_csv_reads_in_other_programs(tmp_path):
    heading, line = print_csv([sample()]).splitlines()
    cells = dict(zip(heading.split(","), line.split(","), strict=True))
    assert float(cells["median"]) == 60.05
    assert (cells["evidence"], cells["unit"], cells["threads"]) == ("measured", "ms", "4")
    assert float(cells["interval_low"]) == 1 / 3
    assert [float(run) for run in cells["runs"].split()] == list(sample().timing.runs)


@pytest.mark.parametrize(
    ("code", "edit"),
    [
        ("foreign", lambda text: "name,latency_ms\nnet,60.1\n"),
        ("foreign", lambda text: ""),
        ("foreign", lambda text: text + '"unclosed'),
        ("empty", lambda text: text.splitlines()[0] + "\n"),
        ("inconsistent", lambda text: text.replace("60.05", "61.05")),
        ("inconsistent", lambda text: text.replace("60.05", "fast")),
        ("inconsistent", lambda text: text.replace("measured", "guessed")),
        ("inconsistent", lambda text: text.rsplit(",", 1)[0] + "\n"),
        ("inconsistent", lambda text: text.rsplit(",", 1)[0] + ",!!!\n"),
    ],
)
def test_tables_that_are_no_samples(tmp_path, code, edit):
    table = tmp_path / "samples.csv"
    table.write_text(edit(print_csv([sample()])))
    with pytest.raises(MeasureError) as caught:
        read_csv(table)
    assert caught.value.code == f"measure.samples-{code}"


def test_an_unreadable_table_is_a_coded_error(tmp_path):
    for content in (None, b"\xff\xfe\x00"):
        if content is not None:
            (tmp_path / "t.csv").write_bytes(content)
        with pytest.raises(MeasureError) as caught:
            read_csv(tmp_path / "t.csv")
        assert caught.value.code.startswith("measure.samples-")


def replayed(*samples: Sample, threads: int = 4) -> list[Timing | Failure]:
    wanted = [
        replace(
            request("mine"), content=b"", model_sha256="0123456789abcdef" * 4, precision="int8"
        ),
        replace(request("never"), model_sha256="0" * 64),
    ]
    return list(ReplayRunner(samples).run(wanted, MeasureConfig(threads=threads)))


def test_replay_gives_the_latest_record_every_time():
    recorded = (sample("old", 1.0), sample("new", 2.0), sample("else", 3.0, precision="float32"))
    first, second = replayed(*recorded), replayed(*recorded)
    assert first == second
    timing, failure = first
    assert isinstance(timing, Timing)
    assert (timing.name, timing.median, timing.evidence) == ("mine", 2.0, "replayed")
    assert timing.condition == CONDITION
    assert timing.date == recorded[1].timing.date
    assert isinstance(failure, Failure)
    assert failure.error.code == "measure.not-recorded"


def test_counted_instructions_are_not_taken_for_time():
    timing, _ = replayed(sample("x", 5.0, unit="instructions", evidence="simulated"))
    assert isinstance(timing, Timing)
    assert (timing.unit, timing.evidence) == ("instructions", "simulated")


def test_replay_does_not_mix_conditions():
    failure, _ = replayed(sample(), threads=1)
    assert isinstance(failure, Failure)
    assert failure.error.code == "measure.not-recorded"
    assert failure.error.notes == (f"recorded: {CONDITION}",)
    other = sample(condition=replace(CONDITION, device="Cortex-A76 (aarch64)"))
    failure, _ = replayed(sample(), other)
    assert isinstance(failure, Failure)
    assert failure.error.code == "measure.ambiguous"
