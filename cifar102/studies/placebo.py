"""The placebo: what the protocol of a new test set does to accuracy when nothing has changed.

All images of CIFAR-10 get a role at random, image by image: reference, old test set, new pool. Between old and new
nothing differs, so a gap in accuracy is luck, or made by the protocol: it takes images out of the new side that are
near-duplicates of the other sides, and draws by keyword. The protocol part of an arm is its gap less the raw gap of the
same split (old test set less the whole new pool), so that the luck of the images cancels; over many splits its mean is
what the protocol makes. Roles go to images and not to groups of near-duplicates: pairs that fall on both sides are what
the protocol takes out on one side.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cifar102.cifar import CLASS_NAMES, ImageSet
from cifar102.datasets.roles import NEW, OLD, REFERENCE, Roles, draw_roles
from cifar102.dedup import pair_table
from cifar102.dedup.kernels import in_threads
from cifar102.sampling import draws, quotas
from cifar102.studies.closed_form import Classifier

ARMS = ("matched", "uniform", "leftover", "eligible", "twin")
# As shares of all images: of 60,000, 1,200 a class are drawn of the new pool, 200 of them for the test set.
DRAWN_SHARE, TESTED_SHARE = 1 / 50, 1 / 300
TOP_KEYWORDS = 50


@dataclass(frozen=True)
class Placebo:
    """parts: a row a split, rule, classifier and arm; scores: classifier -> share of right answers an image (n,).

    parts has split, rule, classifier, arm, part (points), images (mean number in the arm), accuracy (0-1, old test set)
    and raw_gap (points). scores are over the splits in which an image was old or new; NaN where it never was.
    """

    parts: pd.DataFrame
    scores: dict[str, np.ndarray]


def near_duplicate_pairs(images: np.ndarray) -> dict[str, np.ndarray]:
    """Search the near-duplicates among all images once, by each rule: rule -> int64 (m, 2), every pair once.

    images: uint8 (n, 32, 32, 3). A pair counts where it is found from either of its images, at the rule's own
    thresholds. Rules: those of dedup.near_duplicates.
    """
    found = {}
    for rule in ("registered", "ssim"):
        pairs = pair_table.near_duplicates(images, rule=rule)
        ends = pairs.loc[pairs["verdict"] == "duplicate", ["query", "reference"]].to_numpy(np.int64)
        found[rule] = np.unique(np.sort(ends, axis=1), axis=0)
    return found


def has_duplicate_in(side: np.ndarray, pairs: np.ndarray, sides: Sequence[int]) -> np.ndarray:
    """Say which images have a near-duplicate among these sides, not being on its side: bool (n,). pairs: (m, 2)."""
    found = np.zeros(len(side), bool)
    for own, other in (pairs.T, pairs.T[::-1]):
        found[own[np.isin(side[other], sides) & (side[own] != side[other])]] = True
    return found


def screened_arms(roles: Roles, pairs: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Take near-duplicates out of one split: arm -> rows, as a list of one array. pairs: int64 (m, 2).

    eligible: new images without a near-duplicate on another side. twin and "old": the new and the old images without
    one in the reference. Pairs of an old and a new image stay in the twin: the new pool is the larger side, so
    screening both sides of these would leave more copies on one of them.
    """
    is_copied = has_duplicate_in(roles.side, pairs, (REFERENCE, OLD))
    is_trained = has_duplicate_in(roles.side, pairs, (REFERENCE,))
    old, twin = (np.flatnonzero((roles.side == side) & ~is_trained) for side in (OLD, NEW))
    return {"eligible": [np.flatnonzero((roles.side == NEW) & ~is_copied)], "twin": [twin], "old": [old]}


def protocol_arms(
    images: ImageSet, roles: Roles, pairs: np.ndarray, num_draws: int, rng: np.random.Generator
) -> dict[str, list[np.ndarray]]:
    """Carry the protocol out on one split: arm -> rows of the new pool, one array a draw; and "old", the twin's.

    eligible, twin, old: of screened_arms. matched: the test part of a draw by the keyword quotas of reference and old
    test set; leftover: what is eligible and in no group of near-duplicates with a drawn image; uniform: as many of each
    class, whatever the keyword. ValueError where a class has too few images.
    """
    arms = screened_arms(roles, pairs) | {"matched": [], "leftover": [], "uniform": []}
    (eligible,) = arms["eligible"]
    drawn_per_class, tested_per_class = (round(share * len(images)) for share in (DRAWN_SHARE, TESTED_SHARE))
    cells = _cells(images)
    taken = _taken(images, roles, eligible, drawn_per_class)
    drawn_of, tested_of = _seats(taken, tested_per_class, cells)
    groups = _groups(eligible, pairs, len(images))
    for _ in range(num_draws):
        rows = rng.permutation(eligible)
        rows, place = _places(rows, cells[rows])
        is_drawn = place < drawn_of[cells[rows]]
        arms["matched"].append(rows[place < tested_of[cells[rows]]])
        arms["leftover"].append(rows[~np.isin(groups[rows], groups[rows[is_drawn]])])
        rows = rng.permutation(eligible)
        rows, place = _places(rows, images.labels[rows])
        arms["uniform"].append(rows[place < tested_per_class])
    return arms


