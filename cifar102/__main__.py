"""The commands: python -m cifar102 run | list | lab | review | figures | bench | test | duplicates | evaluate."""

import argparse
import os
import re
import sys
from pathlib import Path

from cifar102 import commands, profiles
from cifar102.plans import Plan, plan
from cifar102.workspace import Workspace

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
    _command(words, "lab", commands.lab, "JupyterLab on the notebooks; further arguments go to it", passes_on=True)
    _command(words, "review", commands.review, "the labelling and duplicate-review pages", passes_on=True)
    figures = _command(words, "figures", commands.figures, "redraw the figures from their tables, without training")
    figures.add_argument("profile", nargs="?", default="", metavar="PROFILE")
    figures.add_argument("--workspace", metavar="DIR")
    bench = _command(words, "bench", commands.bench, "the benchmarks, as ratios against peers")
    bench.add_argument("--long", action="store_true", help="also those that train")
    test = _command(words, "test", commands.test, "the test suite; further arguments go to pytest", passes_on=True)
    test.add_argument("--faults", action="store_true", help="the fault suite instead; leaves data/faults.json")
    shared = _command(words, "duplicates", commands.duplicates, "what two sets of images share")
    shared.add_argument("sets", nargs=2, metavar="SET", help="a data set name, or a file or folder of images")
    shared.add_argument("--workspace", metavar="DIR", help="where data set names are looked up (default: the last run)")
    judged = _command(words, "evaluate", commands.evaluate, "a model of your own beside the published line")
    judged.add_argument("model", metavar="MODEL_OR_PREDICTIONS")
    judged.add_argument("--sets", nargs="+", metavar="SET", help="evaluation sets (default: all that are there)")
    judged.add_argument("--workspace", metavar="DIR", help="where the sets are looked up (default: the last run)")
    judged.add_argument("--data", metavar="DIR", help="folder that holds published sets (default: CIFAR102_DATA)")
    judged.add_argument("--pixels", choices=("auto", "raw", "unit"), default="auto", help="what your .keras file takes")
    return top


def _command(words, name: str, function, text: str, passes_on: bool = False) -> argparse.ArgumentParser:
    command = words.add_parser(name, help=text, description=text, allow_abbrev=False)
    command.set_defaults(function=function, passes_on=passes_on)
    return command


def _add_plan_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("profile", nargs="?", default="demo", metavar="demo|cifar10|full")
    command.add_argument("--set", action="append", default=[], metavar="[STEP.]NAME=VALUE", dest="overrides", nargs="+")
    command.add_argument("--only", action="append", default=[], metavar="STEP", help="this step and what it needs")
    command.add_argument("--from", default="", metavar="STEP", dest="start", help="this step again, and what follows")
    command.add_argument("--workspace", metavar="DIR", help="default: data/<profile>")
    command.add_argument("--data", default=os.environ.get("CIFAR102_DATA", ""), metavar="DIR", help="the CIFAR files")
    command.add_argument(
        "--scheduler", default="", metavar="tcp://HOST:PORT", help="a Dask scheduler for the long parts"
    )
    command.add_argument("--stack", choices=["main", "next"], default="main")


def _plan(options: argparse.Namespace) -> Plan:
    if options.stack == "next":
        raise ValueError("only the main stack (TensorFlow 2.15) is there so far: leave --stack next out")
    profile = profiles.load(options.profile)
    workspace = Workspace(Path(options.workspace).absolute() if options.workspace else profile.workspace)
    if blocking := next((path for path in (workspace.root, *workspace.root.parents) if path.is_file()), None):
        raise ValueError(f"--workspace {workspace.root}: {blocking} is a file, expected a folder")
    if options.scheduler and not SCHEDULER.fullmatch(options.scheduler):
        raise ValueError(f"--scheduler {options.scheduler}: expected tcp://HOST:PORT")
    if options.data and not Path(options.data).is_dir():
        raise FileNotFoundError(f"--data {options.data}: no such folder")
    data = options.data or os.environ.get("CIFAR102_DATA", "")
    places = {"data": str(Path(data).absolute()) if data else "", "scheduler": options.scheduler}
    overrides = [profiles.parse_override(text) for texts in options.overrides for text in texts]
    only = [word for text in options.only for word in text.split(",")]
    places = {name: place for name, place in places.items() if place}
    return plan(profile, workspace, overrides, only, options.start, places)


def _run(options: argparse.Namespace) -> int:
    from cifar102 import runner

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


def _list(options: argparse.Namespace) -> int:
    print(commands.listing(_plan(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
