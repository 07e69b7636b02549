"""The generalization analysis under its fixed names; the parts stand in the modules imported here.

Reads predictions and labels, never trains. Accuracies are 0-1, intervals 95 % unless `level` says otherwise.
"""

from cifar102.accuracies import accuracy_table
from cifar102.agreement_line import agreement_on_the_line
from cifar102.drop_terms import decompose
from cifar102.intervals import clopper_pearson
from cifar102.keyword_mixture import keyword_reweighted
from cifar102.lines import fit_line
from cifar102.model_pairs import mcnemar
from cifar102.robustness import effective_robustness
from cifar102.set_matrix import harder_or_different

__all__ = [
    "accuracy_table",
    "agreement_on_the_line",
    "clopper_pearson",
    "decompose",
    "effective_robustness",
    "fit_line",
    "harder_or_different",
    "keyword_reweighted",
    "mcnemar",
]
