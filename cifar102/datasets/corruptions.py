"""The 15 common corruptions of CIFAR-10-C, at five severities, made of any set of 32 x 32 images.

The kinds and the severities are those published for CIFAR-10-C (Hendrycks & Dietterich 2019, arXiv 1903.12261, and
`make_cifar_c.py` in https://github.com/hendrycks/robustness). The code is this project's own, on batches, with NumPy,
SciPy, scikit-image and Pillow: `imagecorruptions` and `corrupt-tta` have ImageNet's severities, take one image at a
time, draw from NumPy's global state and need OpenCV; docs/dependencies.md compares. Two things differ from the
published set on purpose: frost is a generated texture, not a photograph, and every image has a random stream of its
own, so that a set comes out the same however it is cut into batches.
"""

import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage import color

from cifar102.cifar import check_images

SIDE = 32
SEVERITIES = (1, 2, 3, 4, 5)
GREY = np.array([0.299, 0.587, 0.114])  # ITU-R 601, of OpenCV's RGB2GRAY
REACH = 16  # pixels an elastic transform may look beyond the border
FROST_SEED, FROST_TEXTURES, FROST_SIDE = 10_2019, 5, 192
Generators = Sequence[np.random.Generator]


def corrupt(images: np.ndarray, corruption: str, severity: int, *, seed: int = 0, first_row: int = 0) -> np.ndarray:
    """Return images with one corruption at one severity.

    images: uint8 (n, 32, 32, 3); corruption: of CORRUPTIONS; severity: 1 to 5. first_row: the row of the first image in
    its set; an image's noise depends on seed, corruption, severity and its row alone. Returns uint8 (n, 32, 32, 3);
    values are cut to whole numbers, as the published code does. Raises ValueError for an unknown corruption or severity
    and for images of another form.
    """
    if corruption not in CORRUPTIONS or severity not in SEVERITIES:
        raise ValueError(f"{corruption!r} at severity {severity!r}: expected 1 to 5 of {', '.join(CORRUPTIONS)}")
    check_images(images)
    known = CORRUPTIONS[corruption]
    key = [seed, tuple(CORRUPTIONS).index(corruption)]
    rows = range(first_row, first_row + len(images))
    # Philox counts: a row's stream starts at a counter of its own, 2**128 numbers away from the next row's.
    streams = [np.random.Generator(np.random.Philox(key=key, counter=[0, 0, row, severity])) for row in rows]
    if not streams:
        return images.copy()
    values = known.change(np.asarray(images), streams, *known.parameters[severity - 1])
    return values if values.dtype == np.uint8 else (np.clip(values, 0, 1) * 255).astype(np.uint8)


def _unit(images: np.ndarray) -> np.ndarray:
    return images / 255.0


def _drawn(streams: Generators, draw: Callable[[np.random.Generator], np.ndarray]) -> np.ndarray:
    """Draw once from each image's stream: (n, ...)."""
    return np.stack([draw(stream) for stream in streams])


def _gaussian_noise(images: np.ndarray, streams: Generators, scale: float) -> np.ndarray:
    return _unit(images) + _drawn(streams, lambda stream: stream.normal(0, scale, (SIDE, SIDE, 3)))


def _shot_noise(images: np.ndarray, streams: Generators, photons: float) -> np.ndarray:
    counts = [stream.poisson(photons * image) for stream, image in zip(streams, _unit(images), strict=True)]
    return np.stack(counts) / photons


def _impulse_noise(images: np.ndarray, streams: Generators, share: float) -> np.ndarray:
    """Salt and pepper: a share of all values becomes 0 or 255, half each."""
    drawn = _drawn(streams, lambda stream: stream.random((SIDE, SIDE, 3)))
    return np.where(drawn < share / 2, 0, np.where(drawn >= 1 - share / 2, 255, images)).astype(np.uint8)


def _defocus_blur(images: np.ndarray, streams: Generators, radius: float, sigma: float) -> np.ndarray:
    """A disk, its edge softened by a Gaussian over 3 x 3 pixels."""
    rows, columns = np.mgrid[-3:4, -3:4]
    disk = (rows**2 + columns**2 <= radius**2).astype(float)
    weights = np.exp(-(np.arange(-1, 2) ** 2) / (2 * sigma**2))
    kernel = ndimage.correlate(disk / disk.sum(), np.outer(weights, weights) / weights.sum() ** 2, mode="constant")
    return ndimage.correlate(_unit(images), kernel[None, :, :, None], mode="mirror")


