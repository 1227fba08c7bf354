"""A network of inverted residuals, cut as the tables of Once-for-All and ProxylessNAS cut it.

Facts: once-for-all, ofa/nas/efficiency_predictor/latency_lookup_table.py.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fpc.costmodel.kernels import KernelKind, Work, work_of
from fpc.costmodel.tables.table import Piece
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Activation, Op
from fpc.ir.ops import Add, Conv2d, Dense, Mul

_HARD_SWISH: Mapping[str | None, bool] = MappingProxyType(
    {"relu": False, "relu6": False, "hard_swish": True}
)
"""What the tables know of nonlinearities; a clamp at 6 costs what one at 0 does."""


class Role(enum.Enum):
    """The parts of a network, by the names the tables give them."""

    STEM = "Conv"
    """The first convolution, 3x3 with stride 2."""
    BLOCK = "expanded_conv"
    """1x1 to the channels inside, depthwise, squeeze-excite, 1x1 back, shortcut."""
    LAST_MAP = "Conv_1"
    """The 1x1 convolution of the last map."""
    POOL = "AvgPool2D"
    """The mean of each channel's map."""
    FEATURES = "Conv_2"
    """A 1x1 convolution of means."""
    CLASSIFIER = "Logits"
    """The fully connected layer, with the mean before it where nothing is between them."""
    OTHER = "other"
    """What no table knows."""


@dataclass(frozen=True)
class NetworkPart:
    """A part with its sizes: `in_shape` and `out_shape` are height, width and channels.

    `operator` is what a part that no table knows consists of.
    """

    role: Role
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    middle: int = 0
    kernel: int = 1
    stride: int = 1
    has_shortcut: bool = False
    squeezes: bool = False
    hard_swish: bool = False
    operator: str = ""

    @property
    def kind(self) -> str:
        """The role."""
        return self.role.value

    @property
    def numbers(self) -> tuple[int, ...]:
        """Everything that is a number."""
        inside = (self.middle, self.kernel, self.stride)
        flags = (self.has_shortcut, self.squeezes, self.hard_swish)
        return (*self.in_shape, *self.out_shape, *inside, *map(int, flags))

    def __str__(self) -> str:
        shapes = " to ".join("x".join(map(str, s)) for s in (self.in_shape, self.out_shape))
        words = [f"{self.operator or self.role.value} of {shapes}"]
        if self.role is Role.BLOCK:
            words.append(f"{self.middle} channels inside")
        if self.kernel > 1:
            words.append(f"{self.kernel}x{self.kernel} with stride {self.stride}")
        for is_so, word in (
            (self.has_shortcut, "shortcut"),
            (self.squeezes, "squeeze-excite"),
            (self.hard_swish, "hard-swish"),
        ):
            words += [word] if is_so else []
        return ", ".join(words)


def split(graph: Graph) -> tuple[Piece[NetworkPart], ...]:
    """The parts of an optimised graph; every node that costs time is in exactly one.

    How wide squeeze-excite is inside is not looked at: the tables do not say it either.
    """
    pieces: list[Piece[NetworkPart]] = []
    taken: set[Node[Op]] = set()
    for node in graph:
        if _is_depthwise(node):
            _add(pieces, taken, _block(node))
    for node in graph:
        if node not in taken and work_of(node).kind is not KernelKind.FREE:
            _add(pieces, taken, _around(node))
    order = {node: index for index, node in enumerate(graph)}
    return tuple(sorted(pieces, key=lambda piece: order[piece.nodes[0]]))


def _add(
    pieces: list[Piece[NetworkPart]], taken: set[Node[Op]], piece: Piece[NetworkPart] | None
) -> None:
    if piece is not None and taken.isdisjoint(piece.nodes):
        pieces.append(piece)
        taken.update(piece.nodes)


def _block(depthwise: Node[Op]) -> Piece[NetworkPart] | None:
    """The inverted residual around a depthwise convolution, if there is one."""
    expansion = _expansion(depthwise)
    start = (expansion[0] if expansion else depthwise).input(0)
    act, y, inside = _activated(depthwise)
    gate = _gate(y)
    gated = gate[-1].output if gate else y
    projection = next(iter(gated.users), None)
    if projection is None or not gated.has_one_use or not _is_linear_pointwise(projection):
        return None
    shortcut = _shortcut(start, projection.output)
    work = work_of(depthwise)
    if act not in _HARD_SWISH or work.kernel[0] != work.kernel[1]:
        return None
    if expansion and _activated(expansion[0])[0] != act:
        return None
    return Piece(
        NetworkPart(
            Role.BLOCK,
            _map(start),
            _map(projection.output),
            work.in_channels,
            work.kernel[0],
            work.strides[0],
            shortcut is not None,
            bool(gate),
            _HARD_SWISH[act],
        ),
        (*expansion, *inside, *gate, projection, *([shortcut] if shortcut else [])),
    )


