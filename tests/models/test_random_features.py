"""Random features: whitening, streaming, and that both closed forms are ridge regression."""

import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import Ridge

from cifar102.models import random_features, registry, ridge


@pytest.fixture
def stripes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Three classes, told apart by the direction of their stripes."""
    labels = np.arange(180) % 3
    line = (np.arange(32)[None] // 2 + rng.integers(0, 4, (180, 1))) % 2 * 120
    waves = np.zeros((180, 32, 32))
    waves[labels == 0] = line[labels == 0][:, None, :]
    waves[labels == 1] = line[labels == 1][:, :, None]
    noise = rng.normal(60, 25, (180, 32, 32, 3))
    return np.clip(waves[..., None] + noise, 0, 255).astype(np.uint8), labels


def test_it_learns_what_stripes_tell_and_gives_logits(stripes):
    images, labels = stripes
    model = registry.build("random_features", 3, num_filters=16, num_patches=500)
    logits = model.fit(images[:120], labels[:120]).predict(images[120:])
    assert logits.shape == (60, 3) and logits.dtype == np.float32
    assert np.mean(logits.argmax(axis=1) == labels[120:]) > 0.9
    assert registry.num_parameters(model) == model.solution.weights.size + 3


def test_more_features_than_rows_take_the_kernel_form_and_give_the_same_logits(stripes, monkeypatch):
    images, labels = stripes
    options = {"num_filters": 12, "num_patches": 300, "penalties": (1e-2,)}
    assert len(images) >= 8 * 12
    primal = registry.build("random_features", 3, **options).fit(images, labels)
    monkeypatch.setattr(ridge, "fit_by_features", None)  # must not be called
    monkeypatch.setattr(random_features, "FILTERS_AT_A_TIME", 5)
    monkeypatch.setattr(random_features, "takes_kernel", lambda num_features, num_rows: True)
    dual = registry.build("random_features", 3, **options).fit(images, labels)
    np.testing.assert_allclose(dual.predict(images), primal.predict(images), atol=2e-3)


def test_the_same_seed_gives_the_same_logits_and_blocks_do_not_matter(stripes, monkeypatch):
    images, labels = stripes
    first = registry.build("random_features", 3, num_filters=10, num_patches=300, seed=4).fit(images, labels)
    monkeypatch.setattr(random_features, "IMAGES_AT_A_TIME", 37)
    second = registry.build("random_features", 3, num_filters=10, num_patches=300, seed=4).fit(images, labels)
    np.testing.assert_allclose(first.predict(images), second.predict(images), atol=2e-3)
    other = registry.build("random_features", 3, num_filters=10, num_patches=300, seed=5).fit(images, labels)
    assert np.abs(first.predict(images) - other.predict(images)).max() > 0.01


@pytest.mark.parametrize("form", ["features", "rows"])
def test_both_forms_are_the_ridge_regression_of_scikit_learn(form, rng):
    features = rng.normal(3, 2, (90, 20)).astype(np.float32) * np.linspace(1, 9, 20, dtype=np.float32)
    targets = np.eye(4)[rng.integers(0, 4, 90)]
    is_held = np.arange(90) % 9 == 0
    if form == "features":
        batches = ((np.arange(k, k + 30), features[k : k + 30]) for k in (0, 30, 60))
        found = ridge.fit_by_features(batches, targets, is_held, 20, (0.3,))
    else:
        parts = [slice(0, 7), slice(7, 20)]
        found = ridge.fit_by_rows(lambda: ((s, features[:, s]) for s in parts), targets, is_held, 20, (0.3,))
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = Ridge(alpha=0.3 * 90).fit(scaled, targets).predict(scaled)
    np.testing.assert_allclose(features @ found.weights + found.intercept, expected, atol=1e-4)


def test_the_penalty_with_most_held_out_hits_is_taken(rng):
    features = rng.normal(size=(60, 40)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(int)
    batches = [(np.arange(60), features)]
    found = ridge.fit_by_features(batches, np.eye(2)[labels], np.arange(60) % 3 == 0, 40, (1e-3, 1.0, 1e6))
    assert found.penalty in found.held_accuracy
    assert found.held_accuracy[found.penalty] == max(found.held_accuracy.values())
    hits = np.mean(found.held_scores.argmax(axis=1) == labels[::3])
    assert hits == found.held_accuracy[found.penalty]


def test_a_filter_answers_to_its_whitened_patch_as_computed_by_hand(rng):
    images = rng.integers(0, 256, (40, 32, 32, 3)).astype(np.uint8)
    filters = random_features.draw_patch_filters(images, 6, 400, np.random.default_rng(1))
    np.testing.assert_allclose(filters.kernels.sum(axis=(0, 1, 2)), 0, atol=1e-4)
    found = (
        random_features.patch_features(images[:1], filters.kernels, filters.offsets, 0.1).numpy().reshape(6, 2, 2, 2)
    )
    responses = np.empty((27, 27, 6))
    for row in range(27):
        for column in range(27):
            patch = images[0, row : row + 6, column : column + 6].astype(float)
            patch = (patch - patch.mean()) / np.sqrt(patch.var(ddof=1) + 10)
            responses[row, column] = np.tensordot(patch, filters.kernels, 3) - filters.offsets
    for k, sign, row, column in np.ndindex(6, 2, 2, 2):
        window = responses[13 * row : 13 * row + 14, 13 * column : 13 * column + 14, k]
        mean = np.maximum((1, -1)[sign] * window - 0.1, 0).mean()
        assert found[k, sign, row, column] == pytest.approx(mean, abs=1e-4)


def test_changing_brightness_and_contrast_of_an_image_hardly_changes_its_features(rng):
    images = rng.integers(60, 120, (5, 32, 32, 3)).astype(np.uint8)
    filters = random_features.draw_patch_filters(images, 8, 300, np.random.default_rng(1))
    plain, changed = (
        random_features.patch_features(tf.constant(x), filters.kernels, filters.offsets, 0.25)
        for x in (images, images * 2 + 5)
    )
    np.testing.assert_allclose(plain, changed, atol=0.1 * float(tf.reduce_max(plain)))


@pytest.mark.parametrize("options", [{"num_filters": 0}, {"held_out": 1.0}, {"penalties": ()}, {"penalties": (0.0,)}])
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match="expected"):
        registry.build("random_features", **options)


def test_predict_before_fit_is_refused():
    with pytest.raises(ValueError, match="before fit"):
        registry.build("random_features").predict(np.zeros((1, 32, 32, 3), np.uint8))


def test_many_features_are_streamed_and_their_matrix_is_never_held(rng):
    """65,536 features of 60 rows would be 15.7 MB; a block of 1,024 is 0.25 MB, the weights are 1.3 MB."""
    num_features, block, targets = 65_536, 1024, np.eye(5)[np.arange(60) % 5]
    most_at_once = []

    def blocks():
        for first in range(0, num_features, block):
            features = np.random.default_rng(first).normal(size=(60, block)).astype(np.float32)
            most_at_once.append(features.shape[1])
            yield slice(first, first + block), features

    tracemalloc.start()
    solution = ridge.fit_by_rows(blocks, targets, np.arange(60) % 6 == 0, num_features, (1e-2, 1.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert solution.weights.shape == (num_features, 5) and len(most_at_once) == 2 * num_features // block
    assert peak < 60 * num_features * 4 / 3, f"{peak / 1e6:.1f} MB at the peak"


def test_an_estimator_with_more_features_than_rows_asks_for_them_in_blocks(stripes, monkeypatch):
    images, labels = stripes
    monkeypatch.setattr(random_features, "FILTERS_AT_A_TIME", 4)
    widths, features = [], random_features.patch_features
    counted = lambda x, kernels, *rest: widths.append(kernels.shape[-1]) or features(x, kernels, *rest)  # noqa: E731
    monkeypatch.setattr(random_features, "patch_features", counted)
    model = registry.build("random_features", 3, num_filters=30, num_patches=300).fit(images, labels)
    assert random_features.takes_kernel(8 * 30, len(images)) and max(widths) == 4
    assert np.mean(model.predict(images).argmax(axis=1) == labels) > 0.9
