"""Evaluation: somebody's own model or predictions beside the published models (`python -m cifar102 evaluate`).

Read in this order: verdict (a model judged on every set that is here), test_sets (where the sets come from), answers
(what a model says on them), sources (files, models and code asked for it), prediction_tables (files of predictions as
people have them), meaning (what their numbers stand for), functions (somebody's own code), inputs (what a network
takes), contained (a stranger's model in a process of its own), model_worker (that process), containment (what it may
not do).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "verdict": ["Evaluation", "evaluate"],
    },
)
