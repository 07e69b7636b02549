"""The published files that this project reads: where they live, their sizes and their pinned checksums."""

from dataclasses import dataclass
from pathlib import Path

KRIZ = "https://www.cs.toronto.edu/~kriz/"
CIFAR101 = "https://github.com/modestyachts/CIFAR-10.1/raw/d9982ab/datasets/"
CIFAR102 = "https://github.com/modestyachts/cifar-10.2/raw/521467a/"
CIFAIR = "https://github.com/cvjena/cifair/releases/download/v1.0/"
CIFAR10N = "https://github.com/UCSC-REAL/cifar-10-100n (data/CIFAR-10_human.npy)"  # no checksum is known here
CORRUPTIONS = (
    *("brightness", "contrast", "defocus_blur", "elastic_transform", "fog", "frost", "gaussian_blur", "gaussian_noise"),
    *("glass_blur", "impulse_noise", "jpeg_compression", "motion_blur", "pixelate", "saturate", "shot_noise", "snow"),
    *("spatter", "speckle_noise", "zoom_blur"),
)
CIFAR10_MEMBERS = {
    "cifar-10-batches-py/data_batch_1": "md5:c99cafc152244af753f735de768cd75f",
    "cifar-10-batches-py/data_batch_2": "md5:d4bba439e000b95fd0a9bffe97cbabec",
    "cifar-10-batches-py/data_batch_3": "md5:54ebc095f3ab1f0389bbae665268c751",
    "cifar-10-batches-py/data_batch_4": "md5:634d18415352ddfa80567beed471001a",
    "cifar-10-batches-py/data_batch_5": "md5:482c414d41f54cd18b22e5b47cb7c3cb",
    "cifar-10-batches-py/test_batch": "md5:40351d587109b95175f43aff81a1287e",
    "cifar-10-batches-py/batches.meta": "md5:5ff9c542aee3614f3951f8cda6e48888",
}
CIFAR100_MEMBERS = {
    "cifar-100-python/train": "md5:16019d7e3df5f24257cddd939b257f8d",
    "cifar-100-python/test": "md5:f0ef6b0ae62326f3e7ffdfab6717acfc",
    "cifar-100-python/meta": "md5:7973b15100ade9c7d40fb424638fde48",
}


@dataclass(frozen=True)
class Source:
    """One file at its home.

    checksum: `md5:`, `sha256:` or `git:` (sha1 of `blob {size}` + zero byte + content) and hexadecimal digits; size
    in bytes, None where none was published. folders: where below `raw/` the file is looked for; a download goes to
    the first. Archives are unpacked into `raw/` itself. members: what an archive must hold, with the checksum of each,
    empty where none was published.
    """

    name: str
    url: str
    checksum: str
    size: int | None = None
    folders: tuple[str, ...] = ("",)
    members: dict[str, str] | None = None


