"""The folder of one run: where every file stands, and the numbers of results/summary.json."""

from dataclasses import dataclass
from pathlib import Path

from cifar102.workspace import files
from cifar102.workspace.files import plain, read_json, write_json

REPOSITORY = Path(__file__).resolve().parents[2]  # of a clone; where the package is installed, its site-packages
IS_CLONE = (REPOSITORY / "reproduce.py").is_file() and (REPOSITORY / "notebooks").is_dir()
# As their archives name them; they stand in raw/, and in any other folder of downloads.
CIFAR10_FOLDER = "cifar-10-batches-py"
CIFAR100_FOLDER = "cifar-100-python"
CIFAR101_FOLDER = "CIFAR-10.1"
# The folders of a workspace; those but raw/ are written by steps and by raters.
LAYOUT = ("raw", "labels", "built", "runs", "results", "executed", "figures")
MANIFEST = "manifest.parquet"  # of a release, in a workspace or anywhere else
RECORDED_RUNS = "runs.jsonl"  # of a recording, a line a finished run


def home() -> Path:
    """The folder that holds data/: the clone, whatever the current folder; of an installed package the current one."""
    return REPOSITORY if IS_CLONE else Path.cwd()


def recording_of(profile: str) -> Path:
    """Where the repository keeps what was recorded of a profile's runs."""
    return REPOSITORY / "results" / profile


@dataclass(frozen=True)
class Workspace:
    """One workspace folder (docs/workspace.md): each property is the path of a folder or a file in it.

    root: the folder; a relative path counts from `home()`.
    """

    root: Path

    def __post_init__(self) -> None:
        root = self.root.root if isinstance(self.root, Workspace) else Path(self.root).expanduser()
        object.__setattr__(self, "root", root if root.is_absolute() else home() / root)

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def raw(self) -> Path:
        """The source files; never written by a notebook, except the pools that demo and cifar10 make once."""
        return self.root / "raw"

    @property
    def cifar10(self) -> Path:
        """The folder of CIFAR-10's python batches."""
        return self.raw / CIFAR10_FOLDER

    @property
    def cifar100(self) -> Path:
        """The folder of CIFAR-100's python batches."""
        return self.raw / CIFAR100_FOLDER

    @property
    def cifar101(self) -> Path:
        """The folder laid out as CIFAR-10.1's repository."""
        return self.raw / CIFAR101_FOLDER

    @property
    def labels(self) -> Path:
        """What people said; only ever appended to."""
        return self.root / "labels"

    @property
    def votes(self) -> Path:
        """The log of the verdicts on candidates, JSON lines."""
        return self.labels / "votes.jsonl"

    @property
    def pair_verdicts(self) -> Path:
        """The log of the verdicts on near-duplicate pairs, JSON lines."""
        return self.labels / "pair_verdicts.jsonl"

    @property
    def built(self) -> Path:
        return self.root / "built"

    @property
    def candidates(self) -> Path:
        """The table of the candidates, one row an image (notebook 01)."""
        return self.built / "candidates.parquet"

    @property
    def candidate_images(self) -> Path:
        """The pixels of the candidates, uint8 (n, 32, 32, 3), in the rows of their table (notebook 01)."""
        return self.built / "candidate_images.npy"

    @property
    def accepted(self) -> Path:
        """The table of the candidates that the raters accepted (notebook 02)."""
        return self.built / "accepted.parquet"

    @property
    def exact_groups(self) -> Path:
        """The table of the images that are equal byte for byte (notebook 03)."""
        return self.built / "exact_groups.parquet"

    @property
    def pairs(self) -> Path:
        """The table of the near-duplicate pairs (notebook 03)."""
        return self.built / "pairs.parquet"

    @property
    def neighbours(self) -> Path:
        """The table of the Euclidean neighbours of each candidate (notebook 03)."""
        return self.built / "neighbours.parquet"

    @property
    def release(self) -> Path:
        return self.built / "release"

    @property
    def manifest(self) -> Path:
        """The table of the release's images, split by split (notebook 04)."""
        return self.release / MANIFEST

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def summary(self) -> Path:
        """The numbers that notebooks leave for the report (read_summary, update_summary)."""
        return self.results / "summary.json"

    @property
    def executed(self) -> Path:
        return self.root / "executed"

    @property
    def figures(self) -> Path:
        return self.root / "figures"


SUMMARY_LOCK_SECONDS = 30  # longer than any write of a small file takes


def read_summary(workspace: Workspace) -> dict[str, dict]:
    """Read results/summary.json: section -> name -> value; empty where no notebook has added a section yet."""
    path = Workspace(workspace).summary
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object of sections, found {type(content).__name__}")
    for name, section in content.items():
        if not isinstance(section, dict) or not isinstance(section.get("headline", {}), dict):
            raise ValueError(f"{path}: {name}: expected names and values, and such a headline, found {section!r:.80}")
    return content


def update_summary(workspace: Workspace, section: str, values: dict[str, object]) -> dict[str, dict]:
    """Put one section into summary.json in the place of its last version; return all sections, sorted by name.

    A file lock lets notebooks that run side by side add their sections; the file is replaced atomically. The name
    `headline` of a section, or a section of that name, holds the few numbers on top of the report: {"words": value}.
    """
    if not section or not isinstance(values, dict):
        raise ValueError(f"section {section!r}: expected a name and a dict of values, found {type(values).__name__}")
    path = Workspace(workspace).summary
    with files.locked(path.with_suffix(".lock"), SUMMARY_LOCK_SECONDS):
        sections = read_summary(workspace) | {section: plain(values)}
        sections = {name: sections[name] for name in sorted(sections)}
        write_json(path, sections)
    return sections
