"""What two sets of images share (`python -m cifar102 duplicates A B`): copies, near-duplicates, groups, a picture."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from cifar102.cifar import ImageSet
from cifar102.datasets import lookup
from cifar102.dedup import cleaning, exact_copies, pair_table, pair_union, ssim_check
from cifar102.figures import tiles
from cifar102.workspace import ownership
from cifar102.workspace.files import replacing, write_table
from cifar102.workspace.folders import Workspace

ZOOM = 3
PAIRS_IN_A_LINE = 6
TILE = tiles.SIDE * ZOOM
GAP, CAPTION = 8, 16


@dataclass(frozen=True)
class Leakage:
    """What was found between two sets.

    exact: group, set, row, label, is_label_conflict of the groups with members in both sets (or of all groups, within
    one set); near: the pair table without pairs of verdict "different", with query_set and reference_set in front, the
    most similar first; groups: group, set, row of the images that hang together by pairs of verdict "duplicate";
    sizes: set name -> images; folder: where exact.csv, near.csv, groups.csv and pairs.png are. cleaned: the second set
    without what it shares, where that was asked for; notes: how pictures were read.
    """

    exact: pd.DataFrame
    near: pd.DataFrame
    groups: pd.DataFrame
    sizes: dict[str, int]
    folder: Path
    cleaned: cleaning.Cleaned | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        query = list(self.sizes)[-1]
        reference, total = next(iter(self.sizes)), self.sizes[query]
        copies = self.exact.loc[self.exact["set"] == query, "row"].nunique()
        lines = [f"{query} ({total:,} images) against {reference} ({self.sizes[reference]:,} images)"]
        what = "themselves in several copies" if query == reference else "equal to one of the other set"
        lines.append(f"  exact: {self.exact['group'].nunique():,} groups; {copies:,} images {what}")
        for verdict, text in (("duplicate", "have a near-duplicate"), ("review", "more have a pair to be looked at")):
            lines.append(f"  near: {self._share(verdict, query == reference, total)} {text}")
        members = self.groups.groupby("group").size()
        lines.append(
            f"  groups: {len(members):,} of near-duplicates, the largest of {members.max() if len(members) else 0:,}"
        )
        lines += [f"  note: {note}" for note in self.notes]
        lines.append(f"  tables and contact sheet: {self.folder}")
        return "\n".join([*lines, str(self.cleaned)] if self.cleaned else lines)

    def _share(self, verdict: str, is_within: bool, total: int) -> str:
        def images(part: pd.DataFrame) -> set[int]:
            return set(part["query"]) | (set(part["reference"]) if is_within else set())

        found = images(self.near[self.near["verdict"] == verdict])
        if verdict == "review":
            found -= images(self.near[self.near["verdict"] == "duplicate"])
        return f"{len(found):,} images ({len(found) / max(total, 1):.1%})"


def report(
    first: str,
    second: str,
    workspace: Workspace,
    folder: Path | None = None,
    data: Path | None = None,
    scheduler: str = "",
    clean: Path | None = None,
    check: bool = False,
    **options: float,
) -> Leakage:
    """Find what the second set shares with the first, and write it down.

    first, second: names, files or folders as lookup.load takes them; the same one twice looks within it.
    data: a folder in which names of data sets are looked up first.
    options: k, duplicate, review, max_shift of dedup.near_duplicates. scheduler: of a Dask cluster that shares the
    search. Writes exact.csv, near.csv, groups.csv, pairs.png into `folder`, by default
    results/duplicates_<first>_<second> of the workspace, and the blocks of the search into built/blocks, from which a
    broken-off report goes on; the workspace gets its sign. clean: a new folder for the second set without what it
    shares (dedup.cleaning), for which it is searched in itself too. check: compute the SSIM of a sample of the listed
    pairs by scikit-image too, and note what came out; ValueError where it differs. print() of the result is the
    report in words.
    """
    if clean is not None:
        cleaning.check_folder(clean, tuple(path for path in map(_path, (first, second)) if path is not None))
    images = {name: lookup.load(name, workspace, data) for name in dict.fromkeys((first, second))}
    name = f"duplicates_{plain_name(first)}_{plain_name(second)}"
    folder = folder or workspace.results / name
    ownership.sign(workspace)
    blocks = workspace.built / "blocks" / name
    notes = tuple(f"{key}: {note}" for key, value in images.items() for note in value.notes)
    found = compare(images, folder, blocks, scheduler, **options)
    notes += (_checked(found, images, **options),) if check else ()
    found = dataclasses.replace(found, notes=notes)
    _write(found, images)
    if clean is None:
        return found
    return dataclasses.replace(found, cleaned=_clean(found, images, clean, _path(second), blocks, scheduler, **options))


def _write(found: Leakage, images: dict[str, ImageSet]) -> None:
    """Write the tables and the contact sheet into the folder of what was found."""
    for part in ("exact", "near", "groups"):
        write_table(found.folder / f"{part}.csv", getattr(found, part))
    with replacing(found.folder / "pairs.png") as temporary:
        contact_sheet(found.near, images).save(temporary, format="PNG")


def _checked(found: Leakage, images: dict[str, ImageSet], max_shift: int = 2, **_: object) -> str:
    """Hold a sample of the pairs against scikit-image; ValueError where they differ."""
    sides = (images[list(images)[-1]].images, images[next(iter(images))].images)
    result = ssim_check.check(found.near, *sides, max_shift=max_shift)
    if not result.holds:
        raise ValueError(f"--check: the SSIM of near-duplicates {result}")
    return f"SSIM is {result}"


def _clean(
    found: Leakage,
    images: dict[str, ImageSet],
    folder: Path,
    source: Path | None,
    blocks: Path,
    scheduler: str,
    **options: float,
) -> cleaning.Cleaned:
    """Write the second set without what it shares with the first; groups reach through its own near-duplicates."""
    name, near = list(images)[-1], found.near
    if len(images) == 2:
        own = {name: images[name]}
        within = compare(own, found.folder, blocks.with_name(f"{blocks.name}-within"), scheduler, **options)
        near = pd.concat([near, within.near], ignore_index=True)
    dropped = cleaning.dropped_rows(images, exact_copies.exact_table(images), near)
    return cleaning.write(folder, images, dropped, source)


def _path(name: str) -> Path | None:
    """The file or folder that a set is named by; None for a data set's name."""
    path = Path(name).expanduser()
    return path if path.exists() else None


