"""The published models of CIFAR-10.1: their files, and every table that is made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.analysis import (
    accuracies,
    adaptivity,
    chart_tables,
    gaps,
    human_labels,
    joint_bootstrap,
    keyword_mixture,
    lines,
    model_pairs,
    rankings,
    single_images,
)
from cifar102.analysis.predictions import check_truth, published_word, read_class_ids
from cifar102.workspace import arrays
from cifar102.workspace.files import read_json

PUBLISHED_HOME = "https://github.com/modestyachts/CIFAR-10.1 (commit d9982ab)"
ORIGINAL = "cifar10"


@dataclass(frozen=True)
class PublishedModels:
    """What the same models say on the original and on one new test set.

    version: the new set, "cifar10.1-v4". labels, predictions and keywords by set name, "cifar10" and the version:
    integers (n,); model -> class ids int64 (n,), models in one order; text (n,), left out where nobody published them.
    """

    version: str
    labels: dict[str, np.ndarray]
    predictions: dict[str, dict[str, np.ndarray]]
    keywords: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def sets(self) -> tuple[str, str]:
        """The names of the two sets, the original one first."""
        return ORIGINAL, self.version


def published_versions(folder: Path) -> tuple[str, ...]:
    """Return the versions of CIFAR-10.1 of which a folder has labels and predictions: ("cifar10.1-v4", ...)."""
    homes = sorted((Path(folder) / "model_predictions").glob("v*_predictions"))
    names = [f"cifar10.1-{home.name.removesuffix('_predictions')}" for home in homes if any(home.glob("*.json"))]
    labelled = [name for name in names if published_file(folder, name, "labels").is_file()]
    return tuple(sorted(labelled, key=lambda name: (len(name), name)))


def read_published_versions(
    folder: Path, original_labels: np.ndarray, original_keywords: np.ndarray | None = None
) -> list[PublishedModels]:
    """Read every version of CIFAR-10.1 that a folder has labels and predictions of, as read_published_models does."""
    return [
        read_published_models(folder, name, original_labels, original_keywords) for name in published_versions(folder)
    ]


def read_published_models(
    folder: Path, version: str, original_labels: np.ndarray, original_keywords: np.ndarray | None = None
) -> PublishedModels:
    """Read the models that have predictions on CIFAR-10's test set and on a version of CIFAR-10.1.

    folder: CIFAR-10.1 (datasets/, model_predictions/, other_data/); original_labels, original_keywords: of the test
    set, (n,). Raises FileNotFoundError with the files' home, ValueError where a length or a class number is wrong.
    """
    labels = {ORIGINAL: original_labels, version: read_published_labels(folder, version)}
    found = {name: read_published(folder, name, len(labels[name])) for name in labels}
    shared = [model for model in found[ORIGINAL] if model in found[version]]
    if not shared:
        raise ValueError(f"{folder}: no model has predictions on both {ORIGINAL} and {version}")
    predictions = {name: {model: ids[model] for model in shared} for name, ids in found.items()}
    try:
        keywords = {version: read_published_keywords(folder, version)}
    except FileNotFoundError:
        keywords = {}
    keywords |= {} if original_keywords is None else {ORIGINAL: np.asarray(original_keywords)}
    return PublishedModels(version, labels, predictions, keywords)


def read_published(folder: Path, name: str, count: int | None = None) -> dict[str, np.ndarray]:
    """Read the published models' class ids on one set: model -> int64 (n,), models in ASCII order.

    folder: CIFAR-10.1 (holds model_predictions/); name: cifar10, cifar10.1-v4, cifar10.1-v6, or a later version's own
    word ("v7"). All files must be of one length. Source: https://github.com/modestyachts/CIFAR-10.1,
    model_predictions/.
    """
    home = Path(folder) / "model_predictions" / f"{published_word(name)}_predictions"
    paths = sorted(home.glob("*.json"))
    if not paths:
        raise FileNotFoundError(f"{home}: no predictions; they are at {PUBLISHED_HOME}")
    models = {}
    for path in paths:
        models[path.stem.removesuffix("_predictions")] = read_class_ids(path, count)
        count = count or len(next(iter(models.values())))
    return models


def published_file(folder: Path, name: str, part: str) -> Path:
    """Return where a version's "data" or "labels" stand: datasets/ as in its repository, or CIFAR-10.1/ itself.

    folder: CIFAR-10.1; name: "cifar10.1-v4". The file in datasets/ where neither is there.
    """
    file = f"cifar10.1_{name.rpartition('-')[2]}_{part}.npy"
    places = [Path(folder) / "datasets" / file, Path(folder) / file]
    return next((path for path in places if path.is_file()), places[0])


def read_published_labels(folder: Path, name: str) -> np.ndarray:
    """Read the labels of a version of CIFAR-10.1 ("cifar10.1-v4"), int64 (n,), from *_labels.npy."""
    path = published_file(folder, name, "labels")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no labels; they are at {PUBLISHED_HOME}, datasets/")
    return check_truth(arrays.read_npy(path), str(path), num_classes=10)


def read_published_keywords(folder: Path, name: str) -> np.ndarray:
    """Read the Tiny Images keyword of each image of a version of CIFAR-10.1: text (n,), in the images' order.

    folder: CIFAR-10.1 with other_data/cifar10.1_<version>_ti_indices.json and ..._ti_indices_per_keyword.json (v4 has
    both). Raises FileNotFoundError; ValueError where an index has no keyword.
    """
    version = name.rpartition("-")[2]
    paths = [Path(folder) / "other_data" / f"cifar10.1_{version}_ti_indices{end}.json" for end in ("", "_per_keyword")]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no keywords of {name}; they are at {PUBLISHED_HOME}, other_data/")
    indices, by_keyword = (read_json(path) for path in paths)
    try:
        keyword_of = {index: keyword for keyword, members in by_keyword.items() for index in members}
        missing = [index for index in indices if index not in keyword_of]
    except (AttributeError, TypeError) as error:
        raise ValueError(f"{paths[1]}: expected an object of keyword -> list of indices, found {error}") from error
    if missing:
        raise ValueError(f"{paths[1]}: holds no keyword for {len(missing)} indices of {paths[0].name}: {missing[:5]}")
    return np.array([keyword_of[index] for index in indices])


def published_tables(
    versions: Sequence[PublishedModels], version: str, *, level: float = 0.95, seed: int = 0
) -> tuple[PublishedModels | None, dict[str, pd.DataFrame]]:
    """Return the models of one version and all tables about them, by name; fits holds the lines of every version.

    version: the one that is chosen, else the first there is. None and no tables where there is none. The tables are
    those of model_tables and image_tables.
    """
    if not versions:
        return None, {}
    chosen = next((models for models in versions if models.version == version), versions[0])
    fits = pd.concat([version_table(models, level=level, seed=seed) for models in versions], ignore_index=True)
    return chosen, model_tables(chosen, level) | image_tables(chosen, level, seed) | {"fits": fits}


def version_table(models: PublishedModels, *, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Return the gap and the line of one version, a row an axis.

    Columns: version, num_models, n_original, n_new, gap (mean over models), gap_low, gap_high (Welch over images),
    spearman, kendall, and those of lines.LineFit without n. No rows for fewer than 3 models, which have no line.
    """
    gap = gaps.placebo_gap(published_scores(models), *models.sets, level=level).iloc[-1]
    sides = [_accuracy(models, name) for name in models.sets]
    first = {"version": models.version, "num_models": len(sides[0]), "n_original": gap["n_original"]}
    first |= {"n_new": gap["n_new"], "gap": gap["gap"], "gap_low": gap["low"], "gap_high": gap["high"]}
    if len(sides[0]) < gaps.LEAST_MODELS:
        return pd.DataFrame()
    first |= rankings.rank_correlations(*sides)
    fits = [vars(lines.fit_line(*sides, axis, level=level, seed=seed)) for axis in lines.AXES]
    return pd.DataFrame([first | {name: value for name, value in fit.items() if name != "n"} for fit in fits])


