"""The one page of a run: what its panels hold, that it is drawn, and drawn again from its table alone."""

import numpy as np
import pandas as pd
import pytest

from cifar102.cifar import CLASS_NAMES, ImageSet
from cifar102.figures import dashboards, drawing, sheets
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