def _glass_blur(images: np.ndarray, streams: Generators, sigma: float, rounds: int) -> np.ndarray:
    """Pixels replaced by one of their three neighbours above and to the left or themselves, between two soft blurs.

    The published loop sets out to swap the two pixels, but both names are views of one array, so it copies.
    """
    values = (_blurred(_unit(images), sigma) * 255).astype(np.uint8)
    inner = np.arange(2, SIDE)
    image = np.arange(len(values))[:, None, None]
    for _ in range(rounds):
        moves = _drawn(streams, lambda stream: stream.integers(-1, 1, (2, len(inner), len(inner))))
        moved = values[image, inner[:, None] + moves[:, 0], inner + moves[:, 1]]
        values[:, 2:, 2:] = moved
    return _blurred(_unit(values), sigma)


def _blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(values, (0, sigma, sigma, 0), mode="nearest", truncate=4)


def _motion_blur(images: np.ndarray, streams: Generators, radius: int, sigma: float) -> np.ndarray:
    angles = _drawn(streams, lambda stream: stream.uniform(-45, 45))
    return np.rint(_moved(images.astype(np.float32), angles, radius, sigma)).astype(np.uint8)


def _moved(values: np.ndarray, degrees: np.ndarray, radius: int, sigma: float) -> np.ndarray:
    """Blur along a direction of its own for each image: half a Gaussian on whole pixels, as ImageMagick does it.

    values: float (n, 32, 32, channels); degrees: (n,), clockwise from the right.
    Source: MotionBlurImage in ImageMagick's effect.c; beyond the border the nearest pixel counts.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    angles = np.deg2rad(degrees)[:, None]
    across, down = (np.ceil(steps * part(angles) - 0.5).astype(int) for part in (np.cos, np.sin))
    place, image = np.arange(SIDE), np.arange(len(values))[:, None, None]
    moved = np.zeros_like(values)
    for step in steps[weights > 1e-5]:  # the others are below half a level of 8 bits together
        rows = np.clip(place + down[:, step, None], 0, SIDE - 1)
        columns = np.clip(place + across[:, step, None], 0, SIDE - 1)
        moved += weights[step].astype(values.dtype) * values[image, rows[:, :, None], columns[:, None, :]]
    return moved


@functools.cache
def _zoom_matrix(factor: float) -> np.ndarray:
    """(32, 32): what enlarging the middle of 32 values and cutting the result to 32 does along one axis."""
    kept = int(np.ceil(SIDE / factor))
    start = (SIDE - kept) // 2
    larger = ndimage.zoom(np.eye(SIDE)[start : start + kept], (factor, 1), order=1)
    start = (len(larger) - SIDE) // 2
    return larger[start : start + SIDE]


def _zoom_blur(images: np.ndarray, streams: Generators, end: float) -> np.ndarray:
    """The mean of the image and of itself enlarged in steps of 1 %."""
    pixels = np.moveaxis(images, 3, 1).reshape(-1, SIDE * SIDE) / 255
    # A product's last digits depend on how many rows it has; without them an image is the same in any set.
    values = np.round(pixels @ _zoom_blur_matrix(end), 10)
    return np.moveaxis(values.reshape(-1, 3, SIDE, SIDE), 1, 3)


@functools.cache
def _zoom_blur_matrix(end: float) -> np.ndarray:
    """(1024, 1024): enlarging is linear, so all steps together are one matrix over the pixels of a channel."""
    factors = np.arange(1, end, 0.01)
    steps = sum(np.kron(_zoom_matrix(factor), _zoom_matrix(factor)) for factor in factors)
    return np.ascontiguousarray(((np.eye(SIDE * SIDE) + steps) / (len(factors) + 1)).T)


def _snow(
    images: np.ndarray,
    streams: Generators,
    mean: float,
    deviation: float,
    zoom: float,
    threshold: float,
    radius: int,
    sigma: float,
    kept: float,
) -> np.ndarray:
    """Flakes of thresholded noise, blurred as they fall and once more turned round, over a whitened image."""
    flakes = _drawn(streams, lambda stream: stream.normal(mean, deviation, (SIDE, SIDE)))
    flakes = _zoom_matrix(zoom) @ flakes @ _zoom_matrix(zoom).T
    flakes = np.floor(np.clip(np.where(flakes < threshold, 0, flakes), 0, 1) * 255)
    angles = _drawn(streams, lambda stream: stream.uniform(-135, -45))
    flakes = np.rint(_moved(flakes[..., None], angles, radius, sigma)) / 255
    values = _unit(images)
    white = np.maximum(values, (values @ GREY)[..., None] * 1.5 + 0.5)
    return kept * values + (1 - kept) * white + flakes + flakes[:, ::-1, ::-1]


@functools.cache
def _frost_textures() -> np.ndarray:
    """(textures, side, side, 3), 0-1: generated ice, bright needles in a few directions on bluish clouds.

    CIFAR-10-C lays photographs of frost over the images, which are not this project's to give away.
    """
    frequency = np.fft.fftfreq(FROST_SIDE)
    down, across = np.meshgrid(frequency, frequency, indexing="ij")
    textures = []
    for stream in np.random.default_rng(FROST_SEED).spawn(FROST_TEXTURES):

        def field(spectrum: np.ndarray, stream: np.random.Generator = stream) -> np.ndarray:
            noise = np.fft.fft2(stream.normal(size=(FROST_SIDE, FROST_SIDE)))
            values = np.fft.ifft2(noise * spectrum).real
            return (values - values.mean()) / values.std()

        needles = []
        for angle in stream.uniform(0, np.pi, 4):
            along = across * np.cos(angle) + down * np.sin(angle)
            aside = down * np.cos(angle) - across * np.sin(angle)
            needles.append(field(np.exp(-2 * np.pi**2 * ((5 * along) ** 2 + (0.6 * aside) ** 2))))
        clouds = field(np.exp(-2 * np.pi**2 * 10**2 * (along**2 + aside**2)))
        light = 0.45 + 0.16 * clouds + 0.2 * (np.max(needles, axis=0) - 1)
        textures.append(np.clip(light[..., None] * [0.88, 0.97, 1.08] + [0, 0.01, 0.04], 0, 1))
    return np.stack(textures)


def _frost(images: np.ndarray, streams: Generators, kept: float, ice: float) -> np.ndarray:
    textures = _frost_textures()
    numbers = _drawn(streams, lambda stream: stream.integers(0, len(textures)))
    corners = _drawn(streams, lambda stream: stream.integers(0, FROST_SIDE - SIDE, 2))
    place = np.arange(SIDE)
    rows, columns = corners[:, 0, None, None] + place[:, None], corners[:, 1, None, None] + place
    return kept * _unit(images) + ice * textures[numbers[:, None, None], rows, columns]


def _fog(images: np.ndarray, streams: Generators, amount: float, decay: float) -> np.ndarray:
    values = _unit(images)
    brightest = values.max(axis=(1, 2, 3), keepdims=True)
    return (values + amount * _plasma(streams, decay)[..., None]) * brightest / (brightest + amount)


def _plasma(streams: Generators, decay: float) -> np.ndarray:
    """A fractal surface (n, 32, 32), 0-1, on a torus: diamond-square, whose noise falls by decay**2 a level."""
    noise = _drawn(streams, lambda stream: stream.uniform(-1, 1, (SIDE, SIDE)))
    heights = np.zeros_like(noise)
    step, size = SIDE, 1.0
    while step > 1:
        half = step // 2
        even, odd = slice(None, None, step), slice(half, None, step)
        corners = heights[:, even, even]
        pairs = corners + np.roll(corners, -1, axis=1)
        middles = (pairs + np.roll(pairs, -1, axis=2)) / 4 + size * noise[:, odd, odd]
        above = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=2)
        beside = middles + np.roll(middles, 1, axis=2) + corners + np.roll(corners, -1, axis=1)
        heights[:, odd, odd] = middles
        heights[:, even, odd] = above / 4 + size * noise[:, even, odd]
        heights[:, odd, even] = beside / 4 + size * noise[:, odd, even]
        step, size = half, size / decay**2
    heights -= heights.min(axis=(1, 2), keepdims=True)
    return heights / heights.max(axis=(1, 2), keepdims=True)


def _brightness(images: np.ndarray, streams: Generators, added: float) -> np.ndarray:
    values = color.rgb2hsv(images)
    values[..., 2] = np.minimum(values[..., 2] + added, 1)
    return color.hsv2rgb(values)


def _contrast(images: np.ndarray, streams: Generators, kept: float) -> np.ndarray:
    values = _unit(images)
    means = values.mean(axis=(1, 2), keepdims=True)
    return (values - means) * kept + means


def _elastic_transform(
    images: np.ndarray, streams: Generators, strength: float, sigma: float, tilt: float
) -> np.ndarray:
    """A random affine map, then a smooth random displacement; strength, sigma and tilt in pixels."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(float)
    points = np.array([[26.0, 26.0], [26.0, 6.0], [6.0, 6.0]])  # column, row
    ones = np.ones((len(streams), 3, 1))
    moved = points + _drawn(streams, lambda stream: stream.uniform(-tilt, tilt, (3, 2)))
    maps = np.linalg.solve(np.concatenate([moved, ones], axis=2), np.broadcast_to(points, moved.shape))
    places = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ maps[:, None]
    values = _sampled(_unit(images).astype(np.float32), places[..., 1], places[..., 0], "reflect")
    shifts = _drawn(streams, lambda stream: stream.uniform(-1, 1, (2, SIDE, SIDE)))
    shifts = strength * ndimage.gaussian_filter(shifts, (0, 0, sigma, sigma), mode="reflect", truncate=3)
    return _sampled(values, rows + shifts[:, 1], columns + shifts[:, 0], "symmetric")


