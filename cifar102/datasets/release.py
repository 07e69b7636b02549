"""The release folder: written, checked, and read back as sets of images."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cifar102 import cifar
from cifar102.datasets import release_cards
from cifar102.workflow import stamps, steps
from cifar102.workspace.files import (
    hash_file,
    read_table,
    remove_leftovers,
    write_bytes,
    write_json,
    write_table,
    write_text,
)
from cifar102.workspace.folders import MANIFEST, Workspace

BATCHES = "cifar-10.2-batches-py"
SPLITS = ("train", "test", "leftover", "uniform")
MANIFEST_DEFAULTS = {
    **{"split": "", "row": -1, "candidate": -1, "tiny_index": -1, "keyword": "", "class_name": "", "label": -1},
    **{"filename": "", "num_raters": 0, "num_yes": 0, "nearest_set": "", "nearest_row": -1},
    **{"nearest_ssim": float("nan"), "group": -1, "in_cifar10_train": False},
}
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the first a zip can hold; a real one would change the bytes


def write_release(
    target: Workspace | Path,
    train: pd.DataFrame,
    test: pd.DataFrame,
    images: np.ndarray,
    *,
    seed: int = 0,
    leftover: pd.DataFrame | None = None,
    uniform: pd.DataFrame | None = None,
    facts: Mapping[str, object] | None = None,
) -> Path:
    """Write the release folder (docs/workspace.md) and return it; the same input and seed give the same bytes.

    target: a workspace (its built/release) or a folder. train, test: tables with candidate (row of `images`),
    tiny_index, keyword, class_name, label, filename, and whatever else the manifest holds; each is shuffled by `seed`,
    the same in every file. leftover, uniform: further splits, in the manifest only. images: uint8 (n, 32, 32, 3).
    facts: of the run, for the datasheet. SHA256SUMS is removed first and written last: a folder with it is complete.
    ValueError: a column is missing, an image or a group is in train and test, an image is not of its class's label, or
    a file of the workspace that the release is made from has changed unseen (stamps.check_content).
    """
    folder = _release_folder(target)
    cifar.check_images(images)
    given = {"train": train, "test": test, "leftover": leftover, "uniform": uniform}
    splits = _order({name: table for name, table in given.items() if table is not None}, seed)
    manifest = pd.concat([_manifest_part(name, table) for name, table in splits.items()], ignore_index=True)
    check_manifest(manifest, len(images))
    (folder / "SHA256SUMS").unlink(missing_ok=True)
    if folder.is_dir():
        remove_leftovers(folder, [BATCHES], older_than_seconds=-1)  # of a killed writer: nobody else writes here
    for name in ("train", "test"):
        write_bytes(folder / f"cifar102_{name}.npz", npz_bytes(_npz_arrays(splits[name], images)))
    _write_batches(folder / BATCHES, splits["train"], splits["test"], images)
    write_table(folder / MANIFEST, manifest)
    facts = dict(facts or {})
    write_text(folder / "datasheet.md", release_cards.datasheet_text(manifest, facts))
    write_json(folder / "croissant.json", release_cards.croissant_metadata(folder, release_files(folder), facts))
    sums = [f"{hash_file(folder / name)}  {name}\n" for name in (*release_files(folder), "croissant.json")]
    write_text(folder / "SHA256SUMS", "".join(sorted(sums, key=lambda line: line.split("  ")[1])))
    return folder


def _release_folder(target: Workspace | Path) -> Path:
    """The folder to write to; of a workspace only where what its release is made from is as steps left it."""
    if not isinstance(target, Workspace):
        return Path(target)
    sources = steps.TABLE["04_sample"]
    stamps.check_content(target, (*sources.takes, *sources.may_take))
    return target.release


def release_files(folder: Path) -> list[str]:
    """Return the names of the release's files except croissant.json and SHA256SUMS, which list them."""
    batches = sorted(path.name for path in (Path(folder) / BATCHES).iterdir() if not path.name.startswith("."))
    names = [f"{BATCHES}/{name}" for name in batches]
    return [*names, "cifar102_test.npz", "cifar102_train.npz", "datasheet.md", MANIFEST]


def _order(splits: dict[str, pd.DataFrame], seed: int) -> dict[str, pd.DataFrame]:
    """Sort each split by tiny_index; shuffle train and test, so that every batch has all classes."""
    rng, ordered = np.random.default_rng(seed), {}
    for name, table in splits.items():
        table = table.sort_values("tiny_index").reset_index(drop=True)
        order = rng.permutation(len(table)) if name in ("train", "test") else np.arange(len(table))
        ordered[name] = table.iloc[order].reset_index(drop=True)
    return ordered


def _manifest_part(name: str, table: pd.DataFrame) -> pd.DataFrame:
    missing = [
        key for key in ("candidate", "tiny_index", "keyword", "class_name", "label", "filename") if key not in table
    ]
    if missing:
        raise ValueError(f"release: the {name} table lacks the columns {missing}; found {list(table)}")
    part = table.assign(split=name, row=np.arange(len(table)))
    columns = {}
    for column, default in MANIFEST_DEFAULTS.items():
        values = part[column] if column in part else pd.Series([default] * len(part), index=part.index)
        kind = {str: object, int: "int64", float: "float64", bool: bool}[type(default)]
        columns[column] = values.fillna(default).astype(kind)
    return pd.DataFrame(columns)


