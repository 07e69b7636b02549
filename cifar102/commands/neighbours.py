"""The exact Euclidean neighbours of the images of one set in another (`python -m cifar102 neighbours A B`)."""

from pathlib import Path

from cifar102.commands.leakage import plain_name
from cifar102.datasets import lookup
from cifar102.dedup import neighbour_table
from cifar102.workspace import ownership
from cifar102.workspace.files import write_table
from cifar102.workspace.folders import Workspace


def report(
    first: str, second: str, workspace: Workspace, k: int = 10, data: Path | None = None, scheduler: str = ""
) -> str:
    """Find the k nearest images of the first set for each image of the second, write them down, and say what came out.

    first, second: as lookup.load takes them; the same one twice looks within it, where no image is its own neighbour.
    Writes results/neighbours_<first>_<second>/neighbours.parquet of the workspace, and blocks into built/blocks, from
    which a broken-off search goes on.
    """
    if k < 1:
        raise ValueError(f"--k {k}: expected 1 or more")
    images = {name: lookup.load(name, workspace, data) for name in dict.fromkeys((first, second))}
    name = f"neighbours_{plain_name(first)}_{plain_name(second)}"
    ownership.sign(workspace)
    queries = images[second].images
    references = {first: None if first == second else images[first].images}
    blocks = workspace.built / "blocks" / name
    table = neighbour_table.nearest_table(queries, references, blocks, k, scheduler)
    path = write_table(workspace.results / name / "neighbours.parquet", table)
    sizes = f"{second} ({len(queries):,} images) against {first} ({len(images[first]):,} images)"
    return f"{sizes}\n  {neighbour_table.nearest_sentence(table, len(queries))}\n  table: {path}"
