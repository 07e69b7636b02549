"""The test sets a user's model is put to: their images, labels and keywords, or a sentence where to get them.

Published sets go by name, sets of the user's own by their path. Drawings of a made pool are a world of their own: they
are never judged beside real images.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cifar102 import cifar
from cifar102.analysis import predictions, published
from cifar102.analysis.scorecard import ORIGINAL, TestSet
from cifar102.datasets import corruption_sets, lookup, sets, sources
from cifar102.datasets.lookup import places_of
from cifar102.workspace import arrays
from cifar102.workspace.files import read_json, read_object
from cifar102.workspace.folders import Workspace
from cifar102.workspace.names import visible

NAMES = tuple(name for name, known in sets.REGISTRY.items() if known.is_judged)  # judged where nothing is asked for
CORRUPTED = "cifar10-c"
RELABELLED = "cifar10n"
ON_REQUEST = ("cifar10h", CORRUPTED, RELABELLED, *(f"{RELABELLED}-{name}" for name in sets.NOISY_LABELS))
FAMILY = re.compile(rf"{CORRUPTED}(-(?P<corruption>[a-z_]+))?(-(?P<severity>[1-5]))?")
DRAWN_POOLS = ("demo",)  # pools that are no photographs
# What each name stands for, and how many images its published test set has.
ORIGINS = {
    "cifar10": ("CIFAR-10's test set (Krizhevsky 2009)", 10_000),
    "cifar10.1-v4": ("CIFAR-10.1 v4 (Recht et al. 2018), new images from Tiny Images", 2_021),
    "cifar10.1-v6": ("CIFAR-10.1 v6 (Recht et al. 2018), new images from Tiny Images", 2_000),
    "cifar10.2": ("CIFAR-10.2's test set (Lu et al. 2020), new images from Tiny Images", 2_000),
    "cifair10": ("ciFAIR-10 (Barz & Denzler 2020), CIFAR-10's test set without copies of training images", 10_000),
    "cifar10h": (
        "CIFAR-10's test set with about 50 people's labels an image (CIFAR-10H, Peterson et al. 2019)",
        10_000,
    ),
    RELABELLED: ("CIFAR-10's training images, relabelled by people (CIFAR-10-N, Wei et al. 2022)", 50_000),
}
BUILDS = {"cifar102": "test split", "cifar102-leftover": "left-over images", "cifar102-uniform": "uniform draw"}
Found = tuple[dict[str, TestSet], dict[str, str]]


def find(names: Sequence[str] | None, workspace: Workspace, data: Path | None = None) -> Found:
    """Return the sets that are present, by name, and a sentence for each that is not.

    names: of NAMES and ON_REQUEST, a later version of CIFAR-10.1 ("cifar10.1-v7"), one corruption or severity
    ("cifar10-c-fog", "cifar10-c-fog-3"), the path of a user's own set (`lookup.load_labelled`, or a folder in the form
    of CIFAR-10-C), or "demo" for all sets of the workspace's drawn pool. None or empty: all of `names(...)`. A set is
    looked for in `data` (if given), the workspace, then CIFAR102_DATA; the build's own sets in the workspace only. Of
    CIFAR-10.1 the labels alone are enough to judge predictions.

    Where nothing is asked for, real images are taken if CIFAR-10 is among them, else the drawings; where names are
    asked for, real images unless the drawings alone have all of them. What was left out gets its sentence. A damaged
    file is a ValueError, and so is a name that is unknown.
    """
    places = places_of(workspace, data)
    worlds = [[place for place in places if bool(pool_of(place.raw)) == drawn] for drawn in (False, True)]
    pools = {pool_of(place.raw) for place in worlds[1]}
    asked = [name for name in names or () if name not in pools]
    if unknown := [name for name in asked if not _is_known(name)]:
        known = [*NAMES, *ON_REQUEST]
        raise ValueError(f"--sets: {unknown} are no test sets of ten classes and no paths; expected some of {known}")
    found = [_find_in(world, asked or default_names(world), bool(number)) for number, world in enumerate(worlds)]
    chosen = _choose(found, bool(asked), bool(pools & set(names or ())))
    return found[chosen][0], found[chosen][1] | _left_out(found, chosen, pools)


def names(workspace: Workspace, data: Path | None = None) -> list[str]:
    """Return NAMES and the further versions of CIFAR-10.1 whose labels are here, in their order."""
    return default_names(places_of(workspace, data))


def default_names(places: Sequence[Workspace]) -> list[str]:
    """Return NAMES and the further versions of CIFAR-10.1 whose labels are in one of the places, in their order."""
    words = {path.name.split("_")[1] for place in places for path in place.cifar101.glob("**/cifar10.1_v*_labels.npy")}
    found = sorted((f"cifar10.1-{word}" for word in words), key=lambda name: (len(name), name))
    return [*NAMES, *(name for name in found if name not in NAMES and predictions.VERSION.fullmatch(name))]


def load(name: str, workspace: Workspace, data: Path | None = None) -> TestSet:
    """Load one test set; FileNotFoundError says where it can be had."""
    found, missing = find([name], workspace, data)
    if name in missing or len(found) != 1:
        raise FileNotFoundError(missing.get(name, f"{name}: stands for {len(found)} sets, expected one"))
    return next(iter(found.values()))


def pool_of(folder: Path) -> str:
    """Return the name of the drawn pool that a folder belongs to, or the workspace that it is in; "" for none."""
    for parent in (Path(folder), *Path(folder).parents):
        for path in (parent / "pool.json", parent / "raw" / "pool.json"):
            if path.is_file():
                info = read_json(path)
                pool = info.get("pool") if isinstance(info, dict) else None
                return pool if pool in DRAWN_POOLS else ""
    return ""


def published_folder(workspace: Workspace, data: Path | None = None) -> Path | None:
    """Return the first CIFAR-10.1 folder with model_predictions/, or None."""
    folders = [place.cifar101 for place in places_of(workspace, data)]
    return next((folder for folder in folders if (folder / "model_predictions").is_dir()), None)


def _is_known(name: str) -> bool:
    family = FAMILY.fullmatch(name)
    is_family = family and family["corruption"] in (None, *sources.CORRUPTIONS)
    is_named = name in NAMES or name in ON_REQUEST or predictions.VERSION.fullmatch(name)
    return bool(is_named or is_family or Path(name).expanduser().exists())


def _choose(found: list[Found], is_asked: bool, wants_drawn: bool) -> int:
    """Which world is judged: 0 the real images, 1 the drawings."""
    (real, lacking), (drawn, missing) = found
    if wants_drawn:
        return 1
    if is_asked:
        return int(bool(lacking) and bool(drawn) and (not missing or not real))
    return int(ORIGINAL not in real and ORIGINAL in drawn)


def _left_out(found: list[Found], chosen: int, pools: set[str]) -> dict[str, str]:
    """Sentences for the sets of the other world, so that nothing is left out in silence."""
    other = [name for name in found[1 - chosen][0] if name not in found[chosen][0]]
    drawings = f"drawings of the {' and '.join(sorted(pools))} pool"
    if chosen:
        reason = f"it is no set of the pool; {drawings} are judged here, and real images are never judged beside them"
        return {name: f"{name} was left out: {reason}" for name in other}
    word = next(iter(sorted(pools)), "")
    reason = f"the workspace has {drawings} for it, never judged beside real images (--sets {word} judges the drawings)"
    lacking = {name: found[0][1][name] for name in other if name in found[0][1] and name not in BUILDS}
    said = {
        name: f"{lacking[name]}; {reason}" if name in lacking else f"{name} was not judged: {reason}" for name in other
    }
    return said if pools else {}


def _find_in(places: Sequence[Workspace], asked: Sequence[str], drawn: bool) -> Found:
    found, missing = {}, {}
    for name in dict.fromkeys(asked):
        try:
            loaded = _load(name, places, drawn)
        except FileNotFoundError as error:
            missing[name] = f"{name} was not judged: {error}"
            continue
        _check_names(name, found, loaded)
        found |= loaded
    return found, missing


def _check_names(asked: str, found: dict[str, TestSet], loaded: dict[str, TestSet]) -> None:
    """ValueError where a set has the name of another one: one of the two would go unjudged in silence."""
    for name in loaded.keys() & found.keys():
        if Path(found[name].place).resolve() != Path(loaded[name].place).resolve():
            raise ValueError(f"--sets {asked}: {found[name].place} is called {name} too; rename one of the two")


def _load(name: str, places: Sequence[Workspace], drawn: bool) -> dict[str, TestSet]:
    """The sets that one word stands for; FileNotFoundError where no place has them."""
    if family := FAMILY.fullmatch(name):
        folders = [place.raw / "CIFAR-10-C" for place in places]
        folder = next((folder for folder in folders if corruption_sets.is_corruption_set(folder)), None)
        if folder is None:
            where = folders[0] if folders else Path("CIFAR-10-C")
            raise FileNotFoundError(f"{where} is not there: {corruption_sets.where_to_get(where)}")
        return _corrupted(folder, CORRUPTED, family["corruption"], int(family["severity"] or 0))
    if name in NAMES or name in ON_REQUEST or predictions.VERSION.fullmatch(name):
        return {name: _named(name, places)}
    return _own(Path(name).expanduser(), drawn)


def _corrupted(folder: Path, family: str, corruption: str | None, severity: int) -> dict[str, TestSet]:
    """The sets of a folder in the form of CIFAR-10-C, all or those asked for; their images stay on the disk."""
    known = corruption_sets.describe(folder)
    about = "CIFAR-10-C (Hendrycks & Dietterich 2019), by the names of its files"
    if known.source:
        about = f"made by `cifar102 corrupt` of {known.source} ({known.provenance}); {corruption_sets.TEXTURES}"
    found = {}
    for kind in [corruption] if corruption else known.corruptions:
        for number in [severity] if severity else known.severities:
            images, labels = corruption_sets.open_corruption(known, kind, number)
            name = f"{family}-{kind}-{number}"
            found[name] = TestSet(name, labels, images, None, str(folder), "", about, known.pool)
            found[name] = dataclasses.replace(found[name], family=family, severity=number)
    return found


def _own(path: Path, drawn: bool) -> dict[str, TestSet]:
    """A set of the user's: any labelled file or folder, or one in the form of CIFAR-10-C."""
    if corruption_sets.is_corruption_set(path):
        source = corruption_sets.describe(path).source
        found = _corrupted(path, f"{source}-corrupted" if source else CORRUPTED, None, 0)
    else:
        images, name = lookup.load_labelled(path), path.stem if path.is_file() else path.resolve().name
        name = visible(name)  # it stands in texts, bars and figures
        name = f"own-{name}" if name in NAMES or name in ON_REQUEST else name
        pool = pool_of(path.absolute())
        about = f"drawings of the {pool} pool (synthetic)" if pool else "a set of the user's own"
        about = "; ".join((about, *images.notes))
        if lacking := [cifar.CLASS_NAMES[k] for k in range(10) if k not in images.labels]:
            about += f", with no image of {', '.join(lacking)}"
        found = {name: TestSet(name, images.labels, images.images, _own_keywords(images), str(path), "", about, pool)}
    if any(bool(test.pool) != drawn for test in found.values()):
        raise FileNotFoundError(
            f"{path} holds {'real images' if drawn else 'drawings'}: the two are never judged together"
        )
    return found