def _sampled(values: np.ndarray, rows: np.ndarray, columns: np.ndarray, border: str) -> np.ndarray:
    """Values between pixels, bilinear: float (n, 32, 32, 3) at rows and columns (n, 32, 32); border: of numpy.pad."""
    side = SIDE + 2 * REACH
    padded = np.pad(values, ((0, 0), (REACH, REACH), (REACH, REACH), (0, 0)), border).reshape(-1, 3)
    rows, columns = (np.clip(places + REACH, 0, side - 1.001) for places in (rows, columns))
    top, left = rows.astype(int), columns.astype(int)
    down, right = ((rows - top)[..., None].astype(np.float32), (columns - left)[..., None].astype(np.float32))
    corner = (np.arange(len(values))[:, None, None] * side + top) * side + left
    upper = padded[corner] * (1 - right) + padded[corner + 1] * right
    lower = padded[corner + side] * (1 - right) + padded[corner + side + 1] * right
    return upper * (1 - down) + lower * down


def _pixelate(images: np.ndarray, streams: Generators, share: float) -> np.ndarray:
    small = (int(SIDE * share),) * 2
    box = Image.Resampling.BOX
    pictures = (Image.fromarray(image).resize(small, box).resize((SIDE, SIDE), box) for image in images)
    return np.stack([np.asarray(picture) for picture in pictures])


