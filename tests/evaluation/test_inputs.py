"""What a network takes: shapes as formats declare them, images made so, pixel ranges tried and the choice said."""

import numpy as np
import pytest

from cifar102.analysis.scorecard import TestSet
from cifar102.evaluation import inputs
from cifar102.evaluation.inputs import Form, Reading


@pytest.mark.parametrize(
    ("shape", "form"),
    [
        ((None, 32, 32, 3), Form((32, 32), ("hwc",))),
        (("n", 3, 224, 160), Form((224, 160), ("chw",))),
        ((None, None, None, 3), Form(None, ("hwc",))),
        ((8, 3, -1, "w"), Form(None, ("chw",), batch=8)),
        ((None, 48, None, 3), Form((48, 48), ("hwc",))),
        ((None, 3072), Form((32, 32), inputs.ROW_AXES)),
    ],
)
def test_order_of_axes_size_and_batch_are_told_from_the_shape(shape: tuple, form: Form) -> None:
    assert inputs.form_of(shape, "m.onnx") == form


@pytest.mark.parametrize(
    ("shape", "dtype", "found"),
    [
        ((None, 32, 32, 1), "float32", r"takes \(any, 32, 32, 1\) \(grey images"),
        ((None, 1, 28, 28), "float32", "grey"),
        ((None, 3, 32, 3), "float32", "either axis could be the colours"),
        ((None, None, None, None), "float32", "expected images"),
        ((None, 784), "float32", "rows"),
        ((None, 9000, 9000, 3), "float32", "at most 1024"),
        ((None, 32, 32, 3), "complex64", "takes complex64 numbers"),
        ((), "float32", "expected images"),
    ],
)
def test_shape_that_takes_no_coloured_images_is_refused(shape: tuple, dtype: str, found: str) -> None:
    with pytest.raises(ValueError, match=rf"m\.onnx: .*{found}"):
        inputs.form_of(shape, "m.onnx", dtype)


def test_pixels_are_given_in_the_range_that_the_name_says(rng: np.random.Generator) -> None:
    images = rng.integers(256, size=(4, 32, 32, 3), dtype=np.uint8)
    made = {name: inputs.prepare(images, Form((32, 32)), "hwc", name) for name in inputs.PIXELS}
    assert all(x.dtype == np.float32 and x.shape == images.shape for x in made.values())
    np.testing.assert_array_equal(made["raw"], images)
    np.testing.assert_array_equal(made["unit"], images.astype(np.float32) / 255)
    np.testing.assert_allclose(made["symmetric"], images / 127.5 - 1, atol=1e-6)
    expected = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(made["imagenet"], expected, atol=1e-5)


def test_axes_are_laid_out_as_pytorch_and_cifar_files_have_them(rng: np.random.Generator) -> None:
    images = rng.integers(256, size=(2, 32, 32, 3), dtype=np.uint8)
    form = Form((32, 32), dtype="uint8")
    first = inputs.prepare(images, form, "chw", "raw")
    assert first.shape == (2, 3, 32, 32) and first.dtype == np.uint8 and first.flags.c_contiguous
    np.testing.assert_array_equal(first[1, 2], images[1, :, :, 2])
    np.testing.assert_array_equal(inputs.prepare(images, form, "rows of pixels", "raw")[0, :3], images[0, 0, 0])
    np.testing.assert_array_equal(
        inputs.prepare(images, form, "rows of colours", "raw")[0, 1024:1056], images[0, 0, :, 1]
    )


def test_smaller_pixels_are_means_of_areas_and_a_flat_image_stays_flat() -> None:
    images = np.zeros((1, 32, 32, 3), np.uint8)
    images[0, :, ::2] = 100
    np.testing.assert_array_equal(inputs.resized(images, (16, 16)), np.full((1, 16, 16, 3), 50))
    flat = np.full((2, 32, 32, 3), 77, np.uint8)
    for size in ((16, 16), (224, 224), (33, 40)):
        np.testing.assert_array_equal(inputs.resized(flat, size), np.full((2, *size, 3), 77))
    assert inputs.resized(flat, None) is flat and inputs.resized(flat, (32, 32)) is flat


def bright_or_dark(rng: np.random.Generator, n: int = 200) -> TestSet:
    """Images of a flat colour whose brightness is their class, with noise."""
    labels = np.arange(n) % 10
    images = (25 * labels + 12)[:, None, None, None] + rng.integers(-5, 6, (n, 32, 32, 3))
    return TestSet("flat", labels, images.astype(np.uint8))


@pytest.mark.parametrize("wanted", list(inputs.PIXELS))
def test_range_that_gets_most_images_right_is_taken_and_its_accuracy_said(wanted: str, rng) -> None:
    test, scale = bright_or_dark(rng), inputs.PIXELS[wanted]
    mean, std = (np.mean(x) for x in ((scale.mean, scale.std) if wanted != "raw" else (0.0, 1 / 255)))

    def predict(x: np.ndarray) -> np.ndarray:
        classes = (x.mean(axis=(1, 2, 3)) * std + mean) * 255
        return -np.abs(classes[:, None] - 12 - 25 * np.arange(10))

    form = Form((32, 32))
    chosen, notes = inputs.choose(predict, form, inputs.readings(form, "auto", "unit"), {"flat": test}, "m.onnx")
    right = np.mean(predict(inputs.prepare(test.images, form, "hwc", chosen.pixels)).argmax(1) == test.labels)
    assert right == 1 and f"{inputs.PIXELS[chosen.pixels].words}: 100.0% of 200 images of flat are right (" in notes[0]
    assert chosen.pixels == wanted or f"as {inputs.PIXELS[wanted].words}" in notes[1], notes


def test_where_every_range_is_at_chance_the_likeliest_is_taken_and_that_is_said(rng) -> None:
    test, form = bright_or_dark(rng), Form((32, 32))
    noise = lambda x: rng.random((len(x), 10))  # noqa: E731
    chosen, notes = inputs.choose(noise, form, inputs.readings(form, "auto", "raw"), {"flat": test}, "m.onnx")
    assert (
        chosen == Reading("hwc", "raw") and "none of these ways to give the pixels is better than guessing" in notes[1]
    )


def test_numbers_that_overflow_in_a_wrong_range_do_not_win(rng) -> None:
    test, form = bright_or_dark(rng), Form((32, 32))

    def predict(x: np.ndarray) -> np.ndarray:
        scores = -np.abs(x.mean(axis=(1, 2, 3))[:, None] * 255 - 12 - 25 * np.arange(10))
        return scores if x.max() <= 1 else np.full_like(scores, np.nan)

    chosen, _ = inputs.choose(predict, form, inputs.readings(form, "auto", "raw"), {"flat": test}, "m.onnx")
    assert chosen.pixels == "unit"


def test_the_users_word_and_whole_numbers_settle_it_without_a_trial() -> None:
    assert inputs.readings(Form((32, 32)), "symmetric") == [Reading("hwc", "symmetric")]
    assert inputs.readings(Form((32, 32), dtype="uint8"), "auto") == [Reading("hwc", "raw")]
    assert inputs.choose(None, Form(), [Reading("hwc", "raw")], {}, "m") == (Reading("hwc", "raw"), ())


@pytest.mark.parametrize("shape", [(10**6, 32, 32, 3), (10**6, 3, None, None), (10**8, 3072), (2000, 3, 1024, 1024)])
def test_batch_that_would_fill_the_memory_is_refused(shape: tuple) -> None:
    with pytest.raises(ValueError, match=r"m\.onnx: takes \d+ images of .* in one call; expected at most"):
        inputs.form_of(shape, "m.onnx")
