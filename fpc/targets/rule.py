"""What a rule of a target is: a function of a node and the limit's numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fpc.ir.graph import Node
from fpc.ir.op import Op

Numbers = Mapping[str, float]

RuleFunction = Callable[[Node[Op], Numbers], str | None]
"""Says what a node has that the rule does not allow, None when the node keeps the rule.

Its docstring is what the user reads, with the numbers of the target filled in.
"""
