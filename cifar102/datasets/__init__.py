"""Data sets: every labelled set of images by its name, the pools that candidates come from, and our own release.

Read in this order: sets (`load` any set), lookup (a set, a file or a folder that a user names), pictures (one picture
as a viewer shows it), picture_sources (folders, parquet files and tars of them), splits (train and validation rows),
roles (of images in the placebo), origins (old or new), corruptions and corruption_sets (images made worse as in
CIFAR-10-C, and their folders), sources and downloads (where files of others live, fetched and checked), pools (demo,
cifar10, own), demo (the drawn pool), release (written, checked), release_sets (read back), release_cards (datasheet and
Croissant metadata).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "corruptions": ["corrupt"],
        "sets": ["all_of_cifar10", "class_names", "load", "load_human_votes", "load_noisy_labels"],
        "pools": ["describe_pool", "ensure_pool", "placebo_candidates", "pool_truth", "reference_sets"],
        "release": ["check_release", "write_release"],
    },
)
