"""The steps of a run: what each notebook takes and leaves, and the parameters its profile gives it."""

import fnmatch
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from cifar102.workflow import notebooks, profiles
from cifar102.workflow.profiles import Profile
from cifar102.workspace.folders import REPOSITORY, Workspace
from cifar102.workspace.wording import near_names

FOLDER = REPOSITORY / "notebooks"
REPORT = "report"
STUDIES = (
    "augmentation",
    "pooling",
    "padding",
    "batch_norm",
    "l2",
    "activation_optimizer",
    "optimizers",
    "dataset_size",
    "cifar100",
    "leak",
    "set_and_size",
)
# These say where a run stands, not what it computes: another value of one does not make a step stale.
PLACES = ("workspace", "data", "scheduler")


@dataclass(frozen=True)
class Files:
    """Paths below the workspace (`*` crosses slashes) a step needs, reads where they are there, and leaves.

    after: files that other steps of the same run must have left before, though this one does not read them.
    """

    takes: tuple[str, ...] = ()
    may_take: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


REFERENCE = ("raw/cifar-10-batches-py/*",)
OTHER_SETS = ("raw/cifar-100-python/*", "raw/CIFAR-10.1/*")
POOL = ("raw/pool.json", "raw/pool_truth.parquet")
CANDIDATES = ("built/candidates.parquet", "built/candidate_images.npy")
SCREENED = ("built/accepted.parquet", "built/exact_groups.parquet", "built/pairs.parquet")
RELEASE = ("built/release/manifest.parquet", "built/release/*.npz")
BASELINES = ("results/study_baseline.csv", "results/study_training_sets.csv", "results/baseline_accuracy.csv")
TRAINING = Files(takes=(*RELEASE, "built/candidate_images.npy", *REFERENCE), may_take=OTHER_SETS)

VERIFIED = tuple(
    f"results/{name}.csv"
    for name in ("agreement", "agreement_by_keyword", "yield_by_keyword", "selection_frequency", "votes")
)
TABLE = {
    "01_build_subset": Files(leaves=("raw/*", *CANDIDATES, "labels/votes.jsonl", "results/keyword_counts.csv")),
    "02_verify": Files(
        takes=(*CANDIDATES, "labels/votes.jsonl"),
        may_take=(*REFERENCE, *POOL, "raw/labelimg/*"),
        leaves=("built/accepted.parquet", *VERIFIED),
    ),
    "03_deduplicate": Files(
        takes=(*CANDIDATES, "built/accepted.parquet", *REFERENCE),
        may_take=(*OTHER_SETS, *POOL, "labels/pair_verdicts.jsonl"),
        leaves=(
            "built/exact_groups.parquet",
            "built/pairs.parquet",
            "results/duplicates_per_class.csv",
            "results/duplicate_rules.csv",
        ),
    ),
    "04_sample": Files(
        takes=(*CANDIDATES, *SCREENED, *REFERENCE, "results/keyword_counts.csv"),
        may_take=(*POOL, "labels/pair_verdicts.jsonl", "built/blacklist.json", "raw/CIFAR-10.1/other_data/*"),
        leaves=("built/release/*", "results/quotas.csv", "results/screening.csv", "results/goals.csv"),
    ),
    "05_baseline_cnn": replace(
        TRAINING, may_take=(*OTHER_SETS, "raw/cifar-10h/*"), leaves=(*BASELINES, "results/baseline_models.csv")
    ),
    "06_ablations": replace(TRAINING, leaves=("results/study_{study}.csv",)),
    "07_wrn_cutmix": replace(TRAINING, leaves=("results/study_wrn.csv",)),
    "08_generalization": Files(
        takes=(*TRAINING.takes, *BASELINES, "built/candidates.parquet", *SCREENED[1:]),
        may_take=(*OTHER_SETS, *POOL, "raw/cifar-10h/*"),
        leaves=("results/placebo_gap.csv", "results/set_matrix.csv", "results/summary.json"),
        after=("results/study_*.csv",),
    ),
}
# Several notebooks write into summary.json, so its content says nothing about one step: only its presence is checked.
SHARED = ("results/summary.json", "labels/*")
STUDY_OF = {"05_baseline_cnn": "baseline", "07_wrn_cutmix": "wrn"}


