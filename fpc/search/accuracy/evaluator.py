"""A user's own judge of networks: a command that is given a subnet and prints its top-1.

The command gets the subnet as one JSON object on standard input, as `fpc search --json` prints it,
and must print the top-1 in percent as the last line of its standard output.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import dataclass, field

from fpc.diagnostics.errors import SearchError
from fpc.search.space.description import Subnet
from fpc.search.space.encoding import as_data, encode

TIMEOUT_S = 3600.0
_SHOWN_LINES = 5


@dataclass
class Evaluator:
    """Calls the command, once for each network."""

    command: str
    space: str
    timeout_s: float = TIMEOUT_S
    known: dict[Subnet, float] = field(default_factory=dict[Subnet, float])

    def __call__(self, subnet: Subnet) -> float:
        """The top-1 of `subnet` in percent.

        `SearchError` (`search.evaluator`) for a command that cannot be run, fails, takes too long,
        or prints something else.
        """
        if subnet not in self.known:
            self.known[subnet] = self._judged(subnet)
        return self.known[subnet]

    def _judged(self, subnet: Subnet) -> float:
        try:
            finished = subprocess.run(
                shlex.split(self.command),
                input=json.dumps(as_data(self.space, subnet)) + "\n",
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=self.timeout_s,
                check=False,
            )
        except (OSError, ValueError, IndexError) as error:
            raise self._failure(f"cannot be run: {error}", subnet) from None
        except subprocess.TimeoutExpired:
            raise self._failure(f"took longer than {self.timeout_s:g} s", subnet) from None
        if finished.returncode != 0:
            told = finished.stderr.strip().splitlines()[-_SHOWN_LINES:]
            raise self._failure(f"ended with status {finished.returncode}", subnet, *told)
        lines = finished.stdout.strip().splitlines()
        return self._percent(lines[-1] if lines else "", subnet)

    def _percent(self, text: str, subnet: Subnet) -> float:
        try:
            percent = float(text)
        except ValueError:
            percent = float("nan")
        if not 0.0 <= percent <= 100.0:
            raise self._failure(f"printed `{text}`, which is no percentage", subnet)
        return percent

    def _failure(self, problem: str, subnet: Subnet, *notes: str) -> SearchError:
        return SearchError(
            "evaluator",
            f"the evaluator `{self.command}` {problem}",
            notes=[f"for {encode(subnet)}", *notes],
            help="--accuracy takes a table (.csv), or a command that reads a subnet as JSON from "
            "standard input and prints its top-1 in percent",
        )
