"""The commands beside `run`: list, lab, review, figures, bench, test, fetch, export, show, duplicates, evaluate ..."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from cifar102.workflow import notebooks
from cifar102.workflow.plans import Plan, workspace_of, workspace_or_demo
from cifar102.workflow.steps import PLACES, Step
from cifar102.workspace.folders import REPOSITORY


def listing(plan: Plan) -> str:
    """Describe each step of a plan: up to date or why not, changed parameters, inputs and outputs."""
    from cifar102.workflow import stamps

    lines = [f"{plan.profile.title}, workspace {plan.workspace.root}", plan.profile.description]
    for step in plan.steps:
        reasons = stamps.stale_reasons(step, plan.workspace)
        lines += ["", f"{step.name}: {'; '.join(reasons) if reasons else 'up to date'}"]
        changed = ", ".join(f"{name}={value!r}" for name, value in _changed_parameters(step).items())
        lines += [f"  with    {changed}"] if changed else []
        lines += [f"  takes   {', '.join(step.files.takes)}"] if step.files.takes else []
        lines += [f"  leaves  {', '.join(step.files.leaves)}"]
    return "\n".join(lines)


def _changed_parameters(step: Step) -> dict[str, object]:
    declared = notebooks.declared_parameters(step.notebook) if step.notebook else {}
    given = {name: value for name, value in step.parameters.items() if name not in PLACES}
    return {name: value for name, value in given.items() if value != declared[name].default}


def lab(options: argparse.Namespace) -> int:
    """Register this interpreter as the kernel `python3` and open JupyterLab on the notebooks."""
    from ipykernel.kernelspec import install

    try:
        install(prefix=sys.prefix, kernel_name="python3", display_name="Python 3 (cifar102)")
    except PermissionError:
        install(user=True, kernel_name="python3", display_name="Python 3 (cifar102)")
    # Nothing is asked of the network: no look for updates, no news, no extension index.
    quiet = ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url="]
    quiet += ["--LabApp.extension_manager=readonly"]
    root = [f"--ServerApp.root_dir={REPOSITORY}", "--LabApp.default_url=/lab/tree/notebooks"]
    return subprocess.call([sys.executable, "-m", "jupyterlab", *root, *quiet, *options.extra])


def review(options: argparse.Namespace) -> int:
    """Open the labelling and review pages in the browser."""
    from cifar102.review import server

    return server.main(options.extra)


def figures(options: argparse.Namespace) -> int:
    """Redraw the figures of a workspace, and those of the README where their tables are in the repository."""
    folders = [workspace_of(options).figures]
    if not options.workspace and not options.profile:
        folders.append(REPOSITORY / "figures")
    from cifar102.figures import drawing

    for folder in folders:
        if any(folder.glob("*.json")):
            drawing.redraw(folder)
            print(f"redrawn: {folder}")
    return 0


def bench(options: argparse.Namespace) -> int:
    """Run tests/benchmarks and print the table that goes to data/bench.json."""
    from cifar102.commands import benchmarks

    path = REPOSITORY / "data" / "bench.json"
    rows = benchmarks.run(REPOSITORY / "tests" / "benchmarks", path, options.long)
    print(f"{benchmarks.table(rows)}\n{path} holds these {len(rows)} rows")
    return 0


def test(options: argparse.Namespace) -> int:
    """Run pytest in this interpreter, without the long faults unless asked for them, which leaves data/faults.json."""
    words = ["tests/faults", "--count-faults"] if options.faults else ["-m", "not faults"]
    return subprocess.call([sys.executable, "-m", "pytest", *words, *options.extra], cwd=REPOSITORY)


def resample(plan: Plan, options: argparse.Namespace) -> int:
    """Run the loop sample, check, blacklist, sample again with the parameters that notebook 04 has in this plan."""
    from cifar102.sampling import cifar101, resampling
    from cifar102.workflow import runner

    values = {step.notebook.stem: _parameters(step) for step in plan.steps if step.notebook}
    wanted, compared = values["04_sample"], values["03_deduplicate"]
    threshold = compared["duplicate_threshold"] if options.threshold is None else options.threshold
    check = resampling.Check(threshold, options.shortlist, compared["max_shift"], wanted["use_cifar10_train"])
    given = cifar101.read_blacklist(Path(options.blacklist)) if options.blacklist else []
    with runner.hold_workspace(plan.workspace):
        print(resampling.run_resampling(plan.workspace, wanted, check, given), flush=True)
    return 0


def _parameters(step: Step) -> dict[str, object]:
    """The parameters that a step runs with: what its notebook declares, changed by the profile and --set."""
    declared = {name: parameter.default for name, parameter in notebooks.declared_parameters(step.notebook).items()}
    return declared | step.parameters


def fetch(options: argparse.Namespace) -> int:
    """Download published data sets into one folder, unless they are there, and say what each holds."""
    from cifar102.datasets import lookup, sets

    place = options.data or os.environ.get("CIFAR102_DATA") or REPOSITORY / "data" / "downloads"
    folder = lookup.DataFolder(Path(place).absolute())
    for name in options.sets:
        parts = sets.load(name, folder, download=True)
        print(f"{name}: " + ", ".join(f"{part} {len(images):,} images" for part, images in parts.items()))
    return 0


def export(options: argparse.Namespace) -> int:
    """Write candidates as class/keyword folders of PNG files for labelling programs."""
    from cifar102.commands import records

    folder = Path(options.folder).absolute()
    written = records.export(workspace_of(options), folder, options.classes, options.keywords, options.limit)
    print(f"{written:,} images in {folder}")
    return 0


def show(options: argparse.Namespace) -> int:
    """Print the fields of records and write their pictures, enlarged, to one file."""
    from cifar102.commands import records

    workspace = workspace_of(options)
    path = Path(options.output).absolute() if options.output else workspace.results / "records.png"
    print(records.show(workspace, options.indices, path))
    print(f"pictures: {path}")
    return 0


def duplicates(options: argparse.Namespace) -> int:
    """Print what two sets of images share."""
    from cifar102.commands import leakage

    first, second = options.sets
    print(leakage.report(first, second, workspace_or_demo(options), scheduler=options.scheduler))
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Put a user's model or predictions beside the published line."""
    from cifar102.evaluation import verdict

    data = options.data or os.environ.get("CIFAR102_DATA") or None
    workspace = workspace_or_demo(options)
    print(verdict.evaluate(options.model, options.sets, workspace, data, pixels=options.pixels, level=options.level))
    return 0