def _own_keywords(images: cifar.ImageSet) -> np.ndarray | None:
    is_named = images.filenames and all(cifar.FILENAME.fullmatch(name) for name in images.filenames)
    return images.keywords if is_named else None


def _named(name: str, places: Sequence[Workspace]) -> TestSet:
    """A set by its name, from the first place that has it; of CIFAR-10.1 the labels alone are enough."""
    errors = []
    for place in places:
        try:
            images = _images(name, place)
            keywords = _keywords(images, name, place)
            test = TestSet(name, images.labels, images.images, keywords, str(place.raw))
            return dataclasses.replace(
                test, **_about(name, len(images), place), **_said_by_people(name, places, images)
            )
        except FileNotFoundError as error:
            errors.append(error)
        folder = place.cifar101
        if published.published_file(folder, name, "labels").is_file():
            labels = published.read_published_labels(folder, name)
            keywords = _published_keywords(folder, name)
            test = TestSet(name, labels, None, keywords, str(folder), missing=str(errors[-1]))
            return dataclasses.replace(test, **_about(name, len(labels), place))
    if not errors:
        raise FileNotFoundError("there is no place to look for it; --data DIR names a folder of published sets")
    is_built = name in BUILDS
    raise errors[-1 if is_built else 0]  # a build is looked for in the workspace, which stands behind --data


