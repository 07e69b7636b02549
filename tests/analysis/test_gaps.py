"""The placebo: a gap that is there is found, one that is not is not, and run folders are read image by image."""

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis import gaps, intervals
from cifar102.workspace.folders import Workspace


def scores(rng: np.random.Generator, drop: float, n: int = 3000) -> dict:
    return {
        f"m{k}": {"cifar10": rng.random((3, n)) < skill, "cifar102-leftover": rng.random((3, n)) < skill - drop}
        for k, skill in enumerate((0.7, 0.8, 0.9))
    }


def test_same_distribution_has_no_gap_and_slope_one(rng: np.random.Generator) -> None:
    drawn = scores(rng, 0)
    pooled = gaps.placebo_gap(drawn, new="cifar102-leftover").iloc[-1]
    assert pooled["model"] == "all models"
    assert pooled["low"] <= 0 <= pooled["high"]
    assert pooled["high"] - pooled["low"] < 0.03
    slopes = gaps.placebo_slope(drawn, new="cifar102-leftover", level=0.999, resamples=500)
    slopes = slopes.set_index("over")
    assert slopes.loc["images", "holds_one"]
    assert slopes.loc["images", "slope"] == slopes.loc["models", "slope"]
    few = "an interval over 3 models is too narrow"
    assert slopes["warning"].to_dict() == {"models": few, "images": "", "models and images": few}


def test_gap_of_the_protocol_is_found_and_signed(rng: np.random.Generator) -> None:
    table = gaps.placebo_gap(scores(rng, 0.05), new="cifar102-leftover").set_index("model")
    assert table["gap"].to_numpy() == pytest.approx(np.full(4, 0.05), abs=0.02)
    assert table.loc["all models", "low"] > 0
    assert table.loc["all models", "low"] > 0
    mean = table.drop("all models")["gap"].mean()
    assert table.loc["all models", "gap"] == pytest.approx(mean)


def test_seeds_are_averaged_image_by_image_and_not_counted_as_images(rng: np.random.Generator) -> None:
    right = rng.random(500) < 0.8
    one = {"m": {"cifar10": right, "new": right[:300]}}
    three = {"m": {"cifar10": np.stack([right] * 3), "new": np.stack([right[:300]] * 3)}}
    tables = [gaps.placebo_gap(drawn, new="new") for drawn in (one, three)]
    assert tables[0][["gap", "low", "high"]].equals(tables[1][["gap", "low", "high"]])
    assert tables[1]["n_original"].eq(500).all()
    assert tables[1]["seeds"].tolist() == [3, 3]


def test_reweighting_takes_away_a_gap_of_keywords_alone(rng: np.random.Generator) -> None:
    words = {"cifar10": np.repeat(["easy", "hard"], [1500, 500]), "new": np.repeat(["easy", "hard"], [500, 1500])}
    labels = {name: np.zeros(2000, dtype=int) for name in words}
    drawn = {
        f"m{k}": {name: rng.random((2, 2000)) < np.where(word == "easy", 0.95, 0.6) for name, word in words.items()}
        for k in range(2)
    }
    table = gaps.placebo_keywords(drawn, labels, words, new="new", resamples=100).set_index("model")
    row = table.loc["all models"]
    assert row["gap_low"] > 0.1
    assert row["gap_reweighted_low"] < 0 < row["gap_reweighted_high"]


def write_run(workspace: Workspace, arm: str, seed: int, arrays: dict) -> dict:
    run = f"runs/baseline/{arm}/seed-{seed}"
    (workspace.root / run).mkdir(parents=True)
    np.savez(workspace.root / run / "predictions.npz", **arrays)
    return {
        "study": "baseline",
        "arm": arm,
        "seed": seed,
        "model": arm,
        "dataset": "cifar10",
        "num_train": 9,
        "run": run,
    }


