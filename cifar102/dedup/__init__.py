"""Dedup."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exact_copies": ["exact_groups"],
        "neighbours": ["nearest"],
        "similarity": ["ssim", "pairs_above"],
        "pair_table": ["near_duplicates"],
    },
)
