"""The commands: python -m cifar102 run | list | resample | fetch | export | show | duplicates | evaluate ..."""

import argparse
import contextlib
import importlib.metadata
import os
import sys

from cifar102.commands import dispatch
from cifar102.workspace import names

OPEN_FILES = 256  # TensorFlow, its libraries and a kernel beside it

RULES = ("registered", "ssim")  # of dedup.near_duplicates, named here so that --help loads no search

GOES_ON = {  # what the same command does after an interruption
    "run": "the same command goes on from the steps that are done",
    "corrupt": "the same command goes on from the arrays that are done",
    "fetch": "the same command goes on from what is here",
}
PROFILE = "default: that of the --workspace, else demo"


def _words(arguments: list[str]) -> list[str]:
    """Take `help COMMAND` for `COMMAND --help`, as reproduce.py does."""
    return [*arguments[1:2], "--help"] if arguments[:1] == ["help"] else arguments


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 where a step failed, 2 where the command line or a file is wrong."""
    if sys.stdout is None:
        return _complain("the standard output is closed; send it to a file or to /dev/null")
    try:
        try:
            # Names and messages of files are printed: what would steer the terminal is shown instead.
            with contextlib.redirect_stdout(names.Shown(sys.stdout)):
                return _run(_words(sys.argv[1:] if arguments is None else arguments))
        finally:
            sys.stdout.flush()  # here a closed pipe can be told; at the end of the interpreter it could not
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        is_pipe = isinstance(error, BrokenPipeError)
        return _complain("whoever read the output has stopped" if is_pipe else f"standard output: {error}")


def _run(arguments: list[str]) -> int:
    options, extra = parser().parse_known_args(arguments or ["run", "demo"])
    if extra and not getattr(options, "passes_on", False):
        return _complain(
            f"unknown argument {extra[0]!r}: python -m cifar102 {options.command} --help lists what there is"
        )
    options.extra = extra
    try:
        _check_shell()
        dispatch.check_clone(options.command)
        return options.function(options)
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        return _complain(error)
    except KeyboardInterrupt:
        return _complain(f"interrupted; {GOES_ON.get(options.command, 'no file is left half written')}", 130)


def _check_shell() -> None:
    """Raise ValueError where the shell's limits let no command do its work; the limit on open files is raised first."""
    if os.name == "nt":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < OPEN_FILES:
        raise ValueError(f"this shell allows {hard} open files and {OPEN_FILES} are needed: ulimit -n {OPEN_FILES}")
    umask = os.umask(0o077)
    os.umask(umask)
    if umask & 0o700:
        raise ValueError(f"umask {umask:03o} takes the right to read what is written from its owner too: umask 022")


