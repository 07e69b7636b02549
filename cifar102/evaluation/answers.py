"""What one model answers on the sets: the record between those who read models and files and those who judge them."""

from dataclasses import dataclass

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