def compare(sets: dict[str, ImageSet], folder: Path, blocks: Path, scheduler: str = "", **options: float) -> Leakage:
    """Compare one set with itself, or the second of two (the queries) with the first; blocks of the search are kept.

    A pair counts whichever of its sides finds the other.
    """
    names = list(sets)
    reference, query = names[0], names[-1]
    exact = exact_copies.exact_table(sets)
    exact = exact[exact.groupby("group")["set"].transform("nunique") == len(names)].reset_index(drop=True)
    others = sets[reference].images if len(names) == 2 else None
    near = pair_union.search_both_ways(sets[query].images, others, blocks, scheduler, **options)
    order = [pair_union.score_column(near), "query"]
    near = near[near["verdict"] != "different"].sort_values(order, ascending=[False, True], kind="stable")
    near.insert(0, "query_set", query)
    near.insert(2, "reference_set", reference)
    sizes = {name: len(value) for name, value in sets.items()}
    near = near.reset_index(drop=True)
    return Leakage(exact, near, _groups(near[near["verdict"] == "duplicate"], sizes), sizes, folder)


def _groups(pairs: pd.DataFrame, sizes: dict[str, int]) -> pd.DataFrame:
    """The images of the connected components of two or more: group from 0, set, row, in the order of sets and rows."""
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()]), strict=False))
    ends = {side: pairs[side] + pairs[f"{side}_set"].map(starts).astype(np.int64) for side in ("query", "reference")}
    number = pair_table.components(pd.DataFrame(ends), sum(sizes.values()))
    rows = np.concatenate([np.arange(size) for size in sizes.values()])
    table = pd.DataFrame({"group": number, "set": np.repeat(list(sizes), list(sizes.values())), "row": rows})
    table = table[table.duplicated("group", keep=False)].sort_values("group", kind="stable", ignore_index=True)
    return table.assign(group=pd.factorize(table["group"])[0])


def contact_sheet(pairs: pd.DataFrame, sets: dict[str, ImageSet], limit: int = 120) -> Image.Image:
    """Draw the first `limit` pairs, query left and reference right, with both row numbers and the score below each.

    pairs: query_set, query, reference_set, reference and a score. The pixels are enlarged threefold without smoothing.
    """
    shown = pairs.head(limit)
    grid = tiles.Grid(len(shown), PAIRS_IN_A_LINE, (TILE + CAPTION + GAP, 2 * TILE + GAP), GAP)
    sides = [("query_set", "query"), ("reference_set", "reference")]
    images = [[sets[name].images[row] for name, row in zip(shown[a], shown[b], strict=True)] for a, b in sides]
    pictures = tiles.side_by_side(*(np.array(side, np.uint8).reshape(-1, 32, 32, 3) for side in images))
    sheet = Image.fromarray(tiles.draw(pictures, grid.spots, grid.size, ZOOM))
    draw = ImageDraw.Draw(sheet)
    texts = shown["query"].astype(str) + " / " + shown["reference"].astype(str)
    for (top, left), text, score in zip(grid.spots, texts, shown[pair_union.score_column(shown)], strict=True):
        draw.text((left, top + TILE + 2), f"{text}: {score:.3f}", fill="black")
    if shown.empty:
        draw.text((GAP, GAP), "no pair at or above the thresholds", fill="black")
    return sheet


def plain_name(name: str) -> str:
    """The name of a set, or the last part of its path, as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", Path(name).name or name)
