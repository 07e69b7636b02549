"""Analysis."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "accuracies": ["accuracy_table"],
        "lines": ["fit_line", "effective_robustness"],
        "intervals": ["clopper_pearson"],
        "model_pairs": ["agreement_on_the_line", "mcnemar"],
        "gaps": ["decompose"],
        "keyword_mixture": ["keyword_reweighted"],
        "set_matrix": ["harder_or_different"],
    },
)
