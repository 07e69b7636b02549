"""Contact sheets: images fetched by set and row, laid out in lines with headings and captions, pixels kept hard."""

import base64
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from cifar102 import cifar
from cifar102.figures import marks, tiles
from cifar102.figures.tiles import SIDE
from cifar102.workspace import arrays
from cifar102.workspace.folders import CIFAR10_FOLDER, Workspace

DOTS_PER_INCH = 150
SHEET_DOTS = 1080  # width of a full line of tiles, 7.2 inches
GAP = 4  # between tiles, in pixels of the images
CAPTION_ROWS = 20  # below a picture of a panel, in pixels of the images
SLOT = 1.0  # of a stage of a diagram, in units of its axis
POINT = DOTS_PER_INCH / 72  # dots in one point of type
CAPTION_POINTS, HEADING_POINTS = 6.5, 8.5
MARGIN = 6  # dots left of the first tile


@dataclass(frozen=True)
class Tile:
    """One place of a sheet, in dots from its upper left corner: the table's row shown there, the text below."""

    left: int
    top: int
    row: int
    caption: str


def encode_pixels(images: np.ndarray) -> list[str]:
    """Write computed images (means, augmented ones) as text for the column `pixels` of a sheet's table.

    images: uint8 (n, 32, 32, 3). Returns n base64 strings of the 3,072 bytes in the array's order.
    """
    return [base64.b64encode(image.tobytes()).decode("ascii") for image in cifar.check_images(images)]


def decode_pixels(texts: list[str]) -> np.ndarray:
    """Inverse of encode_pixels: uint8 (n, 32, 32, 3). ValueError where a text is not 3,072 bytes in base64."""
    rows = [np.frombuffer(base64.b64decode(text, validate=True), np.uint8) for text in texts]
    if any(len(row) != SIDE * SIDE * 3 for row in rows):
        raise ValueError(
            f"column pixels: expected {SIDE * SIDE * 3} bytes an image, found {sorted({len(r) for r in rows})}"
        )
    return np.array(rows, np.uint8).reshape(-1, SIDE, SIDE, 3)


def array_path(name: str, workspace: Workspace) -> Path:
    """Return the file or folder that holds the images of a set; ValueError where there is no set of this name."""
    known = _array_paths(workspace)
    if name not in known:
        raise ValueError(f"image set {name!r}: expected 'pixels' or one of {', '.join(known)}")
    path = known[name]
    beside = path.parent.parent / path.name  # CIFAR-10.1's arrays may also be next to datasets/
    return beside if path.parent.name == "datasets" and not path.exists() and beside.exists() else path


def _array_paths(workspace: Workspace) -> dict[str, Path]:
    return {
        "candidates": workspace.candidate_images,
        "cifar10.1-v4": workspace.cifar101 / "datasets" / "cifar10.1_v4_data.npy",
        "cifar10.1-v6": workspace.cifar101 / "datasets" / "cifar10.1_v6_data.npy",
        "cifar102-train": workspace.release / "cifar102_train.npz",
        "cifar102-test": workspace.release / "cifar102_test.npz",
        "cifar10-train": workspace.cifar10,
        "cifar10-test": workspace.cifar10,
        "cifar100-train": workspace.cifar100,
        "cifar100-test": workspace.cifar100,
    }


def images_of(name: str, rows: np.ndarray, workspace: Workspace) -> np.ndarray:
    """Fetch images by set name and row numbers, uint8 (n, 32, 32, 3), in the order asked.

    Raises FileNotFoundError where the set's file is not in the workspace, ValueError for a row it does not have.
    """
    path = array_path(name, workspace)
    if not path.exists():
        raise FileNotFoundError(f"{path}: not here, and the sheet shows images of {name!r} from it")
    images = _load(path, name.endswith("-train"), path.stat().st_mtime_ns)
    rows = np.asarray(rows, dtype=np.int64)
    if len(rows) and (rows.min() < 0 or rows.max() >= len(images)):
        raise ValueError(f"{path}: rows {rows.min()} to {rows.max()} asked for, it holds {len(images)} images")
    return np.asarray(images[rows])


