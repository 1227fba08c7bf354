"""A small Once-for-All supernet in PyTorch, with the keys and the behaviour of the authors' one.

Written from what their modules do, for tests to compare fpc's cutting with: layers hold the largest
weights and use parts of them while a subnet is active.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

torch.set_num_threads(1)  # tests run beside each other
MOBILENET_V3 = """
name = "small-mbv3"
description = "MobileNetV3's layers with few channels"
source = "a test"
resolutions = [32]
activation = "hard_swish"
stem = [
    { layer = "conv", channels = 8, kernel = 3, stride = 2 },
    { layer = "inverted-residual", channels = 8, activation = "relu" },
]
head = [
    { layer = "conv", channels = 40 },
    { layer = "pool" },
    { layer = "conv", channels = 48, affine = "none" },
    { layer = "flatten" },
    { layer = "dense", units = 10 },
]

[[stage]]
channels = 16
stride = 2
depths = [2, 3, 4]
expansions = [3, 4, 6]
kernels = [3, 5, 7]
activation = "relu"

[[stage]]
channels = 24
stride = 2
depths = [2, 3, 4]
expansions = [3, 4, 6]
kernels = [3, 5, 7]
excites = [true]
"""
PROXYLESS = """
name = "small-proxyless"
description = "ProxylessNAS's layers with few channels"
source = "a test"
resolutions = [32]
batch_norm_epsilon = 1e-3
activation = "relu6"
stem = [
    { layer = "conv", channels = 16, kernel = 3, stride = 2 },
    { layer = "inverted-residual", channels = 8 },
]
head = [
    { layer = "conv", channels = 48 },
    { layer = "pool" },
    { layer = "flatten" },
    { layer = "dense", units = 10 },
]

[[stage]]
channels = 16
stride = 2
depths = [2, 3, 4]
expansions = [3, 4, 6]
kernels = [3, 5, 7]

