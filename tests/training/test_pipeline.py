"""Normalisation and batches: what a model is fed, in which order, and that a resumed run is fed the same."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import tensorflow as tf

from cifar102.training import augmentation, pipeline

UNIT = pipeline.Normalization("unit")


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (23, 32, 32, 3)).astype(np.uint8)


@pytest.fixture
def labels() -> np.ndarray:
    return np.arange(23) % 10


def _take(dataset: tf.data.Dataset, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def _rows(batch: np.ndarray, images: np.ndarray) -> list[int]:
    """Which images a batch of unit-normalised, unaugmented ones holds."""
    return [int(np.flatnonzero((images == np.round(x * 255)).all(axis=(1, 2, 3)))[0]) for x in batch]


def test_unit_divides_by_255(images):
    np.testing.assert_allclose(UNIT.apply(images), images / 255, atol=1e-6)
    assert UNIT.apply(images).dtype == np.float32 and tf.is_tensor(UNIT.apply(tf.constant(images)))


def test_per_channel_brings_training_pixels_to_mean_0_deviation_1(images):
    record = pipeline.fit_normalization("per_channel", images)
    np.testing.assert_allclose(record.mean, images.mean(axis=(0, 1, 2)) / 255, rtol=1e-6)
    np.testing.assert_allclose(record.std, images.std(axis=(0, 1, 2)) / 255, rtol=1e-6)
    normal = record.apply(images)
    np.testing.assert_allclose(normal.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(normal.std(axis=(0, 1, 2)), 1, atol=1e-5)


def test_per_image_is_that_of_tensorflow_for_a_flat_image_too(images):
    images[3] = 200
    expected = tf.image.per_image_standardization(images)
    np.testing.assert_allclose(pipeline.fit_normalization("per_image", images).apply(images), expected, atol=1e-4)


def test_a_normalization_survives_json(images):
    record = pipeline.fit_normalization("per_channel", images)
    assert pipeline.Normalization(**json.loads(json.dumps(dataclasses.asdict(record)))) == record


@pytest.mark.real_data
def test_per_channel_statistics_of_cifar10_are_the_known_ones(real_data):
    from cifar102 import cifar

    record = pipeline.fit_normalization(
        "per_channel", cifar.load_cifar10(real_data / "cifar-10-batches-py")["train"].images
    )
    np.testing.assert_allclose(record.mean, (0.4914, 0.4822, 0.4465), atol=5e-5)
    np.testing.assert_allclose(record.std, (0.2470, 0.2435, 0.2616), atol=5e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: pipeline.Normalization("zscore"),
        lambda: pipeline.Normalization("unit", std=(0.0, 1.0, 1.0)),
        lambda: pipeline.Normalization("unit", mean=(1.0,)),
    ],
)
def test_a_bad_normalization_is_refused(make):
    with pytest.raises(ValueError, match="expected"):
        make()


def test_each_epoch_holds_every_image_once_with_its_label_in_a_new_order(images, labels):
    batches = _take(pipeline.training_batches(images, labels, 10, 5, UNIT, seed=1), 10)
    assert [len(x) for x, _ in batches] == [5, 5, 5, 5, 3] * 2
    orders = [[row for x, _ in batches[k : k + 5] for row in _rows(x, images)] for k in (0, 5)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(23)) and orders[0] != orders[1]
    for x, y in batches:
        assert x.dtype == y.dtype == np.float32
        np.testing.assert_array_equal(y.argmax(axis=1), labels[_rows(x, images)])


@pytest.mark.parametrize("name", ["none", "flip_crop+affine+cutout+mixup+cutmix", "autoaugment"])
def test_a_run_resumed_at_an_epoch_is_fed_what_the_unbroken_run_is(name, images, labels):
    whole = _take(pipeline.training_batches(images, labels, 10, 10, UNIT, name, seed=3), 9)
    resumed = _take(pipeline.training_batches(images, labels, 10, 10, UNIT, name, seed=3, first_epoch=2), 3)
    for (x, y), (resumed_x, resumed_y) in zip(whole[6:], resumed, strict=True):
        np.testing.assert_array_equal(x, resumed_x)
        np.testing.assert_array_equal(y, resumed_y)


def test_steps_of_one_epoch_draw_different_random_numbers(labels):
    same = np.tile(np.arange(32, dtype=np.uint8)[:, None, None], (20, 1, 32, 3)).reshape(20, 32, 32, 3)
    batches = _take(pipeline.training_batches(same, labels[:20], 10, 10, UNIT, "flip_crop", seed=0), 2)
    assert (batches[0][0] != batches[1][0]).any()


def test_augmented_batches_equal_the_augmentation_called_eagerly(images, labels):
    seed = tf.random.fold_in(tf.constant([3, 0], tf.int64), tf.constant(0, tf.int64))
    x, y = _take(pipeline.training_batches(images, labels, 10, 23, UNIT, seed=3), 1)[0]
    plain = tf.constant(np.round(x * 255).astype(np.uint8))
    expected, shares = augmentation.find_augmentation("flip_crop+cutmix")(plain, tf.constant(y), seed)
    found = _take(pipeline.training_batches(images, labels, 10, 23, UNIT, "flip_crop+cutmix", seed=3), 1)[0]
    np.testing.assert_allclose(found[0], expected.numpy() / 255, atol=1e-6)
    np.testing.assert_array_equal(found[1], shares)


def test_alternate_flip_mirrors_each_image_in_every_other_epoch(labels):
    lines = np.arange(40, dtype=np.uint8)[:, None, None, None] + np.zeros((32, 32, 3), np.uint8)
    lines[:, :, 0] += 100  # marks the left edge
    unit = pipeline.Normalization("unit")
    arguments = {"augmentation": "alternate_flip", "seed": 3}
    batches = iter(pipeline.training_batches(lines, np.arange(40) % 10, 10, 8, unit, **arguments))
    left = np.zeros((4, 40), bool)
    for epoch, _ in itertools.product(range(4), range(5)):
        pixels = np.round(next(batches)[0].numpy()[:, 0] * 255).astype(int)
        left[epoch, pixels[:, 16, 0]] = pixels[:, 0, 0] >= 100
    assert 5 < left[0].sum() < 35
    for epoch in range(3):
        np.testing.assert_array_equal(left[epoch], ~left[epoch + 1])


def test_seeds_give_other_orders_and_the_last_batch_holds_the_remainder(images, labels):
    first, other = (_take(pipeline.training_batches(images, labels, 10, 23, UNIT, seed=s), 1)[0][0] for s in (0, 1))
    assert _rows(first, images) != _rows(other, images)
    batches = _take(pipeline.training_batches(images, labels, 10, 10, UNIT), 4)
    assert [len(x) for x, _ in batches] == [10, 10, 3, 10]
    assert pipeline.steps_per_epoch(23, 10) == 3


def test_soft_labels_stay_with_their_images(images, rng):
    shares = rng.dirichlet(np.ones(4), size=23).astype(np.float32)
    x, y = _take(pipeline.training_batches(images, shares, 4, 23, UNIT), 1)[0]
    np.testing.assert_array_equal(y, shares[_rows(x, images)])


def test_evaluation_batches_are_all_images_once_in_file_order(images):
    record = pipeline.fit_normalization("per_channel", images)
    batches = list(pipeline.evaluation_batches(images, 10, record).as_numpy_iterator())
    assert [len(batch) for batch in batches] == [10, 10, 3]
    np.testing.assert_allclose(np.concatenate(batches), record.apply(images), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.arange(22)}, "23 images but 22 labels"),
        ({"labels": np.full(23, 10)}, "expected 0 to 9"),
        ({"labels": np.ones((23, 3), np.float32)}, "expected 10"),
        ({"batch_size": 0}, "no batch"),
        ({"augmentation": "mixp"}, "expected one of"),
        ({"images": np.zeros((23, 3072), np.uint8)}, "expected uint8"),
    ],
)
def test_what_cannot_be_fed_is_refused(images, labels, change, message):
    arguments = {"images": images, "labels": labels, "num_classes": 10, "batch_size": 5, "normalization": UNIT}
    with pytest.raises(ValueError, match=message):
        pipeline.training_batches(**(arguments | change))
