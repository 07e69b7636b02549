"""Annotations (notebook 02): what raters said of each candidate, who agrees with whom, and what is accepted.

Read in this order: votes (the log of verdicts and the rules of acceptance), kappa (agreement beyond chance), labelimg
(annotations of a labelling program, read and written).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "votes": ["VoteLog", "accepted_images", "disagreements", "tallies", "write_votes_csv", "yield_table"],
        "kappa": ["agreement", "agreement_by"],
        "labelimg": ["read_labelimg", "write_labelimg"],
    },
)
