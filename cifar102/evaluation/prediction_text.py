"""Predictions as text: commas, semicolons, tabs or blanks; with a header or without; decimal points or commas."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.evaluation.class_names import class_number
from cifar102.evaluation.prediction_columns import (
    ANSWERS,
    EITHER,
    FILES,
    ROWS,
    TRUTHS,
    Columns,
    Readings,
    by_column,
    plain,
    readings,
)
from cifar102.workspace.files import check_lines, read_text

COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
SEPARATORS = (";", "\t", ",", "|")
BLANKS = r"\s+"
QUOTED = re.compile(r'"[^"]*"|\S+')  # a part between blanks
HEAD = 100  # lines that show the separator and the header
NOT_A_NUMBER = ("nan", "+nan", "-nan", "na")
WORDS = {*ANSWERS, *EITHER, *TRUTHS, *FILES, *ROWS} - {"", "n"}
MANY = 12  # columns; a single line of more is a list of ids


def read(path: Path) -> dict[str, Readings]:
    """Read a table of text: {"": its readings}. ValueError that names the file, what was found and expected.

    A single column of ids that begins with 0 has a second reading without that line, for pandas writes 0 as the header
    of a Series without a name.
    """
    try:
        lines = read_text(check_lines(path)).rstrip().split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not readable as text: {error}; expected UTF-8, save it so") from error
    comment, lines = _comment(lines)
    try:
        separator = _separator(lines[:HEAD])
    except csv.Error as error:
        raise ValueError(f"{path}: not readable as {path.suffix}: {error}") from error
    if not separator and lines:  # R's write.table has no name above its column of row names
        separator = _separator(lines[1:HEAD])
        lines[0] = f'""{" " if separator == BLANKS else separator[-1]}{lines[0]}'
    cells, notes = _with_points(_cells(lines, separator, path), path)
    names = re.split(separator, comment) if comment else []
    if len(names) != cells.shape[1]:
        names, cells = _header(cells)
    if names is None and len(cells) == 1 and any(plain(name) in WORDS for name in cells.iloc[0]):
        raise ValueError(f"{path}: found a header and no line below it; expected one line an image")
    if len(cells) == 1 and cells.shape[1] > MANY:
        cells, names = cells.T, None
    columns: Columns = [(names[k].strip() if names else None, _parsed(cells.iloc[:, k])) for k in range(cells.shape[1])]
    found = by_column(columns, str(path))
    if names is None and len(columns) == 1 and len(cells) > 1 and cells.iloc[0, 0] == "0":
        short = readings([(None, columns[0][1][1:])], str(path))[0]
        found[""] += (replace(short, notes=(f"{path}: the 0 in its first line is a header", *short.notes)),)
    return {name: tuple(replace(t, notes=(*notes, *t.notes)) for t in tables) for name, tables in found.items()}


def _comment(lines: list[str]) -> tuple[str, list[str]]:
    """The last of the comment lines on top, which numpy.savetxt(header=...) writes, and the lines below them."""
    start = next((k for k, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    comments = [line.lstrip("# ").rstrip() for line in lines[:start] if line.strip()]
    return (comments[-1] if comments else ""), lines[start:]


def _separator(lines: list[str]) -> str:
    """The separator that cuts every line into equally many parts, as a regular expression; a comma for one column.

    "" where that is so for all lines but the first, which has one part fewer.
    """
    lines = [line for line in lines if line.strip()]
    counts = {re.escape(mark): [len(row) for row in csv.reader(lines, delimiter=mark) if row] for mark in SEPARATORS}
    counts[BLANKS] = [len(QUOTED.findall(line)) for line in lines]
    for separator, widths in counts.items():
        if len(set(widths)) == 1 and widths[0] > 1:
            return separator
    for widths in counts.values():
        if len(set(widths[1:])) == 1 and widths[0] == widths[1] - 1 and widths[0] > 1:
            return ""
    return max((re.escape(mark) for mark in SEPARATORS), key=lambda mark: sum(counts[mark]))


def _cells(lines: list[str], separator: str, path: Path) -> pd.DataFrame:
    """The cells as text without blanks around them; empty columns and lines at the end are left out."""
    settings = {"header": None, "dtype": str, "keep_default_na": False, "skip_blank_lines": False}
    separator = separator if separator == BLANKS else separator[-1]
    lines = [line.strip() for line in lines] if separator == BLANKS else lines
    try:
        cells = pd.read_csv(io.StringIO("\n".join(lines)), sep=separator, skipinitialspace=True, **settings)
    except ValueError as error:  # pandas' parser errors are ValueErrors
        raise ValueError(f"{path}: not readable as {path.suffix}: {' '.join(str(error).split())}") from error
    cells = cells.fillna("").map(str.strip)
    filled = cells != ""
    width = int(np.flatnonzero(filled.any(axis=0).to_numpy())[-1]) + 1 if filled.to_numpy().any() else 0
    height = int(np.flatnonzero(filled.any(axis=1).to_numpy())[-1]) + 1 if width else 0
    if not height:
        raise ValueError(f"{path}: found no cell with anything in it; expected predictions")
    if (empty := np.flatnonzero(~filled.iloc[:height].any(axis=1).to_numpy())).size:
        raise ValueError(f"{path}: line {empty[0] + 1} is empty; expected one line an image")
    return cells.iloc[:height, :width]


def _with_points(cells: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The cells with points for the decimal commas of spreadsheets, and a sentence where there were any."""
    with_commas = [name for name in cells if cells[name].str.contains(",", regex=False).any()]
    points = cells[with_commas].map(lambda cell: cell.replace(",", ".") if COMMA.fullmatch(cell) else cell)
    if points.equals(cells[with_commas]):
        return cells, []
    return cells.drop(columns=with_commas).join(points)[cells.columns], [
        f"{path}: commas in numbers are decimal points"
    ]


def _header(cells: pd.DataFrame) -> tuple[list[str] | None, pd.DataFrame]:
    """The names in the first line, or None where it is a line like the others, and the lines below."""
    first, rest = cells.iloc[0].tolist(), cells.iloc[1:]
    if not len(rest):
        return None, cells
    counted = len(first) >= 10 and first[-10:] in ([str(k) for k in range(10)], [str(k) for k in range(1, 11)])
    for k, name in enumerate(first):
        below = _parsed(rest.iloc[:HEAD, k])
        if below.dtype.kind in "iuf":
            counted |= _parsed(pd.Series([name])).dtype.kind not in "iuf"
        elif class_number(name) is None:
            counted |= all(class_number(text) is not None for text in set(below.tolist()))
    if counted or any(plain(name) in WORDS for name in first):
        return first, rest
    return None, cells


def _parsed(column: pd.Series) -> np.ndarray:
    """A column as integers or float64 where all of it is numbers, else as text."""
    numbers = pd.to_numeric(column, errors="coerce")
    if not column[numbers.isna()].str.lower().isin(NOT_A_NUMBER).all():
        return column.to_numpy(dtype=str)
    return numbers.to_numpy() if numbers.dtype.kind in "iu" else column.to_numpy().astype(np.float64)
