"""One function a word of the command line; each takes the parsed options and returns the exit code.

What a command needs is imported when it runs: `--help` loads none of it, and only a command that draws or trains
waits for the packages that do.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cifar102.evaluation.records import Record
    from cifar102.workflow.plans import Plan
    from cifar102.workflow.steps import Step

# What attacks the package outside tests/faults: models, names, folders and shells, the pages.
ATTACKS = (
    *("models/test_hostile_files.py", "evaluation/test_contained.py", "workspace/test_names.py"),
    *("workspace/test_ownership.py", "workspace/test_files.py", "commands/test_dispatch.py", "review/test_server.py"),
    *("datasets/test_downloads.py", "datasets/test_pools.py", "annotations/test_labelimg.py"),
)
OF_A_CLONE = ("run", "record", "report", "list", "lab", "test", "bench", "resample")
SCHEDULER = re.compile(r"(tcp|tls)://[^\s/]+:\d{1,5}")


def check_clone(word: str) -> None:
    """ValueError where a command works on the notebooks or tests of the repository, and only the package is here."""
    from cifar102.workspace.folders import IS_CLONE

    if word in OF_A_CLONE and not IS_CLONE:
        raise ValueError(
            f"{word} needs the notebooks and tests of the repository, found the installed package alone: "
            f"clone the repository and use python3 reproduce.py {word} there"
        )


def run(options: argparse.Namespace) -> int:
    """Run the steps of a profile that are not up to date, or with --dry-run say which they are."""
    from cifar102.workflow import plans, runner

    wanted = plan_of(options)
    plans.check_place(wanted)
    if options.dry_run:
        print("\n".join(runner.preview(wanted)))
        return 0
    jobs = wanted.profile.jobs if options.jobs is None else options.jobs
    if jobs < 1:
        raise ValueError(f"--jobs {jobs}: expected at least 1")
    if not options.retrain:
        _take_recorded_runs(wanted)
    # A demo notebook mostly waits for its kernel to start, so two share two cores well; a real training fills all cores
    # alone, which is why the other profiles run one notebook at a time unless asked.
    return runner.run(wanted, jobs if options.jobs is not None else min(jobs, os.cpu_count() or 1))


def _take_recorded_runs(plan: "Plan") -> None:
    """Lay the runs that the repository keeps of a profile out in the workspace, so that none is trained twice."""
    from cifar102.workspace.folders import RECORDED_RUNS, recording_of

    folder = recording_of(plan.profile.name)
    if not (folder / RECORDED_RUNS).is_file():
        return
    from cifar102.training import run_records

    if count := run_records.lay_out(folder, plan.workspace):
        print(f"{count:,} recorded runs of {folder} are taken as finished where they fit; --retrain trains them anew")


def record(options: argparse.Namespace) -> int:
    """Keep what a run has finished in results/<profile>/ of the repository."""
    from cifar102.commands import recordings
    from cifar102.workflow import plans
    from cifar102.workspace.folders import recording_of

    profile = plans.profile_of(options.profile, options.workspace)
    options.profile = profile.name
    workspace = plans.workspace_of(options)
    steps = plans.plan(profile, workspace, [], [], "", {}).steps
    print(recordings.record(workspace, steps, profile.name, recording_of(profile.name)))
    return 0


def report(options: argparse.Namespace) -> int:
    """Make figures, tables and report.html of a recorded run, without its images and without training."""
    from cifar102.commands import recordings
    from cifar102.workspace.folders import Workspace, home, recording_of

    place = options.output or home() / "data" / f"{options.profile}-report"
    path = recordings.rebuild(recording_of(options.profile), Workspace(Path(place).absolute()))
    print(f"report   {path}")
    return 0


def plan_of(options: argparse.Namespace) -> "Plan":
    """Make the plan that a command line asks for; ValueError or FileNotFoundError names the option that is wrong."""
    from cifar102.workflow import steps
    from cifar102.workflow.plans import plan, profile_of
    from cifar102.workspace.folders import Workspace

    if options.stack:
        _check_stack(options.stack)
    place = Path(options.workspace).absolute() if options.workspace else None
    if place and (blocking := next((path for path in (place, *place.parents) if path.is_file()), None)):
        raise ValueError(f"--workspace {place}: {blocking} is a file, expected a folder")
    profile = profile_of(options.profile, options.workspace)
    workspace = Workspace(place or profile.workspace)
    _check_scheduler(options.scheduler)
    if options.data and not Path(options.data).is_dir():
        raise FileNotFoundError(f"--data {options.data}: no such folder")
    data = options.data or os.environ.get("CIFAR102_DATA", "")
    places = {"data": str(Path(data).absolute()) if data else "", "scheduler": options.scheduler}
    overrides = [steps.parse_override(text) for texts in options.overrides for text in texts]
    only = [word for text in options.only for word in text.split(",")]
    places = {name: place for name, place in places.items() if place}
    return plan(profile, workspace, overrides, only, options.start, places)


def _check_scheduler(address: str) -> None:
    if address and not SCHEDULER.fullmatch(address):
        raise ValueError(f"--scheduler {address}: expected tcp://HOST:PORT")


def _check_stack(wanted: str) -> None:
    from cifar102.workflow import stamps

    if wanted != stamps.stack():
        again = f"python3 reproduce.py --stack {wanted} uses the other one"
        raise ValueError(f"--stack {wanted}: the packages installed here are the {stamps.stack()} stack; {again}")


def listing(options: argparse.Namespace) -> int:
    """Print each step of a plan: up to date or why not, changed parameters, inputs and outputs."""
    print(describe(plan_of(options), options.verify))
    return 0


def describe(plan: "Plan", verify: bool = False) -> str:
    """Describe each step of a plan as `list` prints it; verify: also read files of the same size and time."""
    from cifar102.workflow import stamps

    lines = [f"{plan.profile.title}, workspace {plan.workspace.root}", plan.profile.description]
    for step in plan.steps:
        reasons = stamps.stale_reasons(step, plan.workspace, verify)
        lines += ["", f"{step.name}: {'; '.join(reasons) if reasons else 'up to date'}"]
        changed = ", ".join(f"{name}={value!r}" for name, value in _changed_parameters(step).items())
        lines += [f"  with    {changed}"] if changed else []
        lines += [f"  takes   {', '.join(step.files.takes)}"] if step.files.takes else []
        lines += [f"  leaves  {', '.join(step.files.leaves)}"]
    return "\n".join(lines)


def _changed_parameters(step: "Step") -> dict[str, object]:
    from cifar102.workflow import notebooks
    from cifar102.workflow.steps import PLACES

    declared = notebooks.declared_parameters(step.notebook) if step.notebook else {}
    given = {name: value for name, value in step.parameters.items() if name not in PLACES}
    return {name: value for name, value in given.items() if value != declared[name].default}


def lab(options: argparse.Namespace) -> int:
    """Open JupyterLab on the notebooks, with this interpreter as its only kernel; no kernel spec is written.

    -P: no module of the current folder is taken for one of JupyterLab's.
    """
    from cifar102.workspace.folders import REPOSITORY

    own = ["--ServerApp.kernel_spec_manager_class=cifar102.workflow.kernel.OwnKernelSpecs"]
    # Nothing is asked of the network: no look for updates, no news, no extension index.
    quiet = ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url="]
    quiet += ["--LabApp.extension_manager=readonly"]
    root = [f"--ServerApp.root_dir={REPOSITORY}", "--LabApp.default_url=/lab/tree/notebooks"]
    return subprocess.call([sys.executable, "-P", "-m", "jupyterlab", *root, *own, *quiet, *options.extra])


def review(options: argparse.Namespace) -> int:
    """Serve the labelling and review pages of a workspace to this machine's browser until interrupted."""
    from cifar102.review import server
    from cifar102.workflow import plans

    return server.serve(plans.workspace_of(options), options.port, not options.no_browser)


