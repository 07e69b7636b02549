"""Near-duplicates (notebook 03): which images are the same photograph.

Read in this order: exact_copies (byte for byte), neighbours (Euclidean, exact), neighbour_table (of every image),
similarity (SSIM under small shifts) and block_means (its shortlist), gradients (the shortlist by edges), gate,
registration and likeness (one image laid on the other, and compared), registered_score, pair_table (the rules of this
project), planted_copies and calibration (what its score is fitted to), duplicate_rules (other rules, compared),
block_search (all of it at a million images), pair_union (pairs found from either side), ssim_check (a sample by
scikit-image), cleaning (a set without its copies), screening (what may be drawn), pair_sample and pair_judgements (what
people said without the score), duplicate_tables (what was found, as charts show it), kernels and ssim_kernels (the
compiled inner loops).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exact_copies": ["exact_groups", "exact_table"],
        "neighbours": ["nearest"],
        "similarity": ["pairs_above", "ssim"],
        "pair_table": ["SCORES", "VERDICTS", "near_duplicates"],
        "planted_copies": ["PLANTED_CHANGES", "plant_copies"],
        "duplicate_rules": ["rule_costs", "rule_curve", "rule_scores"],
        "block_search": ["search_blocks"],
        "neighbour_table": ["nearest_sentence", "nearest_table"],
        "pair_union": ["score_column", "search_both_ways"],
        "cleaning": ["dropped_rows"],
        "duplicate_tables": [
            "closest_test_pairs",
            "copies_per_set",
            "duplicate_shares",
            "pair_sheet",
            "pairs_at_threshold",
            "rule_cells",
            "rule_points",
            "similarity_histogram",
        ],
        "screening": [
            "TEST_SETS",
            "TRAIN_SET",
            "apply_pair_verdicts",
            "drawable",
            "judged_pairs",
            "read_pair_verdicts",
            "recall_table",
            "screen",
            "screen_workspace",
        ],
    },
)
