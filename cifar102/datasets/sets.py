"""The one door to every labelled image set: `load(name, workspace)`, from its folder or, where asked, its home."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cifar102 import cifar
from cifar102.cifar import ImageSet
from cifar102.datasets import corruption_sets, downloads, origins, release_sets, sources
from cifar102.datasets.corruptions import SEVERITIES
from cifar102.datasets.roles import BATCHES, rotated_roles
from cifar102.tiny_images.pair import TinyImages
from cifar102.workspace import arrays
from cifar102.workspace.files import read_object, read_table
from cifar102.workspace.folders import Workspace
from cifar102.workspace.wording import near_names

NOISY_LABELS = {name: f"{name}_label" for name in ("clean", "worse", "aggre")}
NOISY_LABELS |= {f"random{number}": f"random_label{number}" for number in (1, 2, 3)}
ORIGINS = ("cifar10-train", "new")  # of pool_truth.parquet: the reference's batches, and the batches kept back
SIZE_MATCHED_SEED = 10_2000  # fixed, so that cifar10-10k is the same set everywhere
SIZE_MATCHED_PER_CLASS = {"train": 1000, "test": 200}  # this project's default class sizes (docs/workspace.md)
Sets = dict[str, ImageSet]


def load(name: str, workspace: Workspace, download: bool = False) -> Sets:
    """Load a data set as {"train": ImageSet, "test": ImageSet}; sets that are only for testing have no "train".

    name: one of NAMES, or a corruption of CIFAR-10-C at a severity, `cifar10-c-fog-3`. Images are uint8
    (n, 32, 32, 3), labels int64 in 0..num_classes(name)-1. download: whether files that are not in raw/ are fetched
    into it from their homes (never into the raw/ of a made pool). Raises ValueError with the nearest names for an
    unknown one, FileNotFoundError with a file's home (or the notebook that leaves it) where it is missing, ValueError
    for a file with other content.
    """
    known, workspace = _known(name), workspace if isinstance(workspace, Workspace) else Workspace(workspace)
    try:
        return known.read(workspace)
    except FileNotFoundError:
        if not download or not known.downloads or (workspace.raw / "pool.json").is_file():
            raise
    for dataset in known.downloads:
        downloads.fetch_dataset(dataset, workspace.raw)
    return known.read(workspace)


def load_test(name: str, workspace: Workspace) -> ImageSet:
    """Load the test images of a data set, without reading its training images; raises as `load` does."""
    known = _known(name)
    return (known.read_test or (lambda place: known.read(place)["test"]))(workspace)


def num_classes(name: str) -> int:
    """Return the number of classes of a data set: 10, or 100 and 20 for the fine and coarse labels of CIFAR-100."""
    return _known(name).num_classes


def class_names(name: str, workspace: Workspace) -> tuple[str, ...]:
    """Return the class names of a data set in label order; those of CIFAR-100 are read from its `meta`."""
    if num_classes(name) == len(cifar.CLASS_NAMES):
        return cifar.CLASS_NAMES
    names = _read_folder(cifar.read_meta, Workspace(workspace).cifar100, "cifar100")
    key = "coarse_label_names" if name == "cifar100-coarse" else "fine_label_names"
    if len(names.get(key, ())) != num_classes(name):
        raise ValueError(f"cifar-100-python/meta: {key} should hold {num_classes(name)} names, found {names.get(key)}")
    return names[key]


def size_matched(images: ImageSet, per_class: np.ndarray, seed: int = SIZE_MATCHED_SEED) -> ImageSet:
    """Draw `per_class[label]` images of each class at random, without replacement, kept in file order.

    per_class: integers (classes,). Where a class has fewer images, all of them are taken.
    """
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(images.labels == c))[:count] for c, count in enumerate(per_class)]
    return take(images, np.sort(np.concatenate(rows)))


def take(images: ImageSet, rows: np.ndarray) -> ImageSet:
    """Return the given rows of a set, every field of it, in the order of `rows`."""
    fields = {
        name: getattr(images, name)[rows]
        for name in ("images", "labels", "fine_labels", "coarse_labels", "groups", "votes")
        if getattr(images, name) is not None
    }
    names = tuple(images.filenames[row] for row in rows) if images.filenames else ()
    return dataclasses.replace(images, filenames=names, **fields)


def load_human_votes(workspace: Workspace) -> np.ndarray:
    """Load CIFAR-10H: how many people gave each class to each test image, int64 (n, 10), in `test_batch` order.

    Raises FileNotFoundError with its home, ValueError for another shape, dtype or a negative count.
    Source: Peterson et al. 2019, https://github.com/jcpeterson/cifar-10h
    """
    path = sources.find("cifar10h-counts.npy", workspace.raw)
    votes = arrays.read_npy(path)
    is_table = isinstance(votes, np.ndarray) and votes.dtype.kind in "iuf" and votes.ndim == 2
    if not is_table or votes.shape[1] != len(cifar.CLASS_NAMES):
        found = f"{votes.dtype} {votes.shape}" if isinstance(votes, np.ndarray) else type(votes).__name__
        raise ValueError(f"{path}: expected counts (n, 10), found {found}")
    if len(votes) and (votes.min() < 0 or (votes != np.floor(votes)).any()):
        raise ValueError(f"{path}: counts should be whole and not negative, the least is {votes.min()}")
    return votes.astype(np.int64)


def load_corruption(corruption: str, severity: int, workspace: Workspace) -> ImageSet:
    """Load one corruption of CIFAR-10-C at one severity (1 to 5): as many images as the test set has, in its order.

    The images are a memory map, read when they are used. Raises ValueError for an unknown corruption or severity,
    FileNotFoundError with its home. Source: Hendrycks & Dietterich 2019, https://zenodo.org/records/2535967
    """
    if corruption not in sources.CORRUPTIONS or severity not in SEVERITIES:
        raise ValueError(f"{corruption!r} at severity {severity!r}: expected 1 to 5 of {list(sources.CORRUPTIONS)}")
    known = corruption_sets.describe(workspace.raw / "CIFAR-10-C")
    images, labels = corruption_sets.open_corruption(known, corruption, severity)
    return ImageSet(images, labels, batch_label=f"{corruption}-{severity}")


def load_noisy_labels(workspace: Workspace) -> dict[str, np.ndarray]:
    """Load CIFAR-10-N: what people in the street call CIFAR-10's 50,000 training images, int64 (n,) by labelling.

    Keys: NOISY_LABELS; `aggre` is the majority of the three `random` labels, `worse` a wrong one of them where there is
    one, `clean` CIFAR-10's own. No checksum of the file is known here, so its content is checked and its origin is
    not. Raises FileNotFoundError with its home, ValueError for other content.
    Source: Wei et al. 2022 (arXiv 2110.12088), http://noisylabels.com
    """
    places = [workspace.raw / folder / "CIFAR-10_human.npy" for folder in ("cifar-10n", "CIFAR-10-N", "")]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{places[0]} is not there: get it from {sources.CIFAR10N} and put it there")
    entry = arrays.read_npy(path)
    if not isinstance(entry, dict) or not set(NOISY_LABELS.values()) <= set(entry):
        found = sorted(map(str, entry)) if isinstance(entry, dict) else type(entry).__name__
        raise ValueError(f"{path}: expected a dictionary of {sorted(NOISY_LABELS.values())}, found {found}")
    count = len(np.atleast_1d(entry[NOISY_LABELS["clean"]]))
    return {
        name: cifar.check_labels(entry[key], count, len(cifar.CLASS_NAMES), f"{path}: {key}")
        for name, key in NOISY_LABELS.items()
    }


def load_cifair(workspace: Workspace, num_classes: int = 10) -> ImageSet:
    """Load the test set of ciFAIR-10 or ciFAIR-100: CIFAR's with its near-duplicates of training images replaced.

    Raises FileNotFoundError with its home. Source: Barz & Denzler 2020, https://github.com/cvjena/cifair
    """
    name = f"ciFAIR-{num_classes}"
    path = workspace.raw / name / {10: "test_batch", 100: "test"}[num_classes]
    if not path.is_file():
        home = sources.SOURCES[f"{name}.zip"].url
        raise FileNotFoundError(f"{path} is not there: get {home} and unpack it into {path.parents[1]}")
    return cifar.read_batch(path)


def load_whole_cifar10(workspace: Workspace, reference: dict[str, ImageSet]) -> dict[str, ImageSet]:
    """Return {"train", "test"}: in a placebo pool the training images of all five batches, in their order.

    reference: the workspace's own CIFAR-10, which is returned as it is where no batch was kept back. A network that is
    trained on this set has seen the placebo's new test sets: it can be tested on CIFAR-10's test images alone. Raises
    ValueError where the pool's truth does not hold every row once, or its labels are not those of the reference.
    """
    workspace = Workspace(workspace)
    description = workspace.raw / "pool.json"
    if not description.is_file() or read_object(description).get("pool") != "cifar10":
        return reference
    path = workspace.raw / "pool_truth.parquet"
    truth = read_table(path, ("tiny_index", "filename", "origin", "origin_row", "true_label"))
    rows = truth[truth["origin"].isin(ORIGINS)].sort_values("origin_row", kind="stable")
    labels, known = rows["true_label"].to_numpy(np.int64), reference["train"].labels
    if not np.array_equal(rows["origin_row"], np.arange(len(rows))) or not np.array_equal(labels[: len(known)], known):
        raise ValueError(
            f"{path}: expected each CIFAR-10 training row once, the first {len(known):,} of them as in raw/"
        )
    images = TinyImages(workspace.raw).images(rows["tiny_index"].to_numpy(np.int64))
    cifar.check_labels(labels, len(images), len(cifar.CLASS_NAMES), str(path))
    return {**reference, "train": ImageSet(images, labels, tuple(rows["filename"]), batch_label="whole")}


def all_of_cifar10(workspace: Workspace) -> ImageSet:
    """Load CIFAR-10's training and test images as one set, the test batch last; those a placebo keeps back too."""
    whole = load("cifar10-whole", workspace)
    return cifar.join([whole["train"], whole["test"]])


