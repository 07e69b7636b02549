"""Analysis."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "accuracies": ["accuracy_table"],
        "lines": ["fit_line"],
        "intervals": ["clopper_pearson"],
        "robustness": ["effective_robustness"],
        "agreement_line": ["agreement_on_the_line"],
        "model_pairs": ["mcnemar"],
        "drop_terms": ["decompose"],
        "keyword_mixture": ["keyword_reweighted"],
        "set_matrix": ["harder_or_different"],
    },
)
