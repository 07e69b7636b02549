"""How fast_cnn is trained for the best CIFAR-10 accuracy in the least processor time."""

from cifar102.training import machine
from cifar102.training.config import TrainConfig

STUDY = "fast_cnn"
EPOCHS = 8
FIELDS: dict[str, object] = {
    "model": "fast_cnn",
    "batch_size": 2000,
    "augmentation": "alternate_flip+flip_crop",
    "augmentation_options": {"flip": False, "pad": 2, "reflect": True},
    "optimizer": "muon",
    "kernel_rate": 0.24,
    "learning_rate": 1.66,
    "momentum": 0.85,
    "weight_decay": 0.016,
    "label_smoothing": 0.2,
    "schedule": "one_cycle",
    "schedule_options": {"start_fraction": 1.0, "warmup_share": 0.0, "final_fraction": 0.0},  # straight to 0
    "norm_batches": 3,
    "test_views": "mirror_shift",
}
# About 10,000 images would be 5 steps an epoch; the rate of biases and last layer goes with the batch size.
FEW_IMAGES: dict[str, object] = {"batch_size": 500, "kernel_rate": 0.2, "learning_rate": 0.42, "norm_batches": 10}


def fields() -> dict[str, object]:
    """The fields of a TrainConfig for 50,000 images; in bfloat16 where that is fast.

    Sources: Jordan 2024, 94 % on CIFAR-10 in 3.29 seconds, arXiv 2404.00498 (network, augmentation, views), and Jordan
    et al. 2024, https://kellerjordan.github.io/posts/muon/ (optimizer, schedule, rates).
    """
    return {**FIELDS, "precision": machine.fast_precision()}


def config(epochs: int = EPOCHS, seed: int = 0, **changes: object) -> TrainConfig:
    """The config of one training on CIFAR-10's 50,000 images, tested on its 10,000. changes: further fields."""
    place = {"study": STUDY, "arm": f"epochs-{epochs}", "dataset": "cifar10", "evaluate_on": ("cifar10",)}
    return TrainConfig(**{**fields(), **place, "epochs": epochs, "seed": seed, **changes})
