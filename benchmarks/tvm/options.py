"""The command line of benchmarks that run networks in rounds."""

from __future__ import annotations

from argparse import ArgumentParser

from benchmarks.tvm.networks import NETWORKS


def parser_of(about: str | None, rounds: int = 25) -> ArgumentParser:
    """A parser of the names of networks, all unless some are given, and of how many rounds."""
    parser = ArgumentParser(description=about)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=rounds)
    return parser