def _known(name: str) -> "DataSet":
    if name not in REGISTRY:
        known = f"the known names are {', '.join([*NAMES, CORRUPTED])}"
        raise ValueError(f"unknown data set {name!r}: {near_names(name, REGISTRY, known)}")
    return REGISTRY[name]


def _read_folder(read: Callable[[Path], object], folder: Path, dataset: str) -> object:
    """Read an unpacked archive; FileNotFoundError names what is missing and the archive's home."""
    try:
        return read(folder)
    except FileNotFoundError as error:
        home = sources.SOURCES[sources.DATASET_FILES[dataset][0]].url
        raise FileNotFoundError(f"{error}: get {home} and unpack it into {folder.parent}") from error


def _cifar10(workspace: Workspace) -> Sets:
    return _read_folder(cifar.load_cifar10, workspace.cifar10, "cifar10")


def _cifar10_test(workspace: Workspace) -> ImageSet:
    return _read_folder(lambda folder: cifar.load_cifar10(folder, ("test",)), workspace.cifar10, "cifar10")["test"]


def _cifar100(kind: str) -> Callable[[Workspace], Sets]:
    def read(workspace: Workspace) -> Sets:
        sets = _read_folder(cifar.load_cifar100, workspace.cifar100, "cifar100")
        return {s: dataclasses.replace(images, labels=getattr(images, f"{kind}_labels")) for s, images in sets.items()}

    return read