def test_scores_come_from_the_run_folders_by_study_and_arm(workspace: Workspace) -> None:
    labels = {"cifar10": np.array([1, 2, 3]), "cifar102": np.array([4, 5])}
    rows = [
        write_run(
            workspace, "vgg", 1, {"cifar10.class_ids": np.array([1, 2, 0]), "cifar102.class_ids": np.array([4, 5])}
        ),
        write_run(
            workspace, "vgg", 0, {"cifar10.class_ids": np.array([1, 0, 0]), "cifar102.class_ids": np.array([0, 5])}
        ),
    ]
    pd.DataFrame(rows).to_parquet(workspace.root / "runs.parquet")
    found = gaps.run_scores(workspace, labels)
    assert list(found) == ["baseline/vgg"]
    assert found["baseline/vgg"]["cifar10"].tolist() == [[True, False, False], [True, True, False]]
    assert found["baseline/vgg"]["cifar102"].tolist() == [[False, True], [True, True]]


def test_run_of_another_length_is_named(workspace: Workspace) -> None:
    row = write_run(workspace, "vgg", 0, {"cifar10.class_ids": np.array([1, 2])})
    with pytest.raises(ValueError, match="runs/baseline/vgg/seed-0: cifar10: holds 2 predictions"):
        gaps.run_scores(workspace, {"cifar10": np.array([1, 2, 3])}, pd.DataFrame([row]))


def test_set_without_scores_is_named(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="m0: was not evaluated on 'cifar102'"):
        gaps.placebo_gap(scores(rng, 0))


def test_gap_of_each_class_is_that_of_its_images(rng: np.random.Generator) -> None:
    drawn = scores(rng, 0)
    labels = {"cifar10": np.arange(3000) % 10, "cifar102-leftover": np.arange(3000) % 9}
    for model in drawn.values():
        model["cifar102-leftover"][:, labels["cifar102-leftover"] == 4] = False
    table = gaps.class_gaps(drawn, labels, new="cifar102-leftover").set_index("class_name")
    assert len(table) == 9 and "truck" not in table.index
    assert table.loc["deer", "new"] == 0 and table.loc["deer", "low"] > 0
    assert table["n_original"].eq(300).all()
    images = gaps.pooled_images(drawn, "cifar10")
    assert table.loc["cat", "original"] == pytest.approx(images[labels["cifar10"] == 3].mean())


def table(correct: int, n: int) -> pd.DataFrame:
    return pd.DataFrame({"model": ["m"], "correct": [correct], "n": [n]})


def by_term(**options: object) -> pd.DataFrame:
    return gaps.decompose(table(9300, 10_000), table(1700, 2_000), **options).set_index("term")


@pytest.mark.parametrize("fresh", [None, table(4600, 5_000)])
def test_terms_sum_to_the_drop_and_lie_in_their_bounds(fresh: pd.DataFrame | None) -> None:
    terms = by_term(fresh=fresh)
    assert terms["value"][["adaptivity", "distribution", "generalization"]].sum() == pytest.approx(0.08)
    assert (terms["low"] <= terms["value"]).all() and (terms["value"] <= terms["high"]).all()


def test_fresh_sample_measures_adaptivity() -> None:
    terms = by_term(fresh=table(4600, 5_000))
    assert terms.loc["adaptivity", "value"] == pytest.approx(0.01)
    assert terms.loc["distribution", "value"] == pytest.approx(0.07)
    assert terms.loc["adaptivity", "source"] == "fresh sample"
    low, high = intervals.clopper_pearson(4600, 5_000)
    assert tuple(terms.loc["adaptivity", ["low", "high"]]) == pytest.approx((0.93 - high, 0.93 - low))


def test_more_models_tested_widen_the_adaptivity_bound_alone() -> None:
    one, many = by_term(models_tested=1), by_term(models_tested=1000)
    assert many.loc["adaptivity", "high"] > one.loc["adaptivity", "high"]
    assert many.loc["generalization", "high"] == one.loc["generalization", "high"]


def test_tables_of_different_models_are_refused() -> None:
    with pytest.raises(ValueError, match="same models"):
        gaps.decompose(table(90, 100), table(90, 100).assign(model="other"))


@pytest.fixture
def seed_scores(rng: np.random.Generator) -> tuple[dict, dict]:
    def model() -> dict:
        return {"cifar10": rng.random((2, 50)) < 0.7, "cifar102": rng.random((2, 20)) < 0.6}

    return {"a-old": model(), "b-old": model()}, {"a-new": model(), "b-new": {k: v[:1] for k, v in model().items()}}


