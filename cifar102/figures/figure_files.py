"""The two files a figure is drawn from: its table as .csv, its plot with options, title and size as .json."""

import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cifar102.workspace.files import plain, read_json

NAME = re.compile(r"\d\d-[a-z0-9-]+")


@dataclass(frozen=True)
class Panel:
    """One chart of a figure: the registered name of its plot function, its table, its options."""

    plot: str
    table: pd.DataFrame
    options: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """What a figure is drawn from. figsize: width and height in inches; columns: panels side by side; None: chosen."""

    title: str
    panels: tuple[Panel, ...]
    figsize: tuple[float, float] | None = None
    columns: int | None = None


def check_name(name: str) -> str:
    """Return a figure's name if it is two digits of the notebook and words; else raise ValueError."""
    if not NAME.fullmatch(name):
        raise ValueError(f"figure name {name!r}: expected two digits of the notebook and words, as '03-ssim-histogram'")
    return name


def encode(record: Record) -> tuple[str, dict]:
    """Turn a record into the text of its .csv and the content of its .json."""
    entry: dict = {"title": record.title, "figsize": record.figsize}
    if len(record.panels) == 1:
        panel = record.panels[0]
        return _csv(panel.table), _as_json(entry | {"plot": panel.plot, "options": panel.options})
    parts = [
        {"plot": panel.plot, "options": panel.options, "table_columns": list(panel.table.columns)}
        for panel in record.panels
    ]
    return _join(record.panels), _as_json(entry | {"columns": record.columns, "panels": parts})


def decode(text: str, entry: dict) -> Record:
    """Inverse of encode, but for what files cannot hold: tuples come back as lists."""
    if "plot" in entry:
        panels = [Panel(entry["plot"], _values(text), entry["options"])]
    else:
        panels = _split(text, entry["panels"])
    return Record(entry["title"], tuple(panels), entry.get("figsize"), entry.get("columns"))


def read(path: Path) -> Record:
    """Read a record from `path` (.json) and the .csv beside it.

    Raises FileNotFoundError where the .csv is missing, ValueError where the .json is not that of a figure.
    """
    entry = read_json(path)
    table = path.with_suffix(".csv")
    if not isinstance(entry, dict) or "title" not in entry or not {"plot", "panels"} & set(entry):
        raise ValueError(f"{path}: not the file of a figure: expected title and plot or panels")
    if not table.is_file():
        raise FileNotFoundError(f"{table}: not here, and {path.name} is drawn from it")
    try:
        return decode(table.read_text(encoding="utf-8"), entry)
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # a panel that is none, a table that is none
        raise ValueError(f"{path}: expected a figure's panels and its table in {table.name}: {error!r}") from error


def _join(panels: tuple[Panel, ...]) -> str:
    """Write tables below each other with the panel's number in front; a column another panel has is left empty."""
    columns = list(dict.fromkeys(column for panel in panels for column in panel.table.columns))
    if "panel" in columns:
        raise ValueError(f"a table of a figure with panels has a column 'panel' of its own: {columns}")
    # Cells as text: the 3 of one panel must not become 3.0 because another panel leaves the column empty.
    tables = [_text(_csv(panel.table)).assign(panel=number) for number, panel in enumerate(panels)]
    return _csv(pd.concat(tables)[["panel", *columns]])


def _split(text: str, parts: list[dict]) -> list[Panel]:
    joined = _text(text)
    panels = []
    for number, part in enumerate(parts):
        rows = joined.loc[joined["panel"] == str(number), part["table_columns"]]
        panels.append(Panel(part["plot"], _values(_csv(rows)), part["options"]))
    return panels


def _as_json(entry: dict) -> dict:
    return json.loads(json.dumps(plain(entry)))


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")


def _text(csv: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(csv), dtype=str, keep_default_na=False)


def _values(csv: str) -> pd.DataFrame:
    """Read csv text so that floats come back exactly and a keyword called "null" or "NA" stays a word."""
    return pd.read_csv(io.StringIO(csv), keep_default_na=False, na_values=[""], float_precision="round_trip")
