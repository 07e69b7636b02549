"""One image laid on another by the fit that the registered rule finds, in colour, for the pages that show pairs."""

import numpy as np
from scipy import ndimage

from cifar102.dedup import registered_score
from cifar102.dedup.similarity import grey

SIDE = 32
MIDDLE = (SIDE - 1) / 2


def lay(image: np.ndarray, other: np.ndarray, is_mirrored: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """Return `other` as it lies on `image`, and how far the two are apart there; None where no fit is believable.

    image, other: uint8 (32, 32, 3). is_mirrored: the two are mirror images; `other` is turned over then. Both results
    are uint8 (32, 32, 3), 0 where nothing of `other` lies. For the difference `other` has its grey levels fitted too.
    """
    image = image[:, ::-1] if is_mirrored else image
    fit = registered_score.fit_of(*(grey(part[None])[0] for part in (image, other)))
    if fit is None:
        return None
    places = _places(fit)
    inside = ((places > -0.6) & (places < SIDE - 0.4)).all(axis=0)[..., None]
    sampled = [ndimage.map_coordinates(channel, places, order=1, mode="nearest") for channel in _channels(other)]
    laid = np.stack(sampled, axis=-1)
    apart = np.abs(image - np.clip(fit[6] * laid + fit[7], 0, 255))
    both = [np.where(inside, np.rint(part), 0).astype(np.uint8) for part in (laid, apart)]
    return tuple(part[:, ::-1] for part in both) if is_mirrored else tuple(both)


def _channels(image: np.ndarray) -> np.ndarray:
    return np.moveaxis(image.astype(np.float64), -1, 0)


def _places(fit: np.ndarray) -> np.ndarray:
    """Where each pixel of the image lies in the other one: float64 (2, 32, 32), rows and columns."""
    pixels = np.mgrid[:SIDE, :SIDE] - MIDDLE
    return np.tensordot(fit[:4].reshape(2, 2).astype(np.float64), pixels, 1) + fit[4:6, None, None] + MIDDLE