def protocol_parts(
    right: np.ndarray, roles: Roles, arms: Mapping[str, Sequence[np.ndarray]]
) -> dict[str, tuple[float, float]]:
    """Return arm -> (protocol part in points, mean number of images). right: bool (n,), old and new images count.

    The gap of an arm less the raw gap of the split. Where the old side is not screened, the old test set cancels: what
    is left is the accuracy on the whole new pool less that on the arm. Draws of a split are averaged. Arms that are not
    given are left out.
    """
    old, new = (right[roles.rows(side)].mean() for side in (OLD, NEW))
    found = {}
    for arm in (name for name in ARMS if name in arms):
        accuracy = np.mean([right[rows].mean() for rows in arms[arm]])
        part = new - accuracy + (right[arms["old"][0]].mean() - old if arm == "twin" else 0)
        found[arm] = 100 * float(part), float(np.mean([len(rows) for rows in arms[arm]]))
    return found


def run_placebo(
    images: ImageSet,
    pairs: Mapping[str, np.ndarray],
    classifiers: Mapping[str, Classifier],
    *,
    num_splits: int = 200,
    num_draws: int = 5,
    seed: int = 0,
) -> Placebo:
    """Draw roles num_splits times, fit each classifier and carry the protocol out by each rule.

    images: all images, with labels 0-9 and file names that give keywords. pairs: rule -> int64 (m, 2), as
    near_duplicate_pairs. num_draws: of the matched and uniform arms in each split. Split k of a seed is always the
    same.
    """

    def carry_out(split: int) -> tuple[list[dict], Roles, dict[str, np.ndarray]]:
        roles = draw_roles(len(images), np.random.default_rng([seed, split]))
        arms = {
            rule: protocol_arms(images, roles, found, num_draws, np.random.default_rng([seed, split, 1]))
            for rule, found in pairs.items()
        }
        right = {}
        for name, classify in classifiers.items():
            right[name] = np.zeros(len(images), bool)
            right[name][roles.tested] = classify(roles.fitted, roles.tested) == images.labels[roles.tested]
        rows = [row for name in classifiers for row in part_rows(split, name, right[name], roles, arms)]
        return rows, roles, right

    results = in_threads(carry_out, range(num_splits))
    times = np.sum([roles.side != REFERENCE for _, roles, _ in results], axis=0)
    hits = {name: np.sum([right[name] for _, _, right in results], axis=0) for name in classifiers}
    with np.errstate(invalid="ignore"):
        scores = {name: found / times for name, found in hits.items()}
    return Placebo(pd.DataFrame([row for rows, _, _ in results for row in rows]), scores)


def part_rows(
    split: int, classifier: str, right: np.ndarray, roles: Roles, arms: Mapping[str, Mapping[str, list[np.ndarray]]]
) -> Iterator[dict]:
    """Give the rows of Placebo.parts of one classifier on one split. arms: rule -> arms of protocol_arms."""
    old, new = (float(right[roles.rows(side)].mean()) for side in (OLD, NEW))
    for rule, found in arms.items():
        for arm, (part, count) in protocol_parts(right, roles, found).items():
            row = {"split": split, "rule": rule, "classifier": classifier, "arm": arm, "part": part, "images": count}
            yield row | {"accuracy": old, "raw_gap": 100 * (old - new)}


def _cells(images: ImageSet) -> np.ndarray:
    """The number of the (class, keyword) each image stands in, int64 (n,), by first appearance."""
    return pd.factorize(pd.MultiIndex.from_arrays([images.labels, images.keywords]))[0]


def _taken(images: ImageSet, roles: Roles, eligible: np.ndarray, per_class: int) -> np.ndarray:
    """Rows that the protocol draws by keyword, once: its numbers by class and keyword hold for every draw."""
    known = np.flatnonzero(roles.side != NEW)
    names = [images.filenames[row] for row in known]
    wanted = quotas.allocate(quotas.keyword_counts(names, images.labels[known]), per_class, TOP_KEYWORDS)
    keywords = np.asarray(images.keywords)
    table = {"tiny_index": eligible, "keyword": keywords[eligible]}
    table["class_name"] = np.array(CLASS_NAMES)[images.labels[eligible]]
    return draws.draw(pd.DataFrame(table), wanted, seed=0).chosen


def _seats(taken: pd.DataFrame, tested_per_class: int, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many images each cell gives to the draw, and to the test part of it in proportion: int64 by cell."""
    drawn, tested = (np.zeros(cells.max() + 1, np.int64) for _ in range(2))
    cell = cells[taken["tiny_index"].to_numpy()]
    for _, part in pd.Series(cell).groupby(taken["class_name"].to_numpy()):
        counts = part.value_counts().to_dict()
        drawn[list(counts)] = list(counts.values())
        seats = quotas.largest_remainder(counts, tested_per_class)
        tested[list(seats)] = list(seats.values())
    return drawn, tested


def _places(rows: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort rows by cell, and give each its place within its cell, from 0."""
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    starts = np.searchsorted(ordered, ordered)
    return rows[order], np.arange(len(rows)) - starts


def _groups(eligible: np.ndarray, pairs: np.ndarray, num_images: int) -> np.ndarray:
    """The group of near-duplicates among the eligible images that each is in, int64 (n,)."""
    inside = np.isin(pairs, eligible).all(axis=1)
    return pair_table.components(pd.DataFrame(pairs[inside], columns=["query", "reference"]), num_images)
