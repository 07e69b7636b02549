"""Golden values of CIFAR-10.1's 30 published models (test_batch -> v4), through the fixed names of `analysis`."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102 import cifar
from cifar102.analysis import (
    accuracies,
    adaptivity,
    gaps,
    human_labels,
    joint_bootstrap,
    keyword_mixture,
    lines,
    model_pairs,
    rankings,
    single_images,
)
from cifar102.analysis import published as published_files

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def labels(real_data: Path, published: Path) -> dict[str, np.ndarray]:
    test = cifar.read_batch(real_data / "cifar-10-batches-py" / "test_batch")
    return {"original": test.labels, "v4": published_files.read_published_labels(published, "cifar10.1-v4")}


@pytest.fixture(scope="module")
def models(published: Path) -> dict[str, dict[str, np.ndarray]]:
    return {
        "original": published_files.read_published(published, "cifar10", 10_000),
        "v4": published_files.read_published(published, "cifar10.1-v4", 2_021),
    }


def test_the_headline_intervals_are_over_models_and_images_and_wider_by_families(real_data: Path, published: Path):
    test = cifar.read_batch(real_data / "cifar-10-batches-py" / "test_batch")
    (found,) = [
        version
        for version in published_files.read_published_versions(published, test.labels, test.keywords)
        if version.version == "cifar10.1-v4"
    ]
    table = published_files.image_tables(found, seed=102)["joint"].set_index(["statistic", "axis", "over"])
    shown = {key: tuple(row[name] for name in ("value", "low", "high")) for key, row in table.iterrows()}
    percent = [100 * value for value in shown["mean gap", "", "models and images"]]
    assert percent == pytest.approx([8.11, 6.63, 9.74], abs=0.005)
    percent = [100 * value for value in shown["mean gap", "", "families and images"]]
    assert percent == pytest.approx([8.11, 6.15, 10.43], abs=0.005)
    assert shown["slope", "linear", "families and images"] == pytest.approx([1.617, 1.398, 1.833], abs=0.0005)


@pytest.fixture(scope="module")
def tables(models: dict, labels: dict) -> dict[str, pd.DataFrame]:
    return {name: accuracies.accuracy_table(models[name], labels[name]) for name in models}


@pytest.fixture(scope="module")
def shares(tables: dict) -> list[pd.Series]:
    return [tables[name].set_index("model")["accuracy"] for name in ("original", "v4")]


def test_thirty_models_lose_8_1112_points_on_average(tables: dict) -> None:
    gaps = accuracies.gap_table(tables["original"], tables["v4"])
    assert len(gaps) == 30
    assert round(100 * gaps["gap"].mean(), 4) == 8.1112


@pytest.mark.parametrize(
    ("axis", "slope", "intercept", "r2", "digits"),
    [
        ("linear", 1.6166, -65.509, 0.9887, 3),
        ("probit", 0.9515, -0.3986, 0.9831, 4),
        ("logit", 0.8385, -0.4966, 0.9806, 4),
    ],
)
def test_lines_have_the_published_values(
    shares: list, axis: str, slope: float, intercept: float, r2: float, digits
) -> None:
    fit = lines.fit_line(*shares, axis=axis)
    assert (round(fit.slope, 4), round(fit.intercept, digits), round(fit.r2, 4)) == (slope, intercept, r2)
    assert fit.p_value < 1e-20
    assert (fit.n, fit.num_clipped, fit.warning) == (30, 0, "")


def test_linear_slope_has_the_published_bootstrap_interval(shares: list) -> None:
    fit = lines.fit_line(*shares, axis="linear")
    assert (round(fit.slope_low, 2), round(fit.slope_high, 2)) == (1.53, 1.70)


def test_ranks_correlate_as_published(shares: list) -> None:
    found = rankings.rank_correlations(*shares)
    assert {name: round(value, 4) for name, value in found.items()} == {"spearman": 0.9779, "kendall": 0.8884}


def test_best_model_falls_from_97_11_to_92_97(tables: dict) -> None:
    model = "shake_shake_26_2x64d_SSI_cutout16"
    first, second = (tables[name].set_index("model").loc[model] for name in ("original", "v4"))
    assert round(100 * first["accuracy"], 2) == 97.11
    assert (second["correct"], second["n"], round(100 * second["accuracy"], 2)) == (1879, 2021, 92.97)
    assert (round(100 * second["low"], 1), round(100 * second["high"], 1)) == (91.8, 94.0)


def test_vgg16_falls_8_34_points_with_newcombe_interval(tables: dict) -> None:
    row = accuracies.gap_table(tables["original"], tables["v4"]).set_index("model").loc["vgg16_keras"]
    assert [round(100 * row[name], 2) for name in ("original", "new", "gap", "low", "high")] == [
        *(93.59, 85.25, 8.34, 6.78, 10.01)
    ]


def test_alexnet_falls_from_81_98_to_68_88(tables: dict) -> None:
    row = accuracies.gap_table(tables["original"], tables["v4"]).set_index("model").loc["alexnet_tf_ben"]
    assert (round(100 * row["original"], 2), round(100 * row["new"], 2)) == (81.98, 68.88)


@pytest.mark.parametrize(("name", "none", "every"), [("original", 28, 6507), ("v4", 21, 872)])
def test_images_that_none_and_all_get_right_are_as_published(models, labels, name: str, none: int, every: int) -> None:
    found = single_images.difficulty_table(models[name], labels[name])["num_right"]
    assert ((found == 0).sum(), (found == 30).sum()) == (none, every)


def test_robustness_on_the_models_own_line_is_zero_on_average_in_logits(shares: list) -> None:
    table = lines.effective_robustness(*shares, n_original=10_000, n_new=2_021)
    moved = lines.to_axis(table["new"], "logit") - lines.to_axis(table["predicted"], "logit")
    assert abs(moved.mean()) < 1e-12
    assert (table["low"] < table["effective_robustness"]).all()
    assert (table["high"] > table["effective_robustness"]).all()


def test_agreement_foretells_v4_accuracy_within_two_points_without_labels(models: dict, labels: dict) -> None:
    found = model_pairs.agreement_on_the_line(models["original"], models["v4"], labels["original"], labels["v4"])
    assert (found.num_models, found.num_pairs) == (30, 435)
    assert found.r2 > 0.98
    assert found.models["error_s"].abs().mean() < 0.02
    assert found.models["error_d"].abs().mean() < 0.02


def test_first_and_last_published_model_differ_for_certain_on_v4(models: dict, labels: dict) -> None:
    few = {name: models["v4"][name] for name in ("alexnet_tf_ben", "vgg16_keras", "shake_drop", "wrn_28_10")}
    ranks = model_pairs.certain_ranks(model_pairs.mcnemar_table(few, labels["v4"])).set_index("model")
    assert tuple(ranks.loc["alexnet_tf_ben", ["best_rank", "worst_rank"]]) == (4, 4)
    assert ranks.loc["shake_drop", "best_rank"] == 1


def test_terms_of_every_drop_sum_to_the_drop(tables: dict) -> None:
    terms = gaps.decompose(tables["original"], tables["v4"], models_tested=30)
    wide = terms.pivot_table(index="model", columns="term", values="value")
    assert np.allclose(wide["drop"], wide["adaptivity"] + wide["distribution"] + wide["generalization"])
    assert (terms["low"] <= terms["value"]).all() and (terms["value"] <= terms["high"]).all()


def test_keyword_mix_explains_little_of_v4_drop(models: dict, labels: dict, published: Path, real_data: Path) -> None:

    test = cifar.read_batch(real_data / "cifar-10-batches-py" / "test_batch")
    keywords = {"original": test.keywords, "v4": published_files.read_published_keywords(published, "cifar10.1-v4")}
    images = [
        keyword_mixture.image_table(models[name]["vgg16_keras"] == labels[name], labels[name], keywords[name])
        for name in ("original", "v4")
    ]
    found = keyword_mixture.keyword_reweighted(*images, resamples=200)
    assert round(found.gap, 4) == 0.0834
    assert found.covered > 0.9
    assert found.share_high < 0.2


def test_slope_and_gap_over_images_and_models_at_once_have_the_golden_limits(models: dict, labels: dict) -> None:
    right = [accuracies.correctness(models[name], labels[name]).to_numpy() for name in ("original", "v4")]
    table = joint_bootstrap.joint_intervals(*right, axes=("probit",)).set_index("statistic")
    assert table.loc["slope", ["low", "high"]].tolist() == pytest.approx([0.853, 1.046], abs=0.012)
    assert (100 * table.loc["mean gap", ["low", "high"]]).tolist() == pytest.approx([6.66, 9.66], abs=0.12)


def test_people_give_another_label_to_79_images_10_of_them_of_those_no_model_gets_right(
    models: dict, labels: dict, published: Path
) -> None:
    path = published.parent / "cifar-10h" / "cifar10h-counts.npy"
    if not path.is_file():
        pytest.skip("CIFAR-10H is not here: put cifar-10h/cifar10h-counts.npy into CIFAR102_DATA")
    counts = np.load(path, allow_pickle=False).astype(int)
    table = human_labels.people_disagree(labels["original"], counts)
    none_right = ~accuracies.correctness(models["original"], labels["original"]).any(axis=1).to_numpy()
    assert (len(table), none_right.sum(), none_right[table["row"]].sum()) == (79, 28, 10)
    gaps_by = human_labels.gap_by_labelling(*models.values(), (labels["original"], labels["v4"]), counts)
    means = gaps_by[gaps_by["model"] == "all models"].set_index("labelling")["gap"]
    assert round(100 * means["labels"], 2) == 8.11 and means["soft"] < means["majority"] < means["labels"] + 0.01


def test_best_of_thirty_models_is_hardly_overfitted(models: dict, labels: dict) -> None:
    right = accuracies.correctness(models["original"], labels["original"]).to_numpy()
    row = adaptivity.best_of_halves(right, halves=200).iloc[-1]
    assert row["num_models"] == 30 and 0 <= row["optimism"] < 0.004 < row["bound"]