def test_seeds_become_models_of_one_row(seed_scores: tuple[dict, dict]) -> None:
    found = gaps.seeds_as_models(seed_scores[0])
    assert list(found) == ["a-old seed 0", "a-old seed 1", "b-old seed 0", "b-old seed 1"]
    np.testing.assert_array_equal(found["b-old seed 1"]["cifar10"], seed_scores[0]["b-old"]["cifar10"][1:])


def test_only_models_with_equal_seeds_are_crossed(seed_scores: tuple[dict, dict]) -> None:
    found = gaps.crossed_scores(*seed_scores, {"a-old": "a-new", "b-old": "b-new"})
    assert {pair: table.shape for pair, table in found.items()} == {
        (train, test): (2, n) for train in ("cifar10", "cifar102") for test, n in (("cifar10", 50), ("cifar102", 20))
    }
    np.testing.assert_array_equal(found["cifar102", "cifar10"], seed_scores[1]["a-new"]["cifar10"])


def test_no_common_model_is_an_error(seed_scores: tuple[dict, dict]) -> None:
    with pytest.raises(ValueError, match="no model is trained on both sets"):
        gaps.crossed_scores(*seed_scores, {"b-old": "b-new"})


def test_further_test_sets_enter_where_all_models_of_a_training_set_have_them(
    seed_scores: tuple[dict, dict],
) -> None:
    of_original, of_new = seed_scores
    for model in of_original.values():
        model["cifar102-uniform"] = np.ones((2, 7), dtype=bool)
    of_new["a-new"]["cifar102-leftover"] = np.ones((2, 9), dtype=bool)
    found = gaps.crossed_scores(of_original, of_new, {"a-old": "a-new"})
    assert ("cifar10", "cifar102-uniform") in found and ("cifar102", "cifar102-uniform") not in found
    assert ("cifar102", "cifar102-leftover") in found


def test_gaps_to_several_sets_stand_in_one_table(rng: np.random.Generator) -> None:
    drawn = scores(rng, 0.05)
    for model in drawn.values():
        model["cifar102"] = model["cifar102-leftover"][:, :500]
    table = gaps.placebo_gaps(drawn, ["cifar102", "cifar102-leftover"])
    assert table["new_set"].tolist() == ["cifar102"] * 4 + ["cifar102-leftover"] * 4
    assert table.iloc[4:].reset_index(drop=True).equals(gaps.placebo_gap(drawn, new="cifar102-leftover"))


def test_seeds_stand_in_for_models_where_these_are_too_few_for_a_line(rng: np.random.Generator) -> None:
    drawn = scores(rng, 0)
    of_models = gaps.own_slope(drawn, "cifar10", "cifar102-leftover", resamples=20)
    of_seeds = gaps.own_slope({"m0": drawn["m0"], "m1": drawn["m1"]}, "cifar10", "cifar102-leftover", resamples=20)
    assert set(of_models["num_models"]) == {3} and set(of_seeds["num_models"]) == {6}
    one_seed = {"m0": {name: right[:1] for name, right in drawn["m0"].items()}}
    assert gaps.own_slope(one_seed, "cifar10", "cifar102-leftover").empty


def test_arms_lose_the_name_of_their_study(workspace: Workspace) -> None:
    row = write_run(workspace, "vgg", 0, {"cifar10.class_ids": np.array([1, 2])})
    found = gaps.arm_scores(workspace, {"cifar10": np.array([1, 3])}, pd.DataFrame([row]))
    assert {arm: sets["cifar10"].tolist() for arm, sets in found.items()} == {"vgg": [[True, False]]}


def test_keyword_pairs_of_runs_are_of_the_mean_over_models(rng: np.random.Generator) -> None:
    drawn = scores(rng, 0, n=400)
    labels = {name: np.arange(400) % 10 for name in drawn["m0"]}
    words = {name: np.where(np.arange(400) < 200, "cab", "jet") for name in labels}
    table = gaps.pooled_keyword_pairs(drawn, labels, words, "cifar10", "cifar102-leftover")
    assert len(table) == 20 and table["n_new"].sum() == 400
    assert table["original"].mean() == pytest.approx(gaps.pooled_images(drawn, "cifar10").mean(), abs=0.05)
