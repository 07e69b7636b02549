"""The one style of all figures, and how each is drawn from its own .csv and .json and saved beside them."""

import io
import json
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.style.core import STYLE_BLACKLIST

from cifar102.figures import accuracy_charts, charts, marks, sheets
from cifar102.workspace.files import (
    check_lines,
    csv_text,
    plain,
    read_json,
    read_text,
    replacing,
    without_guards,
    write_json,
    write_text,
)
from cifar102.workspace.folders import Workspace

NAME = re.compile(r"\d\d-[a-z0-9-]+")
LARGEST_SIDE = 100  # inches of a figure that is read from a file, and panels side by side in it


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
    entry = {"title": record.title, "figsize": record.figsize}
    if len(record.panels) == 1:
        panel = record.panels[0]
        return csv_text(panel.table), _as_json(entry | {"plot": panel.plot, "options": panel.options})
    parts = [
        {"plot": panel.plot, "options": panel.options, "table_columns": list(panel.table.columns)}
        for panel in record.panels
    ]
    return _join(record.panels), _as_json(entry | {"columns": record.columns, "panels": parts})


def decode(text: str, entry: dict) -> Record:
    """Inverse of encode, except for what files cannot hold: tuples come back as lists."""
    if "plot" in entry:
        panels = [Panel(entry["plot"], _values(text), entry["options"])]
    else:
        panels = _split(text, entry["panels"])
    return Record(entry["title"], tuple(panels), entry.get("figsize"), entry.get("columns"))


def read_record(path: Path) -> Record:
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
        return _checked(decode(read_text(check_lines(table)), entry))
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # a panel that is none, a table that is none
        raise ValueError(f"{path}: expected a figure's panels and its table in {table.name}: {error!r}") from error


def shows_photographs(record: Record) -> bool:
    """Say whether a figure is a sheet of images of a data set, and not a chart."""
    return any(panel.plot == "image_sheet" for panel in record.panels)


def _checked(record: Record) -> Record:
    """Return a record that was read; ValueError where it names no chart of ours, or a figure of any size."""
    for panel in record.panels:
        plot_name(panel.plot)
    sides = [1.0, 1.0] if record.figsize is None else record.figsize
    if len(sides) != 2 or not all(isinstance(side, int | float) and 0 < side <= LARGEST_SIDE for side in sides):
        raise ValueError(f"figsize {sides!r}: expected two sides of at most {LARGEST_SIDE} inches")
    if record.columns is not None and record.columns not in range(1, LARGEST_SIDE + 1):
        raise ValueError(f"columns {record.columns!r}: expected 1 to {LARGEST_SIDE}")
    return record


def _join(panels: tuple[Panel, ...]) -> str:
    """Write tables below each other with the panel's number in front; a column another panel has is left empty."""
    columns = list(dict.fromkeys(column for panel in panels for column in panel.table.columns))
    if "panel" in columns:
        raise ValueError(f"a table of a figure with panels has a column 'panel' of its own: {columns}")
    # Cells as text: the 3 of one panel must not become 3.0 because another panel leaves the column empty.
    tables = [_text(csv_text(panel.table)).assign(panel=number) for number, panel in enumerate(panels)]
    return csv_text(pd.concat(tables)[["panel", *columns]])


def _split(text: str, parts: list[dict]) -> list[Panel]:
    joined = _text(text)
    panels = []
    for number, part in enumerate(parts):
        rows = joined.loc[joined["panel"] == str(number), part["table_columns"]]
        panels.append(Panel(part["plot"], _values(csv_text(rows)), part["options"]))
    return panels


def _as_json(entry: dict) -> dict:
    return json.loads(json.dumps(plain(entry)))


def _text(csv: str) -> pd.DataFrame:
    return without_guards(pd.read_csv(io.StringIO(csv), dtype=str, keep_default_na=False))


def _values(csv: str) -> pd.DataFrame:
    """Read csv text so that floats come back exactly and a keyword called "null" or "NA" stays a word."""
    table = pd.read_csv(io.StringIO(csv), keep_default_na=False, na_values=[""], float_precision="round_trip")
    return without_guards(table)


