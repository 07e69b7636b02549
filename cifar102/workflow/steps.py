"""The steps of a run: what each notebook takes and leaves, and the parameters that profiles and users give it."""

import ast
import fnmatch
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from cifar102.workflow import notebooks
from cifar102.workflow.notebooks import NOT_LITERAL, Parameter
from cifar102.workspace.files import read_json
from cifar102.workspace.folders import CIFAR10_FOLDER, CIFAR100_FOLDER, CIFAR101_FOLDER, REPOSITORY, Workspace
from cifar102.workspace.wording import near_names

PROFILES = Path(__file__).resolve().parent / "profiles"
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
    "old_or_new",
    "placebo",
)
# These say where a run stands, not what it computes: another value of one does not make a step stale.
PLACES = ("workspace", "data", "scheduler")


@dataclass(frozen=True)
class Profile:
    """One profile file. parameters: step name -> parameter -> value; studies: those notebook 06 is run for."""

    name: str
    title: str
    description: str
    workspace: str
    jobs: int
    parameters: dict[str, dict[str, object]]
    studies: tuple[str, ...]


@dataclass(frozen=True)
class Override:
    """One `--set [STEP.]NAME=VALUE`; step is "" where every selected step that declares the name is meant."""

    step: str
    name: str
    text: str

    def value_for(self, parameter: Parameter, where: str) -> object:
        """Read the text as a Python literal, or as it stands; ValueError when the type is not the declared one."""
        try:
            value = ast.literal_eval(self.text)
        except NOT_LITERAL:
            value = self.text
        if not parameter.accepts(value) and parameter.accepts(self.text):
            value = self.text
        return typed(parameter, value, f"--set {self.name}={self.text}: {where}")


def typed(parameter: Parameter, value: object, where: str) -> object:
    """Give `value` in the declared type (a list becomes a tuple, an int a float); ValueError names `where`."""
    if not parameter.accepts(value):
        raise ValueError(
            f"{where} declares {parameter.name}: {parameter.annotation} = {parameter.default!r}, but got {value!r}"
        )
    if isinstance(value, list) and "list" not in parameter.kinds:
        return tuple(value)
    if isinstance(value, tuple) and "tuple" not in parameter.kinds:
        return list(value)
    return float(value) if type(value) is int and "int" not in parameter.kinds else value


def parse_override(text: str) -> Override:
    """Take `NAME=VALUE` or `STEP.NAME=VALUE` apart; ValueError says what was expected."""
    name, equals, value = text.partition("=")
    step, _, name = name.strip().rpartition(".")
    if not equals or not name.isidentifier():
        raise ValueError(f"--set {text}: expected NAME=VALUE or STEP.NAME=VALUE, for example epochs=3 or 05.epochs=3")
    return Override(step, name, value.strip())


def profile_names(folder: Path = PROFILES) -> list[str]:
    """Name the profiles there are, sorted."""
    return sorted(path.stem for path in folder.glob("*.json"))


def load_profile(name: str, folder: Path = PROFILES) -> Profile:
    """Read a profile by name; ValueError with the near names where there is no such profile, or a key is missing."""
    path = folder / f"{name}.json"
    if not path.is_file():
        raise ValueError(f"there is no profile {name!r}: {near_names(name, profile_names(folder))}")
    content = read_json(path)
    expected = list(Profile.__dataclass_fields__)
    if not isinstance(content, dict) or sorted(content) != sorted(expected):
        found = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path}: expected an object with the keys {sorted(expected)}, found {found}")
    parameters, studies = content["parameters"], content["studies"]
    is_nested = isinstance(parameters, dict) and all(isinstance(values, dict) for values in parameters.values())
    for key, is_right, kind in (
        ("workspace", isinstance(content["workspace"], str) and content["workspace"], "a folder as text"),
        ("jobs", type(content["jobs"]) is int and content["jobs"] > 0, "a number from 1 on"),
        ("parameters", is_nested, "step -> name -> value"),
        ("studies", isinstance(studies, list) and all(isinstance(study, str) for study in studies), "a list of names"),
    ):
        if not is_right:
            raise ValueError(f"{path}: {key}: expected {kind}, found {content[key]!r}")
    return Profile(**{**content, "studies": tuple(studies)})


@dataclass(frozen=True)
class Files:
    """Paths below the workspace (`*` crosses slashes) a step needs, reads where they are there, and leaves.

    after: files that other steps of the same run must have left before, though this one does not read them.
    """

    takes: tuple[str, ...] = ()
    may_take: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


REFERENCE = (f"raw/{CIFAR10_FOLDER}/*",)
OTHER_SETS = (f"raw/{CIFAR100_FOLDER}/*", f"raw/{CIFAR101_FOLDER}/*")
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
            "built/neighbours.parquet",
            "results/duplicates_per_class.csv",
            "results/duplicate_rules.csv",
        ),
    ),
    "04_sample": Files(
        takes=(*CANDIDATES, *SCREENED, *REFERENCE, "results/keyword_counts.csv"),
        may_take=(*POOL, "labels/pair_verdicts.jsonl", "built/blacklist.json", f"raw/{CIFAR101_FOLDER}/other_data/*"),
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
        after=("results/study_*.csv", "results/old_or_new.csv"),
    ),
}
# A study of notebook 06 that trains no grid on the release: it needs the images alone.
STUDY_FILES = {
    "old_or_new": Files(
        takes=(*RELEASE, *REFERENCE),
        may_take=POOL,
        leaves=("results/old_or_new.csv", "results/old_or_new_predictions.csv"),
    ),
    "placebo": Files(
        takes=("raw/tiny_images.bin", "raw/tiny_metadata.bin", *REFERENCE),
        may_take=POOL,
        leaves=("results/placebo_protocol.csv", "results/placebo_parts.csv"),
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
        parameters[key] = typed(declared[key], value, f"profile {profile.name}: {name}")
    files = STUDY_FILES.get(study, TABLE[notebook])
    files = replace(files, leaves=tuple(path.format(study=study) for path in files.leaves))
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
