"""The disagreements page's side in Python: images whose raters differ, with what each said, for a third verdict."""

from collections.abc import Mapping

import numpy as np

from cifar102.annotations import votes
from cifar102.review import sheets
from cifar102.review.sheets import OwnImages, Reply
from cifar102.workspace import arrays
from cifar102.workspace.files import read_table
from cifar102.workspace.folders import Workspace

LARGEST = 500  # images on one sheet; the next ones come when these are settled
REFERENCES = 24  # of CIFAR-10's own images of a keyword, so many are shown
COLUMNS = ("tiny_index", "keyword", "class_name")
Key = tuple[int, str, str]  # tiny_index, keyword, class
Vote = Mapping[str, object]


class DisagreementsDesk:
    """The images of one workspace on which raters differ, open for a page.

    A verdict given here goes to labels/votes.jsonl under the rater's name with votes.SETTLING behind it, because it was
    given with the others' in view: it settles, and says nothing about agreement. Who judged an image before is not
    asked about it here, for that is no third verdict.
    """

    def __init__(self, workspace: Workspace) -> None:
        table = read_table(workspace.candidates, COLUMNS)
        keys = table[list(COLUMNS)].itertuples(index=False, name=None)
        self._rows: dict[Key, int] = {key: row for row, key in enumerate(keys)}
        self._images = arrays.open_npy(workspace.candidate_images)
        self._own = OwnImages(workspace)
        self.ledger = votes.VoteLog(workspace.votes).ledger()

    def sheet(self, rater: str) -> Reply:
        """Show the images on which others differ, each with their verdicts and this rater's own.

        Reply: items, all (how many there are in all), waiting (on so many this rater is one of those who differ).
        Pictures: a sheet of the images, and one of CIFAR-10's own, of which an item has `own`: first place and count.
        """
        self.ledger.refresh()
        given: dict[Key, list[Vote]] = {}
        for vote in self.ledger.current.values():
            given.setdefault((vote["tiny_index"], vote["keyword"], vote["class"]), []).append(vote)
        keys = sorted(key for key, said in given.items() if key in self._rows and _differ(said))
        open_to_me = [
            key for key in keys if not any(votes.is_one_rater(vote["rater"], rater) for vote in _blind(given[key]))
        ]
        shown = open_to_me[:LARGEST]
        own, places = self._own_pictures(shown)
        reply = {
            "items": [_item(rater, key, given[key]) | {"own": places[key[1:]]} for key in shown],
            "all": len(open_to_me),
            "waiting": len(keys) - len(open_to_me),
            "columns": sheets.COLUMNS,
            "own_shown": len(own),
        }
        pictures = self._images[[self._rows[key] for key in shown]]
        return reply, [sheets.sheet(pictures), sheets.sheet(own)]

    def record(self, rows: list[Mapping[str, object]]) -> Reply:
        """Put votes on disk; when this returns they are. Reply: `refused`, the positions of bad ones with reasons."""
        settling = [{**row, "rater": f"{row.get('rater')}{votes.SETTLING}"} for row in rows]
        return {"refused": self.ledger.record_good(settling, lambda row: votes.check_candidate(row, self._rows))}, []

    def _own_pictures(self, keys: list[Key]) -> tuple[np.ndarray, dict[tuple[str, str], list[int]]]:
        """CIFAR-10's own images of all keywords shown, uint8 (n, 32, 32, 3); of each its first place and count."""
        pictures, places, first = [np.empty((0, 32, 32, 3), np.uint8)], {}, 0
        for keyword, class_name in dict.fromkeys(key[1:] for key in keys):
            own = self._own.of(class_name, keyword)
            picked = own[sheets.order(len(own), class_name, keyword)[:REFERENCES]]
            places[keyword, class_name] = [first, len(picked)]
            pictures.append(picked)
            first += len(picked)
        return np.concatenate(pictures), places


def _blind(given: list[Vote]) -> list[Vote]:
    """The votes on one image that stand and were given without sight of the others."""
    return [v for v in given if v["verdict"] != votes.WITHDRAWN and not votes.settles(v["rater"])]


def _differ(given: list[Vote]) -> bool:
    return len({vote["verdict"] for vote in _blind(given)}) > 1


def _item(rater: str, key: Key, given: list[Vote]) -> dict[str, object]:
    own = next((vote for vote in given if votes.is_one_rater(vote["rater"], rater + votes.SETTLING)), {})
    said = sorted([vote["rater"], vote["verdict"]] for vote in given if vote is not own)
    said = [[name, verdict] for name, verdict in said if verdict != votes.WITHDRAWN]
    verdict = None if own.get("verdict") == votes.WITHDRAWN else own.get("verdict")
    names = {"tiny_index": key[0], "keyword": key[1], "class": key[2]}
    return names | {"said": said, "verdict": verdict, "time": own.get("time")}
