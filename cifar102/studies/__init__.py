"""Studies (notebooks 05 to 07): which trainings are compared, and what their differences say.

Read in this order: arms (the arms of every study), baselines (the networks of notebook 05 and their recipes), scores
(what each run scores, image by image), comparisons (paired statistics), verdicts (on published claims), superclasses
(of CIFAR-100), placebo (what the protocol does to accuracy when nothing has changed), closed_form (its classifiers),
rotations (its networks), old_or_new (can a network tell the two test sets apart).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "arms": ["CUTMIX", "STUDY_DATASET", "STUDY_METRIC", "reference_arms", "study_configs"],
        "baselines": [
            "AUGMENTATION_STUDY",
            "TEST_SETS",
            "TRAINING_SETS",
            "TRAINING_SETS_STUDY",
            "WHOLE_STUDY",
            "augmentation_configs",
            "augmentation_table",
            "baseline_recipe",
            "baseline_summary",
            "cyclical_configs",
            "leak_table",
            "training_set_configs",
            "whole_configs",
        ],
        "closed_form": ["closed_form_classifiers"],
        "comparisons": [
            "activation_map",
            "beside_best_arm",
            "describe_result",
            "size_curve",
            "study_table",
        ],
        "old_or_new": ["run_old_or_new"],
        "placebo": ["near_duplicate_pairs", "run_placebo"],
        "rotations": ["run_rotations"],
        "scores": ["metric_values"],
        "superclasses": ["coarse_beside_fine", "coarse_difference", "parents_of_classes", "sum_by_parent"],
        "verdicts": ["write_verdicts"],
    },
)
