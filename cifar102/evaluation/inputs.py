"""What a network takes: image size, order of axes, number type, range of pixels. What is open is tried, not guessed.

`form_of` reads a declared shape, `prepare` makes such an array of images, `choose` tries the readings that a shape
leaves open on labelled images and says how many each gets right.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import stats

from cifar102.analysis.scorecard import TestSet
from cifar102.evaluation import meaning

Predict = Callable[[np.ndarray], np.ndarray]
TRIED = 500  # images on which the readings are tried
SURE = 0.05  # p of the sign test from which on one reading is better than another
LARGEST_SIDE = 1024
LARGEST_CALL = 1 << 28  # numbers that a network of a fixed number of images takes at once, 1 GiB of float32
NUMBERS = ("float32", "float16", "float64")
WHOLE_NUMBERS = ("uint8", "int32", "int64")
IMAGE_AXES, ROW_AXES = ("hwc", "chw"), ("rows of pixels", "rows of colours")


@dataclass(frozen=True)
class Pixels:
    """A range that pixels are given in: (pixel / 255 - mean) / std by channel, and how it is called."""

    words: str
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)


PIXELS = {
    "raw": Pixels("0-255"),
    "unit": Pixels("0-1"),
    "symmetric": Pixels("-1 to 1", (0.5,), (0.5,)),
    # Mean and deviation of CIFAR-10's training pixels and of ImageNet's, as most training scripts have them.
    "cifar10": Pixels("normalised by CIFAR-10's mean and deviation", (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    "imagenet": Pixels("normalised by ImageNet's mean and deviation", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
CHOICES = ("auto", *PIXELS)


@dataclass(frozen=True)
class Form:
    """The form of a network's input: size (height, width) or None where any goes; axes: the orders that may be meant.

    batch: how many images at a time where that is fixed. axes of rows (n, 3072): pixel by pixel, or CIFAR's own order,
    all red, all green, all blue.
    """

    size: tuple[int, int] | None = None
    axes: tuple[str, ...] = ("hwc",)
    dtype: str = "float32"
    batch: int | None = None


def form_of(shape: Sequence[object], where: str, dtype: str = "float32") -> Form:
    """Read a declared shape (batch, height, width, 3), (batch, 3, height, width) or (batch, 3072).

    A size that is no whole number is a free one. Raises ValueError that names `where` and what was found.
    """
    form = _form_of(shape, where, dtype)
    height, width = form.size or (32, 32)
    if form.batch and form.batch * height * width * 3 > LARGEST_CALL:
        found = f"{form.batch} images of {height} x {width} pixels in one call"
        raise ValueError(f"{where}: takes {found}; expected at most {LARGEST_CALL} numbers")
    return form


def _form_of(shape: Sequence[object], where: str, dtype: str) -> Form:
    sizes = [size if type(size) is int and size > 0 else None for size in shape]
    told = f"({', '.join('any' if size is None else str(size) for size in sizes)})"
    if dtype not in (*NUMBERS, *WHOLE_NUMBERS):
        raise ValueError(f"{where}: takes {dtype} numbers; expected one of {', '.join((*NUMBERS, *WHOLE_NUMBERS))}")
    if len(sizes) == 2 and sizes[1] in (None, 3072):
        return Form((32, 32), ROW_AXES, dtype, sizes[0])
    if len(sizes) != 4 or 3 not in (sizes[1], sizes[3]):
        grey = " (grey images? these are in colour)" if len(sizes) == 4 and 1 in (sizes[1], sizes[3]) else ""
        expected = "images (n, height, width, 3) or (n, 3, height, width), or rows (n, 3072)"
        raise ValueError(f"{where}: takes {told}{grey}; expected {expected}")
    if sizes[1] == sizes[3]:
        raise ValueError(f"{where}: takes {told}, in which either axis could be the colours; expected only one of 3")
    axes, size = ("hwc", sizes[1:3]) if sizes[3] == 3 else ("chw", sizes[2:])
    if max(side or 0 for side in size) > LARGEST_SIDE:
        raise ValueError(f"{where}: takes {told}; expected sides of at most {LARGEST_SIDE} pixels")
    return Form(None if size == [None, None] else (size[0] or size[1], size[1] or size[0]), (axes,), dtype, sizes[0])


def prepare(images: np.ndarray, form: Form, axes: str, pixels: str) -> np.ndarray:
    """Make a network's input of images uint8 (n, 32, 32, 3): resized, in the range `pixels`, in the order `axes`."""
    x = resized(images, form.size)
    if pixels != "raw":
        scale = PIXELS[pixels]
        x = x.astype(np.float32) / np.float32(255)
        x = x if pixels == "unit" else (x - np.float32(scale.mean)) / np.float32(scale.std)
    if axes in ("chw", "rows of colours"):
        x = x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x.reshape(len(x), -1) if axes in ROW_AXES else x, form.dtype)


