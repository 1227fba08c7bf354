from fpc.ir.ops import Add, Relu, Sigmoid, Split
from tests.unit.passes.case import Network, transform


def test_removes_what_nobody_reads(golden):
    net = Network(1, 4)
    y = net.add(Relu(), net.x)
    net.add(Sigmoid(), net.add(Add(), y, net.weights(4), name="dead"), name="deader")
    assert transform(net.returns(y, whole=True), "dce").text == golden


def test_keeps_what_is_read_in_part():
    net = Network(1, 4)
    first, _ = net.add(Split(1, (2, 2)), net.x)
    unread = net.input("unread", 3)
    outcome = transform(net.returns(first), "dce")
    assert not outcome.modified
    assert unread.name in [value.name for value in outcome.after.inputs]