def _cifar101(version: str) -> Callable[[Workspace], Sets]:
    def read(workspace: Workspace) -> Sets:
        paths = [sources.find(f"cifar10.1_{version}_{part}.npy", workspace.raw) for part in ("data", "labels")]
        return {"test": release_sets.image_set(*map(arrays.read_npy, paths), paths[0])}

    return read


def _cifar102_published(workspace: Workspace) -> Sets:
    return {split: release_sets.read_release(_published_file(workspace.raw, split)) for split in ("train", "test")}


def _cifar102_published_test(workspace: Workspace) -> ImageSet:
    return release_sets.read_release(_published_file(workspace.raw, "test"))


def _published_file(raw: Path, split: str) -> Path:
    """The .npz, or the pickled .npy that stood in its place before September 2021."""
    old = raw / "cifar-10.2" / f"cifar102_{split}.npy"
    return old if old.is_file() else sources.find(f"cifar102_{split}.npz", raw)


def _per_class(workspace: Workspace, split: str) -> np.ndarray:
    """Images of each class in this build, or the default class size while there is no build."""
    if not release_sets.is_built(workspace):
        return np.full(len(cifar.CLASS_NAMES), SIZE_MATCHED_PER_CLASS[split])
    return np.bincount(release_sets.rows_of(workspace, split)["label"], minlength=len(cifar.CLASS_NAMES))


def _cifar10_10k(workspace: Workspace) -> Sets:
    sets = _cifar10(workspace)
    return {"train": size_matched(sets["train"], _per_class(workspace, "train")), "test": sets["test"]}


def _cifar10_2k(workspace: Workspace) -> Sets:
    return {"test": size_matched(_cifar10(workspace)["test"], _per_class(workspace, "test"))}


def _cifar10h(workspace: Workspace) -> Sets:
    """CIFAR-10's test images with what people said of each."""
    votes, test = load_human_votes(workspace), _cifar10_test(workspace)
    if len(votes) != len(test):
        raise ValueError(f"cifar10h-counts.npy: votes on {len(votes)} images, the test set has {len(test)}")
    return {"test": dataclasses.replace(test, votes=votes)}


def _cifar10n(workspace: Workspace) -> Sets:
    """CIFAR-10's training images with the labels that most people gave."""
    noisy, train = load_noisy_labels(workspace), load_whole_cifar10(workspace, _cifar10(workspace))["train"]
    if not np.array_equal(noisy["clean"], train.labels):
        raise ValueError(
            "CIFAR-10_human.npy: its clean_label are not the labels of CIFAR-10's training images in order"
        )
    return {"train": dataclasses.replace(train, labels=noisy["aggre"])}


