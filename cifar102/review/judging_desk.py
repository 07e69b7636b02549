"""The blind judging page's side in Python: sampled pairs in a random order, without score, and the verdicts on them."""

import hashlib
from collections.abc import Mapping

import numpy as np

from cifar102.annotations.votes import WITHDRAWN, is_one_rater
from cifar102.dedup import pair_judgements, screening
from cifar102.dedup.pair_sample import KEYS
from cifar102.review import sheets
from cifar102.review.pair_images import PairImages
from cifar102.review.sheets import Reply
from cifar102.workspace import names
from cifar102.workspace.folders import Workspace

Key = tuple[int, str, int]  # tiny_index, reference_set, reference as the log has it


class JudgingDesk:
    """The sampled pairs of one workspace, with decoys, open for a page that shows nothing else of them.

    A reply names a pair by a code that says neither its images nor its score; each rater has an order of their own.
    Verdicts go to labels/pair_verdicts.jsonl with `page`, because only those given without the score count for
    precision. ValueError for a request that cannot be met.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._sample = pair_judgements.sample_of(workspace)
        keys = [(int(a), str(b), int(c)) for a, b, c in self._sample[KEYS].itertuples(index=False, name=None)]
        self._key_of = {_code(key): key for key in keys}
        self._rows = {code: row for row, code in enumerate(self._key_of)}
        self._images = PairImages(workspace)
        self.ledger = screening.pair_ledger(workspace.pair_verdicts)

    def sheet(self, rater: str) -> Reply:
        """All pairs in this rater's order, with this rater's own blind verdicts; pictures: two images a pair."""
        codes = list(self._key_of)
        shown = [codes[place] for place in sheets.order(len(codes), names.identity(rater), "judging")]
        said = self._said(rater)
        items = [
            dict(zip(("pair", "verdict", "time"), (code, *said.get(code, (None, None))), strict=True)) for code in shown
        ]
        pairs = list(self._sample.itertuples(index=False))
        views = [image for code in shown for image in self._images.both(pairs[self._rows[code]])]
        pictures = np.stack(views) if views else np.empty((0, 32, 32, 3), np.uint8)
        return {"items": items, "columns": sheets.COLUMNS}, [sheets.sheet(pictures)]

    def difference(self, pair: str) -> Reply:
        """Partner as it lies best on the candidate, and their difference, of one pair; only where asked for."""
        if pair not in self._rows:
            raise ValueError(f"{pair!r} is no pair of this sample")
        (laid,) = self._images.laid(self._sample.iloc[[self._rows[pair]]])
        return {"columns": sheets.COLUMNS}, [sheets.sheet(laid[1:3])]

    def record(self, rows: list[Mapping[str, object]]) -> Reply:
        """Put verdicts on disk; when this returns they are. Reply: `refused`, positions of bad ones with reasons."""
        return {"refused": self.ledger.record_good(rows, self._check)}, []

    def _check(self, row: Mapping[str, object]) -> dict[str, object]:
        if not isinstance(row, Mapping) or row.get("pair") not in self._key_of:
            raise ValueError("a verdict on a pair that is not in this sample (notebook 03 has run since)")
        tiny_index, reference_set, reference = self._key_of[row["pair"]]
        named = {"tiny_index": tiny_index, "reference_set": reference_set, "reference": reference}
        return screening.check_pair_verdict({**row, **named, "page": screening.BLIND})

    def _said(self, rater: str) -> dict[str, tuple[str | None, str]]:
        self.ledger.refresh()
        mine = [row for row in self.ledger.current.values() if is_one_rater(row["rater"], rater)]
        blind = [row for row in mine if row.get("page") == screening.BLIND]
        return {
            _code((row["tiny_index"], row["reference_set"], row["reference"])): (
                None if row["verdict"] == WITHDRAWN else row["verdict"],
                row["time"],
            )
            for row in blind
        }


def _code(key: Key) -> str:
    return hashlib.blake2b(repr(key).encode("utf-8"), digest_size=8).hexdigest()
