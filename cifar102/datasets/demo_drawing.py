"""Drawings for the demo pool: closed curves on noisy ground, one family of curves a class.

The outline is Gielis's superformula (2003), r(a) = (|cos(m a / 4)|^p + |sin(m a / 4)|^p)^(-1/q). Place, size, turn,
colours and texture vary, so that a small network can tell the classes apart, but not perfectly.
"""

import numpy as np
from scipy import ndimage

SIDE = 32


def draw(shapes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one image for each shape number (0 to 99). Returns uint8 (n, 32, 32, 3)."""
    n = len(shapes)
    inside = _mask(shapes, rng)[..., None]
    hue = (shapes * 0.618 + rng.normal(0, 0.10, n)) % 1.0
    figure = _colour(hue, rng.uniform(0.35, 0.9, n), rng.uniform(110, 235, n))
    ground = _colour(rng.uniform(0, 1, n), rng.uniform(0.05, 0.5, n), rng.uniform(40, 200, n))
    picture = inside * figure[:, None, None] + (1 - inside) * ground[:, None, None]
    return np.clip(picture + _texture(n, rng), 0, 255).astype(np.uint8)


def retouch(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make a near-duplicate of each image: moved by up to 2 pixels, brighter or darker, with noise.

    images: uint8 (n, 32, 32, 3). Returns the same form.
    """
    moves = rng.integers(-2, 3, (len(images), 2))
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    moved = np.stack([p[2 + r : 34 + r, 2 + c : 34 + c] for p, (r, c) in zip(padded, moves, strict=True)])
    gain = rng.uniform(0.85, 1.15, (len(images), 1, 1, 1))
    return np.clip(moved * gain + rng.normal(0, 6, moved.shape), 0, 255).astype(np.uint8)


def _mask(shapes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = len(shapes)
    centre = SIDE / 2 - 0.5 + rng.uniform(-4, 4, (2, n, 1, 1))
    rows, columns = np.mgrid[:SIDE, :SIDE][:, None] - centre
    angle = np.arctan2(rows, columns) + rng.uniform(0, 2 * np.pi, (n, 1, 1))
    points = 2 + (shapes % 10)[:, None, None]
    sharpness = np.array([8.0, 1.6, 3.0, 5.0])[(shapes // 3) % 4][:, None, None] + (shapes // 10)[:, None, None] / 3
    outline = (np.abs(np.cos(points * angle / 4)) ** sharpness + np.abs(np.sin(points * angle / 4)) ** sharpness) ** (
        -1 / (1.5 + sharpness / 2)
    )
    outline = outline / outline.max(axis=(1, 2), keepdims=True) * rng.uniform(9, 14, (n, 1, 1))
    return 1 / (1 + np.exp(-(outline - np.hypot(rows, columns)) * 1.5))


def _texture(n: int, rng: np.random.Generator) -> np.ndarray:
    coarse = ndimage.gaussian_filter(rng.normal(size=(n, SIDE, SIDE, 1)), (0, 2, 2, 0)) * 140
    return coarse + rng.normal(0, 9, (n, SIDE, SIDE, 3))


def _colour(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    third = (hue[:, None] + np.array([0, 1 / 3, 2 / 3])) % 1.0
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * third)
    return value[:, None] * (1 - saturation[:, None] * (1 - wave))
