"""Train the digits classifier that ships with fpc and export it to ONNX.

The network is MobileNetV3 in miniature (Howard et al., "Searching for MobileNetV3", ICCV 2019,
section 5: inverted residuals, squeeze-and-excite gated by a hard sigmoid, hard-swish), the images
are scikit-learn's 1,797 handwritten digits, enlarged from 8x8 to 16x16. Batch normalisation is
exported as it was trained, not folded: folding it is the compiler's work.

Needs `pip install torch==2.13.0 scikit-learn onnx pillow`; torch and scikit-learn are no
dependencies of fpc, the files this script writes are kept in the repository. Run it as

    python examples/digits/train.py

It takes about five minutes on one core and writes, next to itself, `digits.onnx`,
`calibration.npz` (100 training images) and `test.npz` (500 images the training never saw). Both
archives hold `images`, uint8 [N, 16, 16, 1], and `labels`, int64 [N].
"""

from __future__ import annotations

import argparse
import math
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

SEED = 2024
IMAGE_SIZE = 16
TEST_IMAGES = 500
CALIBRATION_IMAGES = 100


class ConvBN(nn.Sequential):
    """A convolution without bias, its batch normalisation and its activation."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.Module] = nn.Identity,
    ) -> None:
        super().__init__(
            nn.Conv2d(
                channels_in,
                channels_out,
                kernel,
                stride,
                padding=kernel // 2,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(channels_out),
            activation(),
        )


class SqueezeExcite(nn.Module):
    """Scales each channel by a hard-sigmoid gate computed from the channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(8, channels // 4)
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Gate x, [N, C, H, W]."""
        squeezed = functional.relu(self.reduce(functional.adaptive_avg_pool2d(x, 1)))
        return x * self.gate(self.expand(squeezed))


class InvertedResidual(nn.Module):
    """Expand, filter depthwise, excite, project; add the input when the shapes agree."""

    def __init__(
        self,
        channels_in: int,
        expanded: int,
        channels_out: int,
        *,
        kernel: int,
        stride: int,
        excite: bool,
        activation: type[nn.Module],
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and channels_in == channels_out
        self.body = nn.Sequential(
            ConvBN(channels_in, expanded, 1, activation=activation),
            ConvBN(
                expanded, expanded, kernel, stride=stride, groups=expanded, activation=activation
            ),
            SqueezeExcite(expanded) if excite else nn.Identity(),
            ConvBN(expanded, channels_out, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map x, [N, channels_in, H, W], to [N, channels_out, H / stride, W / stride]."""
        y = self.body(x)
        return x + y if self.residual else y


class DigitsNet(nn.Module):
    """About 50,000 parameters: 16x16 grey images in, ten logits out."""

    def __init__(self) -> None:
        super().__init__()

        def block(
            channels_in: int,
            expanded: int,
            channels_out: int,
            kernel: int,
            stride: int,
            *,
            excite: bool,
            activation: type[nn.Module],
        ) -> InvertedResidual:
            return InvertedResidual(
                channels_in,
                expanded,
                channels_out,
                kernel=kernel,
                stride=stride,
                excite=excite,
                activation=activation,
            )

        self.features = nn.Sequential(
            ConvBN(1, 16, 3, activation=nn.Hardswish),
            block(16, 32, 16, 3, 1, excite=False, activation=nn.ReLU),
            block(16, 64, 24, 3, 2, excite=True, activation=nn.ReLU),
            block(24, 72, 24, 3, 1, excite=False, activation=nn.Hardswish),
            block(24, 96, 40, 5, 2, excite=True, activation=nn.Hardswish),
            block(40, 120, 40, 5, 1, excite=True, activation=nn.Hardswish),
            ConvBN(40, 160, 1, activation=nn.Hardswish),
        )
        self.classifier = nn.Linear(160, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Classify x, [N, 1, 16, 16] in [-1, 1]."""
        return self.classifier(self.features(x).mean((2, 3)))


def enlarged_digits() -> tuple[np.ndarray, np.ndarray]:
    """All digits as uint8 [1797, 16, 16, 1] and their labels, int64 [1797]."""
    digits = load_digits()
    images = [
        np.asarray(
            Image.fromarray(np.round(image * (255 / 16)).astype(np.uint8)).resize(
                (IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR
            )
        )
        for image in digits.images
    ]
    return np.stack(images)[..., np.newaxis], digits.target.astype(np.int64)


def normalise(images: np.ndarray) -> Tensor:
    """Map uint8 NHWC images to float32 NCHW in [-1, 1]: (x - 127.5) / 127.5."""
    return torch.from_numpy((images.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 127.5)


def jitter(x: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate, scale and shift each image a little; the paper's colour, -1, fills the border."""
    n = x.shape[0]
    angle, zoom, dx, dy = (torch.rand(4, n, generator=generator) * 2 - 1).unbind(0)
    angle = angle * math.radians(12)
    zoom = 1 + 0.12 * zoom
    theta = torch.stack(
        [
            torch.stack([zoom * angle.cos(), -zoom * angle.sin(), 0.15 * dx], 1),
            torch.stack([zoom * angle.sin(), zoom * angle.cos(), 0.15 * dy], 1),
        ],
        1,
    )
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x + 1, grid, align_corners=False) - 1


def train(model: nn.Module, x: Tensor, labels: Tensor, epochs: int) -> None:
    """Fit the model to jittered copies of x with AdamW and a one-cycle learning rate."""
    generator = torch.Generator().manual_seed(SEED)
    batch = 64
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=5e-3, total_steps=epochs * (len(x) // batch)
    )
    model.train()
    for epoch in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        losses: list[float] = []
        for step in range(len(x) // batch):
            chosen = order[step * batch : (step + 1) * batch]
            loss = functional.cross_entropy(
                model(jitter(x[chosen], generator)), labels[chosen], label_smoothing=0.05
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1:3d}  loss {np.mean(losses):.4f}", flush=True)
    model.eval()


def top1_percent(model: nn.Module, x: Tensor, labels: Tensor) -> float:
    """Share of images whose largest logit is the label's."""
    with torch.inference_mode():
        return 100 * (model(x).argmax(1) == labels).float().mean().item()


def export(model: nn.Module, path: Path) -> None:
    """Write the model as ONNX opset 17 with every batch normalisation still in place.

    The exporter folds batch normalisation whenever it is told that the model is for inference;
    `TrainingMode.PRESERVE` makes it write the modules in the mode they are in, which is inference
    as well.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.zeros(1, 1, IMAGE_SIZE, IMAGE_SIZE),),
            path,
            input_names=["image"],
            output_names=["logits"],
            opset_version=17,
            dynamo=False,
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
        )
    exported = onnx.load(path)
    exported.graph.name = "digits"
    exported.graph.doc_string = ""
    for node in exported.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(exported, full_check=True)
    onnx.save(exported, path)


def main() -> None:
    """Train, report the accuracy on unseen images and write the three files."""
    parser = argparse.ArgumentParser(description="Train and export the digits example.")
    parser.add_argument("--epochs", type=int, default=120)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()

    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    images, labels = enlarged_digits()
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, labels, test_size=TEST_IMAGES, random_state=SEED, stratify=labels
    )
    model = DigitsNet()
    print(f"{sum(p.numel() for p in model.parameters())} parameters")
    train(model, normalise(train_images), torch.from_numpy(train_labels), arguments.epochs)
    accuracy = top1_percent(model, normalise(test_images), torch.from_numpy(test_labels))
    print(f"top-1 on {TEST_IMAGES} unseen images: {accuracy:.1f} %")

    export(model, arguments.output / "digits.onnx")
    np.savez_compressed(
        arguments.output / "calibration.npz",
        images=train_images[:CALIBRATION_IMAGES],
        labels=train_labels[:CALIBRATION_IMAGES],
    )
    np.savez_compressed(arguments.output / "test.npz", images=test_images, labels=test_labels)


if __name__ == "__main__":
    main()
