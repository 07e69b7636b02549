"""Annotations."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "labelimg": ["read_labelimg", "write_labelimg"],
        "votes": ["VoteLog"],
        "kappa": ["agreement"],
    },
)
