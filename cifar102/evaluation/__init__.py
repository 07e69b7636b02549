"""Evaluation: somebody's own model or predictions beside the published models (`evaluate`, `compare`).

Read in this order: verdict (one model judged: the record), ranking (several, with possible ranks), comparison (two, on
the same images), accuracy_tables (accuracies alone); score_texts, score_figures and pair_figures (how it is said and
drawn), records (what all of them give, and the folder it goes to), exports (the forms of others).

What is judged: test_sets (where the sets come from), answers (what a model says on them), sources (files, models and
code asked for it), prediction_tables (files of predictions as people have them; which set and which order),
prediction_files, prediction_json and prediction_text (their forms), prediction_columns (which column is what),
class_names (as people write them), meaning (what numbers stand for), functions (somebody's own code), inputs (what a
network takes).

A stranger's model file: contained (opened in a process of its own), model_worker (that process), containment (what it
may not do), open_model (what any format gives), keras_models, onnx_models, saved_models (the formats).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "verdict": ["evaluate"],
        "ranking": ["rank"],
        "comparison": ["compare"],
        "records": ["Record"],
    },
)
