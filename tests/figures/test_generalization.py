"""The figures of notebook 08: each is drawn from tables of the analysis, and drawn again from its own files alone."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis import (
    accuracies,
    calibration,
    gaps,
    intervals,
    keyword_mixture,
    lines,
    model_pairs,
    protocol,
    set_matrix,
)
from cifar102.figures import drawing, generalization
from cifar102.workspace.files import read_json
from cifar102.workspace.folders import Workspace

LABELS = np.arange(60) % 10
SKILLS = {"vgg, seed 0": 0.6, "resnet, seed 0": 0.7, "wrn, seed 0": 0.8, "wrn, seed 1": 0.85}
Draw = Callable[[Workspace], object]


def said(skill_less: float, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        model: np.where(rng.random(60) < skill - skill_less, LABELS, (LABELS + 1) % 10)
        for model, skill in SKILLS.items()
    }


OLD, NEW = said(0, 1), said(0.1, 2)
TABLES = [accuracies.accuracy_table(models, LABELS) for models in (OLD, NEW)]
SCORES = {m: {"cifar10": OLD[m][None] == LABELS, "cifar102": NEW[m][None] == LABELS} for m in SKILLS}
SHARES = {"vgg, seed 0": np.random.default_rng(3).dirichlet(np.ones(10), 60)}
IMAGES = [
    keyword_mixture.image_table(right, LABELS, np.full(60, "cab")) for right in (OLD["wrn, seed 0"] == LABELS,) * 2
]
SLOPE = gaps.placebo_slope(SCORES, resamples=10).assign(source="ours")
CROSSED = {(a, b): np.ones((2, 9)) * (a == b) for a in ("cifar10", "cifar102") for b in ("cifar10", "cifar102")}
AGREEMENT = model_pairs.agreement_on_the_line(OLD, NEW, LABELS, LABELS).models
ROWS = pd.DataFrame({"label": ["a"], "gap": [1.0], "low": [0.5], "high": [1.5], "source": ["ours"]})
WITHOUT = ROWS.assign(model="a", subset="all")
ENTROPY = pd.DataFrame({"model": ["a", "a"], "entropy": [0, 1], "accuracy": [0.9, 0.5], "low": 0.4, "high": 0.95})
ROBUSTNESS = lines.effective_robustness(*(table.set_index("model")["accuracy"] for table in TABLES))
PARTS = pd.DataFrame({"split": [0, 1], "rule": "ssim", "classifier": "linear", "arm": "twin", "part": [0.1, 0.3]})
PROTOCOL = protocol.protocol_table(PARTS.assign(images=9, accuracy=0.5))
FIGURES = {
    "draw_accuracies": (pd.concat([TABLES[0].assign(test="cifar10"), TABLES[1].assign(test="cifar102")]),),
    "draw_gaps": (ROWS, [SLOPE]),
    "draw_protocol": (PROTOCOL,),
    "draw_class_gaps": ({"ours": gaps.class_gaps(SCORES, {"cifar10": LABELS, "cifar102": LABELS})},),
    "draw_keywords": ({"cifar102": keyword_mixture.keyword_pairs(*IMAGES)},),
    "draw_copy_gaps": ({"ours": WITHOUT},),
    "draw_set_matrix": (set_matrix.harder_or_different(CROSSED, resamples=10),),
    "draw_robustness": (ROBUSTNESS.assign(low=-0.1, high=0.1),),
    "draw_ranks": (model_pairs.certain_ranks(model_pairs.mcnemar_table(NEW, LABELS)), TABLES[1]),
    "draw_drop_terms": (gaps.decompose(*TABLES).assign(whose="ours"),),
    "draw_confusion_difference": (accuracies.confusion_difference(OLD, LABELS, NEW, LABELS),),
    "draw_agreement_line": (AGREEMENT, "cifar10.1-v4"),
    "draw_human_entropy": (ENTROPY,),
    "draw_reliability": ({"cifar10": calibration.reliability_curves(SHARES, LABELS)},),
    "draw_power": (intervals.power_curve((0.8, 0.9), (500, 2000)),),
}


def test_every_figure_is_tried_here() -> None:
    assert {name for name in vars(generalization) if name.startswith("draw_")} == set(FIGURES)


@pytest.mark.parametrize("function", FIGURES)
def test_a_figure_is_drawn_and_drawn_again_from_its_files(function: str, workspace: Workspace) -> None:
    getattr(generalization, function)("08-figure", *FIGURES[function], workspace, title="drawn in a test")
    path = workspace.figures / "08-figure.png"
    before = path.read_bytes()
    path.unlink()
    assert drawing.redraw(workspace) == ["08-figure"]
    assert path.read_bytes() == before


def test_gaps_without_a_slope_have_one_panel(workspace: Workspace) -> None:
    generalization.draw_gaps("08-gap", ROWS, [], workspace, title="gaps")
    assert read_json(workspace.figures / "08-gap.json")["plot"] == "interval_rows"
