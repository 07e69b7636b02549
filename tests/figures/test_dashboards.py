"""The one page of a run: what its panels hold, that it is drawn, and drawn again from its table alone."""

import numpy as np
import pandas as pd
import pytest

from cifar102.cifar import CLASS_NAMES, ImageSet
from cifar102.figures import dashboards, drawing, sheets
from cifar102.training import pipeline
from cifar102.workspace.folders import Workspace


@pytest.fixture
def judged(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray, ImageSet]:
    """A history, probabilities that are right for every second image, and the images."""
    truth = ImageSet(rng.integers(0, 256, (60, 32, 32, 3), np.uint8), np.arange(60) % 10)
    said = np.where(np.arange(60) % 2, truth.labels, (truth.labels + 1) % 10)
    probabilities = np.full((60, 10), 0.05)
    probabilities[np.arange(60), said] = 0.55 + 0.004 * np.arange(60)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    columns = {"epoch": [0, 1], "accuracy": [0.2, 0.4], "val_accuracy": [0.1, 0.5], "loss": [2.0, 1.0]}
    return pd.DataFrame({**columns, "val_loss": [2.2, 1.5]}), probabilities, truth


def test_the_mistakes_are_wrong_the_surest_first_and_show_their_image(judged) -> None:
    _, probabilities, truth = judged
    table = dashboards.mistake_table(probabilities, truth, 12)
    assert (table["row"] % 2 == 0).all() and table["row"].is_monotonic_decreasing
    np.testing.assert_array_equal(sheets.decode_pixels(list(table["pixels"])), truth.images[table["row"]])
    label = truth.labels[table["row"][0]]
    assert table["caption"][0] == f"{CLASS_NAMES[(label + 1) % 10]}\nis {CLASS_NAMES[label]}"


def test_a_page_is_drawn_and_drawn_again_from_its_files(judged, workspace: Workspace) -> None:
    dashboards.draw_dashboard("05-dashboard", *judged, workspace, title="a run\nsynthetic test images")
    path = workspace.figures / "05-dashboard.png"
    before = path.read_bytes()
    path.unlink()
    assert drawing.redraw(workspace) == ["05-dashboard"]
    assert path.read_bytes() == before


def test_panels_hold_both_curves_all_cells_and_all_classes(judged) -> None:
    curves, loss, reliability, confusion, scores, pictures = (
        table for _, table, _ in dashboards.dashboard_panels(*judged)
    )
    assert set(curves["images"]) == set(loss["images"]) == {"training", "validation"}
    assert reliability["count"].sum() == 60 and len(confusion) == 100 and len(pictures) == 24
    assert confusion.groupby("true")["share"].sum().to_numpy() == pytest.approx(np.full(10, 100))
    assert set(scores["class_name"]) == set(CLASS_NAMES) and scores["value"].between(0, 1).all()


def test_a_set_of_other_classes_has_its_own_names(judged) -> None:
    history, probabilities, truth = judged
    few = ImageSet(truth.images, truth.labels % 3)
    names = ("maple", "oak", "palm")
    shares = probabilities[:, :3] / probabilities[:, :3].sum(axis=1, keepdims=True)
    parts = {options["title"]: table for _, table, options in dashboards.dashboard_panels(history, shares, few, names)}
    assert set(parts["Precision, recall, F1"]["class_name"]) == set(names)
    assert len(parts["Confusion (% of true class)"]) == 9
    assert set("\n".join(parts["Surest mistakes"]["caption"]).replace("is ", "").split()) <= set(names)


def test_the_mean_image_of_equal_images_is_that_image(rng: np.random.Generator) -> None:
    ten = rng.integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
    means = dashboards.mean_images(ImageSet(np.repeat(ten, 3, axis=0), np.repeat(np.arange(10), 3)))
    np.testing.assert_array_equal(means, ten)


def test_a_sheet_gives_back_its_pixels(rng: np.random.Generator) -> None:
    groups = {name: rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8) for name in ("a", "b")}
    sheet = dashboards.pixel_sheet(groups, ["left", "right"])
    assert sheet["group"].tolist() == ["a", "a", "b", "b"] and sheet["caption"].tolist() == ["left", "right"] * 2
    np.testing.assert_array_equal(sheets.decode_pixels(list(sheet["pixels"])), np.concatenate(list(groups.values())))


