"""Sampling."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "quotas": ["allocate"],
        "draws": ["sample", "draw"],
        "group_split": ["split"],
    },
)
