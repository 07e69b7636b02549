"""Coefficients of the registered score from planted copies, and its scores beside judged pairs (`calibrate A [B]`)."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.commands.leakage import plain_name
from cifar102.datasets import lookup
from cifar102.dedup import calibration, pair_table, registered_score
from cifar102.workspace import ownership
from cifar102.workspace.files import write_json, write_table
from cifar102.workspace.folders import Workspace

SHOWN_SCORES = (*sorted(pair_table.THRESHOLDS["registered"]), pair_table.MIRRORED)
PUBLISHED, FITTED = "published", "fitted"


def report(
    first: str,
    second: str | None,
    workspace: Workspace,
    count: int = 1000,
    judged: Path | None = None,
    data: Path | None = None,
) -> str:
    """Fit the coefficients to planted copies of the first set, try both on judged pairs, write it down and say it.

    first, second: as lookup.load takes them. judged: a table of pairs that two people judged, query of the second set
    (of the first where none is named), reference of the first (calibration.read_judged). Writes coefficients.json and
    planted.csv, with judged pairs judged.csv and probabilities.csv, into results/calibration_<first> of the workspace.
    """
    pool = lookup.load(first, workspace, data).images
    queries = pool if second is None else lookup.load(second, workspace, data).images
    said = None if judged is None else calibration.read_judged(judged, len(queries), len(pool))
    fit = calibration.calibrated(pool, count)
    planted = calibration.planted_table(fit)
    folder = workspace.results / f"calibration_{plain_name(first)}"
    ownership.sign(workspace)
    write_json(folder / "coefficients.json", dataclasses.asdict(fit.coefficients))
    write_table(folder / "planted.csv", planted)
    lines = [f"{first} ({len(pool):,} images): {count:,} planted in {len(planted) - 1} ways", *_coefficients(fit)]
    lines += [f"scores of {calibration.LIMIT:g} and more, 95 % intervals, published / fitted coefficients:"]
    lines += [
        f"  {row.kind}: {_share(row, '')} / {_share(row, '_fitted')} of {row.n:,}" for row in planted.itertuples()
    ]
    if said is not None:
        lines += _judged(said, queries, pool, fit, folder)
    return "\n".join([*lines, f"tables: {folder}"])


def _coefficients(fit: calibration.Fit) -> list[str]:
    both = ((PUBLISHED, registered_score.Coefficients()), (FITTED, fit.coefficients))
    return [
        f"  {name}: " + ", ".join(f"{key} {value:.3f}" for key, value in dataclasses.asdict(coefficients).items())
        for name, coefficients in both
    ]


def _share(row: tuple, suffix: str) -> str:
    share, low, high = (getattr(row, name + suffix) for name in ("found", "low", "high"))
    return f"{share:.3f} [{low:.3f}, {high:.3f}]"


def _judged(said: pd.DataFrame, queries: np.ndarray, pool: np.ndarray, fit: calibration.Fit, folder: Path) -> list[str]:
    """Score the judged pairs with both sets of coefficients, write both tables, and say what came out."""
    tables, curves = [], []
    for name, coefficients in ((PUBLISHED, registered_score.Coefficients()), (FITTED, fit.coefficients)):
        scored = calibration.judged_scores(said, queries, pool, coefficients)
        tables.append(calibration.judged_table(scored).assign(coefficients=name))
        curves.append(calibration.probability_table(scored, SHOWN_SCORES).assign(coefficients=name))
    table, curve = pd.concat(tables, ignore_index=True), pd.concat(curves, ignore_index=True)
    write_table(folder / "judged.csv", table)
    write_table(folder / "probabilities.csv", curve)
    lines = ["judged pairs, looked at directly and without a search, called duplicates:"]
    for row in table.itertuples():
        lines.append(
            f"  {row.coefficients}, {_side(row)}, {row.said}: {row.found} of {row.n}, {_share_of(row, 'share')}"
        )
    lines.append("probability that two people call a pair of this score the same picture:")
    for row in curve.itertuples():
        chance = _share_of(row, "probability")
        lines.append(f"  {row.coefficients}, {_side(row)}, {row.score:g}: {chance} (n = {row.n})")
    return lines


def _side(row: tuple) -> str:
    return "mirrored" if row.mirrored else "straight"


def _share_of(row: tuple, name: str) -> str:
    return f"{getattr(row, name):.2f} [{row.low:.2f}, {row.high:.2f}]"
