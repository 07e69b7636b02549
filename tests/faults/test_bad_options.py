"""Bad arguments and options: on the command line one sentence and exit code 2, in a function the documented error."""

import contextlib
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102.__main__ import main
from cifar102.analysis import accuracies, calibration, intervals, lines, model_pairs
from cifar102.annotations import votes
from cifar102.datasets import downloads, pools, splits
from cifar102.dedup import exact_copies, neighbours, pair_table, similarity
from cifar102.sampling import draws, group_split, quotas
from cifar102.studies import arms
from cifar102.training import config as train_config
from cifar102.training.config import TrainConfig
from cifar102.workflow import runner
from cifar102.workspace.folders import Workspace
from tests.faults.cases import Case, check, contents
from tests.faults.test_bad_files import IMAGES, LABELS, NAMES

COMMANDS = {
    "a misspelt profile": (["run", "dmeo"], "no profile 'dmeo'", "did you mean demo"),
    "a profile of dots": (["run", "../demo"], "no profile '../demo'", "demo"),
    "an empty profile": (["run", ""], "no profile ''", "demo"),
    "a misspelt step": (["run", "--only", "05_basline"], "no step '05_basline'", "did you mean 05_baseline_cnn"),
    "a step of nothing": (["run", "--only", ""], "no step ''", "expected one of"),
    "a misspelt start": (["run", "--from", "03_dedup1"], "no step '03_dedup1'", "did you mean 03_deduplicate"),
    "a parameter of no notebook": (["run", "--set", "epoch=3"], "no notebook declares a parameter 'epoch'", "mean"),
    "a parameter of another step": (
        ["run", "--only", "02", "--set", "duplicate_threshold=0.8"],
        "declared by 03",
        "02_verify",
    ),
    "a parameter without value": (["run", "--set", "seed"], "--set seed", "expected NAME=VALUE"),
    "a parameter that is no name": (["run", "--set", "a b=3"], "--set a b=3", "expected NAME=VALUE"),
    "a parameter of no step": (["run", "--set", "5.seed=3"], "no step '5'", "expected one of"),
    "a seed in words": (["run", "--set", "04.seed=three"], "'three'", "declares seed: int"),
    "a seed of a half": (["run", "--set", "04.seed=1.5"], "1.5", "declares seed: int"),
    "a seed of True": (["run", "--set", "04.seed=True"], "True", "declares seed: int"),
    "a seed of nothing": (["run", "--set", "04.seed="], "''", "declares seed: int"),
    "a seed that is code": (["run", "--set", "04.seed=__import__('os').system('touch x')"], "__import__", "seed: int"),
    "a seed that cannot be a key": (["run", "--set", "04.seed={[]: 1}"], "{.*: 1}", "declares seed: int"),
    "a seed nested deeply": (["run", "--set", "04.seed=" + "(" * 400], r"\(\(", "declares seed: int"),
    "a seed of 5,000 digits": (["run", "--set", "04.seed=" + "9" * 5000], "999", "declares seed: int"),
    "an unknown study": (["run", "--set", "study=poolin"], "no study 'poolin'", "did you mean pooling"),
    "a study of nothing": (["run", "--set", "study="], "no study ''", "expected one of"),
    "the workspace as parameter": (["run", "--set", "workspace=x"], "--set workspace", "give it as --workspace x"),
    "no notebook at a time": (["run", "--jobs", "0"], "--jobs 0", "expected at least 1"),
    "-1 notebooks at a time": (["run", "--jobs", "-1"], "--jobs -1", "expected at least 1"),
    "data that is not there": (["run", "--data", "no folder"], "--data no folder", "no such folder"),
    "a workspace that is a file": (["run", "--workspace", "FILE"], "FILE", "expected a folder"),
    "a workspace below a file": (["run", "--workspace", "FILE/x"], "FILE/x", "expected a folder"),
    "a scheduler of two words": (["run", "--scheduler", "my host"], "my host", "expected tcp://HOST:PORT"),
    "a scheduler without port": (["run", "--scheduler", "tcp://host"], "tcp://host", "expected tcp://HOST:PORT"),
    "another scheduler": (["run", "--scheduler", "http://host:80"], "http://host:80", "expected tcp://HOST:PORT"),
    "an unknown argument": (["run", "--faster"], "unknown argument '--faster'", "--help"),
    "a second profile": (["run", "demo", "full"], "unknown argument 'full'", "--help"),
    "a list of a misspelt profile": (["list", "dmeo"], "no profile 'dmeo'", "did you mean demo"),
    "figures of no workspace": (["figures", "--workspace", "no folder"], "no folder", "no such folder"),
    "figures of a misspelt profile": (["figures", "dmeo"], "no profile 'dmeo'", "did you mean demo"),
    "a model that is not there": (
        ["evaluate", "m.keras", "--workspace", "EMPTY"],
        "m.keras",
        "no such|no images|not here|judged",
    ),
    "predictions that are not there": (["evaluate", "p.npy", "--workspace", "EMPTY"], "p.npy", "no such file"),
    "a function of no module": (["evaluate", "no_module:f", "--workspace", "EMPTY"], "no_module", "cannot be imported"),
    "a function that is not there": (["evaluate", "json:no", "--workspace", "EMPTY"], "'no'", "json has no"),
    "code as a function": (["evaluate", "os:system('x')", "--workspace", "EMPTY"], "system", "expected|no such"),
    "a set of 100 classes": (["evaluate", "p.npy", "--sets", "cifar100"], "'cifar100'", "expected some of"),
    "sets in no data": (["evaluate", "p.npy", "--data", "no folder"], "no folder", "no such folder"),
    "duplicates of an unknown set": (
        ["duplicates", "cifar11", "cifar10", "--workspace", "EMPTY"],
        "'cifar11'",
        "known are",
    ),
    "duplicates of a file that is none": (
        ["duplicates", "cifar11.npy", "x", "--workspace", "EMPTY"],
        "cifar11.npy",
        "is no file",
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_mistake_on_the_command_line_is_one_sentence_and_code_2(
    name: str, tmp_path: Path, capsys, monkeypatch, counts: Counter
) -> None:
    words, found, expected = COMMANDS[name]
    (tmp_path / "FILE").write_text("a file")
    (tmp_path / "EMPTY").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CIFAR102_DATA", raising=False)
    monkeypatch.setattr(runner, "run", lambda *arguments: pytest.fail("it was not refused but run"))
    before = contents(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("cifar102: ") and error.count("\n") == 1, error
    assert re.search(found, error) and re.search(expected, error), error
    assert contents(tmp_path) == before
    counts["bad_inputs"] += 1


ARGUMENTS = [["run", "--jobs", "two"], ["run", "--stack", "old"], ["walk"], [""], ["duplicates", "a"], ["evaluate"]]
ARGUMENTS += [["evaluate", "p.npy", "--pixels", "odd"], ["run", "--set"], ["figures", "a", "--workspace"]]


@pytest.mark.parametrize("words", ARGUMENTS, ids=" ".join)
def test_argparse_ends_with_code_2_and_what_it_expected(words: list[str], capsys, counts: Counter) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert re.search("invalid|expected|required", capsys.readouterr().err)
    counts["bad_inputs"] += 1


def option(name: str, call: Callable[[], object], found: str, expected: str, error=ValueError) -> Case:
    return Case(name, None, lambda folder: call(), found, expected, error)


def config(found: str, expected: str, **changes: object) -> Case:
    (field, value) = next(iter(changes.items()))
    return option(
        f"config: {field} {str(value)[:30]}",
        lambda: TrainConfig(**changes),
        found,
        f"{field}.*{expected}|{expected}.*{field}",
    )


NAN, INF = float("nan"), float("inf")
CONFIGS = [
    config("found 0", "at least 1", epochs=0),
    config("found -3", "at least 1", epochs=-3),
    config("2.5", "int", epochs=2.5),
    config("True", "int", epochs=True),
    config("'ten'", "int", epochs="ten"),
    config("None", "int", epochs=None),
    config("found 0", "at least 1", batch_size=0),
    config("found -1", "at least 0", seed=-1),
    config("1.0", "int", seed=1.0),
    config("found 0", "at least 1", num_train=0),
    config("found -1", "at least 0", num_validation=-1),
    config("found 0.0", "above 0", learning_rate=0.0),
    config("found -0.1", "above 0", learning_rate=-0.1),
    config("found nan", "a finite number", learning_rate=NAN),
    config("found inf", "a finite number", learning_rate=INF),
    config("'fast'", "float", learning_rate="fast"),
    config("found 1.0", "not 1", momentum=1.0),
    config("found -0.5", "0 up to", momentum=-0.5),
    config("found 1.5", "not 1", label_smoothing=1.5),
    config("found -1", "at least 0", weight_decay=-1.0),
    config("found nan", "a finite number", weight_decay=NAN),
    config("found 2", "not 1", ema_momentum=2),
    config("found 1.0", "not 1", ema_momentum=1.0),
    config("found nan", "a finite number", ema_momentum=NAN),
    config("'often'", "float", ema_momentum="often"),
    config("'sgdd'", "none of sgd", optimizer="sgdd"),
    config("None", "muon needs one", optimizer="muon"),
    config("'fast'", "float", kernel_rate="fast"),
    config("found nan", "a finite number", kernel_rate=NAN),
    config("found 0", "a number above 0", kernel_rate=0),
    config("found -1", "at least 0", norm_batches=-1),
    config("2.5", "int", norm_batches=2.5),
    config("random_features", "one network", norm_batches=3, model="random_features"),
    config("'none'", "none of unit", normalization="none"),
    config("'float8'", "none of float32", precision="float8"),
    config("'cosin'", "none of constant", schedule="cosin"),
    config("'two'", "none of one", test_views="two"),
    config("6", "str", test_views=6),
    config("'half'", "none of permutation", split="half"),
    config("'a/b'", "letters, digits", arm="a/b"),
    config(r"'\.\.'", "letters, digits", study=".."),
    config("''", "letters, digits", study=""),
    config("<script>", "letters, digits", arm="<script>"),
    config(r"'a\\nb'", "letters, digits", arm="a\nb"),
    config("3", "str", model=3),
    config(r"\[1\]", "dict", model_options=[1]),
    config("object", "plain JSON values", model_options={"a": object()}),
    config("'yes'", "bool", nesterov="yes"),
    config("cifar10", "once", evaluate_on=("cifar10", "cifar10")),
    config("validation", "always there", evaluate_on=("validation",)),
    config("'cifar10'", "a tuple of data set names", evaluate_on="cifar10"),
    config("needs num_validation", "above 0", patience=3),
    config("cycles", "a schedule with cycles", num_snapshots=2),
    option(
        "config: an option of another schedule",
        lambda: TrainConfig(schedule_options={"cycle_epochs": 2}),
        "'cycle_epochs'",
        r"constant takes \[\]",
    ),
    option(
        "config: a cycle of 0 epochs",
        lambda: TrainConfig(schedule="triangular", schedule_options={"cycle_epochs": 0}),
        "found 0",
        "above 0",
    ),
    option("config: an unknown field", lambda: TrainConfig.from_dict({"epoch": 3}), "'epoch'", "it has .*'epochs'"),
    option(
        "study: unknown",
        lambda: arms.study_configs("poolin", seeds=(0,), num_train=9, num_validation=1, epochs=1),
        "'poolin'",
        "none of",
    ),
]
COUNTS = {"cat": {"tabby": 3, "tomcat": 1}, "dog": {"pug": 2}}


def candidates(**columns: object) -> pd.DataFrame:
    names = {"keyword": ["tabby", "tabby", "tomcat", "pug", "pug"], "class_name": ["cat"] * 3 + ["dog"] * 2}
    return pd.DataFrame({"tiny_index": range(5)} | names | columns)


QUOTAS = {"cat": {"tabby": 2, "tomcat": 1}, "dog": {"pug": 1}}
SAMPLING = [
    option(
        "allocate: an unknown rule", lambda: quotas.allocate(COUNTS, rule="v5"), "'v5'", "'largest_remainder' or 'v4'"
    ),
    option("allocate: -1 images", lambda: quotas.allocate(COUNTS, per_class=-1), "found -1", "per_class is 0 or more"),
    option("allocate: the top 0", lambda: quotas.allocate(COUNTS, top_k=0), "and 0", "top_k 1 or more"),
    option("allocate: a count of -1", lambda: quotas.allocate({"cat": {"a": -1}}), "found -1", "0 or more"),
    option("allocate: a count of NaN", lambda: quotas.allocate({"cat": {"a": NAN}}), "found nan", "0 or more"),
    option("allocate: a count in words", lambda: quotas.allocate({"cat": {"a": "2"}}), "found '2'", "0 or more"),
    option("allocate: a class of zeros", lambda: quotas.allocate({"cat": {"a": 0}}), "'cat' has no images", "to count"),
    option(
        "allocate: a keyword in two classes",
        lambda: quotas.allocate({"cat": {"a": 1}, "dog": {"a": 1}}),
        r"\['cat', 'dog'\]",
        "does not allow",
    ),
    option(
        "allocate: an undecided pair",
        lambda: quotas.check_keywords({"ship": {"cruiser": 1}, "cat": {"cruiser": 2}}),
        "cruiser",
        "not allow",
    ),
    option(
        "sample: without keywords",
        lambda: draws.sample(candidates().drop(columns="keyword"), QUOTAS, 1),
        "found",
        "need tiny_index, keyword",
    ),
    option(
        "sample: without classes",
        lambda: draws.sample(candidates().drop(columns="class_name"), QUOTAS, 1),
        "found",
        "class_name or label",
    ),
    option(
        "sample: an unknown strategy",
        lambda: draws.sample(candidates(), QUOTAS, 1, strategy="best"),
        "'best'",
        "one of",
    ),
    option(
        "sample: too few images",
        lambda: draws.sample(candidates(), {"cat": {"tabby": 9}}, 1),
        "2 available",
        "9 images wanted",
    ),
    option(
        "sample: a row twice",
        lambda: draws.sample(candidates(tiny_index=[0, 0, 2, 3, 4]), QUOTAS, 1),
        "image 0",
        "several rows",
    ),
    option(
        "sample: all on the blacklist",
        lambda: draws.sample(candidates(), QUOTAS, 1, range(5)),
        "0 available",
        "images wanted",
    ),
    option("uniform: too many", lambda: draws.draw_uniform(candidates(), 3, 1), "2 available", "3 images wanted"),
    option(
        "split: too many",
        lambda: group_split.split(candidates(group=-1, label=0), 9, 1),
        "available",
        "9 test images wanted",
    ),
    option("split: -1", lambda: group_split.split(candidates(group=-1, label=0), -1, 1), "found -1", "0 or more"),
    option(
        "split: a row twice",
        lambda: group_split.split(candidates(group=-1, tiny_index=1), 1, 1),
        "unique tiny_index|found",
        "split needs",
    ),
    option("validation of everything", lambda: splits.split(LABELS, 20, 1), "num_validation 20", "expected 1 to 19"),
    option("validation of nothing", lambda: splits.split(LABELS, 0, 1), "num_validation 0", "expected 1 to 19"),
    option("groups of another length", lambda: splits.split(LABELS, 5, 1, groups=LABELS[:3]), "3 groups", "20 labels"),
    option("a subset of 21", lambda: splits.subset(LABELS, 21, 1), "subset of 21", "expected 1 to 20"),
    option("a subset of -1", lambda: splits.subset(LABELS, -1, 1), "subset of -1", "expected 1 to 20"),
    option(
        "names of another number", lambda: quotas.keyword_counts(NAMES[1:], LABELS), r"\(20,\)", "expected 19 labels"
    ),
    option(
        "accepted: votes of another pool",
        lambda: votes.accepted_images(
            pd.DataFrame(
                {"tiny_index": [99], "keyword": "tabby", "class": "cat", "rater": "a", "verdict": "yes", "time": ""}
            ),
            candidates(),
        ),
        "image 99",
        "another pool",
    ),
    option(
        "a pool of another name",
        lambda: pools.ensure_pool("tiny", Workspace("nowhere")),
        "'tiny'",
        "expected one of demo",
    ),
]
FLOATS, GREY = IMAGES.astype(np.float32), IMAGES[..., 0]
PAIRS = pd.DataFrame({"query": [0, 1], "reference": [1, 99], "ssim": [0.9, 0.8], "verdict": "duplicate"})
SEARCH = [
    option("nearest: k of 0", lambda: neighbours.nearest(IMAGES, IMAGES, 0), "found 0", "expected 1 to 20"),
    option("nearest: k of 21", lambda: neighbours.nearest(IMAGES, IMAGES, 21), "found 21", "expected 1 to 20"),
    option("nearest: floats", lambda: neighbours.nearest(FLOATS, IMAGES), "found float32", "uint8"),
    option("nearest: grey", lambda: neighbours.nearest(IMAGES, GREY), r"\(20, 32, 32\)", "32, 32, 3"),
    option("nearest: a list", lambda: neighbours.nearest([1, 2], IMAGES), "found list", "uint8"),
    option("exact groups: floats", lambda: exact_copies.exact_groups(FLOATS), "found float32", "uint8"),
    option("exact groups: a digest of 0 bytes", lambda: exact_copies.digests(IMAGES, 0), "found 0", "1 to 64 bytes"),
    option(
        "exact groups: labels too few",
        lambda: exact_copies.exact_table({"a": (IMAGES, LABELS[1:])}),
        r"\(19,\)",
        "20 images",
    ),
    option("ssim: other numbers", lambda: similarity.ssim(IMAGES, IMAGES[1:]), "20 and 19", "equally many"),
    option("ssim: a shift of 99", lambda: similarity.ssim(IMAGES, IMAGES, 99), "found 99", "expected 0 to"),
    option("ssim: a shift of -1", lambda: similarity.ssim(IMAGES, IMAGES, -1), "found -1", "expected 0 to"),
    option("ssim: floats", lambda: similarity.ssim(FLOATS, FLOATS), "found float32", "uint8"),
    option("flat ssim: grey", lambda: similarity.ssim_flat(GREY, GREY), r"\(20, 32, 32\)", "32, 32, 3"),
    option("pairs above 2", lambda: similarity.pairs_above(IMAGES, IMAGES, 2.0), "found 2.0", "from -1 to 1"),
    option("pairs above NaN", lambda: similarity.pairs_above(IMAGES, IMAGES, NAN), "found nan", "from -1 to 1"),
    option(
        "near duplicates: thresholds reversed",
        lambda: pair_table.near_duplicates(IMAGES, IMAGES, duplicate=0.5, review=0.7),
        "0.7 and 0.5",
        "review <= duplicate",
    ),
    option("near duplicates: k of 0", lambda: pair_table.near_duplicates(IMAGES, IMAGES, k=0), "found 0", "1 or more"),
    option("components: a row too far", lambda: pair_table.components(PAIRS, 5), "to 99", "0 to 4"),
    option("verdicts without a column", lambda: pair_table.apply_verdicts(PAIRS, PAIRS[["query"]]), "missing", "found"),
    option(
        "an unknown verdict",
        lambda: pair_table.apply_verdicts(PAIRS, PAIRS.assign(verdict="maybe")),
        "maybe",
        "expected",
    ),
]
IDS = {"a": LABELS, "b": LABELS}
SHARES = np.full((20, 10), 0.1)
ORIGINAL, NEW = np.array([0.9, 0.8, 0.7]), np.array([0.8, 0.7, 0.6])
ANALYSIS = [
    option("clopper_pearson: 11 of 10", lambda: intervals.clopper_pearson(11, 10), "11 of n 10", "0 <= successes <= n"),
    option("clopper_pearson: -1 of 10", lambda: intervals.clopper_pearson(-1, 10), "-1 of n 10", "0 <= successes"),
    option("clopper_pearson: 0 of 0", lambda: intervals.clopper_pearson(0, 0), "0 of n 0", "n >= 1"),
    option("clopper_pearson: a half", lambda: intervals.clopper_pearson(0.5, 10), "found float64", "whole numbers"),
    option("clopper_pearson: NaN", lambda: intervals.clopper_pearson(NAN, 10), "found float64", "whole numbers"),
    *(
        option(
            f"clopper_pearson: a level of {level}",
            lambda level=level: intervals.clopper_pearson(1, 10, level),
            f"found '?{level}",
            "between 0 and 1",
        )
        for level in (0.0, 1.0, 95, -1, NAN, "high")
    ),
    option(
        "mean difference of no value",
        lambda: intervals.mean_difference(np.ones(0), np.ones(5)),
        r"\(0,\)",
        "at least 1",
    ),
    option(
        "mean difference of NaN", lambda: intervals.mean_difference(np.ones(5) * NAN, np.ones(5)), "found", "finite"
    ),
    option("fit_line: an unknown axis", lambda: lines.fit_line(ORIGINAL, NEW, axis="log"), "'log'", "expected one of"),
    option("fit_line: percent", lambda: lines.fit_line(ORIGINAL * 100, NEW), "70.0 to 90.0", "0-1 .not percent"),
    option("fit_line: NaN", lambda: lines.fit_line(ORIGINAL * NAN, NEW), "nan", "0-1"),
    option("fit_line: two models", lambda: lines.fit_line(ORIGINAL[:2], NEW[:2]), r"\(2,\)", "at least 3"),
    option(
        "fit_line: other numbers",
        lambda: lines.fit_line(ORIGINAL, np.array([*NEW, 0.5])),
        "holds 3 models, new 4",
        "same models",
    ),
    option("fit_line: one accuracy", lambda: lines.fit_line(np.full(3, 0.9), NEW), "3 of 0.9", "different accuracy"),
    option("fit_line: words", lambda: lines.fit_line(np.array(["a"] * 3), NEW), "a|<U1", "expected"),
    option("robustness: percent", lambda: lines.effective_robustness(ORIGINAL * 100, NEW), "70.0 to 90.0", "0-1"),
    option(
        "accuracy table: no model", lambda: accuracies.accuracy_table({}, LABELS), "found none", "at least one model"
    ),
    option(
        "accuracy table: ids too few",
        lambda: accuracies.accuracy_table({"a": LABELS[1:]}, LABELS),
        "found 19",
        "expected 20",
    ),
    option(
        "accuracy table: ids of floats",
        lambda: accuracies.accuracy_table({"a": LABELS / 2}, LABELS),
        "float64",
        "integer",
    ),
    option("accuracy table: labels of NaN", lambda: accuracies.accuracy_table(IDS, LABELS * NAN), "float64", "integer"),
    option(
        "accuracy table: no labels", lambda: accuracies.accuracy_table(IDS, LABELS[:0]), "found none|found 0", "integer"
    ),
    option(
        "gaps of other models",
        lambda: accuracies.gap_table(
            accuracies.accuracy_table({"a": LABELS}, LABELS), accuracies.accuracy_table({"b": LABELS}, LABELS)
        ),
        r"\['a'\] and \['b'\]",
        "no model is in both",
    ),
    option(
        "averages without all classes",
        lambda: accuracies.averages_table(IDS, LABELS, leave_out=("lion",)),
        "'lion'",
        "expected some",
    ),
    option("subsets of numbers", lambda: accuracies.subset_table(IDS, LABELS, LABELS), "int64", "expected bool"),
    option("mcnemar: ids too few", lambda: model_pairs.mcnemar(LABELS[1:], LABELS, LABELS), "found 19", "expected 20"),
    option(
        "agreement on two models",
        lambda: model_pairs.agreement_on_the_line(IDS, IDS, LABELS),
        r"\['a', 'b'\]",
        "3 or more",
    ),
    option(
        "agreements of other lengths",
        lambda: model_pairs.agreements({"a": LABELS, "b": LABELS[1:]}),
        "19|20",
        "expected",
    ),
    option("calibration of ids", lambda: calibration.reliability_table(LABELS, LABELS), r"\(20,\)", "probabilities"),
    option(
        "calibration of 0 bins", lambda: calibration.reliability_table(SHARES, LABELS, bins=0), "found 0", "expected"
    ),
    option("calibration: label 10", lambda: calibration.reliability_table(SHARES, LABELS + 1), "1 to 10", "0 to 9"),
    option("power: a gap of 0", lambda: intervals.gap_power(0.0, 2000, 0.9), "found gap 0.0", "0 < gap < accuracy < 1"),
    option("power: percent", lambda: intervals.images_needed(3.0, 90.0), "found gap 3.0", "not percent"),
    option("probit of 2", lambda: lines.to_axis(np.array([2.0]), "log"), "'log'", "expected one of"),
    option(
        "download: an unknown file",
        lambda: downloads.fetch("cifar.zip", Path("nowhere")),
        "'cifar.zip'",
        "these can be downloaded",
    ),
    option(
        "download: an unknown set",
        lambda: downloads.fetch_dataset("cifar11", Path("nowhere")),
        "'cifar11'",
        "these can be downloaded",
    ),
]


@pytest.mark.parametrize("case", [*CONFIGS, *SAMPLING, *SEARCH, *ANALYSIS], ids=str)
def test_a_bad_argument_is_refused_in_words(case: Case, tmp_path: Path, counts: Counter, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    check(case, tmp_path)
    counts["bad_inputs"] += 1


def networks() -> list[Case]:
    """Wrong names and options of networks; listed here so that only this test pays for TensorFlow."""
    from cifar102.models import registry
    from cifar102.training import augmentation, fitting, pipeline, sweeps

    none = Workspace("nowhere")
    return [
        option("model: misspelt", lambda: registry.build("resnet-20"), "'resnet-20'", "did you mean resnet20"),
        option("model: another depth", lambda: registry.build("resnet21"), "depth 21", "expected 6n"),
        option("model: one class", lambda: registry.build("resnet20", 1), "num_classes 1", "2 or more"),
        option(
            "model: an unknown option", lambda: registry.build("vgg10", filter=[1]), "'filter'", "did you mean filters"
        ),
        option("model: filters too few", lambda: registry.build("vgg10", filters=[8]), r"\[8\]", "4 blocks"),
        option("model: a pooling", lambda: registry.build("ablation_cnn", pooling="min"), "'min'", "expected one of"),
        option(
            "model: a padding",
            lambda: registry.build("ablation_cnn", padding="full"),
            "'full'",
            "expected",
        ),
        option(
            "model: an activation",
            lambda: registry.build("ablation_cnn", activation="relu7"),
            "'relu7'",
            "expected one of",
        ),
        option("model: a dropout of 1", lambda: registry.build("ablation_cnn", dropout=1.0), "1.0", "rate < 1"),
        option(
            "model: missing",
            lambda: registry.load_model(Path("m.keras")),
            "m.keras",
            "no such model file",
            FileNotFoundError,
        ),
        option(
            "augmentation: misspelt", lambda: augmentation.find_augmentation("cutmux"), "'cutmux'", "expected one of"
        ),
        option("augmentation: nothing", lambda: augmentation.find_augmentation(""), "''", "expected one of"),
        option(
            "augmentation: an unknown option",
            lambda: augmentation.find_augmentation("cutout", {"sise": 3}),
            r"\['sise'\]",
            "it has",
        ),
        option("normalization: misspelt", lambda: pipeline.Normalization("unitt"), "'unitt'", "expected one of"),
        option(
            "normalization: NaN", lambda: pipeline.Normalization("per_channel", (NAN,) * 3, (1.0,) * 3), "nan", "finite"
        ),
        option("steps of an empty epoch", lambda: pipeline.steps_per_epoch(0, 10), "0 images", "no batch"),
        option(
            "sweep: a run twice",
            lambda: sweeps.sweep([TrainConfig(), TrainConfig()], workspace=none),
            "1 run folders",
            "twice",
        ),
        option(
            "fit: an unknown set",
            lambda: fitting.fit(TrainConfig(dataset="cifar"), none),
            "'cifar'",
            "did you mean cifar10",
        ),
        option(
            "fit: no such set",
            lambda: fitting.fit(TrainConfig(), none),
            "batches.meta",
            "unpack it",
            FileNotFoundError,
        ),
        option(
            "fit: no start",
            lambda: fitting.copy_weights(None, Path("m.keras")),
            "m.keras",
            "train that run first",
            FileNotFoundError,
        ),
    ]


@pytest.mark.slow
def test_a_bad_name_or_option_of_a_network_is_refused_in_words(tmp_path: Path, counts: Counter, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for case in networks():
        with contextlib.suppress(FileExistsError):
            (tmp_path / str(case)).mkdir()
        check(case, tmp_path / str(case))
        counts["bad_inputs"] += 1


def test_the_options_of_a_config_are_those_that_are_tried() -> None:
    tried = {case.name.split()[1] for case in CONFIGS if case.name.startswith("config: ")}
    fields = set(train_config.TrainConfig.__dataclass_fields__)
    assert tried & fields >= fields - {
        "dataset",
        "augmentation",
        "augmentation_options",
        "schedule_options",
        "start_from",
        "tensorboard",
    }