def resized(images: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Resize images uint8 (n, h, w, 3): each new pixel the mean of the area it covers, where it covers more than one,
    else between its neighbours (bilinear). size: (height, width), None leaves them as they are."""
    if size is None or images.shape[1:3] == size:
        return images
    shrinks = size[0] <= images.shape[1] and size[1] <= images.shape[2]
    kind = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(image).resize(size[::-1], kind)) for image in images])


@dataclass(frozen=True)
class Reading:
    """One way to give images to a network."""

    axes: str
    pixels: str

    def __str__(self) -> str:
        words = f"pixels given as {PIXELS[self.pixels].words}"
        return words if self.axes in IMAGE_AXES else f"{words}, in {self.axes}"


def readings(form: Form, pixels: str, first: str = "raw") -> list[Reading]:
    """The readings that a form leaves open; pixels: the user's word or "auto"; first: the likeliest, tried first."""
    if form.dtype in WHOLE_NUMBERS:
        kinds = ["raw"]
    else:
        kinds = sorted(PIXELS, key=lambda name: name != first) if pixels == "auto" else [pixels]
    return [Reading(axes, kind) for axes in form.axes for kind in kinds]


def choose(
    predict: Predict, form: Form, tried: list[Reading], sets: Mapping[str, TestSet], where: str
) -> tuple[Reading, tuple[str, ...]]:
    """Try readings on labelled images; returns the one that gets most right, and sentences that say how it was found.

    predict: takes prepared arrays. The images are TRIED rows, evenly spread, of the first of `sets` that has images.
    """
    if len(tried) == 1:
        return tried[0], ()
    name, test = next((name, test) for name, test in sets.items() if test.images is not None)
    rows = np.unique(np.linspace(0, len(test.labels) - 1, TRIED).astype(int))
    images, labels = np.asarray(test.images[rows]), np.asarray(test.labels)[rows]
    said = [_class_ids(predict(prepare(images, form, reading.axes, reading.pixels))) for reading in tried]
    right = np.array([ids == labels for ids in said])
    order = np.argsort(-right.sum(axis=1), kind="stable")
    # Where none is better than guessing, the best is so by chance, and the likeliest is taken.
    best = 0 if meaning.is_chance(said[order[0]], labels) else int(order[0])
    order = [k for k in order if k != best]
    shares = [f"{right[k].mean():.1%} {str(tried[k]).removeprefix('pixels given ')}" for k in order]
    notes = [f"{where}: {tried[best]}: {right[best].mean():.1%} of {len(rows)} images of {name} are right ("]
    notes[0] += f"{', '.join(shares)})"
    if meaning.is_chance(said[best], labels):
        advice = "give the model as a function package.module:name that prepares the images as its training did"
        notes.append(f"{where}: none of these ways to give the pixels is better than guessing: {advice}")
    elif close := [str(tried[k]).removeprefix("pixels given ") for k in order if _is_close(right[best], right[k])]:
        notes.append(f"{where}: pixels given {', '.join(close)} would do about as well; --pixels NAME settles it")
    return tried[best], tuple(notes)


def _class_ids(outputs: np.ndarray) -> np.ndarray:
    """Class ids of outputs of any range; -1 where there is no number, as a wrong range may leave."""
    outputs = np.asarray(outputs)
    if outputs.ndim == 1:
        return outputs
    values = outputs.reshape(len(outputs), -1).astype(np.float64)
    return np.where(np.isnan(values).any(axis=1), -1, np.nan_to_num(values).argmax(axis=1))


def _is_close(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether the sign test sees no difference between who is right where."""
    wins, losses = int((first & ~second).sum()), int((second & ~first).sum())
    return wins + losses == 0 or stats.binomtest(wins, wins + losses).pvalue > SURE
