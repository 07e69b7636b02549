"""What the numbers of a model mean: class ids, probabilities, logits or scores. Never guessed in silence.

Pure functions on arrays. `of_outputs` reads the numbers of one set and says how it read them; `warnings` says what
makes a good model look bad: answers at chance level, classes that are swapped or counted otherwise.
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

from cifar102.analysis.intervals import clopper_pearson
from cifar102.analysis.predictions import SetPredictions
from cifar102.cifar import CLASS_NAMES

NEAR = 0.02  # a bfloat16 softmax over ten classes sums to 0.98-1.02 (8 bits of precision a value)
TWO_DECIMALS = 0.05  # ten values rounded to two decimals, 0.005 each
SAID = 1e-3  # sums that are farther from 1 are mentioned; float32 and float16 rounding is below
ROUNDING = 1e-6  # how far below 0 or above 1 rounding takes a probability
SUSPECT = 1000  # images; that all of so many are right is more likely a copy of the labels than a model
ORDERS = 1e-3 / 3_628_800  # significance over all 10! orders of the classes (Bonferroni)


@dataclass(frozen=True)
class Meaning:
    """The predictions that numbers stand for, and sentences on how they were read (none where nothing was unsure)."""

    predictions: SetPredictions
    notes: tuple[str, ...] = ()


def of_outputs(
    values: np.ndarray, labels: np.ndarray | None, where: str, *, logits: bool | None = None, num_classes: int = 10
) -> Meaning:
    """Read the numbers that a model gives for one set.

    values: class ids (n,) or (n, 1) of any number type, or (n, num_classes) one-hot rows, probabilities, percent, log
    probabilities or logits of any number type; labels: integers (n,), where they are known. logits: the user's word
    that the rows are logits (True) or are none (False).

    Rows whose sums are within 2 % of 1 are probabilities and are divided by their sum; logits are put through a
    softmax; scores of which only the order is known give class ids alone. Raises ValueError that names `where`, what
    was found and what was expected.
    """
    count = None if labels is None else len(labels)
    values = _squeezed(_numbers(values, where), count, num_classes)
    expected = (
        f"class ids ({'n' if count is None else count},) or rows ({'n' if count is None else count}, {num_classes})"
    )
    if (values.ndim == 2 and values.shape[1] != num_classes) or values.ndim not in (1, 2):
        raise ValueError(
            f"{where}: found shape {values.shape}{shape_hint(values.shape, num_classes)}; expected {expected}"
        )
    if not len(values) or (count is not None and len(values) != count):
        raise ValueError(f"{where}: found {len(values)} predictions; expected {expected}")
    _check_numbers(values, where, expected)
    if values.ndim == 1:
        return _of_ids(values, labels, where, logits, num_classes)
    return _of_rows(values, where, logits)


def _numbers(values: np.ndarray, where: str) -> np.ndarray:
    """The values as integers or float64; ValueError for anything that is no number."""
    values = np.asarray(values)
    if values.dtype.kind not in "iub" and values.dtype.kind != "f" and values.dtype.name != "bfloat16":
        raise ValueError(f"{where}: found {values.dtype} values; expected class ids or rows of numbers")
    return values if values.dtype.kind in "iub" else values.astype(np.float64)


def _squeezed(values: np.ndarray, count: int | None, num_classes: int) -> np.ndarray:
    """Without axes of length 1 beside those of images and classes: (n, 1), (1, n, 10), (n, 1, 1, 10)."""
    if values.ndim < 2 or (values.shape == (1, num_classes) and count in (None, 1)):
        return values
    shape = tuple(size for size in values.shape if size != 1)
    if values.ndim > 2 and count == 1:
        shape = (1, *shape)
    return values.reshape(shape or (1,))


def shape_hint(shape: tuple[int, ...], num_classes: int = 10) -> str:
    """Return what to try where an array has the wrong shape, " (...)", or ""."""
    if len(shape) == 2 and shape[0] == num_classes:
        return " (rows and columns swapped? save its transpose)"
    if len(shape) == 2 and shape[1] > num_classes:
        return f" (save the columns of CIFAR-10's {num_classes} classes only; which these are is not guessed)"
    return ""


def _check_numbers(values: np.ndarray, where: str, expected: str) -> None:
    """ValueError at the first row that holds NaN or +infinity; a logarithm of 0 is -infinity and no mistake."""
    if values.dtype.kind != "f":
        return
    bad = np.isnan(values) | (values == np.inf) | ((values == -np.inf) if values.ndim == 1 else False)
    if values.ndim == 2:
        bad = bad.any(axis=1) | (values == -np.inf).all(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        found = np.atleast_1d(values[row])
        raise ValueError(f"{where}: row {row} holds {found[~np.isfinite(found)][0]}; expected finite {expected}")


def _of_ids(
    values: np.ndarray, labels: np.ndarray | None, where: str, logits: bool | None, num_classes: int
) -> Meaning:
    expected = f"{len(values)} class ids 0 to {num_classes - 1}"
    if logits:
        raise ValueError(f"{where}: found one number an image; expected rows of {num_classes} logits, as asked for")
    if values.dtype.kind == "b" or (values.dtype.kind == "f" and (values != np.round(values)).any()):
        odd = values[:3] if values.dtype.kind == "b" else values[values != np.round(values)][:3]
        raise ValueError(f"{where}: found values such as {odd.tolist()}; expected {expected}")
    low, high = int(values.min()), int(values.max())
    if (low, high) == (1, num_classes) and labels is not None:
        return _counted_from_one(values.astype(np.int64), labels, where, expected)
    if low < 0 or high >= num_classes:
        raise ValueError(f"{where}: found ids from {low:.6g} to {high:.6g}; expected {expected}")
    return Meaning(SetPredictions(values.astype(np.int64)))


def _counted_from_one(ids: np.ndarray, labels: np.ndarray, where: str, expected: str) -> Meaning:
    """Ids 1 to 10 are classes counted from 1 where that is right more often than guessing would be."""
    said = SetPredictions(ids - 1)
    right = np.mean(said.class_ids == labels)
    if is_chance(said.class_ids, labels):
        raise ValueError(
            f"{where}: found ids from {ids.min()} to {ids.max()}, and counted from 1 only {right:.1%} are right; "
            f"expected {expected}"
        )
    return Meaning(said, (f"{where}: ids from 1 to {ids.max()} are classes counted from 1 ({right:.1%} are right)",))


def _of_rows(values: np.ndarray, where: str, logits: bool | None) -> Meaning:
    """Rows (n, classes), finite but for -infinity, as what they are; logits: the user's word, or None."""
    is_exact = values.dtype.kind in "iub"
    rows = values.astype(np.float64)
    ids, tied = rows.argmax(axis=1), _ties(rows, where)
    if logits:
        return Meaning(
            SetPredictions(ids, special.softmax(rows, axis=1)), (f"{where}: read as logits, as asked", *tied)
        )
    if ((rows == 0) | (rows == 1)).all() and (rows.sum(axis=1) == 1).all():
        note = f"{where}: one-hot rows, read as class ids: they hold no probabilities, so calibration is not judged"
        return Meaning(SetPredictions(ids), (note,))
    if rows.min() >= -ROUNDING:
        return _of_shares(np.maximum(rows, 0), ids, where, tied)
    sums = np.exp(special.logsumexp(rows, axis=1))
    if rows.max() <= ROUNDING and np.abs(sums - 1).max() <= NEAR:
        note = f"{where}: log probabilities (the exponentials of each row sum to 1), read so"
        return Meaning(SetPredictions(ids, np.exp(rows) / sums[:, None]), (note, *tied))
    span = f"values run from {rows.min():.4g} to {rows.max():.4g}"
    if logits is False:
        raise ValueError(f"{where}: {span}; expected probabilities 0-1, since these are no logits")
    if is_exact:
        return Meaning(SetPredictions(ids), (_order_only(where, f"whole numbers, {span}"), *tied))
    note = f"{where}: {span}, so the rows are logits; softmax gives the probabilities (class ids are the same)"
    return Meaning(SetPredictions(ids, special.softmax(rows, axis=1)), (note, *tied))


