"""The split of a table into train and test by near-duplicate group, keyword-matched and exact per class."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, sparse

from cifar102.cifar import CLASS_NAMES
from cifar102.sampling.quotas import largest_remainder


@dataclass(frozen=True)
class _Layout:
    """Rows as numbers: a unit is a group or a single image, a cell is a keyword of a class.

    units, cells: int (rows,), the unit and cell of each row; classes: the names; class_of_cell, targets (test images
    wanted), singles (images alone): int (cells,); groups: the units of two rows or more, int; is_single: bool (rows,).
    """

    units: np.ndarray
    cells: np.ndarray
    classes: np.ndarray
    class_of_cell: np.ndarray
    targets: np.ndarray
    groups: np.ndarray
    is_single: np.ndarray
    singles: np.ndarray
    test_per_class: int


def split(table: pd.DataFrame, test_per_class: int, seed: int) -> dict[str, pd.DataFrame]:
    """Split rows into train and test: `test_per_class` of each class in test, keywords in proportion, groups whole.

    table: columns tiny_index (unique), keyword, class_name (or label), and optionally group (integers; negative or
    missing: alone). Returns {"train": rows, "test": rows}, disjoint and complete, each sorted by tiny_index, whatever
    the order of rows given. Units are drawn at random where they fit; where that leaves a class short, the nearest
    exact division is found by integer programming (scipy's HiGHS).
    ValueError: a class has too few images, or its groups cannot be divided that way.
    """
    if test_per_class < 0 or not table["tiny_index"].is_unique:
        raise ValueError(f"split needs unique tiny_index and 0 or more test images, found {test_per_class}")
    table = table.sort_values("tiny_index").reset_index(drop=True)
    layout, rng = _lay_out(table, test_per_class), np.random.default_rng(seed)
    is_test = _draw(layout, rng)
    found = np.bincount(layout.class_of_cell[layout.cells[is_test]], minlength=len(layout.classes))
    if (found != test_per_class).any():
        is_test = _solve(layout, is_test, rng)
    parts = {"train": table[~is_test], "test": table[is_test]}
    return {name: part.reset_index(drop=True) for name, part in parts.items()}


def _lay_out(table: pd.DataFrame, test_per_class: int) -> _Layout:
    names = table["class_name"] if "class_name" in table else table["label"].map(dict(enumerate(CLASS_NAMES)))
    cells, pairs = pd.factorize(pd.MultiIndex.from_arrays([names, table["keyword"]]), sort=True)
    class_of_cell, classes = pd.factorize(pairs.get_level_values(0), sort=True)
    sizes = np.bincount(cells, minlength=len(pairs))
    targets = np.zeros(len(pairs), dtype=np.int64)
    for number, class_name in enumerate(classes):
        own = np.flatnonzero(class_of_cell == number)
        if (available := sizes[own].sum()) < test_per_class:
            raise ValueError(f"class {class_name!r}: {test_per_class} test images wanted, {available} available")
        shares = largest_remainder({pairs[cell][1]: int(sizes[cell]) for cell in own}, test_per_class)
        targets[own] = [shares[pairs[cell][1]] for cell in own]
    units = _units(table)
    unit_sizes = np.bincount(units)
    is_single = unit_sizes[units] == 1
    singles = np.bincount(cells[is_single], minlength=len(pairs))
    groups = np.flatnonzero(unit_sizes > 1)
    return _Layout(units, cells, classes, class_of_cell, targets, groups, is_single, singles, test_per_class)


def _units(table: pd.DataFrame) -> np.ndarray:
    """Return the unit of each row, int (n,): rows of one group are one unit, numbered by their first row."""
    groups = table["group"] if "group" in table else pd.Series(-1, index=table.index)
    groups = groups.fillna(-1).astype("int64").to_numpy()
    is_alone = groups < 0
    keys = np.where(is_alone, np.arange(len(table)), groups)
    return pd.factorize(pd.MultiIndex.from_arrays([is_alone, keys]))[0]


def _draw(layout: _Layout, rng: np.random.Generator) -> np.ndarray:
    """Go through the units in random order and put each into test while its cells have seats: bool (rows,)."""
    order = np.argsort(layout.units, kind="stable")
    rows_of_unit = np.split(order, np.flatnonzero(np.diff(layout.units[order])) + 1)
    seats, is_test = layout.targets.copy(), np.zeros(len(order), dtype=bool)
    for unit in rng.permutation(len(rows_of_unit)):
        rows = rows_of_unit[unit]
        cells, needs = np.unique(layout.cells[rows], return_counts=True)
        if (seats[cells] >= needs).all():
            seats[cells] -= needs
            is_test[rows] = True
    return is_test


def _solve(layout: _Layout, start: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Find the exact division with the least sum of |test images - target| over keywords, near `start`: bool (rows,).

    Variables: per group whether it is in test, per cell the number of single images in test, per cell its deviation
    from the target. A group that leaves the side it has in `start` costs little, so that the draw stays random.
    """
    num_groups, num_cells = len(layout.groups), len(layout.targets)
    in_cells, per_class = _count_matrices(layout)
    was_test = np.zeros(num_groups)
    was_test[np.searchsorted(layout.groups, layout.units[start & ~layout.is_single])] = 1
    costs = (1 - 2 * was_test) * (1 + rng.random(num_groups)) / (4 * num_groups + 1)
    upper = np.concatenate([np.ones(num_groups), layout.singles, np.full(num_cells, np.inf)])
    deviation = sparse.eye_array(num_cells)
    answer = optimize.milp(
        np.concatenate([costs, np.zeros(num_cells), np.ones(num_cells)]),
        integrality=np.repeat([1, 0], [num_groups + num_cells, num_cells]),
        bounds=optimize.Bounds(0, upper),
        constraints=[
            optimize.LinearConstraint(per_class, layout.test_per_class, layout.test_per_class),
            optimize.LinearConstraint(sparse.hstack([in_cells, -deviation]), -np.inf, layout.targets),
            optimize.LinearConstraint(sparse.hstack([in_cells, deviation]), layout.targets, np.inf),
        ],
    )
    if answer.x is None:
        raise ValueError(
            f"the near-duplicate groups cannot be divided so that each of {list(layout.classes)} has exactly "
            f"{layout.test_per_class} test images; the groups are too large or span classes"
        )
    return _from_counts(layout, np.rint(answer.x).astype(int), rng)


def _count_matrices(layout: _Layout) -> tuple[sparse.sparray, sparse.sparray]:
    """Matrices that turn the variables of `_solve` into test images per cell (deviations left out) and per class."""
    num_cells = len(layout.targets)
    cells = layout.cells[~layout.is_single]
    place = np.searchsorted(layout.groups, layout.units[~layout.is_single])
    members = sparse.coo_array((np.ones(len(cells)), (cells, place)), shape=(num_cells, len(layout.groups)))
    in_cells = sparse.hstack([members, sparse.eye_array(num_cells)]).tocsr()
    of_class = sparse.coo_array((np.ones(num_cells), (layout.class_of_cell, np.arange(num_cells)))).tocsr()
    return in_cells, sparse.hstack([of_class @ in_cells, sparse.coo_array((len(layout.classes), num_cells))])


def _from_counts(layout: _Layout, answer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    num_groups = len(layout.groups)
    is_test = np.isin(layout.units, layout.groups[answer[:num_groups] == 1])
    for cell, count in enumerate(answer[num_groups : num_groups + len(layout.targets)]):
        rows = np.flatnonzero(layout.is_single & (layout.cells == cell))
        is_test[rng.choice(rows, size=count, replace=False)] = True
    return is_test
