"""The commands: python -m cifar102 run | list | resample | fetch | export | show | duplicates | evaluate ..."""

import argparse
import dataclasses
import os
import re
import sys
from pathlib import Path

from cifar102.commands import dispatch
from cifar102.workflow import steps
from cifar102.workflow.plans import Plan, plan
from cifar102.workflow.steps import REPORT
from cifar102.workspace.folders import Workspace

SCHEDULER = re.compile(r"(tcp|tls)://[^\s/]+:\d{1,5}")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 where a step failed, 2 where the command line or a file is wrong."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options, extra = parser().parse_known_args(arguments or ["run", "demo"])
    if extra and not getattr(options, "passes_on", False):
        return _complain(
            f"unknown argument {extra[0]!r}: python -m cifar102 {options.command} --help lists what there is"
        )
    options.extra = extra
    try:
        return options.function(options)
    except BrokenPipeError:  # whoever read our lines has stopped, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError) as error:
        return _complain(error)
    except KeyboardInterrupt:
        return _complain("interrupted; the same command goes on from the steps that are done", 130)


def _complain(message: object, code: int = 2) -> int:
    print(f"cifar102: {message}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """Describe every command; --help prints it."""
    top = argparse.ArgumentParser(prog="cifar102", description=__doc__, allow_abbrev=False)
    words = top.add_subparsers(dest="command", required=True)
    run = _command(words, "run", _run, "run the notebooks of a profile that are not up to date")
    listing = _command(words, "list", _list, "the steps, their inputs and outputs, what is up to date")
    for command in (run, listing):
        _add_plan_options(command)
    run.add_argument("--dry-run", action="store_true", help="say what would run and why, and run nothing")
    run.add_argument("--jobs", type=int, metavar="N", help="notebooks side by side (default: the profile's)")
    _command(words, "lab", dispatch.lab, "JupyterLab on the notebooks; further arguments go to it", passes_on=True)
    _command(words, "review", dispatch.review, "the labelling and duplicate-review pages", passes_on=True)
    figures = _command(words, "figures", dispatch.figures, "redraw the figures from their tables, without training")
    figures.add_argument("profile", nargs="?", default="", metavar="PROFILE")
    figures.add_argument("--workspace", metavar="DIR")
    bench = _command(words, "bench", dispatch.bench, "the benchmarks, as ratios against peers")
    bench.add_argument("--long", action="store_true", help="also those that train")
    test = _command(words, "test", dispatch.test, "the test suite; further arguments go to pytest", passes_on=True)
    test.add_argument("--faults", action="store_true", help="the fault suite instead; leaves data/faults.json")
    shared = _command(words, "duplicates", dispatch.duplicates, "what two sets of images share")
    shared.add_argument("sets", nargs=2, metavar="SET", help="a data set name, or a file or folder of images")
    shared.add_argument("--workspace", metavar="DIR", help="where data set names are looked up (default: the last run)")
    shared.add_argument("--scheduler", default="", metavar="tcp://HOST:PORT", help="a Dask scheduler for the search")
    _add_data_commands(words)
    judged = _command(words, "evaluate", dispatch.evaluate, "a model of your own beside the published line")
    judged.add_argument("model", metavar="MODEL_OR_PREDICTIONS")
    judged.add_argument("--sets", nargs="+", metavar="SET", help="evaluation sets (default: all that are there)")
    judged.add_argument("--workspace", metavar="DIR", help="where the sets are looked up (default: the last run)")
    judged.add_argument("--data", metavar="DIR", help="folder that holds published sets (default: CIFAR102_DATA)")
    judged.add_argument("--level", type=float, default=0.95, help="of all intervals (default: 0.95)")
    judged.add_argument("--pixels", choices=("auto", "raw", "unit"), default="auto", help="what your .keras file takes")
    return top


def _add_data_commands(words) -> None:
    fetched = _command(words, "fetch", dispatch.fetch, "download published data sets, checked and resumed")
    fetched.add_argument("sets", nargs="+", metavar="SET", help="names of datasets.load, such as cifar10.1-v6")
    fetched.add_argument("--data", metavar="DIR", help="where to (default: CIFAR102_DATA, else data/downloads)")
    exported = _command(words, "export", dispatch.export, "candidates as class/keyword folders of PNG files")
    exported.add_argument("folder", metavar="FOLDER")
    exported.add_argument("--classes", nargs="+", default=[], metavar="CLASS")
    exported.add_argument("--keywords", nargs="+", default=[], metavar="KEYWORD")
    exported.add_argument("--limit", type=int, default=0, metavar="N", help="at most N images a keyword")
    shown = _command(words, "show", dispatch.show, "records of the pool by index: their fields and pictures")
    shown.add_argument("indices", nargs="+", type=int, metavar="INDEX", help="0-based record numbers")
    shown.add_argument("--output", metavar="FILE.png", help="default: results/records.png of the workspace")
    for command in (exported, shown):
        command.add_argument("--workspace", metavar="DIR", help="default: that of the last run")
    resampled = _command(words, "resample", _resample, "sample, look for near-duplicates, blacklist, sample again")
    _add_plan_options(resampled, chooses_steps=False)
    resampled.set_defaults(only=["04_sample"], start="")
    resampled.add_argument("--threshold", type=float, metavar="SSIM", help="default: the duplicate_threshold of 03")
    resampled.add_argument("--shortlist", type=int, default=50, metavar="K", help="likeliest partners that are scored")
    resampled.add_argument(
        "--blacklist", metavar="FILE", help="indices to leave out from the start (10.1's .json form)"
    )


def _command(words, name: str, function, text: str, passes_on: bool = False) -> argparse.ArgumentParser:
    command = words.add_parser(name, help=text, description=text, allow_abbrev=False)
    command.set_defaults(function=function, passes_on=passes_on)
    return command


def _add_plan_options(command: argparse.ArgumentParser, chooses_steps: bool = True) -> None:
    command.add_argument("profile", nargs="?", default="demo", metavar="demo|cifar10|full")
    command.add_argument("--set", action="append", default=[], metavar="[STEP.]NAME=VALUE", dest="overrides", nargs="+")
    if chooses_steps:
        command.add_argument("--only", action="append", default=[], metavar="STEP", help="this step and what it needs")
        command.add_argument("--from", default="", metavar="STEP", dest="start", help="this step and what follows")
    command.add_argument("--workspace", metavar="DIR", help="default: data/<profile>")
    command.add_argument("--data", default=os.environ.get("CIFAR102_DATA", ""), metavar="DIR", help="the CIFAR files")
    command.add_argument(
        "--scheduler", default="", metavar="tcp://HOST:PORT", help="a Dask scheduler for the long parts"
    )
    command.add_argument("--stack", choices=["main", "next"], help="of reproduce.py, which makes both environments")


def _check_stack(wanted: str) -> None:
    from cifar102.models.files import STACK

    if wanted != STACK:
        again = f"python3 reproduce.py --stack {wanted} uses the other one"
        raise ValueError(f"--stack {wanted}: the packages installed here are the {STACK} stack; {again}")


def _plan(options: argparse.Namespace) -> Plan:
    if options.stack:
        _check_stack(options.stack)
    profile = steps.load_profile(options.profile)
    workspace = Workspace(Path(options.workspace).absolute() if options.workspace else profile.workspace)
    if blocking := next((path for path in (workspace.root, *workspace.root.parents) if path.is_file()), None):
        raise ValueError(f"--workspace {workspace.root}: {blocking} is a file, expected a folder")
    if options.scheduler and not SCHEDULER.fullmatch(options.scheduler):
        raise ValueError(f"--scheduler {options.scheduler}: expected tcp://HOST:PORT")
    if options.data and not Path(options.data).is_dir():
        raise FileNotFoundError(f"--data {options.data}: no such folder")
    data = options.data or os.environ.get("CIFAR102_DATA", "")
    places = {"data": str(Path(data).absolute()) if data else "", "scheduler": options.scheduler}
    overrides = [steps.parse_override(text) for texts in options.overrides for text in texts]
    only = [word for text in options.only for word in text.split(",")]
    places = {name: place for name, place in places.items() if place}
    return plan(profile, workspace, overrides, only, options.start, places)


def _run(options: argparse.Namespace) -> int:
    from cifar102.workflow import runner

    wanted = _plan(options)
    if options.dry_run:
        print("\n".join(runner.preview(wanted)))
        return 0
    jobs = wanted.profile.jobs if options.jobs is None else options.jobs
    if jobs < 1:
        raise ValueError(f"--jobs {jobs}: expected at least 1")
    # A demo notebook mostly waits for its kernel to start, so two share two cores well; a real training fills all cores
    # alone, which is why the other profiles run one notebook at a time unless asked.
    return runner.run(wanted, jobs if options.jobs is not None else min(jobs, os.cpu_count() or 1))


def _resample(options: argparse.Namespace) -> int:
    from cifar102.workflow import runner

    wanted = _plan(options)
    code = runner.run(dataclasses.replace(wanted, needed=wanted.needed - {"04_sample", REPORT}), 1)
    return code or dispatch.resample(wanted, options) or runner.run(wanted, 1)


def _list(options: argparse.Namespace) -> int:
    print(dispatch.listing(_plan(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
