"""CIFAR-10.2 on a laptop: build the data set, train baselines on it, measure generalization.

cifar, one room, holds the class names, ImageSet, and CIFAR's own files. The wings, from the ground up:

workspace    the folder of a run, and how its files are written
decisions    the decision tables that ship with the package
workflow     running the notebooks: steps, stamps, report
tiny_images  01: the binary pair and its candidates
annotations  02: what raters said, and what is accepted
analysis     08: from predictions to statements with intervals
datasets     every labelled set, the pools, our own release
dedup        03: the same image, or nearly
figures      tables drawn, with the same bytes on a rerun
sampling     04: quotas, draws and the split
models       the networks and their files
training     05 to 07: one run, and many
review       the pages on which people label and judge
studies      05 to 07: what is compared, and what it says
evaluation   somebody's own model beside the published ones
commands     the words of the command line

`help("cifar102.dedup")` says in which order to read a wing. A notebook takes what it needs from the wings:
`from cifar102 import dedup, figures`.
"""

import importlib
import os
from types import ModuleType

WINGS = (
    *("workspace", "cifar", "decisions", "workflow", "tiny_images", "annotations", "analysis", "datasets", "dedup"),
    *("figures", "sampling", "models", "training", "review", "studies", "evaluation", "commands"),
)

# oneDNN's kernels. TensorFlow leaves them off on processors without AVX512-VNNI, where convolutions then take 2.5 times
# as long. It reads the variable when it is imported; so it is set here, before any room can import TensorFlow.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def __getattr__(name: str) -> ModuleType:
    """Import a wing when it is first asked for: `import cifar102; cifar102.dedup`. Without lazy_loader, which is absent
    from the environment of the benchmarks' peer."""
    if name in WINGS:
        return importlib.import_module(f"cifar102.{name}")
    raise AttributeError(f"module 'cifar102' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*WINGS, "__doc__", "__name__", "__path__"])
