"""Journals: what is written is read, what is torn is dropped, what is foreign stays untouched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpc.diagnostics.errors import SearchError
from fpc.diagnostics.render import render
from fpc.search.journal import Journal
from tests.unit.measure.fixtures import sample

QUESTION = {"fpc": "0.1.0", "budget_ms": 5.0, "cost_model_sha256": "ab", "threads": None}
TIMING = sample("net", 1 / 3, 0.1).timing


@pytest.fixture
def journal(tmp_path, monkeypatch) -> Path:
    """A journal of one timing, one failure and one round."""
    monkeypatch.chdir(tmp_path)
    path = Path("search.jsonl")
    with Journal(path, QUESTION) as made:
        made.add_timing("32px/8-e2k3", 0, TIMING)
        made.add_failure("32px/8-e2k5", 1, "it is dead")
        made.add_round(1, {"best": None})
    return path


def test_what_is_written_is_read(journal):
    with Journal(journal, QUESTION, resume=True) as found:
        assert found.timings == {("32px/8-e2k3", 0): TIMING}
        assert found.failures == {"32px/8-e2k5": (1, "it is dead")}
        found.add_round(1, {"best": "other"})
        found.add_round(2, {"best": "32px/8-e2k3"})
    kinds = [json.loads(line)["kind"] for line in journal.read_text().splitlines()]
    assert kinds == ["question", "timing", "failure", "round", "round"]


def test_a_line_is_on_the_disk_before_the_call_returns(tmp_path):
    path = tmp_path / "search.jsonl"
    with Journal(path, QUESTION) as journal:
        journal.add_timing("32px/8-e2k3", 0, TIMING)
        assert path.read_bytes().endswith(b"\n")
        assert len(path.read_bytes().splitlines()) == 2


@pytest.mark.parametrize("kept", [0, 1, 10, 18, 150, 400, -1])
def test_a_journal_torn_anywhere_goes_on(journal, kept):
    """Also before the question was finished."""
    content = journal.read_bytes()
    journal.write_bytes(content[:kept])
    with Journal(journal, QUESTION, resume=True) as found:
        found.add_timing("32px/8-e2k3", 7, TIMING)
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert lines[0] == {"kind": "question", "format": 1, **QUESTION}
    assert lines[-1]["turn"] == 7
    assert journal.read_bytes().startswith(content[: content[:kept].rfind(b"\n") + 1])


def test_without_a_file_nothing_is_kept():
    with Journal(None, QUESTION) as journal:
        journal.add_timing("32px/8-e2k3", 0, TIMING)
        assert journal.timings == {("32px/8-e2k3", 0): TIMING}


def refused(code: str, path: Path, *, resume: bool = True, **changes: object) -> str:
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(SearchError) as caught:
        Journal(path, {**QUESTION, **changes}, resume=resume)
    assert caught.value.code == f"search.{code}"
    assert (path.read_bytes() if path.is_file() else None) == before
    return render(caught.value) + "\n"


def test_another_question(golden, journal):
    assert refused("journal-other", journal, budget_ms=6.0, cost_model_sha256="cd") == golden


def test_journal_that_is_there_already(golden, journal):
    assert refused("journal-exists", journal, resume=False) == golden


def test_no_journal_to_resume(golden, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused("journal-missing", Path("none.jsonl")) == golden


def test_journal_where_none_can_be_written(golden, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused("journal-unwritable", Path("none/search.jsonl"), resume=False) == golden


def test_journal_of_another_process(golden, journal):
    with Journal(journal, QUESTION, resume=True):
        assert refused("journal-busy", journal) == golden


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("notes of mine", id="one line"),
        pytest.param("notes of mine\n", id="text"),
        pytest.param('{"kind": "question", "format": 2}\n', id="another format"),
        pytest.param("[]\n", id="no object"),
        pytest.param('{question}{"kind": "song"}\n', id="another kind"),
        pytest.param('{question}{"kind": "timing", "subnet": "a"}\n', id="half a timing"),
        pytest.param("{question}{\n{}\n", id="torn in the middle"),
    ],
)
def test_foreign_file(golden, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    question = json.dumps({"kind": "question", "format": 1, **QUESTION}) + "\n"
    path = Path("notes.txt")
    path.write_text(text.replace("{question}", question))
    assert refused("journal-malformed", path) == golden