_ALL = (
    Source(
        "cifar-10-python.tar.gz",
        f"{KRIZ}cifar-10-python.tar.gz",
        "md5:c58f30108f718f92721af3b95e74349a",
        170_498_071,
        members=CIFAR10_MEMBERS,
    ),
    Source(
        "cifar-100-python.tar.gz",
        f"{KRIZ}cifar-100-python.tar.gz",
        "md5:eb9058c3a382ffc7106e4002c42a8d85",
        169_001_437,
        members=CIFAR100_MEMBERS,
    ),
    Source(
        "cifar10.1_v4_data.npy",
        f"{CIFAR101}cifar10.1_v4_data.npy",
        "sha256:5aaedc268df8f4cffca2ac0cf9e608ae1897a8cddb630c7a850a2ea8f6558e75",
        folders=("CIFAR-10.1", "CIFAR-10.1/datasets"),
    ),
    Source(
        "cifar10.1_v4_labels.npy",
        f"{CIFAR101}cifar10.1_v4_labels.npy",
        "sha256:1f9544300ded199539b6662364ce7fe6c2e1ea9f87408f06db4b1a6184cffb18",
        folders=("CIFAR-10.1", "CIFAR-10.1/datasets"),
    ),
    Source(
        "cifar10.1_v6_data.npy",
        f"{CIFAR101}cifar10.1_v6_data.npy",
        "sha256:2997188e5816f5bd545dc77771b6227828c28146049fcecf3fa10775474cacc6",
        folders=("CIFAR-10.1", "CIFAR-10.1/datasets"),
    ),
    Source(
        "cifar10.1_v6_labels.npy",
        f"{CIFAR101}cifar10.1_v6_labels.npy",
        "sha256:ae40beda001693674edc94d925ee8268cfe68905f8f9aff800c8dcdfcd6c9448",
        folders=("CIFAR-10.1", "CIFAR-10.1/datasets"),
    ),
    Source(
        "cifar102_train.npz",
        f"{CIFAR102}cifar102_train.npz",
        "git:817ff5f62c570547b0bc84fbab178842eb999503",
        folders=("cifar-10.2",),
    ),
    Source(
        "cifar102_test.npz",
        f"{CIFAR102}cifar102_test.npz",
        "sha256:e4fd6462bd5141ed293acd52ea570952f65d1bfd4ec9b068f87742f75a7a632e",
        6_393_664,
        folders=("cifar-10.2",),
    ),
    Source(
        "CIFAR-10-C.tar",
        "https://zenodo.org/records/2535967/files/CIFAR-10-C.tar",
        "md5:56bf5dcef84df0e2308c6dcbcbbd8499",
        2_918_471_680,
        members={f"CIFAR-10-C/{name}.npy": "" for name in (*CORRUPTIONS, "labels")},
    ),
    Source(
        "cifar10h-counts.npy",
        "https://github.com/jcpeterson/cifar-10h/raw/master/data/cifar10h-counts.npy",
        "sha256:9b36b4550349af56c79083356312eb4af856cc5fd3caf1f669d40b9d0bbb69ff",
        800_128,
        folders=("cifar-10h", "cifar-10h/data"),
    ),
    Source(
        "ciFAIR-10.zip",
        f"{CIFAIR}ciFAIR-10.zip",
        "md5:ca08fd390f0839693d3fc45c4e49585f",
        members={"ciFAIR-10/test_batch": ""},
    ),
    Source(
        "ciFAIR-100.zip",
        f"{CIFAIR}ciFAIR-100.zip",
        "md5:ddc236ab4b12eeb8b20b952614861a33",
        members={"ciFAIR-100/test": ""},
    ),
)
SOURCES = {source.name: source for source in _ALL}
# what can be downloaded, and the files each is made of; sets.REGISTRY says which data sets are read from it
DATASET_FILES = {
    "cifar10": ("cifar-10-python.tar.gz",),
    "cifar100": ("cifar-100-python.tar.gz",),
    "cifar10.1-v4": ("cifar10.1_v4_data.npy", "cifar10.1_v4_labels.npy"),
    "cifar10.1-v6": ("cifar10.1_v6_data.npy", "cifar10.1_v6_labels.npy"),
    "cifar10.2": ("cifar102_train.npz", "cifar102_test.npz"),
    "cifar10-c": ("CIFAR-10-C.tar",),
    "cifar10h": ("cifar10h-counts.npy",),
    "cifair10": ("ciFAIR-10.zip",),
    "cifair100": ("ciFAIR-100.zip",),
}


def find(name: str, raw: Path) -> Path:
    """Return where a file of SOURCES stands below `raw`; FileNotFoundError names its home and where to put it."""
    source = SOURCES[name]
    places = [Path(raw) / folder / name for folder in source.folders]
    for path in places:
        if path.is_file():
            return path
    raise FileNotFoundError(f"{places[0]} is not there: get it from {source.url} and put it into {places[0].parent}")
