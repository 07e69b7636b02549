"""The demo pool: every raw format in miniature, drawn by this project, with known things to find.

Nothing here is a photograph. What was planted stands in raw/pool_truth.parquet, so that a run can be checked.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from cifar102 import cifar
from cifar102.annotations import labelimg
from cifar102.workspace.files import write_array, write_json, write_text
from cifar102.workspace.folders import CIFAR10_FOLDER, CIFAR100_FOLDER, CIFAR101_FOLDER

SIDE = 32


def draw_object(shapes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one image for each shape number (0 to 99). Returns uint8 (n, 32, 32, 3)."""
    n = len(shapes)
    inside = _mask(shapes, rng)[..., None]
    hue = (shapes * 0.618 + rng.normal(0, 0.10, n)) % 1.0
    figure = _colour(hue, rng.uniform(0.35, 0.9, n), rng.uniform(110, 235, n))
    ground = _colour(rng.uniform(0, 1, n), rng.uniform(0.05, 0.5, n), rng.uniform(40, 200, n))
    picture = inside * figure[:, None, None] + (1 - inside) * ground[:, None, None]
    return np.clip(picture + _texture(n, rng), 0, 255).astype(np.uint8)


def retouch(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make a near-duplicate of each image: moved by up to 2 pixels, brighter or darker, with noise.

    images: uint8 (n, 32, 32, 3). Returns the same form.
    """
    moves = rng.integers(-2, 3, (len(images), 2))
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    moved = np.stack([p[2 + r : 34 + r, 2 + c : 34 + c] for p, (r, c) in zip(padded, moves, strict=True)])
    gain = rng.uniform(0.85, 1.15, (len(images), 1, 1, 1))
    return np.clip(moved * gain + rng.normal(0, 6, moved.shape), 0, 255).astype(np.uint8)


def _mask(shapes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = len(shapes)
    centre = SIDE / 2 - 0.5 + rng.uniform(-4, 4, (2, n, 1, 1))
    rows, columns = np.mgrid[:SIDE, :SIDE][:, None] - centre
    angle = np.arctan2(rows, columns) + rng.uniform(0, 2 * np.pi, (n, 1, 1))
    points = 2 + (shapes % 10)[:, None, None]
    sharpness = np.array([8.0, 1.6, 3.0, 5.0])[(shapes // 3) % 4][:, None, None] + (shapes // 10)[:, None, None] / 3
    outline = (np.abs(np.cos(points * angle / 4)) ** sharpness + np.abs(np.sin(points * angle / 4)) ** sharpness) ** (
        -1 / (1.5 + sharpness / 2)
    )
    outline = outline / outline.max(axis=(1, 2), keepdims=True) * rng.uniform(9, 14, (n, 1, 1))
    return 1 / (1 + np.exp(-(outline - np.hypot(rows, columns)) * 1.5))


def _texture(n: int, rng: np.random.Generator) -> np.ndarray:
    coarse = ndimage.gaussian_filter(rng.normal(size=(n, SIDE, SIDE, 1)), (0, 2, 2, 0)) * 140
    return coarse + rng.normal(0, 9, (n, SIDE, SIDE, 3))


def _colour(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    third = (hue[:, None] + np.array([0, 1 / 3, 2 / 3])) % 1.0
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * third)
    return value[:, None] * (1 - saturation[:, None] * (1 - wave))


INFO = {
    "pool": "demo",
    "title": "synthetic demo pool",
    "description": (
        "Drawings made by this project under real keyword names, in every raw format in miniature: it shows that "
        "everything runs, not that anything learns. Votes and the predictions of published models are simulated."
    ),
}
KEYWORDS = {
    "airplane": ("stealth_bomber", "airbus", "biplane", "airliner", "jetliner"),
    "automobile": ("coupe", "convertible", "automobile", "station_wagon", "cruiser"),
    "bird": ("bird", "cassowary", "wagtail", "ostrich", "sparrow"),
    "cat": ("tabby_cat", "tabby", "domestic_cat", "cat", "tomcat"),
    "deer": ("elk", "fallow_deer", "deer", "roe_deer", "muntjac"),
    "dog": ("pekingese", "maltese", "puppy", "chihuahua", "dog"),
    "frog": ("bufo_bufo", "leopard_frog", "green_frog", "toad", "bufo_viridis"),
    "horse": ("arabian", "lipizzan", "broodmare", "gelding", "appaloosa"),
    "ship": ("passenger_ship", "boat", "cargo_ship", "speedboat", "cruiser"),
    "truck": ("dump_truck", "tipper_truck", "truck", "fire_truck", "lorry"),
}
WEIGHTS = np.array([0.34, 0.26, 0.20, 0.14, 0.06])
TRAIN_PER_CLASS, TEST_PER_CLASS, NEW_PER_CLASS = 100, 30, 150
PLANTED_PER_CLASS = {
    "wrong_candidate": 25,
    "near_duplicate_of_test": 3,
    "near_duplicate_of_train": 3,
    "near_duplicate_in_pool": 3,
    "exact_copy": 2,
}
ERROR_RATES = {"rater-a": 0.02, "rater-b": 0.05}
UNSURE_RATE = 0.01


def make_demo(raw: Path, seed: int = 102) -> tuple[np.ndarray, pd.DataFrame]:
    """Write the miniature reference sets to `raw` and return the pool.

    Returns images uint8 (n, 32, 32, 3) and one record each: keyword, filename, origin ("cifar10-train", "cifar10-test",
    "new", "cifar100-train"), origin_row, true_label (-1 outside the ten classes), planted (a key of PLANTED_PER_CLASS,
    "label_conflict" or "").
    """
    rng = np.random.default_rng(seed)
    parts = [_write_cifar10(raw, rng), _write_cifar100(raw, rng)]
    images, records = (list(column) for column in zip(*parts, strict=True))
    new_images, new_records = _new_candidates(images[0], records[0], rng)
    table = pd.concat([*records, new_records], ignore_index=True)
    number = table.groupby("keyword").cumcount() + 1
    own = table["filename"] == ""
    names = table["keyword"] + "_s_" + (number + 900000).astype(str).str.zfill(6) + ".png"
    table["filename"] = np.where(own, names, table["filename"])
    _write_cifar101(raw, rng)
    _write_labelimg(raw, table)
    return np.concatenate([*images, new_images]), table


def demo_verdicts(candidates: pd.DataFrame, true_labels: np.ndarray, seed: int = 102) -> pd.DataFrame:
    """Simulate two raters who err at known rates (ERROR_RATES, UNSURE_RATE) about every candidate.

    candidates: with tiny_index, keyword, class_name, label; true_labels: int (n,). Returns a votes table.
    """
    rng = np.random.default_rng([seed, 1])
    logs = []
    for rater, rate in ERROR_RATES.items():
        right = candidates["label"].to_numpy() == true_labels
        said = np.where(right ^ (rng.random(len(right)) < rate), "yes", "no")
        said = np.where(rng.random(len(right)) < UNSURE_RATE, "unsure", said)
        log = candidates[["tiny_index", "keyword"]].assign(rater=rater, verdict=said, time="1970-01-01T00:00:00Z")
        log.insert(2, "class", candidates["class_name"])
        logs.append(log)
    return pd.concat(logs, ignore_index=True)


def _keywords(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.array([rng.choice(KEYWORDS[cifar.CLASS_NAMES[label]], p=WEIGHTS) for label in labels])


def _records(keywords: np.ndarray, labels: np.ndarray, origin: str, planted: str = "") -> pd.DataFrame:
    rows = np.arange(len(labels)) if origin != "new" else -1
    names = {"keyword": keywords, "filename": "", "origin": origin, "origin_row": rows}
    return pd.DataFrame(names | {"true_label": labels, "planted": planted})


def _filenames(keywords: np.ndarray) -> list[str]:
    return [f"{keyword}_s_{number + 1:06d}.png" for number, keyword in enumerate(keywords)]


def _write_cifar10(raw: Path, rng: np.random.Generator) -> tuple[np.ndarray, pd.DataFrame]:
    folder, parts = raw / CIFAR10_FOLDER, []
    for split, per_class in (("train", TRAIN_PER_CLASS), ("test", TEST_PER_CLASS)):
        labels = rng.permutation(np.repeat(np.arange(10), per_class))
        images, keywords = draw_object(labels, rng), _keywords(labels, rng)
        records = _records(keywords, labels, f"cifar10-{split}").assign(filename=_filenames(keywords))
        batches = cifar.TRAIN_BATCHES if split == "train" else 1
        for k, rows in enumerate(np.array_split(np.arange(len(labels)), batches)):
            name = f"data_batch_{k + 1}" if split == "train" else "test_batch"
            names = [records["filename"][row] for row in rows]
            cifar.write_batch(folder / name, images[rows], labels[rows], names, f"demo {name}")
        parts.append((images, records))
    sizes = {"num_cases_per_batch": TRAIN_PER_CLASS * 10 // cifar.TRAIN_BATCHES, "num_test_cases": TEST_PER_CLASS * 10}
    meta = {"label_names": list(cifar.CLASS_NAMES), "num_vis": 3072, **sizes}
    cifar.write_meta(folder / "batches.meta", meta)
    return np.concatenate([parts[0][0], parts[1][0]]), pd.concat([parts[0][1], parts[1][1]], ignore_index=True)


def _write_cifar100(raw: Path, rng: np.random.Generator) -> tuple[np.ndarray, pd.DataFrame]:
    fine_names = [f"drawing_{k:02d}" for k in range(100)]
    for split, per_class in (("train", 8), ("test", 2)):
        fine = rng.permutation(np.repeat(np.arange(100), per_class))
        images, keywords = draw_object(fine, rng), np.array(fine_names)[fine]
        records = _records(keywords, np.full(len(fine), -1), f"cifar100-{split}").assign(filename=_filenames(keywords))
        path = raw / CIFAR100_FOLDER / split
        cifar.write_batch(path, images, fine, list(records["filename"]), f"demo {split}", coarse_labels=fine // 5)
        if split == "train":
            pool = images, records
    coarse_names = [f"drawings_{k:02d}" for k in range(20)]
    names = {"fine_label_names": fine_names, "coarse_label_names": coarse_names}
    cifar.write_meta(raw / CIFAR100_FOLDER / "meta", names)
    return pool


def _new_candidates(
    reference: np.ndarray, records: pd.DataFrame, rng: np.random.Generator
) -> tuple[np.ndarray, pd.DataFrame]:
    labels = np.repeat(np.arange(10), NEW_PER_CLASS)
    good = draw_object(labels, rng)
    images, tables = [good], [_records(_keywords(labels, rng), labels, "new")]
    for planted, per_class in PLANTED_PER_CLASS.items():
        proposed = np.repeat(np.arange(10), per_class)
        true = (proposed + rng.integers(1, 10, len(proposed))) % 10 if planted == "wrong_candidate" else proposed
        images.append(_planted(planted, true, good, reference, records, rng))
        tables.append(_records(_keywords(proposed, rng), true, "new", planted))
    conflict = np.arange(4) * NEW_PER_CLASS
    other = (labels[conflict] + 1) % 10
    images.append(good[conflict])
    tables.append(_records(_keywords(other, rng), labels[conflict], "new", "label_conflict"))
    return np.concatenate(images), pd.concat(tables, ignore_index=True)


def _planted(
    planted: str,
    labels: np.ndarray,
    good: np.ndarray,
    reference: np.ndarray,
    records: pd.DataFrame,
    rng: np.random.Generator,
) -> np.ndarray:
    if planted == "wrong_candidate":
        return draw_object(labels, rng)
    if planted in ("near_duplicate_in_pool", "exact_copy"):
        first = 5 if planted == "exact_copy" else 20  # other images of the class than the label conflicts use
        rows = labels * NEW_PER_CLASS + first + np.arange(len(labels)) % PLANTED_PER_CLASS[planted]
        return good[rows] if planted == "exact_copy" else retouch(good[rows], rng)
    origin = "cifar10-test" if planted == "near_duplicate_of_test" else "cifar10-train"
    order = [np.flatnonzero((records["origin"] == origin) & (records["true_label"] == k)) for k in range(10)]
    rows = [order[label][i % PLANTED_PER_CLASS[planted]] for i, label in enumerate(labels)]
    return retouch(reference[rows], rng)


def _write_labelimg(raw: Path, table: pd.DataFrame) -> None:
    """One LabelImg file of a new candidate a class, and one that names no class of ours and has to be refused."""
    rows = table[(table["origin"] == "new") & (table["planted"] == "")].iloc[::NEW_PER_CLASS]
    class_names = np.array(cifar.CLASS_NAMES)[rows["true_label"]]
    labelimg.write_labelimg(raw / "labelimg", rows[["keyword", "filename"]].assign(class_name=class_names))
    stray = "<annotation><path>spaceship/rocket/rocket_s_000001.png</path></annotation>\n"
    write_text(raw / "labelimg" / "spaceship" / "rocket" / "rocket_s_000001.xml", stray)


def _write_cifar101(raw: Path, rng: np.random.Generator) -> None:
    folder = raw / CIFAR101_FOLDER
    original = cifar.load_cifar10(raw / CIFAR10_FOLDER)["test"].labels
    new = {version: rng.permutation(np.repeat(np.arange(10), 10)) for version in ("v4", "v6")}
    for version, labels in new.items():
        write_array(folder / "datasets" / f"cifar10.1_{version}_data.npy", draw_object(labels, rng))
        write_array(folder / "datasets" / f"cifar10.1_{version}_labels.npy", labels.astype(np.int32))
    for k, accuracy in enumerate(np.linspace(0.6, 0.97, 8)):
        for name, labels, loss in (("original", original, 0.0), ("v4", new["v4"], 0.08), ("v6", new["v6"], 0.10)):
            right = rng.random(len(labels)) < accuracy - loss
            said = np.where(right, labels, (labels + rng.integers(1, 10, len(labels))) % 10)
            path = folder / "model_predictions" / f"{name}_predictions" / f"simulated_model_{k}_predictions.json"
            write_json(path, said)