def _jpeg_compression(images: np.ndarray, streams: Generators, quality: int) -> np.ndarray:
    return np.stack([_through_jpeg(image, quality) for image in images])


def _through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=quality)
    with Image.open(content) as picture:
        return np.asarray(picture)


@dataclass(frozen=True)
class Corruption:
    """One kind: the function that makes it, and its parameters at severity 1 to 5, in the order the function takes."""

    change: Callable[..., np.ndarray]
    parameters: tuple[tuple[float, ...], ...]


CORRUPTIONS = {
    "gaussian_noise": Corruption(_gaussian_noise, ((0.04,), (0.06,), (0.08,), (0.09,), (0.10,))),
    "shot_noise": Corruption(_shot_noise, ((500,), (250,), (100,), (75,), (50,))),
    "impulse_noise": Corruption(_impulse_noise, ((0.01,), (0.02,), (0.03,), (0.05,), (0.07,))),
    "defocus_blur": Corruption(_defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))),
    "glass_blur": Corruption(_glass_blur, ((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2))),
    "motion_blur": Corruption(_motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),
    "zoom_blur": Corruption(_zoom_blur, ((1.06,), (1.11,), (1.16,), (1.21,), (1.26,))),
    "snow": Corruption(
        _snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    "frost": Corruption(_frost, ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))),
    "fog": Corruption(_fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),
    "brightness": Corruption(_brightness, ((0.05,), (0.1,), (0.15,), (0.2,), (0.3,))),
    "contrast": Corruption(_contrast, ((0.75,), (0.5,), (0.4,), (0.3,), (0.15,))),
    "elastic_transform": Corruption(
        _elastic_transform, ((0, 0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96))
    ),
    "pixelate": Corruption(_pixelate, ((0.95,), (0.9,), (0.85,), (0.75,), (0.65,))),
    "jpeg_compression": Corruption(_jpeg_compression, ((80,), (65,), (58,), (50,), (40,))),
}