def figures(options: argparse.Namespace) -> int:
    """Redraw the figures of a workspace, and those of the README where their tables are in the repository."""
    from cifar102.figures import drawing
    from cifar102.workflow import plans
    from cifar102.workspace.folders import IS_CLONE, REPOSITORY

    folders = [plans.workspace_of(options).figures]
    if IS_CLONE and not options.workspace and not options.profile:
        folders.append(REPOSITORY / "figures")
    for folder in folders:
        if any(folder.glob("*.json")):
            drawing.redraw(folder)
            print(f"redrawn: {folder}")
    return 0


def bench(options: argparse.Namespace) -> int:
    """Run tests/benchmarks and print the table that goes to data/bench.json."""
    from cifar102.commands import benchmarks
    from cifar102.workspace.folders import REPOSITORY

    path = REPOSITORY / "data" / "bench.json"
    rows = benchmarks.run(REPOSITORY / "tests" / "benchmarks", path, options.long)
    print(f"{benchmarks.table(rows)}\n{path} holds these {len(rows)} rows")
    return 0


def test(options: argparse.Namespace) -> int:
    """Run pytest in this interpreter, without the long faults unless asked for them, which leaves data/faults.json."""
    from cifar102.commands import environments
    from cifar102.workspace.folders import REPOSITORY

    if options.all:
        environments.make("clients")
    attacks = [f"tests/{name}" for name in ATTACKS]
    words = ["tests/faults", *attacks, "--count-faults"] if options.faults else ["-m", "not faults"]
    return subprocess.call([sys.executable, "-m", "pytest", *words, *options.extra], cwd=REPOSITORY)


