"""The gap between two test sets: per seed and model, its three terms, and the one that the protocol makes by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cifar102.analysis import accuracies, intervals, joint_bootstrap, keyword_mixture, lines
from cifar102.analysis.predictions import SetPredictions, read_run, read_runs_table
from cifar102.workspace.folders import Workspace

POOLED = "all models"
LEAST_MODELS = 3  # for a line
FEW_MODELS = 10  # below this a bootstrap over models is too narrow to be read
Scores = Mapping[str, Mapping[str, np.ndarray]]  # model -> set -> which images are right


def run_scores(
    workspace: Workspace, labels: Mapping[str, np.ndarray], runs: pd.DataFrame | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """Return which images each seed of each model gets right: model -> set -> bool (seeds, n), from the run folders.

    labels: set name (as in predictions.npz, e.g. "cifar10", "cifar102-leftover") -> integers (n,); sets that a run
    has not been evaluated on are left out for that model. runs: rows of runs.parquet to take (the whole table without
    it); a model's name is "<study>/<arm>", its rows are its seeds. Raises ValueError naming the run where a length
    differs or the seeds of one model are evaluated on different sets.
    """
    runs = read_runs_table(workspace) if runs is None else runs
    scores: dict[str, dict[str, np.ndarray]] = {}
    for (study, arm), rows in runs.sort_values("seed").groupby(["study", "arm"], sort=False):
        seeds = [_right(read_run(workspace.root / run), labels, run) for run in rows["run"]]
        if len({tuple(sorted(seed)) for seed in seeds}) > 1:
            raise ValueError(f"{study}/{arm}: its seeds are evaluated on different sets: {[sorted(s) for s in seeds]}")
        scores[f"{study}/{arm}"] = {name: np.stack([seed[name] for seed in seeds]) for name in seeds[0]}
    return scores


def arm_scores(
    workspace: Workspace, labels: Mapping[str, np.ndarray], runs: pd.DataFrame
) -> dict[str, dict[str, np.ndarray]]:
    """Return run_scores of runs of one study with the arms alone as the models' names."""
    return {model.partition("/")[2]: sets for model, sets in run_scores(workspace, labels, runs).items()}


def seeds_as_models(scores: Scores) -> dict[str, dict[str, np.ndarray]]:
    """Take every seed for a model of its own: "<model> seed <k>" -> set -> correctness (1, n)."""
    found = {}
    for model, sets in scores.items():
        for k in range(len(next(iter(sets.values())))):
            found[f"{model} seed {k}"] = {name: right[[k]] for name, right in sets.items()}
    return found


def crossed_scores(
    of_original: Scores,
    of_new: Scores,
    partner: Mapping[str, str],
    original: str = "cifar10",
    new: str = "cifar102",
) -> dict[tuple[str, str], np.ndarray]:
    """Put the scores of two training sets against all test sets: (train, test) -> correctness (seeds, n).

    partner: model trained on the original set -> the same model trained on the new one. Only models with as many seeds
    on either side enter, so that all tables hold the same networks; a test set that one of them was not evaluated on
    is left out for that training set. ValueError where no model is on both sides.
    """
    pairs = [
        (first, second)
        for first, second in partner.items()
        if second in of_new and len(of_new[second][original]) == len(of_original[first][original])
    ]
    if not pairs:
        raise ValueError(
            f"no model is trained on both sets with as many seeds; found {list(of_original)}, {list(of_new)}"
        )
    tables = {}
    for k, (train, side) in enumerate(((original, of_original), (new, of_new))):
        models = [side[pair[k]] for pair in pairs]
        tests = [name for name in models[0] if all(name in model for model in models)]
        tables |= {(train, test): np.concatenate([model[test] for model in models]) for test in tests}
    return tables


def placebo_gap(
    scores: Scores, original: str = "cifar10", new: str = "cifar102", *, level: float = 0.95
) -> pd.DataFrame:
    """Return the gap between two test sets of one distribution, per model and pooled over the models.

    scores: model -> set -> correctness 0-1, (seeds, n) or (n,), models trained on the reference only. An image's
    score is its mean over seeds (pooled: over seeds, then models); the two sets are independent samples of images, so
    the interval is Welch's over images, given these trained models. Columns: model, original_set, new_set, original,
    new, gap, low, high, n_original, n_new, seeds, level; the last row is "all models". Raises ValueError.
    """
    images = {model: (_mean(scores, model, original), _mean(scores, model, new)) for model in _models(scores)}
    seeds = {model: len(np.atleast_2d(scores[model][original])) for model in images}
    images[POOLED] = tuple(pooled_images(scores, name) for name in (original, new))
    rows = []
    for model, (first, second) in images.items():
        gap, low, high = intervals.mean_difference(first, second, level)
        shares = (first.mean(), second.mean(), gap, low, high)
        rows.append((model, original, new, *shares, len(first), len(second), seeds.get(model, sum(seeds.values()))))
    columns = ["model", "original_set", "new_set", "original", "new", "gap", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "n_original", "n_new", "seeds"]).assign(level=level)


