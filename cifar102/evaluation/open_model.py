"""A model that is open in the worker, of whatever format: what it takes, what it gives, and which output is meant."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

CLASSES = 10


@dataclass(frozen=True)
class OpenModel:
    """shape and dtype of its one input (None for a free size), declared shapes of its outputs, and how it is run.

    run: an array of that dtype -> outputs by name. layers: class names, outermost first, where the
    format has layers; notes: what the user should know of it, in words.
    """

    shape: list
    dtype: str
    outputs: dict[str, list]
    run: Callable[[np.ndarray], Mapping[str, np.ndarray]]
    layers: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def sizes(shape: object) -> list:
    """A declared shape as whole numbers, None for a free size; formats say so by -1, 0, a name or nothing."""
    return [int(size) if isinstance(size, int | np.integer) and size > 0 else None for size in shape]


def the_only(names: list[str], what: str) -> str:
    """The one name; ValueError where there are none or several."""
    if len(names) != 1:
        raise ValueError(f"takes {len(names)} {what} ({', '.join(names)}); expected one, the images")
    return names[0]


def answer(outputs: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """The output that says the classes of `count` images: the one of ten numbers an image, else the one of class ids.

    Returns float32 or int64. ValueError names the outputs where that is none, or more than one.
    """
    arrays = {name: np.asarray(values) for name, values in outputs.items()}
    arrays = {name: values for name, values in arrays.items() if values.dtype.kind in "fiub" or _is_short(values)}
    rows = [name for name, values in arrays.items() if _per_image(values, count) == CLASSES]
    ids = [name for name, values in arrays.items() if _per_image(values, count) == 1 and values.dtype.kind in "iu"]
    found = rows or ids or (list(arrays) if len(arrays) == 1 else [])
    if len(found) != 1:
        told = ", ".join(f"{name} {np.shape(values)}" for name, values in outputs.items())
        raise ValueError(f"gives {told} for {count} images; expected one output of {CLASSES} numbers an image")
    values = arrays[found[0]]
    return np.ascontiguousarray(values, np.int64 if values.dtype.kind in "iub" else np.float32)


def _is_short(values: np.ndarray) -> bool:
    return values.dtype.name == "bfloat16"


def _per_image(values: np.ndarray, count: int) -> int:
    """How many numbers an output has for each image; 0 where it is none of these images."""
    return values.size // count if values.ndim and len(values) == count else 0
