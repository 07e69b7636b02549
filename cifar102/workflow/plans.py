"""A plan: which steps a command line asks for, what they stand on, in what order they go, what it changes in them."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from cifar102.workflow import notebooks
from cifar102.workflow.steps import (
    FOLDER,
    PLACES,
    REPORT,
    Override,
    Profile,
    Step,
    build,
    feeds,
    load_profile,
    profile_names,
    report_step,
)
from cifar102.workspace import ownership
from cifar102.workspace.folders import REPOSITORY, Workspace, home
from cifar102.workspace.wording import near_names

POOL_STEP = "01_build_subset"


@dataclass(frozen=True)
class Plan:
    """The steps of a profile in order; chosen: asked for; needed: chosen and all they stand on; forced: run anyway."""

    profile: Profile
    workspace: Workspace
    steps: tuple[Step, ...]
    chosen: frozenset[str]
    needed: frozenset[str]
    forced: frozenset[str]

    def waits_for(self, step: Step) -> list[str]:
        """Name the steps of this run that must be over before `step` starts."""
        others = [other for other in self.steps if other.name in self.needed and other.name != step.name]
        if step.name == REPORT:
            return [other.name for other in others]
        asked = (*step.files.takes, *step.files.may_take, *step.files.after)
        return [other.name for other in others if feeds(other.files.leaves, asked)]


def plan(
    profile: Profile,
    workspace: Workspace,
    overrides: Iterable[Override] = (),
    only: Iterable[str] = (),
    start: str = "",
    places: dict[str, str] | None = None,
    folder: Path = FOLDER,
) -> Plan:
    """Lay out a run of `profile`.

    only, start: beginnings of step names (`--only`, `--from`); places: `data` and `scheduler` where given. An override
    of `study` restricts notebook 06 to it, and alone asks for just that study. ValueError, with the near names, for a
    step, study or parameter that does not exist or a value of another type than the notebook declares.
    """
    overrides = list(overrides)
    studies = [override.text for override in overrides if override.name == "study"]
    places = {**(places or {}), "workspace": _shown(workspace), "profile": profile.name}
    steps = build(profile, places, studies, folder)
    forced = _followers(matching(start, steps), steps) if start else set()
    chosen = _chosen(steps, list(only), studies, forced)
    steps = override_parameters(steps, [item for item in overrides if item.name != "study"], chosen)
    needed = frozenset(_ancestors(chosen, steps) | {REPORT})
    return Plan(profile, workspace, (*steps, report_step()), frozenset(chosen | {REPORT}), needed, frozenset(forced))


def _chosen(steps: list[Step], only: list[str], studies: list[str], forced: set[str]) -> set[str]:
    """Name what is asked for: `--only`, else the steps of `--set study=`, else `--from` and what follows, else all."""
    if only:
        found = set().union(*(matching(word, steps) for word in only if word != REPORT))
        return found & forced if forced else found
    if forced:
        return forced
    return {step.name for step in steps if not studies or step.study in studies}


def _shown(workspace: Workspace) -> str:
    """Name the workspace from the repository where it lies in it, so that no executed notebook names this machine."""
    root = workspace.root
    return root.relative_to(REPOSITORY).as_posix() if root.is_relative_to(REPOSITORY) else str(root)


def matching(word: str, steps: Iterable[Step]) -> set[str]:
    """Name the steps whose name begins with `word` or whose study it is; ValueError with the near names for none."""
    found = {step.name for step in steps if step.name.startswith(word) or step.study == word}
    if not found or not word:
        raise ValueError(f"there is no step {word!r}: {near_names(word, (step.name for step in steps))}")
    return found


def override_parameters(steps: list[Step], overrides: list[Override], chosen: set[str]) -> list[Step]:
    """Apply each override to the chosen steps that declare its name; ValueError where none of them does."""
    for override in overrides:
        if override.name in PLACES:
            raise ValueError(f"--set {override.name}: give it as --{override.name} {override.text}")
        targets = matching(override.step, steps) if override.step else chosen
        steps, hits = _overridden(steps, override, targets)
        if not hits:
            raise ValueError(_undeclared(override, steps, targets))
    return steps


def _overridden(steps: list[Step], override: Override, targets: set[str]) -> tuple[list[Step], int]:
    changed, hits = [], 0
    for step in steps:
        declared = notebooks.declared_parameters(step.notebook)
        if step.name in targets and override.name in declared:
            value = override.value_for(declared[override.name], step.name)
            step, hits = replace(step, parameters={**step.parameters, override.name: value}), hits + 1
        changed.append(step)
    return changed, hits


def _undeclared(override: Override, steps: list[Step], targets: set[str]) -> str:
    declared = {step.name: notebooks.declared_parameters(step.notebook) for step in steps}
    elsewhere = [name for name in declared if override.name in declared[name]]
    if elsewhere:
        return f"--set {override.name}: declared by {', '.join(elsewhere)}, but not by {', '.join(sorted(targets))}"
    known = set().union(*declared.values())
    return (
        f"--set {override.name}: no notebook declares a parameter {override.name!r}: {near_names(override.name, known)}"
    )


def _ancestors(names: set[str], steps: list[Step]) -> set[str]:
    """Add to `names` every step that they need files of, and so on."""
    found = set(names)
    for step in reversed(steps):
        if step.name in found:
            found |= {
                other.name for other in steps if other is not step and feeds(other.files.leaves, step.files.takes)
            }
    return found


def _followers(names: set[str], steps: list[Step]) -> set[str]:
    """Add to `names` every step that needs files of them, and so on."""
    found = set(names)
    for step in steps:
        leaves = [path for other in steps if other.name in found for path in other.files.leaves]
        if feeds(leaves, (*step.files.takes, *step.files.may_take)):
            found.add(step.name)
    return found


def last_workspace() -> Workspace:
    """Find the workspace below data/ in which a step finished last; FileNotFoundError where none has yet."""
    stamps = (home() / "data").glob("*/executed/*.json")
    newest = max(stamps, key=lambda path: path.stat().st_mtime_ns, default=None)
    if newest is None:
        raise FileNotFoundError(f"no run in {home() / 'data'} yet: run the demo first, or name a --workspace")
    return Workspace(newest.parents[1])


def profile_of(name: str | None, folder: str | None) -> Profile:
    """The profile a command line asks for, else that of the workspace it names, else the demo.

    ValueError where the workspace is of no profile, or could be of several.
    """
    if name is not None or not folder:
        return load_profile("demo" if name is None else name)
    workspace = Workspace(Path(folder).absolute())
    recorded, pool = ownership.profile_of(workspace), ownership.pool_of(workspace)
    if recorded in profile_names():
        return load_profile(recorded)
    fitting = [profile for profile in map(load_profile, profile_names()) if pool and _pool_of(profile) == pool]
    if len(fitting) != 1:
        known = ", ".join(profile_names())
        raise ValueError(f"--workspace {folder}: was run with no profile yet; say which, expected one of {known}")
    return fitting[0]


def _pool_of(profile: Profile) -> str:
    return str(profile.parameters.get(POOL_STEP, {}).get("pool", "demo"))


def check_place(plan: Plan) -> None:
    """Refuse to run where files of somebody else would be written over; ValueError names the file that was found."""
    ownership.check_workspace(plan.workspace)
    step = next(step for step in plan.steps if step.name == POOL_STEP)
    declared = notebooks.declared_parameters(step.notebook)["pool"].default
    ownership.check_pool(plan.workspace, str(step.parameters.get("pool", declared)))


def workspace_of(options: argparse.Namespace) -> Workspace:
    """The workspace a command line asks for by --workspace or profile, else that of the last run.

    FileNotFoundError where there is none, ValueError where the folder is somebody else's (see ownership).
    """
    profile = getattr(options, "profile", "")
    if options.workspace:
        workspace = Workspace(Path(options.workspace).absolute())
        if not workspace.root.is_dir():
            raise FileNotFoundError(f"--workspace {options.workspace}: no such folder")
    else:
        workspace = Workspace(load_profile(profile).workspace) if profile else last_workspace()
    ownership.check_workspace(workspace)
    return workspace


def workspace_or_demo(options: argparse.Namespace) -> Workspace:
    """The workspace asked for, else that of the last run, else the demo's, which need not be there."""
    try:
        return workspace_of(options)
    except FileNotFoundError:
        if options.workspace:
            raise
        return Workspace(load_profile("demo").workspace)
