"""Plot functions for panels that show pictures and networks: small images with captions, and a network's diagram."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from cifar102.figures import marks
from cifar102.figures.sheets import SIDE, decode_pixels

GAP, CAPTION_ROWS = 4, 20  # in pixels of the images
SLOT = 1.0  # of a stage of a diagram, in units of its axis


def pictures(ax: Axes, table: pd.DataFrame, *, columns: int = 8) -> None:
    """Draw small images line by line with their captions below, in a panel beside charts.

    Columns: pixels (of sheets.encode_pixels), caption. Whole sheets are sheets.image_sheet's.
    """
    marks.require(table, "pixels", "caption")
    images = decode_pixels(list(table["pixels"]))
    lines, step = -(-len(images) // columns), SIDE + CAPTION_ROWS
    canvas = np.full((lines * step, columns * (SIDE + GAP), 3), 255, np.uint8)
    for number, (image, caption) in enumerate(zip(images, table["caption"], strict=True)):
        top, left = number // columns * step, number % columns * (SIDE + GAP)
        canvas[top : top + SIDE, left : left + SIDE] = image
        look = {"ha": "center", "va": "top", "fontsize": 5.5, "linespacing": 1.05}
        ax.text(left + SIDE / 2, top + SIDE + 1, marks.text_of(caption), **look)
    ax.imshow(canvas, interpolation="nearest")
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
