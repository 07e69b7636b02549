"""Each augmentation alone: what it does to pixels and labels, eagerly and inside tf.data."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from cifar102.training import augmentation, pixels

SEED = tf.constant([7, 11], tf.int32)
CHAINS = (*augmentation.AUGMENTATIONS, "flip_crop+cutmix")


@pytest.fixture
def batch(rng: np.random.Generator) -> tuple[tf.Tensor, tf.Tensor]:
    coarse = rng.integers(0, 256, (12, 9, 9, 3))
    images = np.stack([np.asarray(Image.fromarray(i.astype(np.uint8)).resize((32, 32))) for i in coarse])
    return tf.constant(images), tf.one_hot(np.arange(12) % 10, 10)


@pytest.mark.parametrize("name", CHAINS)
def test_inside_tf_data_it_equals_the_eager_call_under_the_same_seed(name, batch):
    function = augmentation.find_augmentation(name)
    eager = function(*batch, SEED)
    mapped = tf.autograph.experimental.do_not_convert(lambda x, y: function(x, y, SEED))
    inside = next(iter(tf.data.Dataset.from_tensors(batch).map(mapped)))
    for one, other in zip(eager, inside, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3 if one.dtype == tf.float32 else 0)


@pytest.mark.parametrize("name", CHAINS)
def test_pixels_stay_in_range_shapes_stay_and_label_shares_sum_to_one(name, batch):
    for images in (batch[0], tf.cast(batch[0], tf.float32)):
        changed, labels = augmentation.find_augmentation(name)(images, batch[1], SEED)
        assert changed.shape == images.shape and labels.dtype == tf.float32
        assert float(tf.reduce_min(tf.cast(changed, tf.float32))) >= 0
        assert float(tf.reduce_max(tf.cast(changed, tf.float32))) <= 255
        np.testing.assert_allclose(tf.reduce_sum(labels, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in CHAINS if name != "none"])
def test_another_seed_changes_other_things(name, batch):
    first, again, other = (
        augmentation.find_augmentation(name)(*batch, tf.constant(seed))[0].numpy() for seed in ((1, 2), (1, 2), (1, 3))
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_flip_crop_shows_a_window_of_the_padded_image_or_of_its_mirror(batch):
    moved = augmentation.flip_crop(*batch, SEED)[0].numpy()
    mirrored = 0
    for image, result in zip(batch[0].numpy(), moved, strict=True):
        padded = np.pad(image, [(4, 4), (4, 4), (0, 0)], constant_values=128)
        windows = [padded[r : r + 32, c : c + 32] for r in range(9) for c in range(9)]
        straight = any((window == result).all() for window in windows)
        mirrored += not straight
        assert straight or any((window == result[:, ::-1]).all() for window in windows)
    assert 0 < mirrored < len(moved)


def test_flip_crop_draws_every_shift_and_each_side_equally_often():
    marked = np.zeros((4000, 32, 32, 3), np.uint8)
    marked[:, 16, 10] = 255
    moved = augmentation.flip_crop(tf.constant(marked), tf.zeros((4000, 10)), SEED)[0].numpy()[..., 0] == 255
    rows, columns = np.nonzero(moved)[1:]
    assert set(rows) == set(range(12, 21)) and set(columns) == set(range(6, 15)) | set(range(17, 26))
    assert np.mean(columns > 15) == pytest.approx(0.5, abs=0.04)


def test_reflected_edges_continue_the_image_by_its_own_pixels(batch):
    moved, _ = augmentation.flip_crop(*batch, SEED, pad=2, flip=False, reflect=True)
    padded = np.pad(batch[0].numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)), "reflect")
    for image, wider in zip(moved.numpy(), padded, strict=True):
        windows = [wider[down : down + 32, right : right + 32] for down in range(5) for right in range(5)]
        assert any(np.array_equal(image, window) for window in windows)


def test_alternate_flip_mirrors_the_marked_images_and_no_other(batch):
    images = batch[0].numpy()
    marks = np.arange(len(images)) % 3 == 0
    mirrored, labels = augmentation.find_augmentation("alternate_flip")(*batch, SEED, tf.constant(marks))
    np.testing.assert_array_equal(mirrored, np.where(marks[:, None, None, None], images[:, :, ::-1], images))
    np.testing.assert_array_equal(labels, batch[1])


def test_affine_without_its_ranges_is_the_identity_and_with_flips_one_of_four(batch):
    off = {"rotation_degrees": 0, "shear_degrees": 0, "zoom": 0, "channel_shift": 0}
    same, _ = augmentation.affine(*batch, SEED, **off, flips=False)
    np.testing.assert_allclose(same, batch[0], atol=1e-3)
    flipped = augmentation.affine(*batch, SEED, **off)[0].numpy()
    for image, result in zip(batch[0].numpy().astype(float), flipped, strict=True):
        ways = (image, image[::-1], image[:, ::-1], image[::-1, ::-1])
        assert min(np.abs(way - result).max() for way in ways) < 1e-2


def test_a_quarter_turn_and_a_zoom_are_those_of_numpy(batch):
    def turned(angle: float, scale: float = 1.0) -> np.ndarray:
        values = [tf.fill([12], value) for value in (angle, 0.0, scale, scale)]
        return pixels.rotate_shear_zoom(tf.cast(batch[0], tf.float32), *values).numpy()

    np.testing.assert_allclose(turned(np.pi / 2), np.rot90(batch[0].numpy(), 1, (1, 2)), atol=1e-2)
    half = turned(0.0, 0.5)  # the output's middle 2x2 shows the input's middle
    assert np.abs(half[:, 16, 16] - batch[0].numpy()[:, 16, 16]).max() < 60
    np.testing.assert_allclose(pixels.blend(tf.cast(batch[0], tf.float32), _identity()), batch[0], atol=1e-3)


def test_cutout_greys_a_square_cut_off_at_the_borders_and_nothing_else(batch):
    white = tf.fill([500, 32, 32, 3], tf.constant(255, tf.uint8))
    holes = augmentation.cutout(white, tf.zeros((500, 10)), SEED)[0].numpy()
    is_hole = (holes == 128).all(axis=3)
    assert ((holes == 255).all(axis=3) | is_hole).all()
    areas = is_hole.sum(axis=(1, 2))
    assert areas.max() == 256 and areas.min() >= 64
    for hole in is_hole[:50]:
        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        assert hole.sum() == len(rows) * len(columns) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)


@pytest.mark.parametrize("seed", range(12))
def test_cutmix_label_share_equals_pixel_share_exactly(seed):
    values = np.arange(40, dtype=np.uint8)  # one colour an image: each pixel says which image it is of
    images = np.broadcast_to(values[:, None, None, None], (40, 32, 32, 3)).copy()
    labels = np.eye(40, dtype=np.float32)
    mixed, shares = augmentation.cutmix(tf.constant(images), tf.constant(labels), tf.constant([seed, 5]))
    counts = np.stack([np.bincount(image[..., 0].ravel(), minlength=40) for image in mixed.numpy()])
    np.testing.assert_array_equal(shares.numpy(), (counts / 1024).astype(np.float32))
    changed = (mixed.numpy() != images).any(axis=3)
    boxes = changed[changed.any(axis=(1, 2))]
    if len(boxes):  # one box, the same in each image
        rows, columns = np.flatnonzero(boxes[0].any(axis=1)), np.flatnonzero(boxes[0].any(axis=0))
        assert boxes[0].sum() == len(rows) * len(columns)
        assert (boxes == boxes[0]).all()


def test_cutmix_shares_average_what_its_beta_distribution_says():
    labels = tf.eye(2)
    images = tf.zeros((2, 32, 32, 3), tf.uint8)
    seeds = tf.data.Dataset.range(400)
    shares = list(seeds.map(lambda k: augmentation.cutmix(images, labels, [k, 1])[1][0, 0]).as_numpy_iterator())
    # half of the draws pair an image with itself (share 1); else pasted area is 1/2 less what borders cut off
    assert 0.75 < np.mean(shares) < 0.9


def test_a_probability_of_zero_leaves_batches_as_they_are(batch):
    for name in ("mixup", "cutmix"):
        images, labels = augmentation.find_augmentation(name, {"probability": 0.0})(*batch, SEED)
        np.testing.assert_array_equal(images, batch[0])
        np.testing.assert_array_equal(labels, batch[1])


def test_mixup_blends_pixels_and_labels_by_the_same_share(batch):
    one_colour = tf.reshape(tf.range(12, dtype=tf.float32), [12, 1, 1, 1]) * tf.ones((12, 32, 32, 3))
    images, labels = augmentation.mixup(one_colour, tf.eye(12), SEED)
    np.testing.assert_allclose(images[:, 0, 0, 0], tf.linalg.matvec(labels, tf.range(12, dtype=tf.float32)), atol=1e-4)


def test_a_small_alpha_gives_no_nan(batch):
    for k in range(30):
        assert np.isfinite(augmentation.mixup(*batch, tf.constant([k, k]), alpha=0.01)[0]).all()


apply = tf.function(pixels.apply, autograph=False)


@pytest.mark.parametrize("name", pixels.NAMES)
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_each_operation_is_that_of_pillow(name, sign, batch):
    images = batch[0].numpy()
    images[0] = 77  # one colour: nothing to stretch
    which, levels = tf.fill([12], pixels.NAMES.index(name)), np.linspace(0, 1, 12).astype(np.float32)
    ours = apply(tf.constant(images), which, tf.constant(levels), tf.fill([12], sign)).numpy()
    theirs = np.stack(
        [
            np.asarray(_pillow(Image.fromarray(image), name, float(level), sign))
            for image, level in zip(images, levels, strict=True)
        ]
    )
    difference = np.abs(ours.astype(int) - theirs.astype(int))
    if name in (
        "Rotate",
        "ShearX",
        "ShearY",
    ):  # Pillow rounds the middle of each pixel in fixed point: few fall elsewhere
        assert np.mean(difference.any(axis=3)) < 0.02
    else:
        assert difference.max() <= (
            1 if name in ("AutoContrast", "Contrast", "Brightness", "Color", "Sharpness") else 0
        )
        assert np.mean(difference > 0) < 0.02


def test_operations_in_one_batch_do_not_touch_each_other(batch):
    names = [pixels.NAMES.index(name) for name in pixels.NAMES[:12]]
    levels, signs = tf.fill([12], 0.6), tf.ones([12])
    together = pixels.apply(batch[0], tf.constant(names), levels, signs)
    for k, name in enumerate(names):
        alone = apply(batch[0][k : k + 1], tf.constant([name]), levels[:1], signs[:1])
        np.testing.assert_array_equal(together[k], alone[0])


def test_the_policy_is_25_pairs_of_known_operations():
    assert len(augmentation.POLICY) == 25
    for pair in augmentation.POLICY:
        assert len(pair) == 2
        assert all(name in pixels.NAMES and 0 <= p <= 1 and 0 <= level <= 9 for name, p, level in pair)
    assert len(augmentation.RAND_OPERATIONS) == 14


def test_autoaugment_leaves_as_many_images_alone_as_its_probabilities_say():
    images = np.random.default_rng(1).integers(40, 250, (1500, 32, 32, 3)).astype(np.uint8)
    changed, _ = augmentation.find_augmentation("autoaugment")(tf.constant(images), tf.zeros((1500, 1)), SEED)
    untouched = np.mean([(a == b).all() for a, b in zip(changed.numpy(), images, strict=True)])
    chance = {part: part[1] for pair in augmentation.POLICY for part in pair} | {("Color", 0.7, 0): 0.0}  # by factor 1
    expected = np.mean([(1 - chance[first]) * (1 - chance[second]) for first, second in augmentation.POLICY])
    assert untouched == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cutmx", {}, "expected one of"),
        ("flip_crop+", {}, "expected one of"),
        ("cutout", {"alpha": 1}, "has no option"),
    ],
)
def test_an_unknown_augmentation_or_option_is_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        augmentation.find_augmentation(name, options)


def _identity() -> pixels.Coefficients:
    return pixels.coefficients(tf.ones(12), 0.0, 0.0, 0.0, 1.0, 0.0)


def _pillow(image: Image.Image, name: str, level: float, sign: float) -> Image.Image:
    """The operation by Pillow, as in the published code (coefficients from output to input)."""
    amount, shift = level * sign, round(level * sign * 150 / 331 * 32)
    affine = {
        "ShearX": (1, 0.3 * amount, 0, 0, 1, 0),
        "ShearY": (1, 0, 0, 0.3 * amount, 1, 0),
        "TranslateX": (1, 0, shift, 0, 1, 0),
        "TranslateY": (1, 0, 0, 0, 1, shift),
    }
    if name in affine:
        return image.transform((32, 32), Image.Transform.AFFINE, affine[name], fillcolor=(128, 128, 128))
    enhancers = {n: getattr(ImageEnhance, n) for n in ("Color", "Contrast", "Brightness", "Sharpness")}
    if name in enhancers:
        return enhancers[name](image).enhance(1 + 0.9 * amount)
    return {
        "Identity": lambda: image,
        "Rotate": lambda: image.rotate(30 * amount, fillcolor=(128, 128, 128)),
        "AutoContrast": lambda: ImageOps.autocontrast(image),
        "Invert": lambda: ImageOps.invert(image),
        "Equalize": lambda: ImageOps.equalize(image),
        "Solarize": lambda: ImageOps.solarize(image, 255 - round(255 * level)),
        "Posterize": lambda: ImageOps.posterize(image, 8 - round(4 * level)),
    }[name]()
