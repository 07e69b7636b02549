"""Single images: the hard ones, how sure people are of them, and those that have a copy among training images."""

from collections.abc import Collection

import numpy as np
import pandas as pd
from scipy import stats

from cifar102.analysis import intervals
from cifar102.analysis.accuracies import Predictions, class_name, correctness, subset_table

TRAIN_SET = "cifar10-train"
PEOPLE = "people, share who say the label"


def difficulty_table(predictions: Predictions, labels: np.ndarray) -> pd.DataFrame:
    """Return one row an image, hardest first: row, label, class_name, num_right, num_models, share_right, most_said.

    predictions: model -> class ids (n,) or probabilities (n, classes), of one set; most_said: the name of the class
    that most models say (the first of equals). Images with num_right 0 are those no model gets right. Raises
    ValueError.
    """
    right = correctness(predictions, labels)
    ids = np.stack([np.asarray(v) if np.ndim(v) == 1 else np.argmax(v, axis=1) for v in predictions.values()])
    said = stats.mode(ids, axis=0).mode
    labels = np.asarray(labels)
    table = pd.DataFrame(
        {
            "row": np.arange(len(labels)),
            "label": labels,
            "class_name": [class_name(int(label)) for label in labels],
            "num_right": right.sum(axis=1).to_numpy(),
            "num_models": right.shape[1],
            "share_right": right.mean(axis=1).to_numpy(),
            "most_said": [class_name(int(label)) for label in said],
        }
    )
    return table.sort_values("num_right", kind="stable", ignore_index=True)