def resample(options: argparse.Namespace) -> int:
    """Sample, look for near-duplicates, blacklist and sample again until there are none (commands.resampling)."""
    from cifar102.commands import resampling

    return resampling.resample(plan_of(options), options)


def fetch(options: argparse.Namespace) -> int:
    """Download published data sets into one folder, unless they are there, and say what each holds."""
    from cifar102.datasets import lookup, sets
    from cifar102.workspace.folders import home

    place = options.data or os.environ.get("CIFAR102_DATA") or home() / "data" / "downloads"
    folder = lookup.DataFolder(Path(place).absolute())
    for name in options.sets:
        parts = sets.load(name, folder, download=True)
        print(f"{name}: " + ", ".join(f"{part} {len(images):,} images" for part, images in parts.items()))
    return 0


def export(options: argparse.Namespace) -> int:
    """Write candidates as class/keyword folders of PNG files for labelling programs."""
    from cifar102.commands import records
    from cifar102.workflow import plans

    folder = Path(options.folder).absolute()
    written = records.export(plans.workspace_of(options), folder, options.classes, options.keywords, options.limit)
    print(f"{written:,} images in {folder}")
    return 0


def show(options: argparse.Namespace) -> int:
    """Print the fields of records and write their pictures, enlarged, to one file."""
    from cifar102.commands import records
    from cifar102.workflow import plans
    from cifar102.workspace import ownership

    workspace = plans.workspace_of(options)
    path = Path(options.output).absolute() if options.output else workspace.results / "records.png"
    text = records.show(workspace, options.indices, path)
    if not options.output:
        ownership.sign(workspace)  # so that results/ is not taken for a user's own
    print(text)
    print(f"pictures: {path}")
    return 0


def duplicates(options: argparse.Namespace) -> int:
    """Print what two sets of images share."""
    from cifar102.commands import leakage
    from cifar102.workflow import plans

    _check_scheduler(options.scheduler)
    first, second = options.sets
    workspace = plans.workspace_or_demo(options)
    data = Path(options.data) if options.data else None
    clean = Path(options.write_clean).expanduser().absolute() if options.write_clean is not None else None
    search = {"rule": options.rule, "five_views": options.five_views, "check": options.check}
    print(leakage.report(first, second, workspace, data=data, scheduler=options.scheduler, clean=clean, **search))
    return 0


def neighbours(options: argparse.Namespace) -> int:
    """Print how near the nearest images of one set are to those of another, and write them down."""
    from cifar102.commands import neighbours as command
    from cifar102.workflow import plans

    data = Path(options.data) if options.data else None
    workspace = plans.workspace_or_demo(options)
    print(command.report(*options.sets, workspace, options.k, data, options.scheduler))
    return 0


