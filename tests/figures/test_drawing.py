"""Figures: drawn from their own two files, with the same bytes again; sheets show the images their rows name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from PIL import Image

from cifar102 import cifar
from cifar102.figures import charts, drawing, sheets
from cifar102.workspace.files import read_json, read_table, write_array
from cifar102.workspace.folders import Workspace

SUFFIXES = (".csv", ".json", ".png", ".svg")
TABLE = pd.DataFrame({"keyword": ["null", "NA", "tabby_cat"], "share": [0.1, 1 / 3, 2 / 3], "count": [1, 20, 3000]})


def draw_bars(workspace: Workspace, name: str = "01-keywords") -> drawing.Figure:
    return drawing.draw(name, charts.bars, TABLE, workspace, title="Keywords, made up", x="keyword", y="count")


def draw_pair(workspace: Workspace) -> drawing.Figure:
    curve = pd.DataFrame({"epoch": [1, 2, 3], "loss": [2.5, 1.0, 0.5]})
    panels = [
        ("bars", TABLE, {"x": "keyword", "y": "count", "title": "left"}),
        ("curves", curve, {"x": "epoch", "y": "loss"}),
    ]
    return drawing.draw_panels("05-pair", panels, workspace, title="Two panels")


def write_candidates(workspace: Workspace, rng: np.random.Generator) -> np.ndarray:
    images = rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    write_array(workspace.built / "candidate_images.npy", images)
    return images


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_draw_leaves_four_files_and_nothing_else(workspace):
    draw_bars(workspace)
    assert sorted(path.name for path in workspace.figures.iterdir()) == [f"01-keywords{s}" for s in SUFFIXES]
    assert pixels_of(workspace.figures / "01-keywords.png").std() > 10


def test_palette_and_style_that_are_written_out_are_seaborns():
    colours = sns.color_palette("colorblind").as_hex()
    assert sorted(drawing.PALETTE) == sorted(colours) and tuple(drawing.PALETTE[-2:]) == drawing.PALE
    settings = []
    for seaborns in ({}, sns.axes_style("whitegrid")):
        with mpl.rc_context(drawing.BUILT_IN | seaborns | drawing.STYLE):
            settings.append(dict(mpl.rcParams))
    # No chart uses either: each names its colour map, and font.family names the one font.
    assert {name for name in settings[0] if settings[0][name] != settings[1][name]} == {"font.sans-serif", "image.cmap"}


def test_a_rerun_writes_the_same_bytes_even_in_another_process(workspace):
    draw_bars(workspace)
    draw_pair(workspace)
    first = files_of(workspace.figures)
    code = f"from cifar102 import figures; print(*figures.redraw({str(workspace.root)!r}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["01-keywords", "05-pair"]
    assert files_of(workspace.figures) == first


def test_redraw_needs_nothing_but_csv_and_json(workspace, tmp_path):
    draw_bars(workspace)
    folder = tmp_path / "plain"
    folder.mkdir()
    for suffix in (".csv", ".json"):
        (folder / f"01-keywords{suffix}").write_bytes((workspace.figures / f"01-keywords{suffix}").read_bytes())
    assert drawing.redraw(folder) == ["01-keywords"]
    assert files_of(folder) == files_of(workspace.figures)


def test_redraw_follows_the_table_and_the_style(workspace):
    draw_bars(workspace)
    before = files_of(workspace.figures)
    assert drawing.redraw(workspace, style={"axes.facecolor": "yellow"}) == ["01-keywords"]
    styled = files_of(workspace.figures)
    assert styled["01-keywords.png"] != before["01-keywords.png"]
    table = workspace.figures / "01-keywords.csv"
    table.write_text(table.read_text().replace("3000", "4000"))
    drawing.redraw(workspace)
    assert files_of(workspace.figures)["01-keywords.png"] not in (before["01-keywords.png"], styled["01-keywords.png"])


def test_no_trace_of_time_or_version_is_in_a_figure(workspace):
    draw_bars(workspace)
    assert not Image.open(workspace.figures / "01-keywords.png").info.keys() - {"dpi"}
    svg = (workspace.figures / "01-keywords.svg").read_text()
    assert "<dc:date>" not in svg and "matplotlib.org" not in svg
    assert "<text" not in svg  # letters are paths, so no font is missed


def test_keywords_called_null_or_na_stay_words(workspace):
    figure = draw_bars(workspace)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["null", "NA", "tabby_cat"]


def test_floats_come_back_from_the_csv_exactly(workspace):
    drawing.draw("01-shares", "bars", TABLE, workspace, title="Shares", x="keyword", y="share")
    assert [
        bar.get_height()
        for bar in drawing.draw("01-b", "bars", TABLE, workspace, title="", x="keyword", y="share").axes[0].patches
    ] == list(TABLE["share"])


def test_panels_keep_their_own_tables_apart(workspace):
    figure = draw_pair(workspace)
    left, right = figure.axes
    assert [bar.get_height() for bar in left.patches] == [1, 20, 3000]
    assert right.lines[0].get_xdata().dtype.kind == "i"
    assert list(right.lines[0].get_ydata()) == [2.5, 1.0, 0.5]
    assert left.get_title(loc="left") == "left"
    assert set(read_table(workspace.figures / "05-pair.csv")["panel"]) == {0, 1}


@pytest.mark.parametrize("name", ["keywords", "1-keywords", "01-Keywords", "01-a/b", "01-a.b", "../01-a"])
def test_a_bad_name_is_refused_before_anything_is_written(workspace, name):
    with pytest.raises(ValueError, match="figure name"):
        draw_bars(workspace, name)
    assert not workspace.figures.exists()


def test_a_plot_that_fails_leaves_no_files(workspace):
    with pytest.raises(ValueError, match="'missing_column'"):
        drawing.draw("01-x", "bars", TABLE, workspace, title="", x="keyword", y="missing_column")
    assert not workspace.figures.exists()


def test_an_unknown_plot_is_refused_with_the_names_there_are(workspace):
    with pytest.raises(ValueError, match=r"pie.*bars"):
        drawing.draw("01-x", "pie", TABLE, workspace, title="")


def test_an_empty_table_says_so_instead_of_failing(workspace):
    figure = drawing.draw("01-none", "bars", TABLE[:0], workspace, title="None", x="keyword", y="count")
    assert "no rows" in figure.axes[0].texts[0].get_text()
    assert (
        "no rows"
        in drawing.draw_sheet("01-s", pd.DataFrame(columns=["set", "row"]), workspace, title="None")
        .axes[0]
        .texts[0]
        .get_text()
    )


def test_a_json_that_is_not_of_a_figure_is_named(workspace):
    draw_bars(workspace)
    (workspace.figures / "01-keywords.json").write_text("[]")
    with pytest.raises(ValueError, match=r"01-keywords\.json"):
        drawing.redraw(workspace)


def test_a_figure_without_its_csv_is_named(workspace):
    draw_bars(workspace)
    (workspace.figures / "01-keywords.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"01-keywords\.csv"):
        drawing.redraw(workspace)


def test_a_notebook_shows_the_saved_file_once(workspace, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    draw_bars(workspace)._ipython_display_()
    assert [data["image/png"] for data, _ in shown] == [(workspace.figures / "01-keywords.png").read_bytes()]


def test_drawing_leaves_the_global_style_alone(workspace):
    before = dict(drawing.mpl.rcParams)
    draw_bars(workspace)
    assert dict(drawing.mpl.rcParams) == before


def test_a_sheet_shows_each_image_enlarged_pixel_by_pixel(workspace, rng):
    images = write_candidates(workspace, rng)
    rows = [4, 0, 5]
    drawing.draw_sheet(
        "01-sheet", pd.DataFrame({"set": "candidates", "row": rows}), workspace, title="Sheet", columns=5
    )
    shown = pixels_of(workspace.figures / "01-sheet.png")
    dots = round(sheets.SHEET_DOTS / (5 * (32 + sheets.GAP)))
    height = dots * (32 + sheets.GAP)
    for place, row in enumerate(rows):
        left = sheets.MARGIN + place * dots * (32 + sheets.GAP)
        tile = shown[-height:][: 32 * dots, left : left + 32 * dots]
        assert np.array_equal(tile[dots // 2 :: dots, dots // 2 :: dots], images[row])
        assert np.array_equal(tile, images[row].repeat(dots, 0).repeat(dots, 1))


def test_a_sheet_is_redrawn_with_the_same_bytes_from_rows_and_arrays(workspace, rng):
    write_candidates(workspace, rng)
    table = pd.DataFrame({"set": "candidates", "row": [1, 2], "second_set": "candidates", "second_row": [3, 4]})
    drawing.draw_sheet("03-pairs", table.assign(caption=["a\nb", "<b>"], group="cat"), workspace, title="Pairs")
    first = files_of(workspace.figures)
    assert drawing.redraw(workspace) == ["03-pairs"]
    assert files_of(workspace.figures) == first
    assert read_json(workspace.figures / "03-pairs.json")["plot"] == "image_sheet"


def test_a_sheet_has_its_images_where_the_set_is_known_and_its_array_is_there(workspace, rng):
    sheet = pd.DataFrame({"set": ["candidates"], "row": [0]})
    assert not sheets.has_images(sheet, workspace)
    write_candidates(workspace, rng)
    assert sheets.has_images(sheet, workspace)
    assert not sheets.has_images(sheet.assign(set="cifar10.1-v99"), workspace)


def test_a_sheet_without_its_arrays_is_left_as_it_is_and_said(workspace, rng, capsys):
    write_candidates(workspace, rng)
    drawing.draw_sheet("01-sheet", pd.DataFrame({"set": ["candidates"], "row": [0]}), workspace, title="Sheet")
    draw_bars(workspace)
    first = files_of(workspace.figures)
    (workspace.built / "candidate_images.npy").unlink()
    assert drawing.redraw(workspace) == ["01-keywords"]
    assert "01-sheet: left as it is" in capsys.readouterr().out
    assert files_of(workspace.figures) == first


def test_a_row_outside_its_set_is_refused(workspace, rng):
    write_candidates(workspace, rng)
    with pytest.raises(ValueError, match="holds 6 images"):
        drawing.draw_sheet("01-sheet", pd.DataFrame({"set": ["candidates"], "row": [6]}), workspace, title="Sheet")
    with pytest.raises(ValueError, match="holds 6 images"):
        sheets.images_of("candidates", np.array([-1]), workspace)


def test_an_unknown_set_is_refused_with_the_names_there_are(workspace):
    with pytest.raises(ValueError, match="cifar10-train"):
        sheets.images_of("cifar11", np.array([0]), workspace)


def test_computed_images_travel_as_text(workspace, rng):
    images = rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    table = pd.DataFrame({"set": "pixels", "row": [0, 1], "pixels": sheets.encode_pixels(images)})
    assert np.array_equal(sheets.fetch(table, workspace), images)
    drawing.draw_sheet("01-means", table, workspace, title="Means", columns=2)
    assert drawing.redraw(workspace) == ["01-means"]
    with pytest.raises(ValueError, match="3072 bytes"):
        sheets.decode_pixels(["AAAA"])


def test_a_changed_array_is_read_again(workspace, rng):
    write_candidates(workspace, rng)
    sheets.images_of("candidates", np.array([0]), workspace)
    changed = write_candidates(workspace, rng)
    assert np.array_equal(sheets.images_of("candidates", np.array([3]), workspace), changed[3:4])


def test_sheets_find_images_in_cifar_batches_and_in_the_release(workspace, rng):
    images = rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    names = [f"cat_s_{k:06d}.png" for k in range(4)]
    for split, order in (("train", [0, 1, 2, 3]), ("test", [3, 2, 1, 0])):
        folder = workspace.raw / "cifar-100-python"
        cifar.write_batch(folder / split, images[order], np.arange(4), names, split, coarse_labels=np.zeros(4, int))
    workspace.release.mkdir(parents=True)
    np.savez(workspace.release / "cifar102_test.npz", images=images)
    table = pd.DataFrame({"set": ["cifar100-test", "cifar102-test", "cifar100-train"], "row": [0, 1, 2]})
    assert np.array_equal(sheets.fetch(table, workspace), images[[3, 1, 2]])


SETTINGS_OF_A_USER = """
font.family: monospace
font.size: 19
axes.titlesize: 30
axes.unicode_minus: False
figure.dpi: 31
savefig.dpi: 37
savefig.bbox: tight
savefig.pad_inches: 1
savefig.transparent: True
figure.constrained_layout.wspace: 0.4
lines.linestyle: --
path.sketch: 1, 100, 2
path.simplify: False
text.antialiased: False
legend.loc: lower left
hatch.linewidth: 5
xtick.direction: in
xtick.major.pad: 14
boxplot.notch: True
image.cmap: gray
image.interpolation: bicubic
axes.xmargin: 0.3
patch.edgecolor: red
patch.force_edgecolor: True
"""


@pytest.mark.filterwarnings("error")
def test_a_matplotlibrc_of_the_user_changes_no_byte(workspace, tmp_path, rng):
    write_candidates(workspace, rng)
    draw_bars(workspace)
    draw_pair(workspace)
    matrix = pd.DataFrame({"a": ["x", "x", "y", "y"], "b": ["p", "q"] * 2, "value": [-1.0, 2.0, 3.0, 4.0]})
    drawing.draw("08-matrix", "matrix", matrix, workspace, title="Matrix", row="a", column="b", value="value")
    sheet = pd.DataFrame({"set": "candidates", "row": [0, 1, 2], "caption": ["a", "b", "c"]})
    drawing.draw_sheet("01-sheet", sheet, workspace, title="Sheet")
    first = files_of(workspace.figures)
    (tmp_path / "matplotlibrc").write_text(SETTINGS_OF_A_USER)
    code = f"from cifar102.figures import drawing; print(*drawing.redraw({str(workspace.root)!r}))"
    environment = {**os.environ, "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["01-keywords", "01-sheet", "05-pair", "08-matrix"]
    again = files_of(workspace.figures)
    assert [name for name in first if first[name] != again[name]] == []


@pytest.mark.parametrize(
    "change",
    [
        {"plot": "os.system"},
        {"options": {"x": "nothing", "y": "count"}},
        {"options": {"x": "keyword", "y": "count", "own": 5}},
        {"options": [1]},
        {"figsize": [1e6, 1e6]},
        {"figsize": 5},
        {"figsize": [True, "x"]},
        {"columns": 10**9},
        {"columns": "x"},
    ],
)
def test_a_figure_of_somebody_else_is_drawn_by_our_charts_or_named(workspace, change):
    draw_bars(workspace)
    path = workspace.figures / "01-keywords.json"
    path.write_text(json.dumps(read_json(path) | change))
    before = files_of(workspace.figures)
    with pytest.raises(ValueError, match=r"01-keywords\.json: "):
        drawing.redraw(workspace)
    assert files_of(workspace.figures) == before
