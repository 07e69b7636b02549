"""Review: the pages on which people label candidates, judge pairs and settle disagreements.

Read in this order: server (Voila behind a token), widget (the page and its Python side), labelling_desk, pairs_desk,
judging_desk (blind to the score) and disagreements_desk (what each page asks and stores), sheets, pair_images and
overlays (the pictures it shows); pages/ holds the notebook and the front end.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "widget": ["disagreements", "judging", "labelling", "pages", "pairs"],
    },
)