def model_tables(models: PublishedModels, level: float = 0.95) -> dict[str, pd.DataFrame]:
    """Return the tables that have a row a model or a pair of models, by name.

    gap, averages (micro and macro, whole and without each class in turn), robustness (each model beside the line of all
    others), ranks, rank_agreement, influence, pairs and certain_ranks (of the new set), reversals, terms, agreement.
    Those that need a line are left out below 3 models (robustness, influence: 4; rank_agreement: 5), those of pairs
    below 2.
    """
    tables = [_table(models, name, level) for name in models.sets]
    found = {"gap": accuracies.gap_table(*tables, level)}
    found["averages"] = pd.concat([_averages(models, name, level) for name in models.sets], ignore_index=True)
    sides = [table.set_index("model")["accuracy"] for table in tables]
    found["ranks"] = rankings.rank_table(*sides)
    found["terms"] = gaps.decompose(*tables, models_tested=len(tables[0]), level=level)
    said = [models.predictions[name] for name in models.sets]
    if len(sides[0]) > gaps.LEAST_MODELS + 1:
        found["rank_agreement"] = rankings.rank_agreement(*sides, level)
    if len(sides[0]) > 1:
        found["pairs"] = model_pairs.mcnemar_table(said[1], models.labels[models.version], level)
        found["certain_ranks"] = model_pairs.certain_ranks(found["pairs"])
        of_original = model_pairs.mcnemar_table(said[0], models.labels[ORIGINAL], level)
        found["reversals"] = rankings.reversals(of_original, found["pairs"])
    if len(sides[0]) >= gaps.LEAST_MODELS and np.ptp(sides[0]) > 0:
        labels = [models.labels[name] for name in models.sets]
        found["agreement"] = model_pairs.agreement_on_the_line(*said, *labels).models
    if len(sides[0]) > gaps.LEAST_MODELS:
        sizes = dict(zip(("n_original", "n_new"), (int(table["n"].iloc[0]) for table in tables), strict=True))
        found["robustness"] = lines.beside_others(*sides, level=level, **sizes)
        found["influence"] = pd.concat(
            [lines.influence(*sides, axis).assign(axis=axis) for axis in lines.AXES], ignore_index=True
        )
    return found


