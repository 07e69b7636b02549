"""The first command of a newcomer, once and whole: every notebook on the demo pool, then what it promises to leave."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from cifar102 import cifar
from cifar102.analysis import methods
from cifar102.commands import recordings
from cifar102.training import run_records, runs
from cifar102.workflow import plans, steps
from cifar102.workspace.files import hash_file, read_json
from cifar102.workspace.folders import REPOSITORY, Workspace

pytestmark = pytest.mark.slow
ALWAYS = [
    "raw/tiny_images.bin",
    "raw/tiny_metadata.bin",
    "raw/cifar-10-batches-py/batches.meta",
    "raw/cifar-100-python/meta",
    "labels/votes.jsonl",
    "built/candidates.parquet",
    "built/candidate_images.npy",
    "built/accepted.parquet",
    "built/exact_groups.parquet",
    "built/pairs.parquet",
    "built/release/cifar102_train.npz",
    "built/release/cifar102_test.npz",
    "built/release/cifar-10.2-batches-py/batches.meta",
    "built/release/manifest.parquet",
    "built/release/datasheet.md",
    "built/release/croissant.json",
    "built/release/SHA256SUMS",
    "results/summary.json",
    "results/study_baseline.csv",
    "results/study_wrn.csv",
    "report.html",
]
PROTOCOL_COLUMNS = ["classifier", "arm", "splits", "protocol_part", "se", "low", "high", "equivalent", "margin"]
STUDY_COLUMNS = ["study", "arm", "n", "mean", "sd", "difference", "low", "high", "p_holm", "published"]


@dataclass(frozen=True)
class Run:
    workspace: Workspace
    lines: list[str]


def cifar102(*words: str, workspace: Path) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items() if key not in ("CIFAR102_DATA", "MPLBACKEND")}
    command = [sys.executable, "-m", "cifar102", *words, "--workspace", str(workspace)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=workspace.parent)


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("a run") / "demo work space"
    result = cifar102("run", "demo", workspace=root)
    assert result.returncode == 0, f"{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
    return Run(Workspace(root), result.stdout.splitlines())


def step_names() -> list[str]:
    studies = [f"06_ablations-{study}" for study in steps.load_profile("demo").studies]
    return sorted([name for name in steps.TABLE if name != "06_ablations"] + studies)


def grids() -> list[str]:
    """The studies of the demo that train a grid and leave study_<name>.csv."""
    return [study for study in steps.load_profile("demo").studies if study not in steps.STUDY_FILES]


def test_the_workspace_holds_every_file_of_the_interface(demo_run: Run) -> None:
    assert [path for path in ALWAYS if not (demo_run.workspace.root / path).is_file()] == []
    runs = demo_run.workspace.runs
    for metrics in runs.glob("*/*/seed-*/metrics.json"):
        present = {path.name for path in metrics.parent.iterdir()}
        has_epochs = read_json(metrics.parent / "config.json")["config"]["model"] != "random_features"
        history = {"history.csv"} if has_epochs else set()  # a closed form has no epochs
        assert {"config.json", "metrics.json", "predictions.npz"} | history <= present
    assert len(list(runs.glob("*/*/seed-*/metrics.json"))) >= 2 * len(grids())


def test_nothing_half_written_is_left(demo_run: Run) -> None:
    leftovers = [path for path in demo_run.workspace.root.rglob("*") if ".tmp" in path.name or path.name == ".running"]
    assert leftovers == []


def test_every_notebook_ran_to_its_end(demo_run: Run) -> None:
    executed = sorted(path.stem for path in demo_run.workspace.executed.glob("*.ipynb"))
    assert executed == step_names()
    for path in demo_run.workspace.executed.glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                assert cell.execution_count is not None or not cell.source.strip()
                assert [output for output in cell.outputs if output.output_type == "error"] == []


def test_no_executed_notebook_warns(demo_run: Run) -> None:
    for path in demo_run.workspace.executed.glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                if output.output_type == "stream" and output.name == "stderr":
                    assert "Warning" not in output.text, f"{path.stem}: {output.text[:500]}"


def test_each_step_and_each_epoch_has_its_line(demo_run: Run) -> None:
    for name in step_names():
        assert any(line.startswith(f"{name} starts") for line in demo_run.lines)
        assert any(re.match(rf"{name} done in \d", line) for line in demo_run.lines)
    assert any(re.search(r"^05_baseline_cnn \| .*epoch 1/", line) for line in demo_run.lines)


def test_the_run_ends_with_where_to_look_and_the_headline(demo_run: Run) -> None:
    text = "\n".join(demo_run.lines)
    assert str(demo_run.workspace.root / "report.html") in text
    assert str(demo_run.workspace.release) in text
    summary = json.loads(demo_run.workspace.summary.read_text())
    headline = [label for values in summary.values() for label in values.get("headline", {})]
    assert headline
    assert all(label in text for label in headline)


def test_every_study_has_its_table(demo_run: Run) -> None:
    for study in ("baseline", "wrn", *grids()):
        table = pd.read_csv(demo_run.workspace.results / f"study_{study}.csv")
        assert list(table.columns[: len(STUDY_COLUMNS)]) == STUDY_COLUMNS
        assert (table["study"] == study).all()
        assert table["mean"].between(0, 1).all()


def test_the_placebo_leaves_its_table(demo_run: Run) -> None:
    table = pd.read_csv(demo_run.workspace.results / "placebo_protocol.csv")
    assert list(table.columns[:9]) == PROTOCOL_COLUMNS
    assert set(table["arm"]) == {"matched", "uniform", "leftover", "eligible", "twin"}


def test_the_release_reads_as_cifar10_does_and_holds_the_same_images(demo_run: Run) -> None:
    loaded = cifar.load_cifar10(demo_run.workspace.release / "cifar-10.2-batches-py")
    for split in ("train", "test"):
        with np.load(demo_run.workspace.release / f"cifar102_{split}.npz") as arrays:
            assert set(arrays.files) == {"images", "labels", "label_names", "ti_indices", "keywords"}
            np.testing.assert_array_equal(loaded[split].images, arrays["images"])
            np.testing.assert_array_equal(loaded[split].labels, arrays["labels"])


def test_every_figure_says_what_pool_it_shows(demo_run: Run) -> None:
    pictures = sorted(demo_run.workspace.figures.glob("*.png"))
    assert {path.stem[:2] for path in pictures} == {f"{number:02}" for number in range(1, 9)}
    for path in pictures:
        assert path.with_suffix(".svg").is_file()
        assert path.with_suffix(".csv").is_file()
        assert "synthetic demo pool" in path.with_suffix(".json").read_text(encoding="utf-8"), path.stem


ANALYSIS_FIGURES = (
    *("accuracy-on-each-set", "gap", "gap-per-class", "keywords", "near-duplicates", "set-matrix", "placebo-line"),
    *("published-line", "effective-robustness", "certain-ranks", "drop-terms", "confusion-difference"),
    *("agreement-line", "hard-images", "hard-images-new", "reliability", "power"),
)


def test_the_analysis_leaves_its_figures_and_a_methods_text_of_its_own_numbers(demo_run: Run) -> None:
    figures = demo_run.workspace.figures
    assert [name for name in ANALYSIS_FIGURES if not (figures / f"08-{name}.svg").is_file()] == []
    section = json.loads(demo_run.workspace.summary.read_text())["08_generalization"]
    facts = methods.MethodsFacts(**section["methods"]["facts"])
    assert methods.methods_text(facts) == section["methods"]["text"]
    assert "simulated" in section["methods"]["text"] and "d9982ab" not in section["methods"]["text"]
    fits = pd.read_csv(demo_run.workspace.results / "published_fits.csv")
    assert set(fits["version"]) == {"cifar10.1-v4", "cifar10.1-v6"}
    assert section["published_fits"][0]["slope"] == fits["slope"].iloc[0]


def test_a_second_run_does_nothing(demo_run: Run) -> None:
    before = {
        path: path.stat().st_mtime_ns for path in demo_run.workspace.root.rglob("*") if not path.name.endswith(".lock")
    }
    result = cifar102("run", "demo", workspace=demo_run.workspace.root)
    assert result.returncode == 0, result.stderr
    said = result.stdout.splitlines()
    assert {line for line in said if line.endswith("is up to date")} == {
        f"{name} is up to date" for name in [*step_names(), "report"]
    }
    files = [path for path in before if path.is_file()]
    assert [path for path in files if path.stat().st_mtime_ns != before[path]] == []


def test_figures_are_redrawn_from_their_tables_with_the_same_bytes(demo_run: Run) -> None:
    pictures = sorted(demo_run.workspace.figures.glob("*.png")) + sorted(demo_run.workspace.figures.glob("*.svg"))
    before = {path: hash_file(path) for path in pictures}
    for path in pictures:
        path.unlink()
    result = cifar102("figures", workspace=demo_run.workspace.root)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in pictures if not path.is_file() or hash_file(path) != before[path]] == []


def test_a_recording_of_the_run_gives_its_report_without_images_and_its_trainings(demo_run: Run, tmp_path) -> None:
    profile, kept = steps.load_profile("demo"), tmp_path / "kept"
    plan = plans.plan(profile, demo_run.workspace, [], [], "", {})
    recordings.record(demo_run.workspace, plan.steps, "demo", kept)
    words = [path for path in kept.rglob("*") if path.suffix in (".csv", ".json", ".jsonl", ".ipynb")]
    assert [path.name for path in words if str(demo_run.workspace.root) in path.read_text(encoding="utf-8")] == []
    made = recordings.rebuild(kept, Workspace(tmp_path / "report")).read_text(encoding="utf-8")
    whole = (demo_run.workspace.root / "report.html").read_text(encoding="utf-8")
    assert made.count("<img ") == whole.count("<img ") and made.count("<table") == whole.count("<table")
    trained = runs.find_runs(demo_run.workspace)
    assert run_records.lay_out(kept, Workspace(tmp_path / "other")) == len(trained)
    again = runs.runs_table(Workspace(tmp_path / "other"))
    pd.testing.assert_frame_equal(again, runs.runs_table(demo_run.workspace))


def test_resampling_leaves_out_what_it_blacklists_and_makes_the_release_anew(demo_run: Run, tmp_path: Path) -> None:
    root = shutil.copytree(demo_run.workspace.root, tmp_path / "copy", ignore=shutil.ignore_patterns("runs", "figures"))
    result = cifar102("resample", "demo", "--rule", "ssim", "--threshold", "0.55", workspace=root)
    assert result.returncode == 0, result.stderr
    assert "03_deduplicate is up to date" in result.stdout and "04_sample done" in result.stdout
    banned = json.loads((root / "built" / "blacklist.json").read_text())
    found = pd.read_csv(root / "results" / "blacklist.csv")
    assert sorted(found["tiny_index"]) == banned and len(banned) > 10
    assert (found["ssim"] >= 0.55).all()
    manifest = pd.read_parquet(root / "built" / "release" / "manifest.parquet")
    assert not set(manifest["tiny_index"]) & set(banned)
    before = pd.read_parquet(demo_run.workspace.release / "manifest.parquet")
    assert manifest["split"].value_counts()[["train", "test"]].equals(before["split"].value_counts()[["train", "test"]])


def test_doit_itself_lists_the_same_steps(demo_run: Run) -> None:
    command = [sys.executable, "-m", "doit", "list", "--quiet", f"workspace={demo_run.workspace.root}"]
    listed = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert sorted(listed.stdout.split()) == sorted([*step_names(), "report"]), listed.stderr
