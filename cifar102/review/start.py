"""The review pages: labelling, near-duplicate pairs, disagreements; `python3 reproduce.py review` opens them.

In JupyterLab the same pages are `review.labelling(workspace)`, `review.pairs(workspace)`,
`review.disagreements(workspace)`, or all three with `review.pages(workspace)`.
"""

import argparse
import os
from pathlib import Path

from cifar102.review import server
from cifar102.workspace.folders import Workspace

WORKSPACE = "CIFAR102_REVIEW_WORKSPACE"  # the server tells its kernels here which workspace they serve


def main(arguments: list[str]) -> int:
    """Serve the pages of a workspace to this machine's browser until interrupted."""
    from cifar102.workflow import plans

    parser = argparse.ArgumentParser(prog="cifar102 review", description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("profile", nargs="?", default="", metavar="PROFILE", help="default: that of the last run")
    parser.add_argument("--workspace", metavar="DIR", help="the folder of a run")
    parser.add_argument("--port", type=int, default=0, help="default: the one used last, else from 8866 on")
    parser.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    options = parser.parse_args(arguments)
    workspace = plans.workspace_of(options)
    server.check(workspace)
    return server.serve(workspace, options.port, not options.no_browser)


def labelling(workspace: Workspace | Path | str, per_class: int = 1_200) -> object:
    """Show the labelling page in a notebook cell."""
    return _widget(workspace, ("labelling",), per_class)


def pairs(workspace: Workspace | Path | str) -> object:
    """Show the page of near-duplicate pairs in a notebook cell."""
    return _widget(workspace, ("pairs",))


def disagreements(workspace: Workspace | Path | str) -> object:
    """Show the page of images on which raters differ in a notebook cell."""
    return _widget(workspace, ("disagreements",))


def pages(workspace: Workspace | Path | str | None = None) -> object:
    """Show all pages; without a workspace that of the review server this kernel belongs to."""
    if workspace is not None:
        return _widget(workspace)
    from cifar102.workflow import kernel

    kernel.end_with_parent()
    return _widget(os.environ[WORKSPACE], standalone=True)


def _widget(
    workspace: Workspace | Path | str, shown: tuple[str, ...] = (), per_class: int = 1_200, **options
) -> object:
    from cifar102.review import widget

    workspace = Workspace(workspace)
    server.check(workspace)
    return widget.ReviewPages(workspace, shown or widget.PAGES, per_class, **options)
