"""Tiny Images (notebook 01): the binary pair of 80 million images, and the candidates that are taken from it.

Read in this order: pair (open, read and write the two files), metadata (the 768-byte record), keyword_index (where a
keyword's records stand), candidates (which keyword belongs to which class, and its records).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "pair": ["TinyImages", "write_tiny_images"],
        "candidates": ["decide_keywords", "extract_candidates", "keyword_table", "unreached_images"],
    },
)