def _built(workspace: Workspace) -> Sets:
    return {split: release_sets.load_part(workspace, split) for split in ("train", "test")}


def _of_candidates(split: str) -> Callable[[Workspace], Sets]:
    return lambda workspace: {"test": release_sets.load_from_candidates(workspace, split)}


def _cifair(num_classes: int) -> Callable[[Workspace], Sets]:
    return lambda workspace: {"test": load_cifair(workspace, num_classes)}


def _corruption(corruption: str, severity: int) -> Callable[[Workspace], Sets]:
    return lambda workspace: {"test": load_corruption(corruption, severity, workspace)}


def _rotation(number: int) -> Callable[[Workspace], Sets]:
    """A rotation of the batches: the fitted images as training set, the old and the new ones as test set."""

    def read(workspace: Workspace) -> Sets:
        images = all_of_cifar10(workspace)
        roles = rotated_roles(len(images), number)
        return {"train": take(images, np.sort(roles.fitted)), "test": take(images, roles.tested)}

    return read


def _origin(number: int, is_control: bool) -> Callable[[Workspace], Sets]:
    """Test images of CIFAR-10 (0) and of this build (1), all folds but one to train on and that one to test."""

    def read(workspace: Workspace) -> Sets:
        return origins.fold(_cifar10_test(workspace), release_sets.load_part(workspace, "test"), number, is_control)

    return read


@dataclass(frozen=True)
class DataSet:
    """One row of the registry: how a data set is read and what is known of it by name.

    read: from a workspace to its parts, "train" and "test" or "test" alone. downloads: the keys of
    sources.DATASET_FILES that it is read from, none where a run builds it. is_judged: `evaluate` puts models to it.
    read_test: reads the test images alone, where that spares reading the others.
    """

    read: Callable[[Workspace], Sets]
    downloads: tuple[str, ...] = ()
    num_classes: int = len(cifar.CLASS_NAMES)
    is_judged: bool = False
    read_test: Callable[[Workspace], ImageSet] | None = None


REGISTRY = {
    "cifar10": DataSet(_cifar10, ("cifar10",), is_judged=True, read_test=_cifar10_test),
    "cifar100-fine": DataSet(_cifar100("fine"), ("cifar100",), num_classes=100),
    "cifar100-coarse": DataSet(_cifar100("coarse"), ("cifar100",), num_classes=20),
    "cifar10.1-v4": DataSet(_cifar101("v4"), ("cifar10.1-v4",), is_judged=True),
    "cifar10.1-v6": DataSet(_cifar101("v6"), ("cifar10.1-v6",), is_judged=True),
    "cifar10.2": DataSet(_cifar102_published, ("cifar10.2",), is_judged=True, read_test=_cifar102_published_test),
    "cifar102": DataSet(_built, is_judged=True),
    "cifar102-leftover": DataSet(_of_candidates("leftover"), is_judged=True),
    "cifar102-uniform": DataSet(_of_candidates("uniform"), is_judged=True),
    "cifar10-10k": DataSet(_cifar10_10k, ("cifar10",)),
    "cifar10-2k": DataSet(_cifar10_2k, ("cifar10",)),
    "cifar10h": DataSet(_cifar10h, ("cifar10", "cifar10h")),
    "cifar10n": DataSet(_cifar10n, ("cifar10",)),
    "cifair10": DataSet(_cifair(10), ("cifair10",), is_judged=True),
    "cifair100": DataSet(_cifair(100), ("cifair100",), num_classes=100),
    "cifar10-whole": DataSet(lambda workspace: load_whole_cifar10(workspace, _cifar10(workspace)), ("cifar10",)),
}
NAMES = tuple(REGISTRY)
CORRUPTED = "cifar10-c-{corruption}-{severity}"  # 19 corruptions at 5 severities, not listed one by one
REGISTRY |= {
    CORRUPTED.format(corruption=corruption, severity=severity): DataSet(
        _corruption(corruption, severity), ("cifar10-c",)
    )
    for corruption in sources.CORRUPTIONS
    for severity in SEVERITIES
}
ROTATION = "cifar10-rotation-{number}"  # for the networks of study placebo
REGISTRY |= {ROTATION.format(number=number): DataSet(_rotation(number), ("cifar10",)) for number in range(BATCHES)}
ORIGIN = "old-or-new-{kind}-{number}"  # for the networks of study old_or_new; kind: test or control
REGISTRY |= {
    ORIGIN.format(kind=kind, number=number): DataSet(_origin(number, kind == "control"), num_classes=2)
    for kind in ("test", "control")
    for number in range(origins.FOLDS)
}