def _images(name: str, place: Workspace) -> cifar.ImageSet:
    if name.startswith(RELABELLED):
        train = sets.REGISTRY[RELABELLED].read(place)["train"]
        labelling = name.removeprefix(RELABELLED).removeprefix("-") or "aggre"
        return dataclasses.replace(train, labels=sets.load_noisy_labels(place)[labelling])
    if name in BUILDS and isinstance(place, lookup.DataFolder):
        raise FileNotFoundError(
            f"{place.raw} is a folder of published sets; notebook 04_sample leaves {name} in a workspace"
        )
    return sets.load_test(name, place) if name in sets.REGISTRY else _version(name, place)


def _about(name: str, count: int, place: Workspace) -> dict[str, str]:
    """provenance, pool and family of a set."""
    pool = pool_of(place.raw)
    family = RELABELLED if name.startswith(RELABELLED) else ""
    if name in BUILDS:
        about = f"this project's build, its {BUILDS[name]}, from {_pool_title(place)}"
    else:
        about, expected = ORIGINS.get(
            family or name, (f"{name.replace('cifar10.1-', 'CIFAR-10.1 ')} (Recht et al. 2018)", count)
        )
        kind = f"drawings of the {pool} pool (synthetic) in the place of " if pool else ""
        size = "" if pool or count == expected else f"; {count:,} images here, {expected:,} are published"
        about = f"{kind}{about}{size}"
    return {"provenance": about, "pool": pool, "family": family}


