"""How fast_cnn is trained for the best CIFAR-10 accuracy in the least processor time."""

from cifar102 import machine
from cifar102.train_config import TrainConfig

STUDY = "fast_cnn"
EPOCHS, EARLY_SHARE = 10, 1 / 3  # of the epochs see small images
FIELDS: dict[str, object] = {
    "model": "fast_cnn",
    "batch_size": 500,
    "augmentation": "alternate_flip+flip_crop",
    "augmentation_options": {"flip": False, "pad": 2, "reflect": True},
    "optimizer": "muon",
    "kernel_rate": 0.2,
    "learning_rate": 0.42,
    "momentum": 0.85,
    "weight_decay": 0.016,
    "label_smoothing": 0.2,
    "schedule": "one_cycle",
    "schedule_options": {"start_fraction": 1.0, "warmup_share": 0.0, "final_fraction": 0.0},  # straight to 0
    "early_size": 25,  # 24 after the first layer, then 12, 6 and 3: no pooling drops a row
    "norm_batches": 10,
    "test_views": "mirror_shift",
}


def fields(epochs: int) -> dict[str, object]:
    """The fields of a TrainConfig of so many epochs; in bfloat16 where that is fast.

    Sources: Jordan 2024, 94 % on CIFAR-10 in 3.29 seconds, arXiv 2404.00498 (network, augmentation, views), and Jordan
    et al. 2024, https://kellerjordan.github.io/posts/muon/ (optimizer, schedule).
    """
    early = round(epochs * EARLY_SHARE)
    small = {"early_epochs": early} if early else {"early_size": None}
    return {**FIELDS, "epochs": epochs, "precision": machine.fast_precision(), **small}


def config(epochs: int = EPOCHS, seed: int = 0, **changes: object) -> TrainConfig:
    """The config of one training on CIFAR-10's 50,000 images, tested on its 10,000. changes: further fields."""
    place = {"study": STUDY, "arm": f"epochs-{epochs}", "dataset": "cifar10", "evaluate_on": ("cifar10",)}
    return TrainConfig(**{**fields(epochs), **place, "seed": seed, **changes})