def calibrate(options: argparse.Namespace) -> int:
    """Print coefficients fitted to planted copies of a set, and how the score does on judged pairs."""
    from cifar102.commands import calibrate as command
    from cifar102.workflow import plans

    data = Path(options.data) if options.data else None
    judged = Path(options.judged).expanduser() if options.judged else None
    workspace = plans.workspace_or_demo(options)
    print(command.report(options.pool, options.queries, workspace, options.images, judged, data))
    return 0


def judgements(options: argparse.Namespace) -> int:
    """Print what raters said on the blind judging page, and write its table."""
    from cifar102.dedup import pair_judgements
    from cifar102.workflow import plans
    from cifar102.workspace import ownership
    from cifar102.workspace.files import write_table

    workspace = plans.workspace_of(options)
    sample = pair_judgements.sample_of(workspace)
    said = pair_judgements.judged(sample, pair_judgements.blind_verdicts(workspace.pair_verdicts))
    print(pair_judgements.report(said, len(sample)))
    if len(said):
        ownership.sign(workspace)
        path = write_table(workspace.results / "pair_judgements.csv", pair_judgements.precision_table(said))
        print(f"table: {path}")
    return 0


def corrupt(options: argparse.Namespace) -> int:
    """Write the common corruptions of a test set into a folder in the form of CIFAR-10-C."""
    from cifar102.datasets import corruption_sets, corruptions
    from cifar102.evaluation import test_sets
    from cifar102.workflow import plans

    data = Path(options.data) if options.data else None
    test = test_sets.load(options.set, plans.workspace_or_demo(options), data)
    if test.images is None:
        raise FileNotFoundError(f"{options.set}: its labels are here, its images are not: {test.missing}")
    severities = (options.severity,) if options.severity else corruptions.SEVERITIES
    about = {"source": test.name, "provenance": test.provenance, "pool": test.pool}
    folder = Path(options.folder).absolute()
    paths = corruption_sets.write(folder, test.images, test.labels, severities=severities, seed=options.seed, **about)
    print(f"{test.name}: {test.provenance}")
    shown = f"severity {severities[0]}" + (f" to {severities[-1]}" if len(severities) > 1 else "")
    print(f"{folder} holds {len(paths)} corruptions of {len(test.labels):,} images at {shown}")
    print(corruption_sets.TEXTURES)
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Put one model or predictions beside the published line, or rank several."""
    from cifar102.evaluation import ranking, records, verdict

    standard = {"standard": options.standard}
    if len(options.models) > 1:
        folder = options.output or "evaluate-models"
        return _answer(options, folder, lambda **asked: ranking.rank(options.models, options.sets, **standard, **asked))
    name = records.name_of(options.models[0])
    folder = options.output or f"evaluate-{name}"
    return _answer(options, folder, lambda **a: verdict.evaluate(options.models[0], options.sets, **standard, **a))


def compare(options: argparse.Namespace) -> int:
    """Compare two models on the same images."""
    from cifar102.evaluation import comparison, records

    names = [records.name_of(model) for model in options.models]
    folder = options.output or "compare-" + "-and-".join(names)
    margin = options.margin / 100
    return _answer(options, folder, lambda **a: comparison.compare(*options.models, options.sets, margin=margin, **a))


def _answer(options: argparse.Namespace, folder: str, ask: "Callable[..., Record]") -> int:
    """Ask for a record with the options that evaluate and compare share; print its text, or with --json - itself."""
    from cifar102.evaluation import records
    from cifar102.workflow import plans
    from cifar102.workspace.files import write_text

    if options.batch < 1:
        raise ValueError(f"--batch {options.batch}: expected at least 1")
    file = records.check_file(options.json) if options.json and options.json != "-" else None
    record = ask(
        workspace=plans.workspace_or_demo(options),
        data=options.data or os.environ.get("CIFAR102_DATA") or None,
        batch=options.batch,
        pixels=options.pixels,
        logits=options.logits,
        trust=options.trust,
        level=options.level,
        output=folder,
    )
    if file:
        write_text(file, record.to_json() + "\n")
    print(record.to_json() if options.json == "-" else record)
    return 0