def _of_shares(rows: np.ndarray, ids: np.ndarray, where: str, tied: tuple[str, ...]) -> Meaning:
    """Rows without a negative value: probabilities, shares of a common total, or scores without a scale."""
    sums = rows.sum(axis=1)
    off = np.abs(sums - 1).max()
    if off <= (TWO_DECIMALS if np.allclose(100 * rows, np.round(100 * rows), rtol=0, atol=ROUNDING) else NEAR):
        why = "rounding of a short number type or of few decimals"
        note = f"{where}: rows sum to {sums.min():.4f} to {sums.max():.4f} ({why}); each is divided by its sum"
        return Meaning(SetPredictions(ids, rows / sums[:, None]), (*((note,) if off > SAID else ()), *tied))
    total = float(np.median(sums))
    if total > 1 and np.abs(sums / total - 1).max() <= NEAR:
        note = f"{where}: every row sums to {total:.4g}; read as shares of that total, divided by it"
        return Meaning(SetPredictions(ids, rows / sums[:, None]), (note, *tied))
    found = f"rows without a negative value that sum to {sums.min():.4g} to {sums.max():.4g}"
    if rows.max() <= 9 and (rows == np.round(rows)).all():
        raise ValueError(
            f"{where}: found rows of whole numbers 0 to 9 (class ids of ten models?); expected one model's"
        )
    return Meaning(SetPredictions(ids), (_order_only(where, found), *tied))


