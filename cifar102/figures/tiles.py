"""Many small images on one page: where each stands, and the page drawn with every image pixel a square of whole dots.

Nothing is smoothed, and captions and files are made by those who ask for the page. NumPy only: the rating page does not
wait for Matplotlib.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

SIDE = 32  # of an image, in its own pixels
WHITE = 255


@dataclass(frozen=True)
class Grid:
    """Places for `count` tiles that fill lines of `columns`, in dots.

    step: from one tile to the next, down and across. margin: above the first line and left of the first column.
    """

    count: int
    columns: int
    step: tuple[int, int]
    margin: int = 0

    @property
    def spots(self) -> list[tuple[int, int]]:
        """Top and left of each tile."""
        down, across = self.step
        lines = [divmod(place, self.columns) for place in range(self.count)]
        return [(self.margin + line * down, self.margin + column * across) for line, column in lines]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a page with room for all lines, at least one."""
        lines = max(1, -(-self.count // self.columns))
        return self.margin + lines * self.step[0], self.margin + self.columns * self.step[1]


def side_by_side(first: np.ndarray, second: np.ndarray, gap: int = 0) -> np.ndarray:
    """Join images pair by pair, uint8 (n, 32, 32, 3) each, to uint8 (n, 32, 64 + gap, 3) with white between them."""
    between = np.full((len(first), SIDE, gap, 3), WHITE, np.uint8)
    return np.concatenate([first, between, second], axis=2)


def draw(
    images: Iterable[np.ndarray],
    spots: Sequence[tuple[int, int]],
    size: tuple[int, int],
    scale: int = 1,
    background: int = WHITE,
) -> np.ndarray:
    """Draw images, uint8 (n, height, width, 3), at their spots (top, left) on a page: uint8 (*size, 3).

    scale: dots along a side of one image pixel. Raises ValueError where there are not as many spots as images.
    """
    page = np.full((*size, 3), background, np.uint8)
    for image, (top, left) in zip(images, spots, strict=True):
        tile = image.repeat(scale, axis=0).repeat(scale, axis=1)
        page[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return page
