"""Copies planted on purpose: images changed in the ways in which two pictures of one photograph differ."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from cifar102.cifar import check_images

SIDE = 32


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


def tight_crop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of 0.8 to 0.95 of the side, anywhere, enlarged to 32 x 32."""
    side = rng.uniform(0.8, 0.95) * SIDE
    top, left = rng.uniform(0, SIDE - side, 2)
    return _cut(image, (left, top, left + side, top + side))


def zoom_out(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Reduced to 0.8 to 0.95 of the side, the edge repeated around it."""
    margin = SIDE * (1 / rng.uniform(0.8, 0.95) - 1) / 2
    padded = np.pad(image, ((8, 8), (8, 8), (0, 0)), mode="edge")
    return _cut(padded, (8 - margin, 8 - margin, 40 + margin, 40 + margin))


def frame(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Reduced by 2 to 4 pixels at each side, in a frame of one grey level."""
    width = int(rng.integers(2, 5))
    found = np.full_like(image, rng.choice([0, 255, rng.integers(0, 256)]))
    inner = Image.fromarray(image).resize((SIDE - 2 * width, SIDE - 2 * width), Image.Resampling.BOX)
    found[width:-width, width:-width] = np.asarray(inner)
    return found


def recolour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each channel to a power of 0.6 to 1.6, times 0.6 to 1.3, and up to 40 lighter or darker."""
    light = 255 * (image / 255) ** rng.uniform(0.6, 1.6, 3)
    changed = light * rng.uniform(0.6, 1.3, 3) + rng.uniform(-40, 40, 3)
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def turn(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turned by up to 8 degrees, the edge repeated."""
    padded = Image.fromarray(np.pad(image, ((8, 8), (8, 8), (0, 0)), mode="edge"))
    return np.asarray(padded.rotate(rng.uniform(-8, 8), Image.Resampling.BICUBIC))[8:40, 8:40]


def noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of 8 grey levels."""
    return np.clip(np.rint(image + rng.normal(0, 8, image.shape)), 0, 255).astype(np.uint8)


def overlay(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A block of one colour, 8 to 14 pixels wide and 4 to 10 high, laid over it anywhere."""
    high, wide = int(rng.integers(4, 11)), int(rng.integers(8, 15))
    top, left = int(rng.integers(0, SIDE - high + 1)), int(rng.integers(0, SIDE - wide + 1))
    found = image.copy()
    found[top : top + high, left : left + wide] = rng.integers(0, 256, 3)
    return found


def _cut(image: np.ndarray, box: tuple[float, ...]) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box))


Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
# The kinds of notebook 03's table of rules.
PLANTED_CHANGES: dict[str, Change] = {change.__name__: change for change in (shift, crop, colour, jpeg, blur, mirror)}
# Those that the score is fitted to, with the stronger ones; a mirrored copy lies on its original like a plain one.
FITTED_CHANGES: dict[str, Change] = {
    change.__name__: change
    for change in (shift, tight_crop, zoom_out, frame, recolour, turn, jpeg, blur, noise, overlay)
}
ALL_CHANGES = PLANTED_CHANGES | FITTED_CHANGES


def plant_copies(images: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """Change each image, uint8 (n, 32, 32, 3), in one of the ways of ALL_CHANGES; the same shape and dtype."""
    if kind not in ALL_CHANGES:
        raise ValueError(f"kind: {kind!r} is none of {', '.join(ALL_CHANGES)}")
    check_images(images)
    rng = np.random.default_rng(seed)
    return np.array([ALL_CHANGES[kind](image, rng) for image in images], np.uint8).reshape(images.shape)