DOTS_PER_INCH = sheets.DOTS_PER_INCH
TITLE_CHARACTERS_PER_INCH = 12
PALE = ("#fbafe4", "#949494")  # of the palette: last, for the ninth and tenth class only
# seaborn.color_palette("colorblind"), written out: half a second of import for ten colours.
PALETTE = ["#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#ece133", "#56b4e9", *PALE]
# Matplotlib's own settings stand below ours, so that those of a user's matplotlibrc change no figure.
BUILT_IN = {name: value for name, value in mpl.rcParamsDefault.items() if name not in STYLE_BLACKLIST}
STYLE = {
    # seaborn.axes_style("whitegrid"), where it differs from Matplotlib and nothing below says otherwise
    "axes.axisbelow": True,
    "axes.facecolor": "white",
    "axes.grid": True,
    "figure.facecolor": "white",
    "grid.linestyle": "-",
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "text.color": ".15",
    "xtick.bottom": False,
    "xtick.color": ".15",
    "ytick.color": ".15",
    "ytick.left": False,
    "axes.edgecolor": "0.35",
    "axes.labelcolor": "0.1",
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": mpl.cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.07,
    "figure.constrained_layout.w_pad": 0.07,
    "figure.dpi": DOTS_PER_INCH,
    "figure.titlesize": 10,
    "figure.titleweight": "bold",
    "font.family": ["DejaVu Sans"],  # comes with Matplotlib, so that every machine draws the same
    "font.size": 8.5,
    "grid.color": "0.9",
    "grid.linewidth": 0.7,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "text.parse_math": False,  # a keyword may hold a dollar sign
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}
SAVING = {"savefig.facecolor": "white", "svg.fonttype": "path", "svg.hashsalt": "cifar102"}
MODULES = {
    charts: ("bars", "horizontal_bars", "histogram", "curves", "points_per_seed", "scatter", "matrix"),
    accuracy_charts: ("original_against_new", "gap_bars", "interval_rows", "reliability"),
    sheets: ("image_sheet", "pictures", "network_diagram"),
}
PLOTS: dict[str, Callable] = {name: getattr(module, name) for module, names in MODULES.items() for name in names}


class SavedFigure(Figure):
    """A figure that a notebook shows as the very file it was saved to, once, whatever backend is active."""

    png: Path | None = None

    def _ipython_display_(self) -> None:
        from IPython.display import display

        width, height = (round(inches * 100) for inches in self.get_size_inches())
        data = {"image/png": self.png.read_bytes(), "text/plain": f"figure {self.png.stem}"}
        display(data, raw=True, metadata={"image/png": {"width": width, "height": height}})


def draw(
    name: str,
    plot: Callable | str,
    table: pd.DataFrame,
    workspace: Workspace,
    *,
    title: str,
    figsize: Sequence[float] | None = None,
    **options: object,
) -> Figure:
    """Draw a figure from what its .csv (the table) and .json (the plot) hold; save these and the .png and .svg.

    name: two digits of the notebook and words, "03-ssim-histogram". plot: a function of PLOTS or its name; the options
    are its own. Raises ValueError for a bad name, an unknown plot, missing columns. Returns the figure, which a
    notebook shows. All four files are written atomically, with the same bytes on a rerun.
    """
    return _make(name, Record(title, (Panel(plot_name(plot), table, options),), figsize), workspace)


def draw_panels(
    name: str,
    panels: Sequence[tuple[Callable | str, pd.DataFrame, dict]],
    workspace: Workspace,
    *,
    title: str,
    columns: int | None = None,
    figsize: Sequence[float] | None = None,
) -> Figure:
    """Draw several (plot, table, options) side by side as one figure; the option `title` is a panel's heading.

    The .csv holds all tables below each other, with the panel's number in column `panel`. Else as draw.
    """
    parts = tuple(Panel(plot_name(plot), table, options) for plot, table, options in panels)
    return _make(name, Record(title, parts, figsize, columns), workspace)


def draw_sheet(name: str, table: pd.DataFrame, workspace: Workspace, *, title: str, columns: int = 10) -> Figure:
    """Draw a sheet of images (sheets.image_sheet) that its .csv names by set and row. Else as draw."""
    return draw(name, "image_sheet", table, workspace, title=title, columns=columns)


def redraw(source: Workspace | Path | str, style: dict | None = None) -> list[str]:
    """Draw all figures of a workspace, or of a plain folder, again from their .csv and .json; return their names.

    style: Matplotlib settings laid over STYLE. A sheet whose image arrays are not there stays as it is, said by a line.
    """
    folder = _figure_folder(source)
    workspace, names = Workspace(folder.parent), []
    for path in sorted(folder.glob("*.json")):
        if not NAME.fullmatch(path.stem):
            continue
        record = read_record(path)
        shown = [panel.table for panel in record.panels if panel.plot == "image_sheet"]
        missing = [str(file) for table in shown for file in sheets.missing_arrays(table, workspace)]
        if missing:
            print(f"{path.stem}: left as it is, the images it shows are not here: {', '.join(missing)}")
            continue
        try:
            figure = _render(record, workspace, style or {})
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: its chart cannot be drawn from its table: {error!r}") from error
        save_figure(figure, path.stem, folder)
        names.append(path.stem)
    return names


