"""A network of inverted residuals, cut as the tables of Once-for-All and ProxylessNAS cut it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from fpc.costmodel.kernels import KernelKind, Work, work_of
from fpc.costmodel.tables.network_part import NetworkPart, Role
from fpc.costmodel.tables.table import Piece
from fpc.diagnostics.errors import CostModelError
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Activation, Op, fused_activation
from fpc.ir.ops import Add, Conv2d, Dense, Mul

_HARD_SWISH: Mapping[str | None, bool] = MappingProxyType(
    {"relu": False, "relu6": False, "hard_swish": True}
)
"""What the tables know of nonlinearities; a clamp at 6 costs what one at 0 does."""


def split(graph: Graph) -> tuple[Piece[NetworkPart], ...]:
    """The parts of an optimised graph; every node that costs time is in exactly one.

    How wide squeeze-excite is inside is not looked at: the tables do not say it either.
    `CostModelError` (`cost.table-batch`) for a network of several images at a time.
    """
    if any(value.type.shape[0] != 1 for value in graph.inputs):
        raise CostModelError(
            "table-batch",
            "the table holds for one image at a time, and the network takes several",
            help="give the input's shape with a batch of 1: --input-shape",
        )
    pieces = [block for block in map(_block, graph) if block is not None]
    taken = {node for piece in pieces for node in piece.nodes}
    for node in graph:
        if node not in taken and work_of(node).kind is not KernelKind.FREE:
            piece = _around(node)
            pieces.append(piece)
            taken.update(piece.nodes)
    order = {node: index for index, node in enumerate(graph)}
    return tuple(sorted(pieces, key=lambda piece: order[piece.nodes[0]]))


def _block(node: Node[Op]) -> Piece[NetworkPart] | None:
    """The inverted residual whose depthwise convolution is `node`, if that is what it is."""
    work = work_of(node)
    if not _is_depthwise(node, work):
        return None
    expansion = _expansion(node)
    act, y, inside = _activated(node)
    if act not in _HARD_SWISH or (expansion and _activated(expansion[0])[0] != act):
        return None
    gate = _gate(y)
    projection = _projection(gate[-1].output if gate else y)
    if projection is None:
        return None
    start = (expansion or inside)[0].input(0)
    shortcut = _shortcut(start, projection.output)
    return Piece(
        NetworkPart(
            Role.BLOCK,
            _map(start),
            _map(projection.output),
            middle=work.in_channels,
            kernel=work.kernel[0],
            stride=work.strides[0],
            has_shortcut=bool(shortcut),
            squeezes=bool(gate),
            hard_swish=_HARD_SWISH[act],
        ),
        (*expansion, *inside, *gate, projection, *shortcut),
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
    fused = fused_activation(conv.op)
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


def _projection(y: Value) -> Node[Op] | None:
    """The linear 1x1 convolution that alone reads y."""
    if not y.has_one_use or not y.users or not _is_pointwise(y.users[0]):
        return None
    return y.users[0] if _activated(y.users[0])[0] is None else None


def _shortcut(start: Value, end: Value) -> tuple[Node[Op], ...]:
    """The addition of a block's input to its result."""
    return tuple(
        node
        for node in end.users
        if isinstance(node.op, Add)
        and node.op.activation is Activation.NONE
        and start in node.operands
    )[:1]


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


def _is_depthwise(node: Node[Op], work: Work) -> bool:
    """Whether one square filter a channel goes over the map."""
    return (
        isinstance(node.op, Conv2d)
        and work.kind is KernelKind.DEPTHWISE
        and work.in_channels == work.out_channels
        and work.kernel[0] == work.kernel[1]
        and node.op.dilations == (1, 1)
    )


def _is_pointwise(node: Node[Op]) -> bool:
    work = work_of(node)
    return (
        isinstance(node.op, Conv2d) and work.groups == 1 and work.kernel == work.strides == (1, 1)
    )


def _map(value: Value) -> tuple[int, int, int]:
    """Height, width and channels of an NCHW map; 1, 1 and the rest of anything else."""
    _, *rest = value.type.shape
    if len(rest) == 3:
        return rest[1], rest[2], rest[0]
    return 1, 1, value.type.size
