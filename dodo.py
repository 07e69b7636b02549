"""The steps for doit itself: `doit list`, `doit -n 2`, `doit profile=cifar10 05_baseline_cnn`.

What each step takes and leaves stands in cifar102/workflow/steps.py; `python reproduce.py run` drives the same tasks.
"""

from doit import get_var

from cifar102.workflow import plans, runner, steps
from cifar102.workspace.folders import Workspace

DOIT_CONFIG = {"backend": "sqlite3", "dep_file": ".doit.db", "par_type": "thread", "verbosity": 2}


def task_steps():
    """One task for each notebook of the profile, and the report."""
    profile = steps.load_profile(get_var("profile", "demo") or "demo")
    plan = plans.plan(profile, Workspace(get_var("workspace", profile.workspace) or profile.workspace))
    yield from runner.tasks(plan, runner.Progress())
