"""Evaluation: somebody's own model or predictions beside the published models (`python -m cifar102 evaluate`).

Read in this order: verdict (a model judged on every set that is here), test_sets (where the sets come from), answers
(what a model says on them), prediction_tables (files of predictions as people have them; which set and which order),
prediction_files, prediction_json and prediction_text (their forms), prediction_columns (which column is what),
class_names (as people write them), meaning (what numbers stand for), contained (a stranger's model in a process of its
own), model_worker (that process), containment (what it may not do).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "verdict": ["Evaluation", "evaluate"],
    },
)
