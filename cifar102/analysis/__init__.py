"""Analysis (notebook 08): from predictions to statements about generalization, each with its interval.

It reads tables and arrays and never trains; no room reaches TensorFlow. Read in this order: predictions (what a model
says, and in which files), intervals (of shares and differences, and what a test set can show), accuracies (per model,
class and subset), gaps (between two test sets), protocol (what of a gap the protocol makes), lines (new on original
accuracy, effective robustness), joint_bootstrap (over models and images at once), model_pairs (McNemar, possible ranks,
agreement), rankings (of two sets), adaptivity (the best of many), paired_runs (arms of a study, seed by seed and image
by image), set_matrix (harder or different), discriminator (old or new), keyword_mixture, single_images, calibration,
corruption_tables (CIFAR-10-C), human_labels (CIFAR-10H and -N), published (the models of CIFAR-10.1), standard_models
(those of a line), scorecard (one model on every set), methods (a text to quote), chart_tables and run_tables
(statements and trainings as charts draw them).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "predictions": ["SetPredictions", "read_named_runs"],
        "intervals": [
            "clopper_pearson",
            "equivalence",
            "mean_equivalence",
            "mean_interval",
            "newcombe",
            "power_curve",
            "power_sentence",
            "power_table",
        ],
        "accuracies": ["accuracy_table", "gap_table", "leave_one_out_table"],
        "gaps": [
            "arm_scores",
            "class_gaps",
            "crossed_scores",
            "decompose",
            "own_slope",
            "placebo_gap",
            "placebo_gaps",
            "placebo_keywords",
            "placebo_slope",
            "pooled_keyword_pairs",
        ],
        "protocol": [
            "arm_to_publish",
            "batch_difference",
            "batch_sentence",
            "corrected_gap",
            "protocol_sentences",
            "protocol_table",
        ],
        "lines": ["effective_robustness", "fit_line"],
        "joint_bootstrap": ["joint_intervals"],
        "rankings": ["rank_agreement", "reversals"],
        "adaptivity": ["best_of_halves"],
        "model_pairs": ["agreement_on_the_line", "mcnemar"],
        "set_matrix": ["harder_or_different"],
        "keyword_mixture": ["keyword_reweighted"],
        "single_images": [
            "accuracy_by_entropy",
            "candidates_of_images",
            "copies_in_train",
            "difficulty_matched_gap",
            "difficulty_table",
            "entropy_curves",
            "gap_without_copies_table",
            "hard_images",
            "has_copy",
        ],
        "calibration": [
            "brier_parts",
            "calibration_by_set",
            "calibration_table",
            "debiased_calibration_error",
            "expected_calibration_error",
            "reliability_curves",
            "reliability_table",
        ],
        "discriminator": ["old_or_new_reading", "old_or_new_sentence", "old_or_new_table"],
        "corruption_tables": ["corruption_means", "corruption_table"],
        "human_labels": ["gap_by_labelling", "human_table", "people_disagree"],
        "published": [
            "PUBLISHED_HOME",
            "people_tables",
            "published_accuracies",
            "published_gap_without_copies",
            "published_scores",
            "published_slopes",
            "published_tables",
            "read_published_versions",
        ],
        "scorecard": ["judge"],
        "methods": ["MethodsFacts", "headline", "methods_text", "published_facts"],
        "run_tables": [
            "augmentation_bars",
            "continued_curves",
            "cost_rows",
            "curves_by_training_set",
            "difference_rows",
            "learning_curves",
            "mean_accuracies",
            "mean_curves",
            "mean_learning_curves",
            "rate_curves",
            "seed_points",
            "seed_points_by_test",
            "size_curve_rows",
            "with_intervals",
        ],
        "chart_tables": ["beside_published", "line_chart", "own_gap_rows", "published_gap_rows", "stack_tables"],
    },
)