@dataclass(frozen=True)
class Step:
    """One notebook with its parameters, or the closing report (notebook None)."""

    name: str
    notebook: Path | None
    files: Files
    parameters: dict[str, object] = field(default_factory=dict)
    study: str = ""


def feeds(leaves: Iterable[str], takes: Iterable[str]) -> bool:
    """Say whether a file may match one pattern of each side."""
    return any(fnmatch.fnmatch(a, b) or fnmatch.fnmatch(b, a) for a in leaves for b in takes)


def report_step() -> Step:
    files = Files(may_take=("executed/*.ipynb", "results/*", "figures/*"), leaves=("report.html",))
    return Step(REPORT, None, files)


def build(profile: Profile, places: dict[str, str], studies: list[str], folder: Path = FOLDER) -> list[Step]:
    """Make the step of each notebook, 06 once per study, with the parameters its profile gives it."""
    known = (*STUDIES, *STUDY_OF.values())
    for study in studies:
        if study not in known:
            raise ValueError(f"there is no study {study!r}: {near_names(study, known)}")
    steps = []
    for notebook in TABLE:
        for study in _studies_of(notebook, profile, studies):
            steps.append(_step(notebook, study, profile, places, folder))
    unknown = sorted(profile.parameters.keys() - TABLE.keys() - {step.name for step in steps} - _study_steps())
    if unknown:
        raise ValueError(f"profile {profile.name}: no step {unknown[0]!r}: {near_names(unknown[0], TABLE)}")
    return steps


def _study_steps() -> set[str]:
    return {f"06_ablations-{study}" for study in STUDIES}


def _studies_of(notebook: str, profile: Profile, asked: list[str]) -> list[str]:
    if notebook != "06_ablations":
        return [STUDY_OF.get(notebook, "")]
    return [study for study in STUDIES if study in (asked or profile.studies)]


def _step(notebook: str, study: str, profile: Profile, places: dict[str, str], folder: Path) -> Step:
    path = folder / f"{notebook}.ipynb"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such notebook; the steps of a run are {', '.join(TABLE)}")
    declared = notebooks.declared_parameters(path)
    name = f"{notebook}-{study}" if notebook == "06_ablations" else notebook
    values = {"study": study, **places}
    parameters = {key: value for key, value in values.items() if key in declared}
    wanted = {**profile.parameters.get(notebook, {}), **profile.parameters.get(name, {})}
    for key, value in wanted.items():
        if key not in declared:
            raise ValueError(f"profile {profile.name}: {name} has no parameter {key!r}: {near_names(key, declared)}")
        parameters[key] = profiles.typed(declared[key], value, f"profile {profile.name}: {name}")
    files = replace(TABLE[notebook], leaves=tuple(path.format(study=study) for path in TABLE[notebook].leaves))
    return Step(name, path, files, parameters, study)


def expand(workspace: Workspace, patterns: Iterable[str]) -> list[str]:
    """List the files of a workspace that match, as sorted posix paths below it; hidden and temporary ones are not."""
    found: set[str] = set()
    for pattern in patterns:
        fixed = pattern.split("*")[0].rpartition("/")[0]
        if "*" not in pattern:
            found |= {pattern} if (workspace.root / pattern).is_file() else set()
            continue
        for parent, folders, files in os.walk(workspace.root / fixed):
            folders[:] = [folder for folder in folders if not folder.startswith(".")]
            paths = (Path(parent, name).relative_to(workspace.root).as_posix() for name in files if name[0] != ".")
            found |= {path for path in paths if fnmatch.fnmatch(path, pattern)}
    return sorted(found)