def _complain(message: object, code: int = 2) -> int:
    print(f"cifar102: {names.visible(message)}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """Describe every command; --help prints it."""
    top = argparse.ArgumentParser(prog="cifar102", description=__doc__, allow_abbrev=False)
    top.add_argument("--version", action=_Version, nargs=0, help="print the version of the package and stop")
    words = top.add_subparsers(dest="command", required=True)
    run = _command(words, "run", dispatch.run, "run the notebooks of a profile that are not up to date")
    listing = _command(words, "list", dispatch.listing, "the steps, their inputs and outputs, what is up to date")
    for command in (run, listing):
        _add_plan_options(command)
    run.add_argument("--dry-run", action="store_true", help="say what would run and why, and run nothing")
    run.add_argument("--retrain", action="store_true", help="also what results/ of the repository has finished runs of")
    run.add_argument("--jobs", type=int, metavar="N", help="notebooks side by side (default: the profile's)")
    listing.add_argument("--verify", action="store_true", help="read every file, also those of the same size and time")
    _command(words, "lab", dispatch.lab, "JupyterLab on the notebooks; further arguments go to it", passes_on=True)
    review = _command(words, "review", dispatch.review, "the labelling and duplicate-review pages in the browser")
    review.add_argument("profile", nargs="?", default="", metavar="PROFILE", help="default: that of the last run")
    review.add_argument("--workspace", metavar="DIR", help="the folder of a run")
    review.add_argument("--port", type=int, default=0, help="default: the one used last, else from 8866 on")
    review.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    judged = _command(words, "judgements", dispatch.judgements, "what raters said of pairs without seeing the score")
    judged.add_argument("profile", nargs="?", default="", metavar="PROFILE", help="default: that of the last run")
    judged.add_argument("--workspace", metavar="DIR", help="the folder of a run")
    figures = _command(words, "figures", dispatch.figures, "redraw the figures from their tables, without training")
    figures.add_argument("profile", nargs="?", default="", metavar="PROFILE")
    figures.add_argument("--workspace", metavar="DIR")
    _add_recordings(words)
    bench = _command(words, "bench", dispatch.bench, "the benchmarks, as ratios against peers")
    bench.add_argument("--long", action="store_true", help="also those that train")
    test = _command(words, "test", dispatch.test, "the test suite; further arguments go to pytest", passes_on=True)
    test.add_argument("--all", action="store_true", help="makes .venv-clients first, with PyTorch and ONNX (1.8 GB)")
    test.add_argument("--faults", action="store_true", help="the fault suite instead; leaves data/faults.json")
    _add_searches(words)
    _add_data_commands(words)
    _add_corrupt(words)
    _add_evaluation(words)
    return top


def _add_recordings(words) -> None:
    kept = _command(words, "record", dispatch.record, "keep the results of a run in results/ of the repository")
    kept.add_argument("profile", nargs="?", default=None, metavar="PROFILE", help=PROFILE)
    kept.add_argument("--workspace", metavar="DIR", help="default: data/<profile>")
    made = _command(words, "report", dispatch.report, "the report of a recorded run, without images or training")
    made.add_argument("profile", nargs="?", default="night", metavar="PROFILE", help="default: night")
    made.add_argument("--output", metavar="DIR", help="a new folder (default: data/<profile>-report)")


class _Version(argparse.Action):
    """Look the version up when it is asked for, not at every command."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"cifar102 {importlib.metadata.version('cifar102')}")
        parser.exit()


def _add_searches(words) -> None:
    shared = _command(words, "duplicates", dispatch.duplicates, "what two sets of images share")
    shared.add_argument("--rule", choices=RULES, default=RULES[0], help="how pairs are scored (default: registered)")
    shared.add_argument("--five-views", action="store_true", help="look for crops and borders in five cuts")
    shared.add_argument("--check", action="store_true", help="compute a sample's SSIM by scikit-image too")
    shared.add_argument("--write-clean", metavar="DIR", help="a new folder: the second set without what it shares")
    nearest = _command(words, "neighbours", dispatch.neighbours, "the nearest images of one set in another, exactly")
    nearest.add_argument("--k", type=int, default=10, metavar="N", help="neighbours of each image (default: 10)")
    fitted = _command(words, "calibrate", dispatch.calibrate, "fit the registered score to planted copies, try it")
    fitted.add_argument("pool", metavar="SET", help="copies of its images are planted")
    fitted.add_argument("queries", nargs="?", metavar="QUERIES", help="the set of the judged queries (default: SET)")
    fitted.add_argument("--judged", metavar="FILE", help="pairs judged by two people: query, reference, mirrored ...")
    fitted.add_argument("--images", type=int, default=1000, metavar="N", help="images to plant (default: 1000)")
    fitted.add_argument("--workspace", metavar="DIR", help="where the tables go (default: the last run)")
    fitted.add_argument("--data", metavar="DIR", help="folder of published sets, in which names are looked up first")
    for command in (shared, nearest):
        command.add_argument("sets", nargs=2, metavar="SET", help="a data set name, or a file or folder of images")
        command.add_argument("--workspace", metavar="DIR", help="where names are looked up (default: the last run)")
        command.add_argument(
            "--data", metavar="DIR", help="folder of published sets, in which names are looked up first"
        )
        command.add_argument(
            "--scheduler", default="", metavar="tcp://HOST:PORT", help="a Dask scheduler for the search"
        )


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
    resampled = _command(
        words, "resample", dispatch.resample, "sample, look for near-duplicates, blacklist, sample again"
    )
    _add_plan_options(resampled, chooses_steps=False)
    resampled.set_defaults(only=["04_sample"], start="")
    resampled.add_argument("--rule", choices=RULES, help="how pairs are scored (default: the rule of 03)")
    resampled.add_argument("--threshold", type=float, metavar="SCORE", help="of the rule (default: that of 03)")
    resampled.add_argument("--shortlist", type=int, default=50, metavar="K", help="likeliest partners that are scored")
    resampled.add_argument(
        "--blacklist", metavar="FILE", help="indices to leave out from the start (10.1's .json form)"
    )


def _add_corrupt(words) -> None:
    changed = _command(
        words, "corrupt", dispatch.corrupt, "the 15 common corruptions of a test set, as CIFAR-10-C has them"
    )
    changed.add_argument("set", metavar="SET", help="a test set's name, or a labelled folder or file of your own")
    changed.add_argument("folder", metavar="DIR", help="a new folder, or one that an earlier call did not finish")
    changed.add_argument("--severity", type=int, choices=range(1, 6), help="this one alone (default: all five)")
    changed.add_argument("--seed", type=int, default=0, metavar="N", help="of everything drawn at random (default: 0)")
    changed.add_argument("--workspace", metavar="DIR", help="where set names are looked up (default: the last run)")
    changed.add_argument("--data", metavar="DIR", help="folder of published sets, looked up first (or CIFAR102_DATA)")


def _add_evaluation(words) -> None:
    judged = _command(words, "evaluate", dispatch.evaluate, "a model of your own beside the published line")
    judged.add_argument("models", nargs="+", metavar="MODEL_OR_PREDICTIONS", help="several give one ranked table")
    judged.add_argument(
        "--standard", metavar="[SET=]FILE", help="a table of accuracies of the models that make the line"
    )
    compared = _command(words, "compare", dispatch.compare, "two models on the same images: the paired difference")
    compared.add_argument("models", nargs=2, metavar="MODEL_OR_PREDICTIONS")
    compared.add_argument(
        "--margin", type=float, default=0.5, metavar="POINTS", help="differences below count as none (default: 0.5)"
    )
    for command in (judged, compared):
        command.add_argument(
            "--sets", nargs="+", metavar="SET", help="names, folders or .npz files (default: all here)"
        )
        command.add_argument("--batch", type=int, default=500, metavar="N", help="images a call (default: 500)")
        command.add_argument("--logits", action="store_true", default=None, help="rows of numbers are logits")
        command.add_argument(
            "--pixels",
            choices=("auto", "raw", "unit", "symmetric", "cifar10", "imagenet"),
            default="auto",
            help="what a model takes: 0-255, 0-1, -1 to 1, normalised as for CIFAR-10 or ImageNet (default: tried)",
        )
        command.add_argument(
            "--trust", action="store_true", help="run a SavedModel where this system cannot contain it"
        )
        command.add_argument("--json", metavar="FILE", help="the record as JSON; - prints it, alone")
        command.add_argument("--output", metavar="DIR", help="where files go (default: ./<command>-<name>)")
        command.add_argument("--level", type=float, default=0.95, help="of all intervals (default: 0.95)")
        command.add_argument("--workspace", metavar="DIR", help="a run whose own sets may be asked for")
        command.add_argument("--data", metavar="DIR", help="folder that holds published sets (default: CIFAR102_DATA)")


def _command(words, name: str, function, text: str, passes_on: bool = False) -> argparse.ArgumentParser:
    command = words.add_parser(name, help=text, description=text, allow_abbrev=False)
    command.set_defaults(function=function, passes_on=passes_on)
    return command


def _add_plan_options(command: argparse.ArgumentParser, chooses_steps: bool = True) -> None:
    command.add_argument("profile", nargs="?", default=None, metavar="demo|cifar10|full", help=PROFILE)
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


if __name__ == "__main__":
    sys.exit(main())