def fetch(table: pd.DataFrame, workspace: Workspace, prefix: str = "") -> np.ndarray:
    """Fetch the image of each row of a sheet's table (columns set, row; for `prefix` "second_": second_set ...)."""
    names, rows = table[f"{prefix}set"], table[f"{prefix}row"]
    images = np.full((len(table), SIDE, SIDE, 3), 255, np.uint8)
    for name in names.dropna().unique():
        chosen = (names == name).to_numpy()
        if name == "pixels":
            marks.require(table, "pixels")
            images[chosen] = decode_pixels(list(table.loc[chosen, "pixels"]))
        else:
            images[chosen] = images_of(name, rows[chosen].to_numpy(), workspace)
    return images


def missing_arrays(table: pd.DataFrame, workspace: Workspace) -> list[Path]:
    """Return the files a sheet needs and the workspace lacks."""
    columns = [name for name in ("set", "second_set") if name in table.columns]
    names = sorted({name for column in columns for name in table[column].dropna()} - {"pixels"})
    return [path for path in (array_path(name, workspace) for name in names) if not path.exists()]


def has_images(table: pd.DataFrame, workspace: Workspace) -> bool:
    """Say whether the images of a sheet are here: its sets are known, and the workspace holds their arrays."""
    columns = [name for name in ("set", "second_set") if name in table.columns]
    names = {name for column in columns for name in table[column].dropna()} - {"pixels"}
    return names <= set(_array_paths(workspace)) and not missing_arrays(table, workspace)