def difficulty_matched_gap(
    original: np.ndarray, new: np.ndarray, *, level: float = 0.95, resamples: int = 400, seed: int = 0
) -> pd.DataFrame:
    """Return the mean gap before and after the new set is weighted to the original's mix of easy and hard images.

    original, new: bool (n, models), which images each model gets right, at least 4 models in one order. An image's
    difficulty is how many of one half of the models get it right; the gap is that of the other half, so the score is
    independent of what is judged. Each draw cuts the models in two at random and draws both sets of images with
    replacement. One row: gap, gap_low, gap_high, matched, matched_low, matched_high (accuracy 0-1), covered (share of
    the original's images whose score the new set has), num_models, resamples, level. What is left after matching is no
    matter of difficulty as half of the models see it; the score is noisy, so matching takes away too little.
    """
    sides, rng = [np.asarray(side, dtype=bool) for side in (original, new)], np.random.default_rng(seed)
    count = sides[0].shape[1]
    if count < 4 or sides[1].shape[1] != count:
        raise ValueError(f"expected the same 4 or more models twice, found shapes {[side.shape for side in sides]}")
    found = np.empty((resamples, 3))
    for draw in range(resamples):
        order = rng.permutation(count)
        drawn = [side[rng.integers(len(side), size=len(side))] for side in sides]
        found[draw] = _matched(drawn, order[: count // 2], order[count // 2 :])
    whole = np.mean([_matched(sides, *np.array_split(rng.permutation(count), 2)) for _ in range(50)], axis=0)
    row: dict[str, float] = {}
    for k, name in enumerate(("gap", "matched")):
        low, high = intervals.percentile_interval(found[:, k], level)
        row |= {name: whole[k], f"{name}_low": low, f"{name}_high": high}
    row |= {"covered": whole[2], "num_models": count, "resamples": resamples, "level": level}
    return pd.DataFrame([row])


def _matched(sides: list[np.ndarray], scoring: np.ndarray, judged: np.ndarray) -> tuple[float, float, float]:
    """The gap of the judged models, plain and under the original's mix of scores, and the share of it there is."""
    scores = [side[:, scoring].sum(axis=1) for side in sides]
    accuracy = [side[:, judged].mean(axis=1) for side in sides]
    counts = [np.bincount(score, minlength=len(scoring) + 1) for score in scores]
    sums = [np.bincount(score, right, len(scoring) + 1) for score, right in zip(scores, accuracy, strict=True)]
    shared = (counts[0] > 0) & (counts[1] > 0)
    mix = counts[0][shared] / counts[0][shared].sum()
    means = [part[shared] / count[shared] for part, count in zip(sums, counts, strict=True)]
    gap = accuracy[0].mean() - accuracy[1].mean()
    return gap, float(mix @ (means[0] - means[1])), float(counts[0][shared].sum() / counts[0].sum())


def hard_images(difficulty: pd.DataFrame, set_name: str, count: int = 60) -> pd.DataFrame:
    """Return a contact sheet of the hardest images: set, row, caption, group, in difficulty_table's order.

    difficulty: of difficulty_table; set_name: the array of image_sheets that holds the images. Caption: what most
    models say and what the label is. Groups: images that no model gets right, then those that few do.
    """
    shown = difficulty.head(count)
    none = f"no model of {int(shown['num_models'].iloc[0])} is right"
    group = [none if right == 0 else "few models are right" for right in shown["num_right"]]
    caption = [f"{said}\nis {name}" for said, name in shown[["most_said", "class_name"]].to_numpy()]
    return pd.DataFrame({"set": set_name, "row": shown["row"].to_numpy(), "caption": caption, "group": group})


def human_entropy(counts: np.ndarray) -> np.ndarray:
    """Return the entropy in bits of people's answers per image, float64 (n,): 0 where all agree, log2(10) at most."""
    _check_counts(counts, "counts")
    return stats.entropy(counts, axis=1, base=2)


def accuracy_by_entropy(
    predictions: Predictions, labels: np.ndarray, counts: np.ndarray, *, bins: int = 10, level: float = 0.95
) -> pd.DataFrame:
    """Return accuracy per model as a function of people's uncertainty about the images.

    counts: integers (n, 10) of CIFAR-10H. The images everybody agrees on are one bin, the others are cut into bins of
    equal counts (fewer where entropies tie). Columns: model, bin, entropy_low, entropy_high, entropy (mean), correct,
    n, accuracy, low, high (exact), human_accuracy (mean share of people who say the label), level.
    """
    right, labels, entropy = correctness(predictions, labels), np.asarray(labels), human_entropy(counts)
    if len(entropy) != len(labels):
        raise ValueError(f"counts: expected {len(labels)} rows, one an image, found {len(entropy)}")
    number = np.zeros(len(entropy), dtype=np.int64)
    unsure = entropy > 0
    if unsure.any():
        number[unsure] = 1 + pd.qcut(entropy[unsure], bins, labels=False, duplicates="drop")
    people = counts[np.arange(len(labels)), labels] / counts.sum(axis=1)
    tables = []
    for value in np.unique(number):
        rows = number == value
        correct = right[rows].sum().to_numpy()
        low, high = intervals.clopper_pearson(correct, int(rows.sum()), level)
        columns = {"model": list(right), "bin": int(value), "entropy_low": entropy[rows].min()}
        columns |= {"entropy_high": entropy[rows].max(), "entropy": entropy[rows].mean(), "correct": correct}
        columns |= {"n": int(rows.sum()), "accuracy": correct / rows.sum(), "low": low, "high": high}
        tables.append(pd.DataFrame(columns | {"human_accuracy": people[rows].mean(), "level": level}))
    return pd.concat(tables, ignore_index=True).sort_values(["model", "bin"], kind="stable", ignore_index=True)


def entropy_curves(entropy: pd.DataFrame, models: Collection[str], people: str = PEOPLE) -> pd.DataFrame:
    """Return accuracy_by_entropy's rows of some models, and people as one more model, called `people`.

    The accuracy of people is the share of them who say the label; it has no interval.
    """
    bins = entropy.drop_duplicates("bin")
    said = bins.assign(model=people, accuracy=bins["human_accuracy"], low=np.nan, high=np.nan)
    return pd.concat([entropy[entropy["model"].isin(models)], said], ignore_index=True)


def candidates_of_images(exact_groups: pd.DataFrame, set_name: str, num_images: int) -> np.ndarray:
    """Return the candidate that equals each image of a set, int64 (num_images,); -1 where no candidate does.

    exact_groups: of notebook 03 (group, set, row). Pairs are known of candidates only, and a pool that holds the
    published test images, as Tiny Images and the placebo do, has them among its candidates.
    """
    members = exact_groups.loc[exact_groups["set"] == set_name, ["group", "row"]]
    equal = exact_groups.loc[exact_groups["set"] == "candidates", ["group", "row"]].drop_duplicates("group")
    both = members.merge(equal, on="group", suffixes=("", "_candidate"))
    found = np.full(num_images, -1, dtype=np.int64)
    if len(both) and both["row"].max() >= num_images:
        raise ValueError(f"exact_groups: {set_name} has a row {both['row'].max()}, the set has {num_images} images")
    found[both["row"]] = both["row_candidate"]
    return found


def has_copy(
    candidates: np.ndarray,
    pairs: pd.DataFrame,
    exact_groups: pd.DataFrame,
    *,
    train_rows: np.ndarray | None = None,
    train_candidates: np.ndarray | None = None,
) -> np.ndarray:
    """Say of each test image whether training images hold a copy or a near-duplicate of it: bool (n,).

    candidates: the test images' candidate numbers, -1 where unknown (these are False). pairs, exact_groups: of
    notebook 03; a near-duplicate is a pair with the verdict "duplicate". train_rows: rows of the reference training set
    that count (all of them without it); train_candidates: candidates that were trained on as well.
    """
    near = pairs.loc[pairs["verdict"] == "duplicate", ["query", "reference_set", "reference"]]
    in_train = (near["reference_set"] == TRAIN_SET) & _counts(near["reference"], train_rows)
    members = exact_groups[exact_groups["set"] == TRAIN_SET]
    groups = members.loc[_counts(members["row"], train_rows), "group"]
    copies = exact_groups[(exact_groups["set"] == "candidates") & exact_groups["group"].isin(groups)]
    found = [near.loc[in_train, "query"], copies["row"]]
    if train_candidates is not None:
        among = (near["reference_set"] == "candidates") & near["reference"].isin(train_candidates)
        among &= near["reference"] != near["query"]
        found.append(near.loc[among, "query"])
    return np.isin(candidates, np.concatenate(found)) & (candidates >= 0)


def copies_in_train(
    candidates: np.ndarray,
    manifest: pd.DataFrame,
    pairs: pd.DataFrame,
    exact_groups: pd.DataFrame,
    train_rows: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return has_copy of CIFAR-10's test set, of the new test set and of the images left over: set -> bool (n,).

    candidates: of candidates_of_images, for CIFAR-10's test set; manifest: of the release. Else as has_copy.
    """
    of_set = {"cifar10": candidates}
    for name, split in (("cifar102", "test"), ("cifar102-leftover", "leftover")):
        rows = manifest[manifest["split"] == split]
        of_set[name] = rows.sort_values("row")["candidate"].to_numpy()
    return {name: has_copy(numbers, pairs, exact_groups, train_rows=train_rows) for name, numbers in of_set.items()}


def gap_without_copies_table(
    original: tuple[Predictions, np.ndarray, np.ndarray],
    new: tuple[Predictions, np.ndarray, np.ndarray],
    level: float = 0.95,
) -> pd.DataFrame:
    """Return the accuracies and the gap of each model with and without the test images that have a copy in train.

    original, new: (predictions, labels, has_copy) of a set, as accuracies.subset_table takes them. Rows: model, subset
    ("all", "without duplicates"), original, new, gap, low, high (Newcombe), n_original, n_new, level.
    """
    tables = [subset_table(*side, level=level) for side in (original, new)]
    both = tables[0].merge(tables[1], on=["model", "subset"], suffixes=("_original", "_new"))
    both = both[both["subset"] != "duplicates only"].reset_index(drop=True)
    counts = (both[name].to_numpy() for name in ("correct_original", "n_original", "correct_new", "n_new"))
    low, high = intervals.newcombe(*counts, level=level)
    table = both[["model", "subset"]].assign(original=both["accuracy_original"], new=both["accuracy_new"])
    table = table.assign(gap=table["original"] - table["new"], low=low, high=high)
    return table.assign(n_original=both["n_original"], n_new=both["n_new"], level=level)


def _check_counts(counts: np.ndarray, where: str) -> None:
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.dtype.kind not in "iu" or counts.min() < 0 or (counts.sum(axis=1) < 1).any():
        raise ValueError(f"{where}: expected counts of answers (n, classes), at least one a row, found {counts.dtype}")


def _counts(rows: pd.Series, chosen: np.ndarray | None) -> pd.Series | bool:
    return rows.isin(chosen) if chosen is not None else rows >= 0