def _order_only(where: str, found: str) -> str:
    return (
        f"{where}: {found}: neither probabilities nor logits (scores of single classes, as a sigmoid gives?); "
        "the largest of each row is its class, and calibration is not judged (--logits if these are logits)"
    )


def _ties(rows: np.ndarray, where: str) -> tuple[str, ...]:
    """A sentence where rows have two classes at the top: short number types round them together."""
    top = (rows == rows.max(axis=1, keepdims=True)).sum(axis=1) > 1
    note = f"{where}: {top.sum()} of {len(rows)} rows have more than one class at the top; the first of them is taken"
    return (note,) if top.any() else ()


def is_chance(ids: np.ndarray, labels: np.ndarray) -> bool:
    """Say whether ids are right no more often than answers that know nothing: below 20 %, chance in the 95 % interval.

    ids, labels: integers (n,). Chance is what these ids would get in a random order: the sum over classes of the share
    of answers times the share of labels.
    """
    right = int(np.sum(ids == labels))
    shares = [np.bincount(values, minlength=10) / len(labels) for values in (ids, labels)]
    low, _ = clopper_pearson(right, len(labels))
    return right < 0.2 * len(labels) and low <= float(shares[0] @ shares[1])


def warnings(said: SetPredictions, labels: np.ndarray, where: str) -> tuple[str, ...]:
    """Say what makes a good model look bad: classes renamed or swapped, answers at chance level. Judged all the same.

    said: predictions of n images; labels: integers (n,) 0-9. () where nothing is odd.
    """
    ids, labels = np.asarray(said.class_ids), np.asarray(labels)
    if meant := renamed_classes(ids, labels):
        accuracy, renamed = np.mean(ids == labels), np.mean([meant.get(k, k) for k in ids] == labels)
        moved = ", ".join(f"{s} ({CLASS_NAMES[s]}) seems to mean {m} ({CLASS_NAMES[m]})" for s, m in meant.items())
        return (
            f"{where}: {accuracy:.1%} are right as they stand and {renamed:.1%} with other class numbers: {moved}; "
            f"CIFAR-10's order is {', '.join(CLASS_NAMES)}. Judged as it stands",
        )
    if len(labels) >= SUSPECT and (ids == labels).all():
        return (f"{where}: all {len(labels)} are right, which no published model reaches: are these the true labels?",)
    return (_chance(ids, labels, where),) if is_chance(ids, labels) else ()


def renamed_classes(ids: np.ndarray, labels: np.ndarray) -> dict[int, int]:
    """Return which class each number seems to mean, for those that seem to mean another; {} where none does.

    ids, labels: integers (n,) 0-9. Of all orders of the classes the best is taken (Hungarian method). A cycle of
    classes counts as renamed where that gets at least twice as many images right, at least 30 % of the images of
    these classes, and where a sign test says so over all 10! orders. A weak model that confuses classes does not.
    """
    counts = np.zeros((10, 10), dtype=np.int64)
    np.add.at(counts, (ids, labels), 1)
    meant = optimize.linear_sum_assignment(counts, maximize=True)[1]
    found: dict[int, int] = {}
    for cycle in _cycles(meant):
        as_is, renamed = counts[cycle, cycle].sum(), counts[cycle, meant[cycle]].sum()
        enough = renamed >= 2 * as_is and renamed >= 0.3 * counts[:, cycle].sum()
        if enough and renamed and stats.binomtest(renamed, renamed + as_is, alternative="greater").pvalue < ORDERS:
            found |= {int(k): int(meant[k]) for k in cycle}
    return dict(sorted(found.items()))


def _cycles(order: np.ndarray) -> list[list[int]]:
    """The cycles of a permutation that move anything."""
    cycles, seen = [], set()
    for start in range(len(order)):
        cycle, at = [], start
        while at not in seen:
            seen.add(at)
            cycle.append(at)
            at = int(order[at])
        cycles += [cycle] if len(cycle) > 1 else []
    return cycles


def _chance(ids: np.ndarray, labels: np.ndarray, where: str) -> str:
    found = f"{where}: {np.mean(ids == labels):.1%} of {len(labels)} are right, no more than guessing gives"
    common = np.bincount(ids, minlength=10).argmax()
    if (ids == common).mean() > 0.9:
        share = f"{np.mean(ids == common):.0%} of the answers are class {common} ({CLASS_NAMES[common]})"
        return f"{found}, and {share}: is the pixel range right (--pixels raw or unit)?"
    runs = [float(np.mean(values[1:] == values[:-1])) for values in (ids, labels)]
    if runs[0] > 0.5 > runs[1]:
        return f"{found}, and the answers come class by class: they are not in the order of the set's file"
    return f"{found}: try another pixel range (--pixels raw or unit), check the class order and the order of the rows"