def test_the_surest_mistake_comes_first_and_right_answers_never() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    found = dashboards.confident_mistakes(probabilities, np.array([0, 0, 1, 1]), 5)
    assert found["row"].tolist() == [1, 2]
    assert found[["true", "predicted"]].to_numpy().tolist() == [[0, 1], [1, 0]]


def test_stored_probabilities_sum_to_one_again(rng: np.random.Generator) -> None:
    shares = rng.dirichlet(np.ones(10), 50).astype(np.float16)
    np.testing.assert_allclose(dashboards.normalized_probabilities(shares).sum(axis=1), 1, atol=1e-12)


def test_a_preview_without_augmentation_shows_the_images_themselves(rng: np.random.Generator) -> None:
    images = ImageSet(rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8), np.repeat(np.arange(10), 2))
    shown = pipeline.augmented_images(images, ("none", "cutout"))
    first_of_class = {image.tobytes() for image in images.images[::2]}
    assert {image.tobytes() for image in shown["none"]} == first_of_class
    assert not np.array_equal(shown["cutout"], shown["none"])


def named_set(rng: np.random.Generator) -> ImageSet:
    """Twenty images, two of each class, under a keyword a class and one more for the first class."""
    names = (*(f"word{k % 10}_s_{k:06d}.png" for k in range(19)), "word10_s_000001.png")
    labels = np.append(np.arange(19) % 10, 0)
    return ImageSet(rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8), labels, names)


def test_counts_are_those_of_classes_and_keywords(rng: np.random.Generator) -> None:
    images = named_set(rng)
    counts = dashboards.class_counts({"a": images}).set_index("class_name")
    assert counts["images"].sum() == 20 and tuple(counts.loc["airplane", ["images", "keywords"]]) == (3, 2)
    words = dashboards.keyword_counts({"a": images, "b": images}, largest=4)
    assert words["keyword"].nunique() == 4 and words.groupby("keyword")["images"].sum().is_monotonic_decreasing
    assert words.groupby("keyword").size().eq(2).all(), "each keyword has a bar of each set"


def test_channel_statistics_are_those_of_numpy_and_histograms_hold_every_pixel(rng: np.random.Generator) -> None:
    images = named_set(rng)
    table = dashboards.channel_statistics({"a": images}).set_index("channel")
    scaled = images.images.reshape(-1, 3) / 255
    for number, name in enumerate(("red", "green", "blue")):
        assert np.isclose(table.loc[name, "mean"], scaled[:, number].mean())
        assert np.isclose(table.loc[name, "sd"], scaled[:, number].std())
    histogram = dashboards.channel_histograms(images.images)
    assert np.allclose(histogram.groupby("channel")["percent"].sum(), 100) and len(histogram) == 3 * 64
    black = dashboards.channel_histograms(np.zeros((1, 32, 32, 3), np.uint8))
    assert (black[black["percent"] > 0]["value"] == 1.5).all()


def test_samples_are_different_images_of_their_class(rng: np.random.Generator) -> None:
    images = named_set(rng)
    for label, found in enumerate(dashboards.samples_by_class(images, each=2).values()):
        own = images.images[images.labels == label]
        assert all((own == image).all(axis=(1, 2, 3)).any() for image in found)
        assert len(found) == min(2, len(own)) and len(np.unique(found, axis=0)) == len(found)


def test_a_prediction_sheet_marks_wrong_answers_with_the_truth(rng: np.random.Generator) -> None:
    images = named_set(rng)
    said = images.labels.copy()
    said[3] = 5
    sheet = dashboards.prediction_sheet(images, said, 10)
    assert sheet["caption"][3] == "✗ dog\nis cat" and sheet["caption"][4] == "deer" and len(sheet) == 10
    np.testing.assert_array_equal(sheets.decode_pixels(list(sheet["pixels"])), images.images[:10])


def test_confusion_rows_are_percent_of_the_true_class_and_scores_those_of_their_definition() -> None:
    labels, said = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    cells = dashboards.confusion_table(labels, said).set_index(["true", "predicted"])["share"]
    assert cells["airplane", "airplane"] == cells["airplane", "automobile"] == 50
    assert cells["automobile", "automobile"] == 100
    scores = dashboards.class_scores(labels, said).set_index("class_name")
    assert tuple(scores.loc["automobile", ["precision", "recall", "images"]]) == (2 / 3, 1, 2)
    assert np.isclose(scores.loc["automobile", "f1"], 0.8)
