"""The published recipe for 94 % on CIFAR-10 in PyTorch, on processors: one training, one line of JSON per epoch.

Written anew from the description in Jordan 2024, 94 % on CIFAR-10 in 3.29 seconds, arXiv 2404.00498, section 3 and its
list of hyperparameters; bfloat16 by autocast, or float32, instead of half precision, and channels_last.
Usage: recipe.py ARRAYS.npz SEED PRECISION [EPOCHS], PRECISION float32 or bfloat16, the arrays train_images,
train_labels, test_images, test_labels (uint8 NHWC). The last line has the trained parameters, the accuracy, and the
seconds of everything from the normalised images on, augmentation and evaluation of six views included.
"""

import functools
import itertools
import json
import math
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

EPOCHS, BATCH_SIZE = 9.9, 1024
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, BIAS_FACTOR = 11.5, 0.85, 0.0153, 64.0
SMOOTHING, WHITENING_BIAS_EPOCHS, SHIFT, SCALE = 0.2, 3, 2, 1 / 9
WIDTHS = (64, 256, 256)
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Block(nn.Module):
    """Convolution, pooling, batch norm without scale, GELU, and once more without the pooling."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1, self.norm2 = (nn.BatchNorm2d(width, eps=1e-12, momentum=0.4) for _ in range(2))
        for conv in (self.conv1, self.conv2):
            nn.init.dirac_(conv.weight.data[: conv.in_channels])
        for norm in (self.norm1, self.norm2):
            norm.weight.requires_grad = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.gelu(self.norm1(functional.max_pool2d(self.conv1(x), 2)))
        return functional.gelu(self.norm2(self.conv2(x)))


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.whitening = nn.Conv2d(3, 24, 2)
        self.whitening.weight.requires_grad = False
        widths = (24, *WIDTHS)
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in itertools.pairwise(widths)))
        self.head = nn.Linear(WIDTHS[-1], 10, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(functional.gelu(self.whitening(x)))
        return SCALE * self.head(functional.max_pool2d(x, 3).flatten(1))


def set_whitening(layer: nn.Conv2d, images: torch.Tensor) -> None:
    """Eigenvectors of the 2x2 patches over the roots of their variances, and their opposites."""
    patches = images.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    scaled = (vectors.T / torch.sqrt(values[:, None] + 5e-4)).reshape(12, 3, 2, 2)
    layer.weight.data[:] = torch.cat([scaled, -scaled]).to(memory_format=torch.channels_last)
    layer.bias.data.zero_()


def epoch_images(padded: torch.Tensor, number: int, mirrored: torch.Tensor, shifts: torch.Generator) -> torch.Tensor:
    """All images of an epoch: each mirrored in every other one, half of them first, and moved by up to SHIFT pixels."""
    flip = mirrored if number % 2 == 0 else ~mirrored
    flipped = torch.where(flip[:, None, None, None], padded.flip(3), padded)
    moved = torch.empty(len(padded), 3, 32, 32)
    places = torch.randint(0, 2 * SHIFT + 1, (len(padded), 2), generator=shifts)
    for down in range(2 * SHIFT + 1):
        for right in range(2 * SHIFT + 1):
            rows = (places[:, 0] == down) & (places[:, 1] == right)
            moved[rows] = flipped[rows, :, down : down + 32, right : right + 32]
    return moved


def rate_at(step: int, steps: int) -> float:
    """The triangle: from .2 up to 1 at 23 % of the steps, down to .07 at the end."""
    return float(np.interp(step, [0, int(0.23 * steps), steps], [0.2, 1.0, 0.07]))


def predict(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Logits of six views: as it is and moved by a pixel either way along the diagonal, each with its mirror image."""
    padded = functional.pad(images, (1,) * 4, "reflect")
    views = ((images, 0.5), (padded[:, :, 0:32, 0:32], 0.25), (padded[:, :, 2:34, 2:34], 0.25))
    return sum(share * 0.5 * (model(view) + model(view.flip(3))) for view, share in views)