def placebo_gaps(scores: Scores, new_sets: Sequence[str], *, level: float = 0.95) -> pd.DataFrame:
    """Return placebo_gap from CIFAR-10's test set to each of several new sets, one table."""
    return pd.concat([placebo_gap(scores, "cifar10", name, level=level) for name in new_sets], ignore_index=True)


def class_gaps(
    scores: Scores,
    labels: Mapping[str, np.ndarray],
    original: str = "cifar10",
    new: str = "cifar102",
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return placebo_gap's last row, over all models, for the images of each class that both sets have.

    labels: set name -> integers (n,). The class's name stands in column class_name; at least 2 images on either side.
    """
    truth = {name: np.asarray(labels[name]) for name in (original, new)}
    images = {name: pooled_images(scores, name) for name in truth}
    rows = []
    for label in np.intersect1d(*truth.values()):
        chosen = [images[name][truth[name] == label] for name in truth]
        if min(map(len, chosen)) < 2:
            continue
        gap = intervals.mean_difference(*chosen, level)
        sides = (*(side.mean() for side in chosen), *gap, *map(len, chosen))
        rows.append((accuracies.class_name(int(label)), original, new, *sides, level))
    columns = ["class_name", "original_set", "new_set", "original", "new", "gap", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "n_original", "n_new", "level"])


def pooled_images(scores: Scores, name: str) -> np.ndarray:
    """Return each image's share of right answers on a set, float64 (n,): mean over seeds, then over models."""
    return _pooled([_mean(scores, model, name) for model in _models(scores)], name)


def placebo_slope(
    scores: Scores,
    original: str = "cifar10",
    new: str = "cifar102",
    axis: str = "linear",
    *,
    level: float = 0.95,
    resamples: int = 1_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the slope of new on original accuracy over the models, with its intervals.

    scores: as placebo_gap, at least 3 models. Rows over = "models" (other models, these images), "images" (these
    models, other images) and "models and images" (both at once, the interval to quote). Columns: over, axis, slope,
    low, high, holds_one, intercept, r2, p_value, num_models, warning, level. Below 10 models the warning says that an
    interval over models is too narrow.
    """
    sides = [np.column_stack([_mean(scores, model, name) for model in _models(scores)]) for name in (original, new)]
    means = [side.mean(axis=0) for side in sides]
    fits = {"models": lines.fit_line(*means, axis, level=level, seed=seed)}
    fits["images"], _ = lines.image_band(*sides, axis, level=level, resamples=resamples, seed=seed)
    joint = joint_bootstrap.joint_intervals(*sides, axes=(axis,), level=level, resamples=resamples, seed=seed)
    both = joint[joint["statistic"] == "slope"].iloc[0]
    fits["models and images"] = replace(fits["models"], slope_low=both["low"], slope_high=both["high"])
    rows = []
    for over, fit in fits.items():
        limits = (fit.slope, fit.slope_low, fit.slope_high, bool(fit.slope_low <= 1 <= fit.slope_high))
        few = f"an interval over {fit.n} models is too narrow" if over != "images" and fit.n < FEW_MODELS else ""
        warning = "; ".join(text for text in (few, fit.warning) if text)
        rows.append((over, axis, *limits, fit.intercept, fit.r2, fit.p_value, fit.n, warning))
    columns = ["over", "axis", "slope", "low", "high", "holds_one", "intercept", "r2", "p_value", "num_models"]
    return pd.DataFrame(rows, columns=[*columns, "warning"]).assign(level=level)


def own_slope(scores: Scores, original: str, new: str, **options: float) -> pd.DataFrame:
    """Return placebo_slope of a run's own models; where there are too few of them, with every seed as a model.

    options: of placebo_slope. No rows where not even the seeds make three models.
    """
    scores = scores if len(scores) >= LEAST_MODELS else seeds_as_models(scores)
    return placebo_slope(scores, original, new, **options) if len(scores) >= LEAST_MODELS else pd.DataFrame()


def pooled_keyword_pairs(
    scores: Scores,
    labels: Mapping[str, np.ndarray],
    keywords: Mapping[str, np.ndarray],
    original: str,
    new: str,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return keyword_mixture.keyword_pairs of two sets, for the mean over the models. Arguments as placebo_keywords."""
    images = [
        keyword_mixture.image_table(pooled_images(scores, name), labels[name], keywords[name])
        for name in (original, new)
    ]
    return keyword_mixture.keyword_pairs(*images, level=level)


def placebo_keywords(
    scores: Scores,
    labels: Mapping[str, np.ndarray],
    keywords: Mapping[str, np.ndarray],
    original: str = "cifar10",
    new: str = "cifar102",
    **options: float,
) -> pd.DataFrame:
    """Return the placebo gap before and after reweighting the new set to the original's keyword mix.

    labels, keywords: set name -> (n,), from the sets' own file names. options: of keyword_reweighted. Rows: each model
    and "all models". Columns: model, original_set, new_set and those of KeywordMixture.
    """
    images = {model: [_mean(scores, model, name) for name in (original, new)] for model in _models(scores)}
    images[POOLED] = [pooled_images(scores, name) for name in (original, new)]
    rows = []
    for model, sides in images.items():
        tables = [
            keyword_mixture.image_table(side, labels[name], keywords[name])
            for side, name in zip(sides, (original, new), strict=True)
        ]
        mixture = keyword_mixture.keyword_reweighted(*tables, **options)
        rows.append({"model": model, "original_set": original, "new_set": new} | vars(mixture))
    return pd.DataFrame(rows)


def decompose(
    original: pd.DataFrame,
    new: pd.DataFrame,
    fresh: pd.DataFrame | None = None,
    *,
    models_tested: int = 1,
    level: float = 0.95,
) -> pd.DataFrame:
    """Split each model's drop acc(S) - acc(S') into adaptivity, distribution and generalization terms.

    original (S), new (S'), fresh: accuracy tables of the same models; fresh is a further sample of the original
    distribution D that no one selected models on (the placebo). With D' the new distribution, in accuracy: adaptivity
    = acc(S) - acc(D), distribution = acc(D) - acc(D'), generalization = acc(D') - acc(S'); they sum to the drop.

    Nobody knows acc(D) and acc(D'); each term has an estimate and bounds at `level` (95 %), singly: generalization
    from the exact interval of S', which is fresh by design (estimate 0). Adaptivity from the exact interval of the
    fresh sample; without one from that of S at 1 - (1 - level) / models_tested, which holds where the best of that
    many models fixed beforehand was chosen on S (estimate 0: it is assumed, not measured). Distribution: the drop
    less adaptivity, with Newcombe's interval of fresh (else S) against S'. For all three at once pass level = 1 - (1
    - level) / 3. Returns rows model, term, value, low, high, source, level. Source: Recht et al. 2019 (arXiv
    1902.10811), section 2.
    """
    if models_tested < 1:
        raise ValueError(f"models_tested: expected at least 1, found {models_tested}")
    tables = {"original": original, "new": new} | ({} if fresh is None else {"fresh": fresh})
    missing = {name: sorted(set(original["model"]) ^ set(table["model"])) for name, table in tables.items()}
    if any(missing.values()) or not len(original):
        raise ValueError(f"expected the same models in all tables, found these in some only: {missing}")
    counts = {name: table.set_index("model")[["correct", "n"]] for name, table in tables.items()}
    rows = []
    for model in original["model"]:
        chosen = {name: tuple(int(value) for value in table.loc[model]) for name, table in counts.items()}
        rows += [(model, *row, level) for row in _terms(chosen, models_tested, level)]
    return pd.DataFrame(rows, columns=["model", "term", "value", "low", "high", "source", "level"])


def _terms(counts: dict[str, tuple[int, int]], models_tested: int, level: float) -> list[tuple]:
    share = {name: correct / n for name, (correct, n) in counts.items()}
    drop = share["original"] - share["new"]
    rows = [("drop", drop, *intervals.newcombe(*counts["original"], *counts["new"], level), "Newcombe")]
    reference = "fresh" if "fresh" in counts else "original"
    adaptivity = share["original"] - share[reference]
    single = level if reference == "fresh" else 1 - (1 - level) / models_tested
    low, high = intervals.clopper_pearson(*counts[reference], single)
    source = "fresh sample" if reference == "fresh" else f"interval of the original set, {models_tested} models"
    rows.append(("adaptivity", adaptivity, share["original"] - high, share["original"] - low, source))
    limits = intervals.newcombe(*counts[reference], *counts["new"], level)
    rows.append(("distribution", share[reference] - share["new"], *limits, f"Newcombe, {reference} against new"))
    low, high = intervals.clopper_pearson(*counts["new"], level)
    rows.append(("generalization", 0.0, low - share["new"], high - share["new"], "interval of the new set"))
    return rows


def _models(scores: Scores) -> list[str]:
    if not scores:
        raise ValueError("scores: expected at least one model, found none")
    return list(scores)


def _mean(scores: Scores, model: str, name: str) -> np.ndarray:
    if name not in scores[model]:
        raise ValueError(f"{model}: was not evaluated on {name!r}; its sets are {sorted(scores[model])}")
    values = np.atleast_2d(np.asarray(scores[model][name], dtype=np.float64))
    if not values.size or not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise ValueError(f"{model}: {name}: expected correctness 0-1 of shape (seeds, n), found {values.shape}")
    return values.mean(axis=0)


def _pooled(sides: list[np.ndarray], name: str) -> np.ndarray:
    if len({len(side) for side in sides}) > 1:
        raise ValueError(f"{name}: the models hold {[len(side) for side in sides]} images, expected one number")
    return np.mean(sides, axis=0)


def _right(found: Mapping[str, SetPredictions], labels: Mapping[str, np.ndarray], run: str) -> dict[str, np.ndarray]:
    right = {}
    for name in (name for name in found if name in labels):
        ids, truth = found[name].class_ids, np.asarray(labels[name])
        if ids.shape != truth.shape:
            raise ValueError(f"{run}: {name}: holds {len(ids)} predictions, its set has {len(truth)} labels")
        right[name] = ids == truth
    return right
