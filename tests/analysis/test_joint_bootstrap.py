"""Slope and mean gap over models and images at once: wider than either alone."""

import numpy as np
import pytest

from cifar102.analysis import joint_bootstrap, lines
from docs.simulations import draw_models


def test_without_images_to_draw_it_is_the_line_of_the_accuracies(rng: np.random.Generator) -> None:
    sides = draw_models(rng, rng.normal(1.2, 0.3, 12), np.zeros(12), 400)
    table = joint_bootstrap.joint_intervals(*sides, resamples=200).set_index(["statistic", "axis"])
    fit = lines.fit_line(*(side.mean(axis=0) for side in sides), "probit", resamples=0)
    assert table.loc[("slope", "probit"), "value"] == pytest.approx(fit.slope)
    assert table.loc[("mean gap", ""), "value"] == pytest.approx(sides[0].mean() - sides[1].mean())
    assert (table["low"] < table["value"]).all() and (table["value"] < table["high"]).all()


def test_both_sources_are_wider_than_models_alone(rng: np.random.Generator) -> None:
    sides = draw_models(rng, rng.normal(1.2, 0.3, 12), rng.normal(0, 0.05, 12), 300)
    gap = joint_bootstrap.joint_intervals(*sides, axes=(), resamples=500).iloc[0]
    losses = sides[0].mean(axis=0) - sides[1].mean(axis=0)
    alone = np.ptp(np.quantile(losses[rng.integers(12, size=(500, 12))].mean(axis=1), [0.025, 0.975]))
    assert gap["high"] - gap["low"] > alone


def test_families_are_drawn_as_a_whole(rng: np.random.Generator) -> None:
    family = rng.normal(0, 0.2, 4)
    sides = draw_models(rng, rng.normal(1.2, 0.3, 16), np.repeat(family, 4), 2_000)
    wide, narrow = (
        joint_bootstrap.joint_intervals(*sides, families=families, axes=(), resamples=500).iloc[0]
        for families in (np.repeat(list("abcd"), 4), None)
    )
    assert wide["over"] == "families and images"
    assert wide["high"] - wide["low"] > narrow["high"] - narrow["low"]


def test_scores_over_seeds_and_other_shapes(rng: np.random.Generator) -> None:
    scores = [rng.random((50, 3)), rng.random((40, 3))]
    assert len(joint_bootstrap.joint_intervals(*scores, axes=("linear",), resamples=20)) == 3
    with pytest.raises(ValueError, match=r"\(images, models\) twice"):
        joint_bootstrap.joint_intervals(scores[0], scores[1][:, :2])