def make_optimizer(model: nn.Module) -> torch.optim.SGD:
    """Nesterov momentum; rates and decay per 1,024 images of summed loss, the biases of norms at 64 times the rate."""
    kilo = 1024 * (1 + 1 / (1 - MOMENTUM))
    rate, decay = LEARNING_RATE / kilo, WEIGHT_DECAY * BATCH_SIZE / kilo
    groups = []
    for is_norm, factor in ((True, BIAS_FACTOR), (False, 1.0)):
        chosen = [value for name, value in model.named_parameters() if ("norm" in name) == is_norm]
        own = {"lr": rate * factor, "initial_lr": rate * factor, "weight_decay": decay / (rate * factor)}
        groups.append({"params": [value for value in chosen if value.requires_grad], **own})
    return torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)


def train(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, seed: int, epochs: float, autocast: Callable
) -> None:
    started = time.perf_counter()
    per_epoch = len(images) // BATCH_SIZE
    steps, optimizer = math.ceil(per_epoch * epochs), make_optimizer(model)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    chance = torch.Generator().manual_seed(seed)
    mirrored = torch.rand(len(images), generator=chance) < 0.5
    padded = functional.pad(images, (SHIFT,) * 4, "reflect")
    for step in range(steps):
        epoch, k = divmod(step, per_epoch)
        if k == 0:
            model.whitening.bias.requires_grad = epoch < WHITENING_BIAS_EPOCHS
            inputs, order = epoch_images(padded, epoch, mirrored, chance), torch.randperm(len(images), generator=chance)
        rows = order[k * BATCH_SIZE : (k + 1) * BATCH_SIZE]
        batch = inputs[rows].contiguous(memory_format=torch.channels_last)
        with autocast():
            logits = model(batch).float()
        loss = functional.cross_entropy(logits, labels[rows], label_smoothing=SMOOTHING, reduction="sum")
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * rate_at(step, steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if (step + 1) % 5 == 0:
            blend(average, model, 1 - 0.95**5 * ((step + 1) / steps) ** 3)
        if k == per_epoch - 1:
            line = {"epoch": epoch + 1, "seconds": time.perf_counter() - started, "loss": loss.item() / BATCH_SIZE}
            print(json.dumps(line), flush=True)
    blend(average, model, 0.0)


def main(path: str, seed: int, precision: str, epochs: float = EPOCHS) -> None:
    autocast = functools.partial(torch.autocast, "cpu", torch.bfloat16, enabled=precision == "bfloat16")
    with np.load(path, allow_pickle=False) as arrays:
        sets = {part: to_tensors(arrays[f"{part}_images"], arrays[f"{part}_labels"]) for part in ("train", "test")}
    started = time.perf_counter()
    torch.manual_seed(seed)
    model = Network().to(memory_format=torch.channels_last)
    parameters = sum(values.numel() for values in model.parameters() if values.requires_grad)
    set_whitening(model.whitening, sets["train"][0][:5000])
    train(model.train(), *sets["train"], seed, epochs, autocast)
    images, labels = sets["test"]
    model.eval()
    with torch.inference_mode(), autocast():
        logits = torch.cat([predict(model, part).float() for part in images.split(500)])
    accuracy = (logits.argmax(1) == labels).float().mean().item()
    seconds = time.perf_counter() - started
    print(json.dumps({"parameters": parameters, "accuracy": accuracy, "seconds": seconds}), flush=True)


def blend(average: dict, model: nn.Module, share: float) -> None:
    """Move the average towards the model by `share`, then the model onto the average."""
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, share)
            value.copy_(average[name])


def to_tensors(images: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    spread = torch.tensor([MEAN, DEVIATION])[:, None, :, None, None]
    return (values - spread[0]) / spread[1], torch.from_numpy(labels.astype(np.int64))


if __name__ == "__main__":
    if sys.argv[3] not in ("float32", "bfloat16"):
        raise SystemExit(f"precision {sys.argv[3]!r}: expected float32 or bfloat16")
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], *map(float, sys.argv[4:]))
