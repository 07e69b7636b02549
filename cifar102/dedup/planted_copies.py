"""Planted near-duplicates: known images changed in a known way, to see which rule finds which change."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from cifar102.cifar import check_images


def shift(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Moved by up to two pixels in both directions, the edge repeated."""
    row, column = rng.choice([(r, c) for r in range(5) for c in range(5) if (r, c) != (2, 2)])
    return np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="edge")[row : row + 32, column : column + 32]


def crop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The inner 28 x 28 pixels enlarged to 32 x 32."""
    return np.asarray(Image.fromarray(image[2:30, 2:30]).resize((32, 32), Image.Resampling.BICUBIC))


def colour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each channel times 0.8 to 1.2 and up to 20 lighter or darker."""
    changed = image * rng.uniform(0.8, 1.2, 3) + rng.uniform(-20, 20, 3)
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through a JPEG file of quality 50."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=50)
    return np.asarray(Image.open(file))


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blurred by a Gaussian of one pixel."""
    return gaussian_filter(image, (1, 1, 0))


def mirror(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Left and right exchanged."""
    return image[:, ::-1]


CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    change.__name__: change for change in (shift, crop, colour, jpeg, blur, mirror)
}


def plant(images: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """Change each image, uint8 (n, 32, 32, 3), in one of the ways of CHANGES; returns the same shape and dtype."""
    if kind not in CHANGES:
        raise ValueError(f"kind: {kind!r} is none of {', '.join(CHANGES)}")
    check_images(images)
    rng = np.random.default_rng(seed)
    return np.array([CHANGES[kind](image, rng) for image in images], np.uint8).reshape(images.shape)
