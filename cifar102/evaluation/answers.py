"""What one model answers on the sets: the record between those who read models and files and those who judge them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cifar102.analysis.predictions import SetPredictions


@dataclass(frozen=True)
class Answers:
    """The predictions of one model by set name, and how they were come by.

    notes: sentences on how files and numbers were read, () where nothing was uncertain. digest: BLAKE2b of the model's
    or the predictions' file(s) as hexadecimal digits, "" where there is none.
    """

    name: str
    predictions: dict[str, SetPredictions]
    notes: tuple[str, ...] = ()
    digest: str = ""


def digest_of(files: Iterable[Path]) -> str:
    """Return BLAKE2b over the contents of files, in their order, as 64 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=32)
    for file in files:
        with Path(file).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
