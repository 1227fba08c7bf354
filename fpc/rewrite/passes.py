"""What a pass is, and the kind of pass that tries one rewrite at every node."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from fpc.diagnostics.errors import PassError
from fpc.diagnostics.location import UNKNOWN, Location
from fpc.ir.graph import Graph, Node
from fpc.ir.op import Op
from fpc.rewrite.invariants import Invariant
from fpc.rewrite.rewriter import Rewriter

_MAX_ROUNDS = 64


@dataclass(frozen=True)
class Declined:
    """A rule that recognised its pattern and refuses, and why."""

    reason: str
    location: Location = UNKNOWN


@dataclass(frozen=True)
class PassResult:
    """What a pass did: whether it changed the graph, in how many edits, and what it refused."""

    modified: bool
    edits: int = 0
    declined: tuple[Declined, ...] = ()


@dataclass(frozen=True)
class Pass(ABC):
    """A change to a graph, in place. A subclass is a frozen dataclass whose fields are its options.

    `requires` and `ensures` are invariants of the graph before and after. The function the graph
    computes stays the same unless `changes_function` says otherwise.
    """

    name: ClassVar[str]
    requires: ClassVar[tuple[Invariant, ...]] = ()
    ensures: ClassVar[tuple[Invariant, ...]] = ()
    changes_function: ClassVar[bool] = False

    @abstractmethod
    def apply(self, rewriter: Rewriter) -> tuple[Declined, ...]:
        """Edit the rewriter's graph; the answer lists what was recognised and refused."""

    def run(self, graph: Graph) -> PassResult:
        """Apply the pass, its invariants checked before and after."""
        self._check(self.requires, graph, "requires")
        rewriter = Rewriter(graph)
        declined = self.apply(rewriter)
        self._check(self.ensures, graph, "ensures")
        return PassResult(rewriter.edits > 0, rewriter.edits, declined)

    def _check(self, invariants: tuple[Invariant, ...], graph: Graph, verb: str) -> None:
        for invariant in invariants:
            violation = invariant.violation(graph)
            if violation is not None:
                raise PassError(
                    "invariant",
                    f"{self.name} {verb} a graph that is {invariant.name}: {violation}",
                )


@dataclass(frozen=True)
class RewritePass(Pass):
    """A pass made of one local rewrite, tried at every node of `roots` until nothing changes."""

    roots: ClassVar[tuple[type[Op], ...]]

    @abstractmethod
    def rewrite(self, node: Node[Op], rewriter: Rewriter) -> Declined | None:
        """Rewrite around `node` if the pattern is there.

        None both when the rewrite was made and when the pattern is absent; `Declined` when the
        pattern is there and must be left alone.
        """

    def apply(self, rewriter: Rewriter) -> tuple[Declined, ...]:
        """Sweep over the graph until a sweep changes nothing."""
        for _ in range(_MAX_ROUNDS):
            before = rewriter.edits
            declined: list[Declined] = []
            for node in rewriter.graph:
                if not isinstance(node.op, self.roots):
                    continue
                location = node.location
                refusal = self.rewrite(node, rewriter)
                if refusal is not None:
                    declined.append(
                        refusal if refusal.location else Declined(refusal.reason, location)
                    )
            if rewriter.edits == before:
                return tuple(declined)
        raise PassError(
            "no-fixpoint",
            f"{self.name} still changes the graph after {_MAX_ROUNDS} rounds",
            help="this is a defect of the pass; please report the model",
        )
