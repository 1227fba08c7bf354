"""Programs that are started before there is a model for them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fpc.diagnostics.errors import MeasureError
from fpc.measure.litert.runner import LiteRtRunner
from fpc.measure.process.child import waiting_program
from fpc.measure.process.exchange import WAITING, Plan
from fpc.measure.protocol import MeasureConfig
from tests.unit.measure.fixtures import INPUT, request

OUTPUTS = Plan(MeasureConfig(), is_timed=False)


def words(folder: Path, text: str) -> tuple[str, ...]:
    """The command that runs `text`."""
    script = folder / "program.py"
    script.write_text(text)
    return sys.executable, str(script)


def test_it_answers_as_if_started_with_its_task():
    with LiteRtRunner().waiting() as program:
        outputs, result = program.run(request().content, [INPUT], OUTPUTS)
    np.testing.assert_array_equal(outputs[0], [[0.0, 0.0, 1.0, 3.0]])
    assert result.runtime.startswith("LiteRT 2.")
    assert program.process.returncode == 0


def test_it_is_ended_when_no_task_comes(tmp_path):
    command = words(tmp_path, "import time; time.sleep(1000)")
    with waiting_program(command) as program:
        assert program.process.args == [*command, WAITING]
        assert program.process.poll() is None
    assert program.process.returncode < 0


def test_it_leaves_when_its_input_ends():
    with LiteRtRunner().waiting() as program:
        _, complaints = program.process.communicate(timeout=60)
        assert (program.process.returncode, complaints) == (0, b"")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("raise SystemExit('too early')", "measure.runner-died"),
        ("input(); raise SystemExit('broken')", "measure.runner-died"),
        ("input()", "measure.runner-answer"),
        ("import time; time.sleep(1000)", "measure.timeout"),
    ],
)
def test_programs_that_fail_are_reported(tmp_path, text, code):
    plan = replace(OUTPUTS, config=MeasureConfig(warm_up_s=0.0, time_limit_s=0.1, timeout_s=2.0))
    with (
        waiting_program(words(tmp_path, text)) as program,
        pytest.raises(MeasureError) as failure,
    ):
        program.run(b"model", [INPUT], plan)
    assert failure.value.code == code
