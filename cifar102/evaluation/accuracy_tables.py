"""A table of accuracies of many models, such as those of a paper: lines, gaps, ranks and robustness."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.analysis import accuracies, intervals, lines, model_pairs, rankings, standard_models
from cifar102.workspace.files import check_lines, encoding_of, read_text

NEEDED = ("model", "original", "new")
SIZES = ("n_original", "n_new", "n")
KNOWN = (*NEEDED, *SIZES, "family")
SUFFIXES = (".csv", ".tsv", ".txt")
RESAMPLES = 10_000
LARGEST = 1e9  # images of a test set
HOW_READ = (
    "each model is judged by the line of all others on logit axes, the line taken as known; tests between models are "
    "unpaired, for there are no predictions, and say less than paired ones would"
)
LEAST_FAMILIES = 5  # fewer clusters than this make no bootstrap


def is_table(path: Path) -> bool:
    """Say whether a file is a table of accuracies: its first line names model, original and new."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    with path.open(encoding=encoding_of(path), errors="replace") as file:
        first = file.readline(10_000)
    return set(NEEDED) <= set(_header(first))


def read(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read a table of accuracies; returns (table, sentences on how it was read).

    Columns of the file, in any order: model, original, new; optional n_original, n_new or n (images, of both sets),
    family. Separated by comma, semicolon or tab; accuracies all 0-1 or all in percent, told from the values. Columns of
    the result: model, original, new (0-1), n_original, n_new (NaN where unknown), family ("" where unknown). ValueError
    names the file, what was found and what was expected.
    """
    path = Path(path)
    try:
        text = read_text(check_lines(path))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not readable as text: {error}; expected UTF-8, save it so") from error
    separator = _separator(text.partition("\n")[0])
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, skip_blank_lines=True)
    except ValueError as error:  # pandas' parser errors are ValueErrors
        raise ValueError(f"{path}: not readable as a table: {' '.join(str(error).split())}") from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes what is too much on the left for names of rows
        raise ValueError(f"{path}: found rows of more than the {len(table.columns)} values that the header names")
    table = table.rename(columns=lambda name: name.strip().lower()).map(str.strip)
    if unknown := [name for name in table.columns if name not in KNOWN]:
        raise ValueError(
            f"{path}: found the columns {unknown}; expected {', '.join(NEEDED)} and any of {SIZES} or family"
        )
    if table.columns.has_duplicates or not set(NEEDED) <= set(table.columns):
        raise ValueError(f"{path}: found the columns {list(table.columns)}; expected each of {list(NEEDED)} once")
    doubled = table["model"][table["model"].str.casefold().duplicated()]
    if len(doubled) or (table["model"] == "").any():
        what = f"the model {doubled.iloc[0]!r} twice" if len(doubled) else "a row without a model"
        raise ValueError(f"{path}: found {what}; expected one row a model")
    found, notes = _accuracies(table, path, separator)
    return found.assign(family=table.get("family", "")), notes


def _header(line: str) -> list[str]:
    return [name.strip().lower() for name in next(csv.reader([line.strip()], delimiter=_separator(line)), [])]


def _separator(line: str) -> str:
    return max(",;\t", key=line.count)


def _accuracies(table: pd.DataFrame, path: Path, separator: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    shares = pd.DataFrame({name: _numbers(table[name], name, path, separator) for name in ("original", "new")})
    low, high = shares.min().min(), shares.max().max()
    if not 0 <= low <= high <= 100 or (low < 1 < high):
        raise ValueError(f"{path}: found accuracies from {low:g} to {high:g}; expected all in 0-1 or all in percent")
    notes = [
        f"{path.name}: accuracies run from {low:g} to {high:g} and are read as {'percent' if high > 1 else 'shares'}"
    ]
    shares = shares / 100 if high > 1 else shares
    for side in ("original", "new"):
        name = f"n_{side}" if f"n_{side}" in table else "n"
        shares[f"n_{side}"] = _sizes(table[name], name, path) if name in table else np.nan
    if "n" in table:
        notes.append(f"{path.name}: n is taken for the images of the original and of the new set where these have none")
    shares.insert(0, "model", table["model"])
    return shares, tuple(notes)


def _numbers(texts: pd.Series, name: str, path: Path, separator: str) -> pd.Series:
    cleaned = texts.str.removesuffix("%").str.strip()
    cleaned = cleaned.str.replace(",", ".", regex=False) if separator != "," else cleaned
    values = pd.to_numeric(cleaned, errors="coerce")
    if (bad := ~np.isfinite(values)).any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{path}: found {texts.iloc[row]!r} as {name} in row {row + 1}; expected an accuracy")
    return values.astype(float)


def _sizes(texts: pd.Series, name: str, path: Path) -> pd.Series:
    values = pd.to_numeric(texts.where(texts != "", None), errors="coerce").astype(float)
    bad = (
        (values.isna() & (texts != ""))
        | (values < 1)
        | (values > LARGEST)
        | (values != values.round()) & values.notna()
    )
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{path}: found {texts.iloc[row]!r} as {name} in row {row + 1}; expected a number of images")
    return values


def judge(table: pd.DataFrame, level: float = 0.95) -> dict[str, pd.DataFrame]:
    """Return all tables about the models of a table of accuracies (of `read`), by name.

    fits (a row an axis, as lines.LineFit; the bootstrap draws families where there are at least 5), gaps (a row a
    model: original, new, gap, low, high, with intervals where the images are known), effective_robustness (each model
    beside the line of all others), ranks (with those that the tests leave open where the images are known). ValueError
    for fewer than 4 models, which leave no line when one is judged.
    """
    if len(table) <= standard_models.LEAST:
        raise ValueError(
            f"found {len(table)} models; expected at least {standard_models.LEAST + 1}, for a line of the others"
        )
    shares = [table.set_index("model")[side] for side in ("original", "new")]
    families = table["family"] if len(set(table["family"]) - {""}) >= LEAST_FAMILIES else None
    fits = [lines.fit_line(*shares, axis, level=level, resamples=RESAMPLES, clusters=families) for axis in lines.AXES]
    found = {
        "fits": pd.DataFrame([vars(fit) for fit in fits]).assign(drawn="models" if families is None else "families")
    }
    found["gaps"] = _gaps(table, level)
    found["effective_robustness"] = _robustness(table, level)
    found["ranks"] = _ranks(table, shares, level)
    return found


def _gaps(table: pd.DataFrame, level: float) -> pd.DataFrame:
    gaps = table[["model", "original", "new"]].assign(gap=table["original"] - table["new"], low=np.nan, high=np.nan)
    known = table[["n_original", "n_new"]].notna().all(axis=1)
    if known.any():
        some = table[known]
        sides = [
            pd.DataFrame({"model": some["model"], "accuracy": some[side], "n": some[f"n_{side}"].astype(int)})
            for side in ("original", "new")
        ]
        counted = [side.assign(correct=(side["accuracy"] * side["n"]).round().astype(int)) for side in sides]
        limits = accuracies.gap_table(*counted, level)
        gaps.loc[known, ["low", "high"]] = limits[["low", "high"]].to_numpy()
    return gaps.assign(n_original=table["n_original"], n_new=table["n_new"], level=level)


def _robustness(table: pd.DataFrame, level: float) -> pd.DataFrame:
    """Each model beside the line of all others, with an interval where its images are known."""
    line = lines.line_of_others(table["original"], table["new"], standard_models.AXIS)
    is_known = table[["n_original", "n_new"]].notna().all(axis=1)
    parts = []
    for rows, names in ((is_known, ("n_original", "n_new")), (~is_known, ())):
        some, chosen = table[rows], rows.to_numpy()
        own = replace(line, slope=line.slope[chosen], intercept=line.intercept[chosen])
        shares = (some.set_index("model")[side] for side in ("original", "new"))
        sizes = {name: some[name].to_numpy(int) for name in names}
        if len(some):
            parts.append(lines.effective_robustness(*shares, own, level=level, **sizes).set_index(some.index))
    return pd.concat(parts).sort_index()


def _ranks(table: pd.DataFrame, shares: list[pd.Series], level: float) -> pd.DataFrame:
    ranks = rankings.rank_table(*shares)
    if table["n_new"].notna().all():
        known = table[["model", "new", "n_new"]].set_axis(["model", "accuracy", "n"], axis=1)
        certain = model_pairs.certain_ranks(model_pairs.unpaired_table(known, level))
        ranks = ranks.merge(certain, on="model")
    return ranks.sort_values("new_rank", kind="stable", ignore_index=True)


def verdict(name: str, tables: dict[str, pd.DataFrame], level: float) -> str:
    """Return what the table says in one line: the line on linear axes, the mean gap, who is off the line."""
    fit = tables["fits"].set_index("axis").loc["linear"]
    gaps, robust = tables["gaps"], tables["effective_robustness"]
    ranks = rankings.rank_correlations(gaps["original"], gaps["new"])
    low, high = intervals.percentile_interval(_mean_draws(100 * gaps["gap"].to_numpy()), level)
    text = (
        f"{name}: {len(gaps)} models, new accuracy rises {fit['slope']:.2f} points [{fit['slope_low']:.2f}, "
        f"{fit['slope_high']:.2f}] with each point of original accuracy (R2 {fit['r2']:.2f}), mean gap "
        f"{100 * gaps['gap'].mean():.1f} points [{low:.1f}, {high:.1f}], rank correlation {ranks['spearman']:.2f}"
    )
    if robust["low"].notna().any():
        text += f"; {int((robust['low'] > 0).sum())} models above and {int((robust['high'] < 0).sum())} below the line"
        text += " of the others, one by one"
    return f"{text} ({100 * level:g}% intervals, over {fit['drawn']} for the slope)"


def _mean_draws(values: np.ndarray, resamples: int = 10_000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return values[rng.integers(len(values), size=(resamples, len(values)))].mean(axis=1)