[[stage]]
channels = 24
depths = [1]
expansions = [3, 4, 6]
kernels = [3, 5, 7]
"""


class Choice(NamedTuple):
    """One active block."""

    expansion: int
    kernel: int


Active = Sequence[Sequence[Choice]]


@dataclass(frozen=True)
class Stage:
    channels: int
    stride: int
    act: type[nn.Module]
    excites: bool = False
    most: int = 4


def divisible(channels: float) -> int:
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class Norm(nn.Module):
    """Batch norm of the first channels.

    While `takes_statistics`, a batch is normalised by its own mean and (biased) variance, which
    are kept; `settle` makes their means over all images those that count from then on.
    """

    def __init__(self, channels: int, eps: float, *, elastic: bool = True) -> None:
        super().__init__()
        bn = nn.BatchNorm2d(channels, eps=eps)
        nn.init.normal_(bn.weight, 1.0, 0.2)
        nn.init.normal_(bn.bias, 0.0, 0.2)
        nn.init.normal_(bn.running_mean, 0.0, 0.2)
        nn.init.uniform_(bn.running_var, 0.5, 1.5)
        self.elastic = elastic
        self.bn = bn
        self.takes_statistics = False
        self.seen: list[tuple[int, Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        count = x.shape[1]
        weight, bias = self.bn.weight[:count], self.bn.bias[:count]
        if self.takes_statistics:
            self.seen.append((len(x), x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)))
            return functional.batch_norm(x, None, None, weight, bias, True, eps=self.bn.eps)
        mean, variance = self.bn.running_mean[:count], self.bn.running_var[:count]
        return functional.batch_norm(x, mean, variance, weight, bias, eps=self.bn.eps)

    def settle(self) -> None:
        if not self.seen:
            return
        images = sum(count for count, _, _ in self.seen)
        for place, statistic in ((1, self.bn.running_mean), (2, self.bn.running_var)):
            mean = sum(entry[0] * entry[place] for entry in self.seen) / images
            statistic.data[: len(mean)] = mean


class Pointwise(nn.Module):
    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 1, bias=False)

    def forward(self, x: Tensor, channels: int) -> Tensor:
        return functional.conv2d(x, self.conv.weight[:channels, : x.shape[1]])


class Depthwise(nn.Module):
    """A depthwise convolution whose kernel is 7, or what two matrices make of its centre."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 7, stride, groups=channels, bias=False)
        for name, size in (("7to5_matrix", 25), ("5to3_matrix", 9)):
            matrix = torch.eye(size) + 0.1 * torch.randn(size, size)
            self.register_parameter(name, nn.Parameter(matrix))

    def forward(self, x: Tensor, kernel: int) -> Tensor:
        weight = self.conv.weight[: x.shape[1]]
        for size in (5, 3):
            if kernel <= size:
                matrix = self.get_parameter(f"{size + 2}to{size}_matrix")
                centre = weight[:, 0, 1:-1, 1:-1].reshape(len(weight), size * size)
                weight = functional.linear(centre, matrix).reshape(len(weight), 1, size, size)
        return functional.conv2d(x, weight, None, self.conv.stride, kernel // 2, groups=x.shape[1])


class Excite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = divisible(channels // 4)
        self.fc = nn.ModuleDict(
            {"reduce": nn.Conv2d(channels, squeezed, 1), "expand": nn.Conv2d(squeezed, channels, 1)}
        )

    def forward(self, x: Tensor) -> Tensor:
        reduce, expand = self.fc["reduce"], self.fc["expand"]
        count, squeezed = x.shape[1], divisible(x.shape[1] // 4)
        y = x.mean((2, 3), keepdim=True)
        y = functional.conv2d(y, reduce.weight[:squeezed, :count], reduce.bias[:squeezed]).relu()
        y = functional.conv2d(y, expand.weight[:count, :squeezed], expand.bias[:count])
        return x * functional.relu6(y + 3.0) / 6.0


class ElasticConv(nn.Module):
    """An inverted residual without its shortcut, of which a part is active."""

    def __init__(self, in_channels: int, stage: Stage, stride: int, eps: float) -> None:
        super().__init__()
        middle = divisible(in_channels * 6)
        self.channels = stage.channels
        self.act = stage.act()
        self.inverted_bottleneck = nn.ModuleDict(
            {"conv": Pointwise(in_channels, middle), "bn": Norm(middle, eps)}
        )
        self.depth_conv = nn.ModuleDict(
            {"conv": Depthwise(middle, stride), "bn": Norm(middle, eps)}
        )
        if stage.excites:
            self.depth_conv["se"] = Excite(middle)
        self.point_linear = nn.ModuleDict(
            {"conv": Pointwise(middle, stage.channels), "bn": Norm(stage.channels, eps)}
        )

    def forward(self, x: Tensor, choice: Choice) -> Tensor:
        expand, depth, project = self.inverted_bottleneck, self.depth_conv, self.point_linear
        middle = divisible(x.shape[1] * choice.expansion)
        x = self.act(expand["bn"](expand["conv"](x, middle)))
        x = self.act(depth["bn"](depth["conv"](x, choice.kernel)))
        if "se" in depth:
            x = depth["se"](x)
        return project["bn"](project["conv"](x, self.channels))


class FixedConv(nn.Module):
    """The first block, which every subnet has: no expansion, kernel 3."""

    def __init__(self, in_channels: int, channels: int, act: type[nn.Module], eps: float) -> None:
        super().__init__()
        depthwise = nn.Conv2d(in_channels, in_channels, 3, 1, 1, groups=in_channels, bias=False)
        self.depth_conv = nn.ModuleDict({"conv": depthwise, "bn": Norm(in_channels, eps)})
        self.point_linear = nn.ModuleDict(
            {"conv": nn.Conv2d(in_channels, channels, 1, bias=False), "bn": Norm(channels, eps)}
        )
        self.act = act()

    def forward(self, x: Tensor, choice: Choice) -> Tensor:
        x = self.act(self.depth_conv["bn"](self.depth_conv["conv"](x)))
        return self.point_linear["bn"](self.point_linear["conv"](x))


class Residual(nn.Module):
    def __init__(self, conv: nn.Module, *, shortcut: bool) -> None:
        super().__init__()
        self.conv = conv
        self.shortcut = shortcut

    def forward(self, x: Tensor, choice: Choice) -> Tensor:
        y = self.conv(x, choice)
        return x + y if self.shortcut else y


class Supernet(nn.Module):
    """Either of the two networks: `is_proxyless` says which."""

    def __init__(self, *, is_proxyless: bool = False) -> None:
        super().__init__()
        eps = 1e-3 if is_proxyless else 1e-5
        act = nn.ReLU6 if is_proxyless else nn.Hardswish
        stem = 16 if is_proxyless else 8
        self.stages = (
            (Stage(16, 2, nn.ReLU6), Stage(24, 1, nn.ReLU6, most=1))
            if is_proxyless
            else (Stage(16, 2, nn.ReLU), Stage(24, 2, nn.Hardswish, excites=True))
        )
        self.act = act()
        first = nn.Conv2d(3, stem, 3, 2, 1, bias=False)
        self.first_conv = nn.ModuleDict({"conv": first, "bn": Norm(stem, eps)})
        first_act = nn.ReLU6 if is_proxyless else nn.ReLU
        fixed = FixedConv(stem, 8, first_act, eps)
        blocks = [Residual(fixed, shortcut=stem == 8)]
        channels = 8
        for stage in self.stages:
            for index in range(stage.most):
                conv = ElasticConv(channels, stage, 1 if index else stage.stride, eps)
                blocks.append(Residual(conv, shortcut=index > 0))
                channels = stage.channels
        self.blocks = nn.ModuleList(blocks)
        if not is_proxyless:
            expand = nn.Conv2d(channels, 40, 1, bias=False)
            self.final_expand_layer = nn.ModuleDict({"conv": expand, "bn": Norm(40, eps)})
            channels = 40
        mix = nn.ModuleDict({"conv": nn.Conv2d(channels, 48, 1, bias=False)})
        if is_proxyless:
            mix["bn"] = Norm(48, eps)
        self.feature_mix_layer = mix
        self.classifier = nn.ModuleDict({"linear": nn.Linear(48, 10)})
        self.is_proxyless = is_proxyless

    def forward(self, images: Tensor, active: Active) -> Tensor:
        x = self.act(self.first_conv["bn"](self.first_conv["conv"](images)))
        x = self.blocks[0](x, Choice(1, 3))
        first = 1
        for stage, choices in zip(self.stages, active, strict=True):
            for block, choice in zip(self.blocks[first:], choices, strict=False):
                x = block(x, choice)
            first += stage.most
        mix = self.feature_mix_layer
        if self.is_proxyless:
            x = self.act(mix["bn"](mix["conv"](x))).mean((2, 3))
        else:
            x = self.act(self.final_expand_layer["bn"](self.final_expand_layer["conv"](x)))
            x = self.act(mix["conv"](x.mean((2, 3), keepdim=True))).flatten(1)
        return self.classifier["linear"](x)

    def set_statistics(self, batches: Sequence[Tensor], active: Active) -> None:
        """Let the batch norms have the statistics of `batches`."""
        norms = [module for module in self.modules() if isinstance(module, Norm)]
        for norm in norms:
            norm.takes_statistics = True
        for batch in batches:
            self(batch, active)
        for norm in norms:
            norm.takes_statistics = False
            norm.settle()

    def published_state(self, *, first_release: bool = False) -> dict[str, Tensor]:
        """The state by the keys of once-for-all's checkpoints, in one of their two layouts.

        Batch norms of elastic blocks are `bn.bn` there, others `bn`.
        """
        return {
            _published(key, first_release=first_release): tensor
            for key, tensor in self.state_dict().items()
        }


def _published(key: str, *, first_release: bool) -> str:
    number = key.split(".")[1] if key.startswith("blocks.") else "0"
    if number == "0":
        key = key.replace(".bn.bn.", ".bn.")
    inside = f"blocks.{number}."
    return key.replace(f"{inside}conv.", f"{inside}mobile_inverted_conv.") if first_release else key


def subnet_text(active: Active, stages: Sequence[Stage]) -> str:
    """The subnet as fpc writes it."""
    parts = ["32px"]
    for stage, choices in zip(stages, active, strict=True):
        mark = "s" if stage.excites else ""
        blocks = (f"e{choice.expansion}k{choice.kernel}{mark}" for choice in choices)
        parts.append("-".join([str(stage.channels), *blocks]))
    return "/".join(parts)


def small_supernet(
    folder: Path, *, is_proxyless: bool = False, first_release: bool = False
) -> tuple[Supernet, Path, Path]:
    """A supernet with drawn weights, the file of its checkpoint and that of its space."""
    torch.manual_seed(7)
    supernet = Supernet(is_proxyless=is_proxyless).eval()
    checkpoint, space = folder / "supernet.pth", folder / "space.toml"
    state = supernet.published_state(first_release=first_release)
    torch.save({"state_dict": state, "epoch": 3} if first_release else state, checkpoint)
    space.write_text(PROXYLESS if is_proxyless else MOBILENET_V3)
    return supernet, checkpoint, space