def _pool_title(place: Workspace) -> str:
    path = place.raw / "pool.json"
    info = read_object(path) if path.is_file() else {}
    if info.get("pool") == "cifar10":
        seen = "training batches 4 and 5, which a network trained on all of CIFAR-10 has seen"
        return f"the placebo pool: real images of CIFAR-10's {seen}"
    if info.get("pool") in DRAWN_POOLS:
        return f"drawings of the {info['pool']} pool (synthetic)"
    return "a pool of the user's own"


def _said_by_people(name: str, places: Sequence[Workspace], images: cifar.ImageSet) -> dict[str, np.ndarray]:
    """soft_labels, where people's labels of these images are here: shares of people who gave each class."""
    if name == RELABELLED:
        place = next(place for place in places if _has_noisy_labels(place))
        labels = sets.load_noisy_labels(place)
        votes = sum(np.eye(len(cifar.CLASS_NAMES))[labels[f"random{number}"]] for number in (1, 2, 3))
        return {"soft_labels": votes / 3}
    if name not in ("cifar10", "cifar10h"):
        return {}
    votes = images.votes
    for place in places if votes is None else ():
        try:
            votes = sets.load_human_votes(place)
            break
        except FileNotFoundError:
            continue
    if votes is None or len(votes) != len(images) or not votes.sum(axis=1).all():
        return {}
    return {"soft_labels": votes / votes.sum(axis=1, keepdims=True)}


def _has_noisy_labels(place: Workspace) -> bool:
    try:
        return bool(sets.load_noisy_labels(place))
    except FileNotFoundError:
        return False


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
