"""The networks of step_*_vs_torch in PyTorch, channels_last: a name on stdin is answered with images a second.

Same layers, batch, loss and optimizer as ours (models.registry). Runs in .venv-bench, where only PyTorch and numpy are.
"""

import itertools

import torch
from torch import nn
from torch.nn import functional

from cifar102.commands.bench_worker import BATCH_SIZE, serve


def cnn_four_conv() -> nn.Module:
    parts: list[nn.Module] = []
    for before, filters in ((3, 32), (32, 64)):
        parts += [nn.Conv2d(before, filters, 3, padding=1), nn.ReLU(), nn.Conv2d(filters, filters, 3, padding=1)]
        parts += [nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(4096, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 10))


class ResidualBlock(nn.Module):
    """He et al. 2015: identity shortcut, every second pixel and zeros for new channels where the size changes."""

    def __init__(self, before: int, filters: int) -> None:
        super().__init__()
        self.stride, self.missing = (1, 0) if before == filters else (2, filters - before)
        self.conv1 = nn.Conv2d(before, filters, 3, self.stride, 1, bias=False)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(filters), nn.BatchNorm2d(filters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.missing:
            side = self.missing // 2
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, side, self.missing - side))
        return functional.relu(x + y)


def resnet20() -> nn.Module:
    parts: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
    parts += [ResidualBlock(a, b) for a, b in itertools.pairwise(widths)]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class WideBlock(nn.Module):
    """Zagoruyko & Komodakis 2016, pre-activation; a 1x1 shortcut where the size changes."""

    def __init__(self, before: int, filters: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(before), nn.BatchNorm2d(filters)
        self.conv1 = nn.Conv2d(before, filters, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(before, filters, 1, stride, bias=False) if before != filters else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        active = functional.relu(self.norm1(x))
        y = self.conv2(functional.relu(self.norm2(self.conv1(active))))
        return y + (self.shortcut(active) if self.shortcut else x)


def wide_resnet() -> nn.Module:
    """WRN-16-4."""
    parts: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1, bias=False)]
    before = 16
    for stage, filters in enumerate((64, 128, 256)):
        parts += [WideBlock(before, filters, 2 if stage else 1), WideBlock(filters, filters, 1)]
        before = filters
    return nn.Sequential(
        *parts, nn.BatchNorm2d(256), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10)
    )


NETWORKS = {"cnn_four_conv": cnn_four_conv, "resnet20": resnet20, "wide_resnet": wide_resnet}


def training_step(name: str):
    """A step on one batch that is already there, as bench_stacks has it."""
    torch.manual_seed(0)
    model = NETWORKS[name]().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True)
    images = torch.rand(BATCH_SIZE, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.arange(BATCH_SIZE) % 10

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def num_parameters(name: str) -> int:
    return sum(values.numel() for values in NETWORKS[name]().parameters())


if __name__ == "__main__":
    serve(f"PyTorch {torch.__version__}, channels_last", num_parameters, training_step)
