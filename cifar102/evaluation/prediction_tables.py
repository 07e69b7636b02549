"""Files of predictions in the forms people have: read where the meaning is certain, and always said how."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cifar102.analysis import predictions
from cifar102.analysis.scorecard import TestSet
from cifar102.evaluation import meaning
from cifar102.evaluation.answers import Answers


@dataclass(frozen=True)
class PredictionTable:
    """What one file says of one set, before anybody asks what the numbers mean.

    values: class ids (n,) or rows (n, classes), as they stand in the file; truth: integers (n,), the labels that the
    file itself gives; rows: integers (n,), the 0-based row of the set for each line, where the file names rows; notes:
    sentences on how the file was read.
    """

    values: np.ndarray
    truth: np.ndarray | None = None
    rows: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def read(path: Path, num_classes: int = 10) -> PredictionTable:
    """Read one file of predictions of one set; FileNotFoundError, or ValueError that names the file."""
    said = predictions.read_file(Path(path), None, num_classes)
    return PredictionTable(said.class_ids if said.probabilities is None else said.probabilities)


def predictions_of(path: Path, sets: Mapping[str, TestSet], logits: bool | None = None) -> Answers:
    """Read a file or a folder of predictions and find out which sets they are of, and what the numbers mean.

    sets: the sets that can be judged. logits: the user's word that rows are logits (True) or none (False). Raises
    FileNotFoundError, ValueError that name the file, what was found and what was expected.
    """
    path = Path(path)
    counts = {name: len(test.labels) for name, test in sets.items()}
    found = predictions.read_folder(path, counts) if path.is_dir() else predictions.read_single(path, counts)
    said, notes = {}, []
    for name, part in found.items():
        values = part.class_ids if part.probabilities is None else part.probabilities
        labels = sets[name].labels if name in sets else None
        read_as = meaning.of_outputs(values, labels, f"{path}: {name}", logits=logits)
        said[name] = read_as.predictions
        notes += read_as.notes
    return Answers(path.stem.removesuffix("_predictions"), said, tuple(notes), digest_of(path))


def digest_of(path: Path) -> str:
    """BLAKE2b of a file, or of the names and contents of the files in a folder, as hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=32)
    files = [path] if Path(path).is_file() else sorted(file for file in Path(path).rglob("*") if file.is_file())
    for file in files:
        if file != path:
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