def layout(table: pd.DataFrame, columns: int) -> tuple[list[Tile], list[tuple[int, str]], tuple[int, int], int]:
    """Place tiles and headings: returns tiles, (top, heading) pairs, (width, height) in dots and dots a pixel.

    A new value of column `group` starts a new line under its heading. Pairs take the room of two images.
    """
    width = 2 * SIDE + 1 if "second_set" in table.columns else SIDE
    dots = max(1, round(SHEET_DOTS / (columns * (width + GAP))))
    captions = list(table["caption"].fillna("").map(marks.text_of)) if "caption" in table.columns else [""] * len(table)
    lines = max((caption.count("\n") + 1 if caption else 0 for caption in captions), default=0)
    step = dots * (SIDE + GAP) + round(lines * CAPTION_POINTS * 1.3 * POINT)
    heading_step = round(HEADING_POINTS * 2.2 * POINT)
    names = table["group"].fillna("").map(marks.text_of) if "group" in table.columns else pd.Series([""] * len(table))
    placed, headings, top = [], [], 0
    positions = pd.Series(range(len(table)))
    for name, members in positions.groupby(names.to_numpy(), sort=False):
        if name:
            headings.append((top, name))
            top += heading_step
        for place, row in enumerate(members):
            left = MARGIN + (place % columns) * dots * (width + GAP)
            placed.append(Tile(left, top + place // columns * step, row, captions[row]))
        top += -(-len(members) // columns) * step
    return placed, headings, (MARGIN + columns * dots * (width + GAP), top), dots


def sheet_size(table: pd.DataFrame, columns: int) -> tuple[float, float]:
    """Return the size of a sheet in inches, without its title."""
    width, height = layout(table, columns)[2]
    return width / DOTS_PER_INCH, height / DOTS_PER_INCH


def image_sheet(ax: Axes, table: pd.DataFrame, *, workspace: Workspace, columns: int = 10) -> None:
    """Draw the sheet into axes of exactly sheet_size, every image pixel a whole number of dots.

    Columns: set, row; for pairs second_set, second_row; caption and group where there are any; pixels for set "pixels".
    """
    marks.require(table, "set", "row")
    placed, headings, (width, height), dots = layout(table, columns)
    images = fetch(table, workspace)
    if "second_set" in table.columns:
        images = tiles.side_by_side(images, fetch(table, workspace, "second_"), gap=1)
    shown, spots = images[[tile.row for tile in placed]], [(tile.top, tile.left) for tile in placed]
    canvas = tiles.draw(shown, spots, (height, width), dots)
    for tile in placed:
        _write_caption(ax, tile, dots * images.shape[2], tile.top + dots * SIDE + POINT)
    for top, heading in headings:
        ax.text(
            MARGIN, top + HEADING_POINTS * 1.8 * POINT, heading, va="bottom", fontsize=HEADING_POINTS, weight="bold"
        )
    ax.imshow(canvas, interpolation="nearest", extent=(0, width, height, 0), aspect="auto")
    ax.set_axis_off()


def _write_caption(ax: Axes, tile: Tile, width: float, top: float) -> None:
    """Write a caption below its images: smaller where it is wider than they are, shortened where that is not enough."""
    room = width / (0.6 * POINT)  # a character is 0.6 times the type's size wide
    longest = max(map(len, tile.caption.split("\n")))
    points = max(4.5, min(CAPTION_POINTS, room / max(longest, 1)))
    lines = [
        line if len(line) <= room / points else line[: int(room / points) - 1] + "…"
        for line in tile.caption.split("\n")
    ]
    look = {"ha": "center", "va": "top", "fontsize": points, "linespacing": 1.15}
    ax.text(tile.left + width / 2, top, "\n".join(lines), **look)


@lru_cache(maxsize=8)
def _load(path: Path, is_train: bool, modified: int) -> np.ndarray:
    if path.suffix == ".npy":
        images = arrays.open_npy(path)
    elif path.suffix == ".npz":
        images = np.asarray(arrays.read_npz(path).get("images"))
    else:
        load = cifar.load_cifar10 if path.name == CIFAR10_FOLDER else cifar.load_cifar100
        images = load(path)["train" if is_train else "test"].images
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE, 3):
        raise ValueError(f"{path}: expected uint8 (n, 32, 32, 3), found {images.dtype} {images.shape}")
    return images


def pictures(ax: Axes, table: pd.DataFrame, *, columns: int = 8) -> None:
    """Draw small images line by line with their captions below, in a panel beside charts.

    Columns: pixels (of sheets.encode_pixels), caption. Whole sheets are sheets.image_sheet's.
    """
    marks.require(table, "pixels", "caption")
    images = decode_pixels(list(table["pixels"]))
    grid = tiles.Grid(len(images), columns, (SIDE + CAPTION_ROWS, SIDE + GAP))
    look = {"ha": "center", "va": "top", "fontsize": 5.5, "linespacing": 1.05}
    for (top, left), caption in zip(grid.spots, table["caption"], strict=True):
        ax.text(left + SIDE / 2, top + SIDE + 1, marks.text_of(caption), **look)
    ax.imshow(tiles.draw(images, grid.spots, grid.size), interpolation="nearest")
    ax.set_axis_off()


def network_diagram(ax: Axes, table: pd.DataFrame) -> None:
    """Draw a network's stages from left to right: boxes as high as the image, as wide as the channels are many.

    Columns: stage, height (pixels), channels, parameters, layers (text under the box), in the order of the network.
    Height is on a square-root scale, width on a logarithmic one; the numbers are written out.
    """
    marks.require(table, "stage", "height", "channels", "parameters", "layers")
    tallest, end = np.sqrt(table["height"].max()), 0.0
    for place, row in enumerate(table.to_dict("records")):
        height = 0.12 + 0.88 * np.sqrt(row["height"]) / tallest
        width = SLOT * (0.12 + 0.6 * np.log2(row["channels"] + 1) / np.log2(table["channels"].max() + 1))
        left = place * SLOT - width / 2
        look = {"facecolor": marks.colour(0), "alpha": 0.25, "edgecolor": marks.colour(0), "linewidth": 1.2}
        ax.add_patch(Rectangle((left, -height / 2), width, height, **look))
        size = f"{row['height']} x {row['height']} x {row['channels']}" if row["height"] > 1 else f"{row['channels']}"
        counted = f"{row['parameters']:,}" if row["parameters"] else "no parameters"
        ax.text(place * SLOT, 0.56, f"{row['stage']}\n{size}", ha="center", va="bottom", fontsize=7.5)
        ax.text(place * SLOT, -0.56, f"{row['layers']}\n{counted}", ha="center", va="top", fontsize=6.5, color="0.25")
        if place:
            arrow = {"arrowstyle": "->", "color": marks.GREY, "linewidth": 0.9}
            ax.annotate("", (left, 0), (end, 0), arrowprops=arrow)
        end = left + width
    ax.set(xlim=(-0.6, len(table) - 0.4), ylim=(-1.15, 0.95))
    ax.set_axis_off()