def save_figure(figure: Figure, name: str, workspace: Workspace | Path) -> Path:
    """Write a figure as .png and .svg into a workspace's (or the given) folder, the same bytes every time.

    Returns the path of the .png. Raises ValueError for a bad name.
    """
    target = _figure_folder(workspace) / f"{check_name(name)}.png"
    with mpl.rc_context(BUILT_IN | SAVING):
        with replacing(target) as file:
            figure.savefig(file, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
        with replacing(target.with_suffix(".svg")) as file:
            figure.savefig(file, format="svg", dpi=DOTS_PER_INCH, metadata={"Date": None, "Creator": None})
    return target


def plot_name(plot: Callable | str) -> str:
    """Return the registered name of a plot function; ValueError names those there are."""
    name = plot if isinstance(plot, str) else getattr(plot, "__name__", str(plot))
    if name not in PLOTS or (callable(plot) and PLOTS[name] is not plot):
        raise ValueError(f"plot {name!r} is not registered; there are {', '.join(PLOTS)}")
    return name


def _make(name: str, record: Record, workspace: Workspace) -> SavedFigure:
    workspace = Workspace(workspace)
    path = workspace.figures / f"{check_name(name)}.json"
    text, entry = encode(record)
    figure = _render(decode(text, entry), workspace, {})
    write_text(path.with_suffix(".csv"), text)
    write_json(path, entry)
    figure.png = save_figure(figure, name, workspace)
    return figure


def _render(record: Record, workspace: Workspace, style: dict) -> SavedFigure:
    with mpl.rc_context(BUILT_IN | STYLE | style):
        if record.panels[0].plot == "image_sheet" and not record.panels[0].table.empty:
            return _render_sheet(record, workspace)
        columns = record.columns or min(len(record.panels), 3)
        lines = -(-len(record.panels) // columns)
        figure = SavedFigure(figsize=record.figsize or _size(record.panels, lines, columns), layout="constrained")
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        for ax in axes[len(record.panels) :]:
            ax.set_visible(False)
        for ax, panel in zip(axes, record.panels, strict=False):
            options = dict(panel.options)
            ax.set_title(options.pop("title", ""))
            if panel.table.empty:
                ax.text(0, 0.5, "There is nothing to show: the table has no rows.", va="center")
                ax.set_axis_off()
            else:
                PLOTS[panel.plot](ax, panel.table, **options)
        figure.suptitle(_wrap(record.title, figure.get_figwidth()), x=0.01, ha="left")
    return figure


def _render_sheet(record: Record, workspace: Workspace) -> SavedFigure:
    table, columns = record.panels[0].table, record.panels[0].options["columns"]
    width, height = sheets.sheet_size(table, columns)
    title = _wrap(record.title, width)
    total = height + 0.19 * (title.count("\n") + 1) + 0.14
    figure = SavedFigure(figsize=(width, total))
    ax = figure.add_axes((0, 0, 1, height / total))
    sheets.image_sheet(ax, table, workspace=workspace, columns=columns)
    figure.suptitle(title, x=sheets.MARGIN / DOTS_PER_INCH / width, y=1 - 0.06 / total, ha="left", va="top")
    return figure


def _size(panels: Sequence[Panel], lines: int, columns: int) -> tuple[float, float]:
    sizes = [_panel_size(panel) for panel in panels]
    if len(sizes) == 1:
        return sizes[0]
    squares = [panel.plot in ("original_against_new", "reliability") for panel in panels]
    width = min(4.3, 11.5 / columns)
    heights = [
        width + 0.4 if is_square else 0.85 * height for (_, height), is_square in zip(sizes, squares, strict=True)
    ]
    return width * columns, 0.4 + lines * max(heights)


def _panel_size(panel: Panel) -> tuple[float, float]:
    """Return a chart's size in inches where none is asked for: taller with the rows it lists."""
    table, options = panel.table, panel.options
    if table.empty:
        return 6.4, 1.2
    if panel.plot == "matrix":
        rows, columns = table[options["row"]].nunique(), table[options["column"]].nunique()
        return 2.0 + min(max(0.55 * columns, 3.4), 9), 1.3 + min(max(0.45 * rows, 1.4), 9)
    if panel.plot == "scatter" and options.get("diagonal"):
        return 5.0, 5.3
    if panel.plot == "horizontal_bars":
        slots = marks.slots_of(table, options["y"], None if options.get("stacked") else options.get("hue"))
        return 6.4, 1.3 + sum(0.23 * max(1, 0.6 * count) for count in slots.values())
    if panel.plot == "points_per_seed":
        hues = table[options["hue"]].nunique() if options.get("hue") else 1
        return 6.4, 1.3 + 0.23 * max(1, 0.6 * hues) * table[options.get("arm", "arm")].nunique()
    if panel.plot == "interval_rows":
        return 6.4, 1.3 + 0.23 * len(table)
    return {"original_against_new": (5.6, 5.8), "reliability": (4.6, 5.0)}.get(panel.plot, (6.4, 3.8))


def _wrap(title: str, width: float) -> str:
    characters = max(20, int(width * TITLE_CHARACTERS_PER_INCH))
    return "\n".join(textwrap.fill(line, characters) for line in title.split("\n"))


def _figure_folder(source: Workspace | Path | str) -> Path:
    if isinstance(source, Workspace):
        return source.figures
    folder = Workspace(Path(source)).root
    return folder / "figures" if (folder / "figures").is_dir() else folder
