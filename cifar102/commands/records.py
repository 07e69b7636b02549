"""Single records of a pool, looked at by index: their 14 fields, their pictures enlarged, candidates as PNG folders."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tqdm import tqdm

from cifar102 import cifar
from cifar102.annotations import labelimg
from cifar102.figures import tiles
from cifar102.tiny_images.pair import TinyImages
from cifar102.workspace import arrays
from cifar102.workspace.files import read_table, replacing
from cifar102.workspace.folders import Workspace
from cifar102.workspace.wording import near_names

MARK = "cifar102 show"  # in the picture, so that the next one may take its place
SCALE = 6  # an image of 32 pixels is shown 192 wide
A_LINE = 8  # images side by side
GAP = 8  # white pixels between enlarged images


def show(workspace: Workspace, indices: Sequence[int], path: Path) -> str:
    """Write the pictures of any records of the pool, enlarged and in the order asked, to `path` (.png); describe them.

    indices: 0-based record numbers, in any order, also twice. Returns the fields of each record as text, the class it
    is a candidate for among them. Raises ValueError for an index the pool does not have, another suffix than .png, or a
    `path` where something is that this function did not make, a link too.
    """
    if Path(path).suffix != ".png":
        raise ValueError(f"{path}: pictures are written as .png, never with a lossy format")
    _check_free(Path(path))
    with TinyImages(workspace.raw) as tiny:
        fields, images = tiny.metadata(indices), tiny.images(indices)
    with replacing(path) as temporary:
        mark = PngInfo()
        mark.add_text("Software", MARK)
        Image.fromarray(sheet(images)).save(temporary, format="PNG", pnginfo=mark)
    classes = _classes(workspace)
    lines = []
    for index, row in zip(indices, fields.to_dict("records"), strict=True):
        found = ", ".join(classes.get(int(index), ["no candidate"]))
        lines += [f"record {index} ({found})", *(f"  {name:12} {value}" for name, value in row.items() if value != "")]
    return "\n".join(lines)


def _check_free(path: Path) -> None:
    if not path.exists() and not path.is_symlink():
        return
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            is_ours = not path.is_symlink() and picture.info.get("Software") == MARK
    except Exception:  # Pillow's readers raise many kinds for what is no picture
        is_ours = False
    if not is_ours:
        raise ValueError(f"{path}: is there already and was not made by `show`; name another --output")


def sheet(images: np.ndarray, scale: int = SCALE, a_line: int = A_LINE) -> np.ndarray:
    """Lay out images, uint8 (n, 32, 32, 3), in lines of `a_line` on white: uint8 (height, width, 3).

    Every pixel becomes a square of `scale` pixels; nothing is smoothed.
    """
    step = tiles.SIDE * scale + GAP
    grid = tiles.Grid(len(images), max(1, min(len(images), a_line)), (step, step))
    size = grid.size[0] - GAP, grid.size[1] - GAP
    return tiles.draw(cifar.check_images(images), grid.spots, size, scale)


def export(
    workspace: Workspace, folder: Path, classes: Sequence[str] = (), keywords: Sequence[str] = (), limit: int = 0
) -> int:
    """Write candidates as {class}/{keyword}/{filename} PNG files for labelling programs; return how many.

    classes, keywords: only these, where given; limit: at most so many a keyword, 0 for all. Only one keyword's images
    are held at a time, and files that are there already are left. ValueError names a class or keyword that no
    candidate has.
    """
    candidates = read_table(workspace.candidates, ("class_name", "keyword", "filename"))
    images = arrays.open_npy(workspace.candidate_images)
    chosen = candidates
    for column, wanted in (("class_name", classes), ("keyword", keywords)):
        chosen = chosen[_is_wanted(candidates[column], wanted)[chosen.index]]
    parts = chosen.groupby(["class_name", "keyword"], sort=False)
    written = 0
    for _, part in tqdm(parts, desc="export", unit="keyword"):
        part = part.head(limit) if limit else part
        written += labelimg.export_images(folder, part, images[part.index])
    return written


def _is_wanted(names: pd.Series, wanted: Sequence[str]) -> np.ndarray:
    if unknown := sorted(set(wanted) - set(names)):
        near = near_names(unknown[0], names, "and none has a name like it")
        raise ValueError(f"no candidate has {names.name} {unknown[0]!r}: {near}")
    return names.isin(wanted).to_numpy() if wanted else np.ones(len(names), dtype=bool)


def _classes(workspace: Workspace) -> dict[int, list[str]]:
    """The classes each record is a candidate for, by tiny_index; empty before notebook 01 has run."""
    path = workspace.candidates
    if not path.is_file():
        return {}
    candidates: pd.DataFrame = read_table(path, ("tiny_index", "class_name"))
    return candidates.groupby("tiny_index")["class_name"].agg(list).to_dict()
