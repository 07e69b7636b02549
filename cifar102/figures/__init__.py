"""Figures: tables drawn, each figure from its own .csv and .json, with the same bytes on a rerun.

Read in this order: drawing (the one style; `draw` and `redraw`), charts and accuracy_charts (the plot functions),
marks (axes and colours they share), sheets (contact sheets of images), tiles (small images laid out on a page),
dashboards (a data set and a run looked at), generalization (the figures of notebook 08),
scorecards (those of `evaluate` and `compare`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "drawing": ["draw", "draw_panels", "draw_sheet", "redraw"],
        "charts": ["bars", "curves", "histogram", "horizontal_bars", "matrix", "points_per_seed", "scatter"],
        "accuracy_charts": ["gap_bars", "interval_rows", "original_against_new", "reliability"],
        "sheets": ["has_images", "network_diagram"],
        "dashboards": [
            "channel_histograms",
            "channel_statistics",
            "class_counts",
            "class_scores",
            "confusion_table",
            "draw_dashboard",
            "keyword_counts",
            "mean_images",
            "mistake_table",
            "normalized_probabilities",
            "pixel_sheet",
            "prediction_sheet",
            "samples_by_class",
        ],
        "generalization": [
            "draw_accuracies",
            "draw_agreement_line",
            "draw_class_gaps",
            "draw_confusion_difference",
            "draw_copy_gaps",
            "draw_drop_terms",
            "draw_gaps",
            "draw_human_entropy",
            "draw_keywords",
            "draw_power",
            "draw_protocol",
            "draw_ranks",
            "draw_reliability",
            "draw_robustness",
            "draw_set_matrix",
        ],
    },
)
