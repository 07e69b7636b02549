"""Sampling (notebook 04): how many images of each keyword are wanted, and which accepted ones are drawn.

Read in this order: quotas (keyword counts and the two rules of CIFAR-10.1), draws (keyword-matched and uniform
samples), group_split (train and test by near-duplicate group), resampling (sample, check, blacklist, sample again),
cifar101 (the published draw, replayed).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "quotas": [
            "allocate",
            "counts_from_rows",
            "counts_from_table",
            "keyword_counts",
            "quotas_against_published",
            "seats_moved_per_class",
            "share_distance",
        ],
        "draws": ["STRATEGIES", "draw", "draw_uniform", "goals_report", "sample"],
        "group_split": ["split"],
        "resampling": ["blacklist_of"],
        "cifar101": ["published_replay"],
    },
)
