"""`resample`: sample, look for near-duplicates in the sample, blacklist them, sample again."""

import argparse
import dataclasses
from pathlib import Path

from cifar102.sampling import cifar101, resampling
from cifar102.workflow import notebooks, plans, runner
from cifar102.workflow.plans import Plan
from cifar102.workflow.steps import REPORT, Step


def resample(wanted: Plan, options: argparse.Namespace) -> int:
    """Run the loop sample, check, blacklist, sample again with the parameters that notebook 04 has in this plan.

    What 04 needs is run before it, and 04 itself after it.
    """
    plans.check_place(wanted)
    given = cifar101.read_blacklist(Path(options.blacklist)) if options.blacklist else []
    code = runner.run(dataclasses.replace(wanted, needed=wanted.needed - {"04_sample", REPORT}), 1)
    if code:
        return code
    _resample_until_clean(wanted, options, given)
    return runner.run(wanted, 1)


def _resample_until_clean(plan: Plan, options: argparse.Namespace, given: list[int]) -> None:
    values = {step.notebook.stem: _parameters(step) for step in plan.steps if step.notebook}
    wanted, compared = values["04_sample"], values["03_deduplicate"]
    rule = options.rule or compared["rule"]
    own = compared["duplicate_threshold" if rule == "ssim" else "duplicate_score"]
    threshold = own if options.threshold is None else options.threshold
    check = resampling.Check(
        rule,
        threshold,
        compared["mirrored_score"],
        options.shortlist,
        compared["max_shift"],
        wanted["use_cifar10_train"],
    )
    with runner.hold_workspace(plan.workspace):
        print(resampling.run_resampling(plan.workspace, wanted, check, given), flush=True)


def _parameters(step: Step) -> dict[str, object]:
    """The parameters that a step runs with: what its notebook declares, changed by the profile and --set."""
    declared = {name: parameter.default for name, parameter in notebooks.declared_parameters(step.notebook).items()}
    return declared | step.parameters
