"""Decisions that ship with the package, as small tables: which class a keyword belongs to, what was published.

README.md in this folder describes each file and its columns; tables is their one reader.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "tables": ["published_baselines", "published_claims", "published_study"],
    },
)
