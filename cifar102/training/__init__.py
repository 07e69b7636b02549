"""Training (notebooks 05 to 07): one run from its settings to its folder, and many of them.

Read in this order: config (the settings of a run), data (what it trains on), pipeline, augmentation and pixels
(images into a model), optimizers and callbacks, fitting (`fit`), predict (what a model says), runs (the folders on
disk and their table), run_records (runs as the repository keeps them), sweeps (many runs, a search), snapshots,
range_test, machine (devices and versions).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["TrainConfig"],
        "fitting": ["fit", "with_probabilities"],
        "sweeps": ["SEARCH_SPACE", "run_search", "sweep"],
        "runs": ["Run", "read_run", "runs_table", "write_runs_table"],
        "pipeline": ["augmented_images"],
        "range_test": ["propose_rate", "rate_range_test"],
        "snapshots": ["snapshot_table"],
    },
)