def check_manifest(manifest: pd.DataFrame, num_images: int | None = None) -> None:
    """Raise ValueError where train and test share an image or a group, a name and a label differ, or rows are wrong."""
    names = np.array(cifar.CLASS_NAMES, dtype=object)
    for split, part in manifest.groupby("split"):
        if split not in SPLITS or not part["tiny_index"].is_unique:
            raise ValueError(f"manifest: split {split!r} is unknown or holds an image twice")
        if not (part["row"].to_numpy() == np.arange(len(part))).all():
            raise ValueError(f"manifest: the rows of {split!r} are not 0 to {len(part) - 1} in order")
        labels = cifar.check_labels(part["label"].to_numpy(), len(part), len(names), f"manifest: {split}")
        if (names[labels] != part["class_name"].to_numpy()).any():
            raise ValueError(f"manifest: a class_name of {split!r} is not that of its label")
    if num_images is not None and not manifest["candidate"].between(0, num_images - 1).all():
        raise ValueError(f"manifest: candidate is a row of the {num_images} images, found others")
    exclusive = manifest[manifest["split"] != "uniform"]
    train, test = (manifest[manifest["split"] == name] for name in ("train", "test"))
    if not exclusive["tiny_index"].is_unique:
        shared = exclusive.loc[exclusive["tiny_index"].duplicated(), "tiny_index"].iloc[0]
        raise ValueError(f"manifest: image {shared} is in two of train, test and leftover")
    if shared := set(train.loc[train["group"] >= 0, "group"]) & set(test["group"]):
        raise ValueError(f"manifest: near-duplicate group {min(shared)} is in train and in test")


def _npz_arrays(table: pd.DataFrame, images: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of the published CIFAR-10.2 files, in their order and types."""
    return {
        "images": images[table["candidate"].to_numpy()],
        "labels": table["label"].to_numpy(dtype=np.int64),
        "label_names": np.array(cifar.CLASS_NAMES),
        "ti_indices": table["tiny_index"].to_numpy(dtype=np.int64),
        "keywords": table["keyword"].to_numpy(dtype=str),
    }


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Make an .npz that depends on the arrays alone: numpy.savez puts the time of day into its zip, this does not.

    Stored, not deflated, for pixels hardly compress and zlib's bytes differ from version to version.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", ZIP_DATE)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # the same on Windows
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            archive.writestr(entry, content.getvalue())
    return out.getvalue()


def _write_batches(folder: Path, train: pd.DataFrame, test: pd.DataFrame, images: np.ndarray) -> None:
    count = max(number for number in range(1, cifar.TRAIN_BATCHES + 1) if len(train) % number == 0)
    for name in {path.name for path in folder.glob("data_batch_*")} - {f"data_batch_{k + 1}" for k in range(count)}:
        (folder / name).unlink()
    parts = [(f"data_batch_{k + 1}", f"training batch {k + 1} of {count}") for k in range(count)]
    tables = [train.iloc[rows] for rows in np.split(np.arange(len(train)), count)]
    for (name, label), table in zip([*parts, ("test_batch", "testing batch 1 of 1")], [*tables, test], strict=True):
        pixels, labels = images[table["candidate"].to_numpy()], table["label"].to_numpy()
        cifar.write_batch(folder / name, pixels, labels, table["filename"].tolist(), label)
    meta = {"num_cases_per_batch": len(train) // count, "num_test_cases": len(test)}
    if count != cifar.TRAIN_BATCHES:
        meta["num_train_batches"] = count
    cifar.write_meta(folder / "batches.meta", meta | {"label_names": list(cifar.CLASS_NAMES), "num_vis": 3072})


def check_release(target: Workspace | Path) -> dict[str, int]:
    """Read a release back and verify it: checksums, no file too many, equal pixels in npz and batches, the manifest.

    Returns the number of images per split. ValueError or FileNotFoundError names the first file that is wrong.
    """
    folder = target.release if isinstance(target, Workspace) else Path(target)
    _check_sums(folder)
    manifest = read_table(folder / MANIFEST, tuple(MANIFEST_DEFAULTS))
    check_manifest(manifest)
    batches = cifar.load_cifar10(folder / BATCHES)
    for name in ("train", "test"):
        part, path = manifest[manifest["split"] == name], folder / f"cifar102_{name}.npz"
        with np.load(path, allow_pickle=False) as arrays:
            same = (
                np.array_equal(arrays["images"], batches[name].images)
                and np.array_equal(arrays["labels"], batches[name].labels)
                and np.array_equal(arrays["labels"], part["label"])
                and np.array_equal(arrays["ti_indices"], part["tiny_index"])
                and arrays["keywords"].tolist() == part["keyword"].tolist()
                and list(batches[name].filenames) == part["filename"].tolist()
            )
        if not same:
            raise ValueError(f"{path}: differs from {BATCHES} or from manifest.parquet")
    return {str(name): int(count) for name, count in manifest["split"].value_counts(sort=False).items()}


def _check_sums(folder: Path) -> None:
    path = folder / "SHA256SUMS"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not found; the release is not complete")
    try:
        listed = dict(line.split("  ", 1)[::-1] for line in path.read_text(encoding="utf-8").splitlines())
    except ValueError as error:  # other bytes than UTF-8, or a line without a name
        raise ValueError(f"{path}: expected lines of a SHA-256, two blanks and a name: {error}") from error
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {"SHA256SUMS"}
    if set(listed) != present:
        raise ValueError(f"{path}: lists and the folder differ in {sorted(set(listed) ^ present)}")
    for name, digest in listed.items():
        if hash_file(folder / name) != digest:
            raise ValueError(f"{folder / name}: its SHA-256 is not the one in SHA256SUMS")
