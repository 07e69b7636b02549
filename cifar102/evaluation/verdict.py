"""`python -m cifar102 evaluate`: a user's own model or predictions, judged on every set that is here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cifar102.analysis import scorecard
from cifar102.analysis.predictions import SetPredictions
from cifar102.analysis.scorecard import Scorecard, TestSet
from cifar102.datasets import pools
from cifar102.evaluation import sources, test_sets
from cifar102.figures import accuracy_charts, drawing
from cifar102.workspace.files import write_json, write_table
from cifar102.workspace.folders import Workspace

SHOWN = ("accuracy", "gaps", "class_gaps", "keyword_gaps", "effective_robustness", "calibration")
SHOWN_KEYWORDS = 5  # of each set, those whose gap is most certain; the files hold all


@dataclass(frozen=True)
class Evaluation:
    """The scorecard of one model and the files it was written to; as text, what the command prints."""

    card: Scorecard
    files: tuple[Path, ...]

    def __str__(self) -> str:
        parts = [f"{self.card.name}, all intervals {self.card.level:.0%}"]
        for key in SHOWN:
            if key in self.card.tables:
                table = self.card.tables[key].drop(columns=["model", "level", "axis"], errors="ignore")
                heading = key.replace("_", " ")
                if key == "keyword_gaps":
                    table = table.sort_values("low", ascending=False).groupby("set").head(SHOWN_KEYWORDS)
                    table = table.sort_values("set", kind="stable")
                    heading = f"keyword gaps, the {SHOWN_KEYWORDS} of each set with the highest lower limit"
                parts.append(f"{heading}\n{table.to_string(index=False, float_format='{:.4f}'.format)}")
        return "\n\n".join([*parts, "\n".join(self.card.sentences), "\n".join(f"wrote {path}" for path in self.files)])


def evaluate(
    source: str | Path,
    sets: Sequence[str] | None = None,
    workspace: Workspace | str | Path = "data/demo",
    data: str | Path | None = None,
    *,
    pixels: str = "auto",
    level: float = 0.95,
) -> Evaluation:
    """Judge a model or predictions on the sets that are here and put it beside the published line.

    source: a .keras or .h5 file of this project or of the user's own; a folder of `<set>.npy|npz|json|csv` files or a
    run folder; one such file; one of CIFAR-10.1's published prediction files; or `package.module:predict`, a function
    from uint8 (n, 32, 32, 3) to class ids (n,) or probabilities (n, 10). sets: names of test_sets.names, all
    that are here without it. data: a folder with the published sets. pixels: what a .keras file not of this project
    takes, "raw" 0-255 or "unit" 0-1 ("auto": raw where it has a Rescaling or Normalization layer).

    Writes results/evaluate-<name>.json, a .csv per table, figures/08-evaluate-<name>.* and, where there is a published
    line, figures/08-evaluate-<name>-<set>.* in the workspace. Every set that was not judged gets a sentence.
    Raises FileNotFoundError, ValueError that name the file and what was expected.
    """
    workspace = Workspace(workspace)
    place = Path(data) if data else None
    found, missing = test_sets.find(sets or test_sets.names(workspace, place), workspace, place)
    answers = sources.answers_of(source, found, pixels=pixels)
    name, predictions = answers.name, answers.predictions
    card = scorecard.judge(name, predictions, found, test_sets.published_folder(workspace, place), level)
    sentences = (*answers.notes, *card.sentences, *_left_out(found, predictions), *missing.values())
    card = Scorecard(card.name, card.level, card.tables, sentences, card.charts)
    is_own = any(Path(found[name].place).is_relative_to(workspace.root) for name in predictions if name in found)
    return Evaluation(
        card, write(card, workspace, pools.describe_pool(workspace)["title"] if is_own else "published sets")
    )


def write(card: Scorecard, workspace: Workspace, about: str = "") -> tuple[Path, ...]:
    """Write a scorecard: one .json, a .csv per table in results/, the figures; returns the paths.

    about: what the images are, for the figures' titles.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", card.name.lower()).strip("-") or "model"
    files = [write_json(workspace.results / f"evaluate-{slug}.json", card.to_json())]
    for key, table in card.tables.items():
        files.append(write_table(workspace.results / f"evaluate-{slug}-{key.replace('_', '-')}.csv", table))
    drawing.draw_panels(
        f"08-evaluate-{slug}", _panels(card), workspace, title=f"{card.name}, {card.level:.0%} intervals\n{about}"
    )
    files.append(workspace.figures / f"08-evaluate-{slug}.png")
    for new, table in card.charts.items():
        figure = f"08-evaluate-{slug}-{re.sub(r'[^a-z0-9]+', '-', new)}"
        drawing.draw(
            figure,
            "original_against_new",
            table,
            workspace,
            title=f"{card.name} beside the published models\n{about}",
            scale="probit",
            x_label="accuracy on CIFAR-10 test (%)",
            y_label=f"accuracy on {new} (%)",
        )
        files.append(workspace.figures / f"{figure}.png")
    return tuple(files)


def _panels(card: Scorecard) -> list[tuple]:
    """The panels of the model's own figure: accuracy on each set, gap per class, reliability where there is one."""
    accuracy = card.tables["accuracy"]
    look = {"label": "set", "value": "accuracy", "reference": None, "percent": True, "x_label": "accuracy (%)"}
    look |= {"value_format": None, "title": "accuracy on each set"}
    panels = [(accuracy_charts.interval_rows, accuracy[["set", "accuracy", "low", "high"]], look)]
    if "class_gaps" in card.tables:
        gaps = card.tables["class_gaps"]
        gaps = gaps[gaps["set"] == gaps["set"].iloc[0]].rename(columns={"class_name": "label"})
        points = gaps[["label"]].assign(**{name: 100 * gaps[name] for name in ("gap", "low", "high")})
        heading = f"gap per class to {gaps['set'].iloc[0]}"
        panels.append((accuracy_charts.interval_rows, points, {"value": "gap", "x_label": "points", "title": heading}))
    if "reliability" in card.tables:
        table = card.tables["reliability"]
        panels.append((accuracy_charts.reliability, table, {"hue": "set", "title": "reliability"}))
    return panels


def _left_out(sets: Mapping[str, TestSet], predictions: Mapping[str, SetPredictions]) -> list[str]:
    reasons = {name: test.missing or "there are no predictions of it" for name, test in sets.items()}
    return [f"{name} was not judged: {reason}" for name, reason in reasons.items() if name not in predictions]
