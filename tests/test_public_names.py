"""The names that people and programs outside the repository call: each is there, under the wing it is promised in."""

import importlib
import inspect
import re
import subprocess
import sys

import pytest

import cifar102
from cifar102.workspace.folders import REPOSITORY

PROMISED = {
    "cifar": (
        "CLASS_NAMES load_cifar10(folder) load_cifar100(folder) read_batch(path) "
        "write_batch(path,images,labels,filenames,batch_label) keyword_of(filename)"
    ),
    "tiny_images": "TinyImages(folder) write_tiny_images(folder,images,metadata)",
    "sampling": "allocate(counts,per_class,top_k,rule) sample(candidates,quotas,seed) split(table,test_per_class,seed)",
    "annotations": "read_labelimg(folder) write_labelimg VoteLog(path) agreement(votes)",
    "dedup": (
        "exact_groups(images) nearest(queries,references,k) ssim(a,b,max_shift) "
        "pairs_above(images,references,threshold) near_duplicates(queries,references)"
    ),
    "datasets": "load(name,workspace)",
    "models": "build(name,num_classes)",
    "training": "TrainConfig fit(config,workspace) sweep(configs,scheduler)",
    "evaluation": "evaluate(model,sets) compare(first,second,sets) rank(models,sets)",
    "analysis": (
        "accuracy_table(predictions,labels) fit_line(original,new,axis) clopper_pearson(successes,n,level) "
        "effective_robustness agreement_on_the_line mcnemar decompose keyword_reweighted harder_or_different"
    ),
}
CASES = [(wing, call) for wing, calls in PROMISED.items() for call in calls.split()]


@pytest.mark.parametrize(("wing", "call"), CASES, ids=[f"{wing}.{call}" for wing, call in CASES])
def test_a_promised_name_is_there_with_its_arguments(wing: str, call: str) -> None:
    name, _, arguments = call.rstrip(")").partition("(")
    found = getattr(importlib.import_module(f"cifar102.{wing}"), name)
    accepted = inspect.signature(found).parameters if arguments else {}
    assert [argument for argument in arguments.split(",") if argument and argument not in accepted] == []


def test_the_methods_of_the_two_promised_classes_are_there() -> None:
    annotations, tiny_images = (importlib.import_module(f"cifar102.{name}") for name in ("annotations", "tiny_images"))
    assert {"append", "table"} <= set(dir(annotations.VoteLog))
    assert {"__len__", "keyword_range", "metadata", "images"} <= set(dir(tiny_images.TinyImages))
    line = importlib.import_module("cifar102.analysis").fit_line([0.8, 0.9, 0.95], [0.7, 0.82, 0.9], axis="linear")
    assert {"slope", "intercept", "r2", "p_value"} <= set(dir(line))


FACES = sorted(path.parent.name for path in (REPOSITORY / "cifar102").glob("*/__init__.py"))


@pytest.mark.parametrize("wing", FACES)
def test_every_name_of_a_face_is_there_and_its_docstring_names_every_room(wing: str) -> None:
    face = importlib.import_module(f"cifar102.{wing}")
    for name in getattr(face, "__all__", ()):
        assert getattr(face, name) is not None, name
    rooms = {path.stem for path in (REPOSITORY / "cifar102" / wing).glob("*.py")} - {"__init__"}
    assert {room for room in rooms if not re.search(rf"\b{room}\b", face.__doc__)} == set()


def test_the_package_names_every_wing() -> None:
    lines = importlib.import_module("cifar102").__doc__.splitlines()
    assert sorted(line.split()[0] for line in lines if re.match(r"\w+  +\w", line)) == FACES


def test_the_package_offers_its_wings_when_they_are_asked_for() -> None:
    code = "import cifar102, sys; assert 'cifar102.dedup' not in sys.modules; print(cifar102.dedup.ssim.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout == "ssim\n"
    assert set(cifar102.WINGS) <= set(dir(cifar102))
    assert sorted(cifar102.WINGS) == sorted(
        [*(face.parent.name for face in (REPOSITORY / "cifar102").glob("*/__init__.py")), "cifar"]
    )