def _expansion(depthwise: Node[Op]) -> tuple[Node[Op], ...]:
    """The 1x1 convolution before a depthwise one with its nonlinearity.

    A linear one is the end of the block before.
    """
    before = depthwise.input(0).producer
    if before is not None and work_of(before).kind is KernelKind.LOOKUP:
        before = before.input(0).producer
    if before is None or not _is_pointwise(before):
        return ()
    act, y, nodes = _activated(before)
    return nodes if act is not None and y is depthwise.input(0) and y.has_one_use else ()


def _activated(conv: Node[Op]) -> tuple[str | None, Value, tuple[Node[Op], ...]]:
    """The nonlinearity after a convolution, its result, and the nodes of both."""
    fused: Activation = getattr(conv.op, "activation", Activation.NONE)
    if fused is not Activation.NONE:
        return fused.value, conv.output, (conv,)
    users = conv.output.users
    if conv.output.has_one_use and users and work_of(users[0]).kind is KernelKind.LOOKUP:
        return users[0].op.mnemonic, users[0].output, (conv, users[0])
    return None, conv.output, (conv,)


def _gate(y: Value) -> tuple[Node[Op], ...]:
    """The nodes of squeeze-excite on y, the multiplication last."""
    for product in y.users:
        if not isinstance(product.op, Mul) or len(product.operands) != 2:
            continue
        [other] = [value for value in product.operands if value is not y] or [None]
        nodes = tuple(_chain(y, other))[::-1]
        if any(work_of(node).kind is KernelKind.POOL for node in nodes):
            return (*nodes, product)
    return ()


def _chain(start: Value, end: Value | None) -> Iterator[Node[Op]]:
    """The nodes from `end` back to `start`, each with the one before as its only variable."""
    while end is not None and end is not start:
        node = end.producer
        if node is None or not end.has_one_use:
            return
        variable = [value for value in node.operands if not value.is_constant]
        if len(variable) != 1:
            return
        yield node
        end = variable[0]


def _shortcut(start: Value, end: Value) -> Node[Op] | None:
    return next(
        (
            node
            for node in end.users
            if isinstance(node.op, Add)
            and node.op.activation is Activation.NONE
            and start in node.operands
        ),
        None,
    )


def _around(node: Node[Op]) -> Piece[NetworkPart]:
    """The part outside blocks that begins with `node`."""
    work = work_of(node)
    role, nodes = Role.OTHER, (node,)
    if isinstance(node.op, Conv2d) and work.groups == 1:
        role = _role_of_convolution(node, work)
        nodes = _activated(node)[2] if role is not Role.OTHER else nodes
    elif work.kind is KernelKind.POOL and work.out_extent == (1, 1):
        classifier = _after_reshapes(node)
        role = Role.POOL
        if classifier is not None and isinstance(classifier.op, Dense):
            role, nodes = Role.CLASSIFIER, (node, classifier)
    elif isinstance(node.op, Dense):
        role = Role.CLASSIFIER
    is_spatial = role in (Role.STEM, Role.OTHER)
    return Piece(
        NetworkPart(
            role,
            _map(nodes[0].input(0)),
            _map(nodes[-1].outputs[0]),
            kernel=work.kernel[0] if is_spatial else 1,
            stride=work.strides[0] if is_spatial else 1,
            operator=node.op.mnemonic if role is Role.OTHER else "",
        ),
        nodes,
    )


def _role_of_convolution(node: Node[Op], work: Work) -> Role:
    if work.kernel == (3, 3):
        return Role.STEM
    if not _is_pointwise(node):
        return Role.OTHER
    return Role.LAST_MAP if work.pixels > 1 else Role.FEATURES


def _after_reshapes(node: Node[Op]) -> Node[Op] | None:
    """The only node that reads the result of `node`, whatever shape it takes on the way."""
    following = node
    while following.output.has_one_use and following.output.users:
        following = following.output.users[0]
        if work_of(following).kind is not KernelKind.FREE:
            return following
    return None


def _is_depthwise(node: Node[Op]) -> bool:
    return isinstance(node.op, Conv2d) and work_of(node).kind is KernelKind.DEPTHWISE


def _is_pointwise(node: Node[Op]) -> bool:
    work = work_of(node)
    return (
        isinstance(node.op, Conv2d) and work.groups == 1 and work.kernel == work.strides == (1, 1)
    )


def _is_linear_pointwise(node: Node[Op]) -> bool:
    return _is_pointwise(node) and _activated(node)[0] is None


def _map(value: Value) -> tuple[int, int, int]:
    """Height, width and channels of an NCHW map; 1, 1 and the rest of anything else."""
    _, *rest = value.type.shape
    if len(rest) == 3:
        return rest[1], rest[2], rest[0]
    return 1, 1, value.type.size
