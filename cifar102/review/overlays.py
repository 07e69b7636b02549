"""Images laid on others by the fits that the registered rule finds, in colour, for the pages that show pairs."""

import numpy as np

from cifar102.dedup import registered_score, registration
from cifar102.dedup.similarity import grey


def lay(images: np.ndarray, others: np.ndarray, is_mirrored: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lay others[i] on images[i]: which pairs are laid, int64 (p,), how the others lie, and how far they are apart.

    images, others: uint8 (n, 32, 32, 3). is_mirrored: bool (n,), which two are mirror images; the other one is turned
    over then. The last two are uint8 (p, 32, 32, 3), 0 where nothing of the other one lies. For the difference it has
    its grey levels fitted too. Pairs without a believable fit are left out.
    """
    straight = np.where(is_mirrored[:, None, None, None], images[:, :, ::-1], images)
    rows, fits = registered_score.fits_of(grey(straight), grey(others))
    found = np.zeros((2, len(rows), *images.shape[1:]), np.uint8)
    for place, (row, fit) in enumerate(zip(rows, fits, strict=True)):
        pictures = np.stack(_lay_one(straight[row], others[row], fit))
        found[:, place] = pictures[:, :, ::-1] if is_mirrored[row] else pictures
    return rows, *found


def _lay_one(image: np.ndarray, other: np.ndarray, fit: np.ndarray) -> list[np.ndarray]:
    """The other one at the places of a fit, and its difference to the image with gain and offset of the fit."""
    channels = np.ascontiguousarray(np.moveaxis(other, -1, 0), np.float32)
    moved, inside = np.empty_like(channels), np.empty(channels.shape, np.bool_)
    for channel, out, is_inside in zip(channels, moved, inside, strict=True):
        registration.warp(channel, fit, np.float32(1), out, is_inside)
    laid, inside = (np.moveaxis(part, 0, -1) for part in (moved, inside))
    apart = np.abs(image - np.clip(fit[6] * laid + fit[7], 0, 255))
    return [np.where(inside, np.rint(part), 0).astype(np.uint8) for part in (laid, apart)]
