"""The labelling page's side in Python: what a rater is shown of a keyword, and the votes that come back."""

from collections.abc import Mapping

import numpy as np

from cifar102.annotations import votes
from cifar102.review import sheets
from cifar102.review.sheets import OwnImages, Reply
from cifar102.sampling import quotas
from cifar102.workspace import arrays, names
from cifar102.workspace.files import read_table
from cifar102.workspace.folders import Workspace

PER_CLASS = 1_200  # images wanted a class where no run has set quotas yet: 1,000 to train and 200 to test
LARGEST = 2_000  # candidates on one sheet; a larger keyword is shown in parts
REFERENCES = 200  # of CIFAR-10's own images of a keyword, so many are shown


def wanted(workspace: Workspace, per_class: int = PER_CLASS) -> dict[tuple[str, str], int]:
    """How many images of each (class, keyword) are wanted: the quotas of the last run, else those of `per_class`."""
    if (workspace.results / "quotas.csv").is_file():
        table = read_table(workspace.results / "quotas.csv", ("class_name", "keyword", "quota"))
        table = table.drop_duplicates(["class_name", "keyword"]).dropna(subset=["quota"])
        return {(c, k): int(n) for c, k, n in table[["class_name", "keyword", "quota"]].itertuples(index=False)}
    if not (workspace.results / "keyword_counts.csv").is_file():
        return {}
    table = read_table(workspace.results / "keyword_counts.csv", ("class_name", "keyword", "count"))
    counts = {
        name: dict(zip(part["keyword"], part["count"], strict=True)) for name, part in table.groupby("class_name")
    }
    shares = quotas.allocate(counts, per_class)
    return {(name, keyword): n for name, keywords in shares.items() for keyword, n in keywords.items()}


class LabellingDesk:
    """The candidates and the vote log of one workspace, open for a labelling page.

    Nothing that another rater said, nor any count that would give it away, is in what its methods return. Each takes
    the fields of a request and returns the reply with its pictures. ValueError for a request that cannot be met.
    """

    def __init__(self, workspace: Workspace, per_class: int = PER_CLASS) -> None:
        columns = ("tiny_index", "keyword", "class_name")
        self._candidates = read_table(workspace.candidates, columns)
        self._images = arrays.open_npy(workspace.candidate_images)
        if len(self._images) != len(self._candidates):
            raise ValueError(f"{workspace.built}: {len(self._candidates)} candidates, {len(self._images)} images")
        self._rows = self._candidates.groupby(["class_name", "keyword"], sort=True).indices
        self._known = set(zip(*(self._candidates[name] for name in columns), strict=True))
        self._wanted = wanted(workspace, per_class)
        self._workspace = workspace
        self._own = OwnImages(workspace)
        self.ledger = votes.VoteLog(workspace.votes).ledger()

    def keywords(self, rater: str) -> Reply:
        """List class, keyword, candidates, judged, yes and quota of each keyword, for this rater's own votes."""
        self.ledger.refresh()
        mine = [vote for vote in self.ledger.current.values() if votes.is_one_rater(vote["rater"], rater)]
        table = votes.vote_table([vote for vote in mine if vote["verdict"] != votes.WITHDRAWN])
        yes = table[table["verdict"] == "yes"].value_counts(["class", "keyword"])
        judged = table.value_counts(["class", "keyword"])
        keys = [(c, k) for c, k in self._rows]
        rows = [
            [*key, len(self._rows[key]), int(judged.get(key, 0)), int(yes.get(key, 0)), self._wanted.get(key, 0)]
            for key in keys
        ]
        return {"keywords": rows}, []

    def sheet(self, rater: str, class_name: str, keyword: str, part: int = 0) -> Reply:
        """Show one keyword: candidates in the rater's own order with the rater's verdicts, and CIFAR-10's images."""
        rows = self._rows_of(class_name, keyword)
        parts = -(-len(rows) // LARGEST)
        if not 0 <= part < parts:
            raise ValueError(f"{class_name}/{keyword} has the parts 0 to {parts - 1}, found {part}")
        shown = rows[sheets.order(len(rows), names.identity(rater), class_name, keyword)][part * LARGEST :][:LARGEST]
        own = self._own.of(class_name, keyword)
        picked = own[sheets.order(len(own), class_name, keyword)[:REFERENCES]]
        pictures = [sheets.sheet(np.asarray(self._images[np.sort(shown)])[np.argsort(np.argsort(shown))])]
        pictures.append(sheets.sheet(picked))
        indices = self._candidates["tiny_index"].to_numpy()[shown].tolist()
        said = self._said(rater, class_name, keyword)
        reply = {
            "items": [[index, *said.get(index, (None, None))] for index in indices],
            "part": part,
            "parts": parts,
            "own_images": len(own),
            "own_shown": len(picked),
            "columns": sheets.COLUMNS,
        }
        return reply, pictures

    def verdicts(self, rater: str, class_name: str, keyword: str) -> Reply:
        """The rater's own verdicts on a keyword now, other tabs included: [tiny_index, verdict, time]."""
        self._rows_of(class_name, keyword)
        return {"items": [[index, *row] for index, row in self._said(rater, class_name, keyword).items()]}, []

    def record(self, rows: list[Mapping[str, object]]) -> Reply:
        """Put votes on disk; when this returns they are. Reply: `refused`, the positions of bad ones with reasons."""
        return {"refused": self.ledger.record_good(rows, self._check)}, []

    def _check(self, row: Mapping[str, object]) -> dict[str, object]:
        vote = votes.check_candidate(row, self._known)
        if votes.settles(vote["rater"]):
            raise ValueError(f"a rater's name does not end in {votes.SETTLING!r}, found {vote['rater']!r}")
        return vote

    def _said(self, rater: str, class_name: str, keyword: str) -> dict[int, tuple[str | None, str]]:
        self.ledger.refresh()
        given = {}
        for vote in self.ledger.current.values():
            is_asked = vote["keyword"] == keyword and vote["class"] == class_name
            if is_asked and votes.is_one_rater(vote["rater"], rater):
                verdict = None if vote["verdict"] == votes.WITHDRAWN else vote["verdict"]
                given[vote["tiny_index"]] = (verdict, vote["time"])
        return given

    def _rows_of(self, class_name: str, keyword: str) -> np.ndarray:
        if (class_name, keyword) not in self._rows:
            raise ValueError(f"{class_name}/{keyword} has no candidates in {self._workspace.built}")
        return self._rows[class_name, keyword]
