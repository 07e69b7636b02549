"""The folder of one run: where every file stands, and the numbers of results/summary.json."""

from dataclasses import dataclass
from pathlib import Path

from cifar102.workspace import files
from cifar102.workspace.files import plain, read_json, write_json

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Workspace:
    """One workspace folder (README, "Workspace").

    root: the folder; a relative path counts from the repository, never from the current directory.
    """

    root: Path

    def __post_init__(self) -> None:
        root = self.root.root if isinstance(self.root, Workspace) else Path(self.root).expanduser()
        object.__setattr__(self, "root", root if root.is_absolute() else REPOSITORY / root)

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def raw(self) -> Path:
        """The source files; never written by a notebook, except the pools that demo and cifar10 make once."""
        return self.root / "raw"

    @property
    def labels(self) -> Path:
        """What people said; only ever appended to."""
        return self.root / "labels"

    @property
    def built(self) -> Path:
        return self.root / "built"

    @property
    def release(self) -> Path:
        return self.built / "release"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def executed(self) -> Path:
        return self.root / "executed"

    @property
    def figures(self) -> Path:
        return self.root / "figures"

    @property
    def summary(self) -> Path:
        return self.results / "summary.json"


SUMMARY_LOCK_SECONDS = 30  # longer than any write of a small file takes


def read_summary(workspace: Workspace) -> dict[str, dict]:
    """Read results/summary.json: section -> name -> value; empty where no notebook has added a section yet."""
    path = Workspace(workspace).summary
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object of sections, found {type(content).__name__}")
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
