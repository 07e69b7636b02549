"""The test sets a user's model is put to: their images, labels and keywords, or a sentence where to get them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cifar102 import cifar
from cifar102.analysis import predictions, published
from cifar102.analysis.scorecard import TestSet
from cifar102.datasets import sets, sources
from cifar102.datasets.lookup import places_of
from cifar102.workspace import arrays
from cifar102.workspace.folders import Workspace

NAMES = tuple(name for name, known in sets.REGISTRY.items() if known.is_judged)


def find(
    names: Sequence[str], workspace: Workspace, data: Path | None = None
) -> tuple[dict[str, TestSet], dict[str, str]]:
    """Return the sets that are present, by name, and a sentence for each that is not.

    names: of NAMES, or a later version of CIFAR-10.1 ("cifar10.1-v7"). A set is looked for in `data` (if given), the
    workspace, then CIFAR102_DATA; the build's own sets in the workspace only. Of CIFAR-10.1 the labels alone are
    enough to judge predictions. A damaged file is a ValueError.
    """
    if unknown := [name for name in names if name not in NAMES and not predictions.VERSION.fullmatch(name)]:
        raise ValueError(f"--sets: {unknown} are no test sets of ten classes; expected some of {list(NAMES)}")
    places_of(workspace, data)
    found, missing = {}, {}
    for name in names:
        try:
            found[name] = load(name, workspace, data)
        except FileNotFoundError as error:
            missing[name] = f"{name} was not judged: {error}"
    return found, missing


def names(workspace: Workspace, data: Path | None = None) -> list[str]:
    """Return NAMES and the further versions of CIFAR-10.1 whose labels are here, in their order."""
    homes = [place.cifar101 for place in places_of(workspace, data)]
    words = {path.name.split("_")[1] for home in homes for path in home.glob("**/cifar10.1_v*_labels.npy")}
    found = sorted((f"cifar10.1-{word}" for word in words), key=lambda name: (len(name), name))
    return [*NAMES, *(name for name in found if name not in NAMES and predictions.VERSION.fullmatch(name))]


def load(name: str, workspace: Workspace, data: Path | None = None) -> TestSet:
    """Load one test set from the first place that has it; FileNotFoundError says where it can be had."""
    places = places_of(workspace, data) if name not in NAMES or sets.REGISTRY[name].downloads else [workspace]
    errors = []
    for place in places:
        try:
            images = sets.REGISTRY[name].read(place)["test"] if name in NAMES else _version(name, place)
            return TestSet(name, images.labels, images.images, _keywords(images, name, place), str(place.raw))
        except FileNotFoundError as error:
            errors.append(error)
        folder = place.cifar101
        if published.published_file(folder, name, "labels").is_file():
            labels = published.read_published_labels(folder, name)
            keywords = _published_keywords(folder, name)
            return TestSet(name, labels, None, keywords, str(folder), missing=str(errors[-1]))
    raise errors[0]


def published_folder(workspace: Workspace, data: Path | None = None) -> Path | None:
    """Return the first CIFAR-10.1 folder with model_predictions/, or None."""
    folders = [place.cifar101 for place in places_of(workspace, data)]
    return next((folder for folder in folders if (folder / "model_predictions").is_dir()), None)


def _version(name: str, place: Workspace) -> cifar.ImageSet:
    """A version of CIFAR-10.1 that datasets does not know by name, from files named as those of v4 and v6 are."""
    folder = place.cifar101
    path = published.published_file(folder, name, "data")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: get it from {sources.CIFAR101} and put it into {path.parent}")
    images = cifar.check_images(arrays.read_npy(path), str(path))
    labels = published.read_published_labels(folder, name)
    return cifar.ImageSet(images, cifar.check_labels(labels, len(images), len(cifar.CLASS_NAMES), str(path)))


def _keywords(images: cifar.ImageSet, name: str, place: Workspace) -> np.ndarray | None:
    return images.keywords if images.filenames else _published_keywords(place.cifar101, name)


def _published_keywords(folder: Path, name: str) -> np.ndarray | None:
    try:
        return published.read_published_keywords(folder, name)
    except FileNotFoundError:
        return None