def image_tables(models: PublishedModels, level: float = 0.95, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Return the tables about classes, keywords and images, by name.

    classes (gap per model and class), confusion (its change, mean over models), difficulty (both sets, hardest first),
    adaptivity (of the original set), joint (also by families where there are 3) and difficulty_matched (from 3 and 4
    models on), and where both sets have keywords: keywords (accuracy per keyword, mean over models, shrunk),
    keyword_mixture, keyword_clusters.
    """
    sides = [(models.predictions[name], models.labels[name]) for name in models.sets]
    found = {"classes": accuracies.class_gap_table(*(accuracies.class_table(*side, level) for side in sides), level)}
    found["confusion"] = accuracies.confusion_difference(*sides[0], *sides[1])
    difficulty = [single_images.difficulty_table(*side) for side in sides]
    found["difficulty"] = pd.concat(
        [table.assign(set=name) for table, name in zip(difficulty, models.sets, strict=True)], ignore_index=True
    )
    right = [accuracies.correctness(*side).to_numpy() for side in sides]
    found["adaptivity"] = adaptivity.best_of_halves(right[0], level=level, seed=seed)
    if right[0].shape[1] >= gaps.LEAST_MODELS and np.ptp(right[0].mean(axis=0)) > 0:
        found["joint"] = _joint(right, list(models.predictions[ORIGINAL]), level, seed)
    if right[0].shape[1] > gaps.LEAST_MODELS:
        found["difficulty_matched"] = single_images.difficulty_matched_gap(*right, level=level, seed=seed)
    if set(models.keywords) == set(models.sets):
        right = [accuracies.correctness(*side).mean(axis=1) for side in sides]
        images = [
            keyword_mixture.image_table(right[k], sides[k][1], models.keywords[name])
            for k, name in enumerate(models.sets)
        ]
        found["keywords"] = keyword_mixture.keyword_pairs(*images, level=level)
        found["keyword_clusters"] = keyword_mixture.clustered_gaps(*images, level=level)
        found["keyword_mixture"] = pd.DataFrame(
            [vars(keyword_mixture.keyword_reweighted(*images, level=level, seed=seed))]
        )
    return found


def _joint(right: list[np.ndarray], names: list[str], level: float, seed: int) -> pd.DataFrame:
    """joint_intervals over models and images, and below it with families of architectures drawn whole."""
    families = [chart_tables.published_family(name) for name in names]
    tables = [joint_bootstrap.joint_intervals(*right, level=level, seed=seed)]
    if len(set(families)) >= gaps.LEAST_MODELS:
        tables.append(joint_bootstrap.joint_intervals(*right, families=families, level=level, seed=seed))
    return pd.concat(tables, ignore_index=True)


def published_accuracies(models: PublishedModels, level: float = 0.95) -> list[pd.DataFrame]:
    """Return accuracy_table of the models on the original and on the new set."""
    return [_table(models, name, level) for name in models.sets]


def published_scores(models: PublishedModels) -> dict[str, dict[str, np.ndarray]]:
    """Return which images each model gets right, as placebo_gap takes it: model -> set -> bool (1, n)."""
    right = {name: accuracies.correctness(models.predictions[name], models.labels[name]) for name in models.sets}
    return {
        model: {name: right[name][model].to_numpy()[None] for name in models.sets} for model in right[models.version]
    }


def published_slopes(models: PublishedModels, **options: float) -> list[pd.DataFrame]:
    """Return placebo_slope of the models on linear and on probit axes; nothing where they have no line.

    options: level, resamples, seed of placebo_slope.
    """
    if len(models.predictions[ORIGINAL]) < gaps.LEAST_MODELS or _accuracy(models, ORIGINAL).nunique() < 2:
        return []
    scores = published_scores(models)
    return [gaps.placebo_slope(scores, *models.sets, axis, **options) for axis in ("linear", "probit")]


def published_gap_without_copies(models: PublishedModels, has_copy: np.ndarray, level: float = 0.95) -> pd.DataFrame:
    """Return gap_without_copies_table of the models. has_copy: bool (n,), of the original set's images.

    CIFAR-10.1 dropped its near-duplicates of CIFAR-10, so none of the new images has one.
    """
    original, new = ((models.predictions[name], models.labels[name]) for name in models.sets)
    no_copy = np.zeros(len(new[1]), dtype=bool)
    return single_images.gap_without_copies_table((*original, has_copy), (*new, no_copy), level)


def people_tables(
    models: PublishedModels | None, labels: np.ndarray, counts: np.ndarray, level: float = 0.95
) -> dict[str, pd.DataFrame]:
    """Return what people's answers say of the original set's labels, and of the models' gap, by name.

    labels: integers (n,), of the original set; counts: integers (n, classes), of CIFAR-10H. people_disagree (images),
    and where there are models people_none_right (those among them that no model gets right) and gap_by_labelling.
    """
    found = {"people_disagree": human_labels.people_disagree(labels, counts)}
    if models is None:
        return found
    right = accuracies.correctness(models.predictions[ORIGINAL], labels).any(axis=1).to_numpy()
    found["people_none_right"] = found["people_disagree"][~right[found["people_disagree"]["row"]]]
    said = (models.predictions[name] for name in models.sets)
    truth = (labels, models.labels[models.version])
    found["gap_by_labelling"] = human_labels.gap_by_labelling(*said, truth, counts, level=level)
    return found


def _table(models: PublishedModels, name: str, level: float) -> pd.DataFrame:
    return accuracies.accuracy_table(models.predictions[name], models.labels[name], level)


def _accuracy(models: PublishedModels, name: str) -> pd.Series:
    return _table(models, name, 0.95).set_index("model")["accuracy"]


def _averages(models: PublishedModels, name: str, level: float) -> pd.DataFrame:
    return accuracies.leave_one_out_table(models.predictions[name], models.labels[name], level).assign(set=name)
