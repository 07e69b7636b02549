"""A model beside people: labels that most people do not give, and gaps under their labels."""

import numpy as np
import pytest

from cifar102.analysis import human_labels

COUNTS = np.array([[10, 0, 0], [3, 7, 0], [5, 5, 0], [1, 1, 8]])
LABELS = np.array([0, 0, 0, 2])


def test_images_are_named_whose_label_most_people_do_not_give() -> None:
    table = human_labels.people_disagree(LABELS, COUNTS)
    assert table[["row", "label", "majority"]].to_numpy().tolist() == [[1, 0, 1]]
    assert table["share_label"].tolist() == [0.3]


def test_a_gap_has_one_row_a_labelling_and_people_may_take_a_model_into_protection() -> None:
    said, new = {"m": np.array([0, 1, 1, 2])}, {"m": np.array([0, 1])}
    table = human_labels.gap_by_labelling(said, new, (LABELS, np.array([0, 0])), COUNTS).set_index(
        ["model", "labelling"]
    )
    assert table.loc["m", "original"].to_dict() == pytest.approx(
        {"labels": 0.5, "majority": 1, "soft": (10 + 7 + 5 + 8) / 40}
    )
    assert (table["gap"] == table["original"] - table["new"]).all() and len(table) == 6
    assert (table["low"] < table["gap"]).all() and (table["gap"] < table["high"]).all()
