"""The area under the ROC curve with DeLong's interval: against scikit-learn, in simulations, at its edges."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from cifar102.analysis import discriminator
from cifar102.workspace.files import write_table

HALF = np.repeat([0, 1], 100)
IS_NEW = np.tile([False, True], 100)
CONTROL = "control: two halves of old"


def predictions(rng: np.random.Generator, shift: float, name: str, n: int = 200) -> pd.DataFrame:
    """Normal scores, those of new images higher by `shift` deviations."""
    is_new = np.tile([False, True], n // 2)
    scores = rng.normal(size=n) + shift * is_new
    return pd.DataFrame({"comparison": name, "fold": np.arange(n) * 2 // n, "is_new": is_new, "score": scores})


def test_the_value_is_that_of_scikit_learn_by_fold(rng):
    scores = np.round(rng.normal(size=200) + IS_NEW, 1)  # with ties
    value, low, high = discriminator.auc(scores, IS_NEW, HALF)
    folds = [metrics.roc_auc_score(IS_NEW[fold == HALF], scores[fold == HALF]) for fold in (0, 1)]
    assert value == pytest.approx(np.mean(folds), abs=1e-12) and low < value < high


def test_scores_of_two_networks_are_not_compared(rng):
    scores = rng.normal(size=200)
    moved = np.where(HALF == 1, scores + 100, scores)
    assert discriminator.auc(moved, IS_NEW, HALF) == pytest.approx(discriminator.auc(scores, IS_NEW, HALF))


@pytest.mark.parametrize(("shift", "truth"), [(0, 0.5), (0.5, 0.6382)])
def test_the_interval_covers_in_about_95_of_100(rng, shift, truth):
    tables = [discriminator.old_or_new_table(predictions(rng, shift, "x")) for _ in range(400)]
    covered = np.mean([table["low"].iloc[0] <= truth <= table["high"].iloc[0] for table in tables])
    assert 0.92 <= covered <= 0.98


def test_images_told_apart_wholly_leave_an_interval_with_width():
    value, low, high = discriminator.auc(IS_NEW.astype(float), IS_NEW, HALF)
    assert (value, high) == (1, 1) and 0.95 < low < 1
    assert discriminator.auc(np.zeros(200), IS_NEW, HALF)[0] == 0.5


def test_a_fold_of_one_side_is_refused():
    with pytest.raises(ValueError, match="old and new images in every fold"):
        discriminator.auc(np.zeros(200), IS_NEW, IS_NEW.astype(int))


def said(asked: tuple, control: tuple) -> str:
    rows = [("old or new", 400, *asked, 0.95), (CONTROL, 400, *control, 0.95)]
    return discriminator.old_or_new_sentence(pd.DataFrame(rows, columns=discriminator.COLUMNS))


def test_the_sentence_is_decided_by_the_numbers():
    even = (0.5, 0.45, 0.55)
    assert "a network tells new test images from old ones, AUC 0.600 [0.550, 0.650], 400 images" in said(
        (0.6, 0.55, 0.65), even
    )
    assert "no network here tells" in said(even, even) and "worse than chance" in said((0.4, 0.35, 0.45), even)
    assert "the control fails" in said((0.6, 0.55, 0.65), (0.6, 0.55, 0.65))
    with pytest.raises(ValueError, match="a comparison and its control"):
        discriminator.old_or_new_sentence(pd.DataFrame([], columns=discriminator.COLUMNS))


def test_the_reading_of_a_workspace_is_that_of_its_table(workspace, rng):
    assert "has not run here" in discriminator.old_or_new_reading(workspace)
    both = pd.concat([predictions(rng, 1, "old or new"), predictions(rng, 0, CONTROL)])
    table = discriminator.old_or_new_table(both)
    write_table(workspace.results / "old_or_new.csv", table)
    assert discriminator.old_or_new_reading(workspace) == discriminator.old_or_new_sentence(table)
