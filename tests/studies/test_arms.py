import pytest

from cifar102.decisions import tables
from cifar102.studies import arms

SMALL = {"seeds": (0, 1), "num_train": 800, "num_validation": 200, "epochs": 3}
NAMED = (
    "baseline augmentation pooling padding batch_norm l2 activation_optimizer optimizers dataset_size wrn cifar100 leak"
)


def test_every_study_of_the_interfaces_exists():
    assert set(arms.STUDIES) == {*NAMED.split(), "set_and_size"}


@pytest.mark.parametrize("study", arms.STUDIES)
def test_runs_of_a_study_have_folders_of_their_own_and_the_same_arms_for_each_seed(study):
    configs = arms.study_configs(study, **SMALL)
    assert len({config.folder for config in configs}) == len(configs)
    first, second = ([config.arm for config in configs if config.seed == seed] for seed in (0, 1))
    assert first == second


@pytest.mark.parametrize("study", [name for name in arms.STUDIES if name != "baseline"])
def test_arms_of_one_seed_differ_in_something_that_counts(study):
    configs = [config.replace(arm="same") for config in arms.study_configs(study, **SMALL) if config.seed == 0]
    assert len({str(config) for config in configs}) == len(configs)


def test_the_grid_of_activations_and_optimizers_has_35_cells_with_early_stopping():
    configs = arms.study_configs("activation_optimizer", **{**SMALL, "seeds": (0,)})
    assert len(configs) == 35
    assert all(config.patience >= 3 for config in configs)


@pytest.mark.parametrize("study", arms.STUDIES)
def test_every_published_arm_and_every_claim_names_an_arm_that_exists(study):
    known = set(arms.order(study))
    claims = tables.published_claims().fillna("")
    claims = claims[claims["study"] == study]
    assert set(tables.published_study(study)) <= known
    assert (set(claims["arm"]) | set(claims["reference"])) - {"", "*"} <= known


def test_each_optimizer_starts_from_its_own_copy_of_the_checkpoint_of_its_seed():
    configs = arms.study_configs("optimizers", **SMALL, num_arms=2)
    starts = {(config.arm, config.seed): config.start_from for config in configs}
    assert starts["rmsprop", 1] == "runs/optimizers/checkpoint/seed-1"
    folders = [config.folder for config in configs]
    for position, config in enumerate(configs):
        assert config.start_from is None or config.start_from in folders[:position]


def test_sizes_end_at_what_is_available_and_both_sets_have_them():
    configs = arms.study_configs(
        "dataset_size", seeds=(0,), num_train=5000, num_validation=0, epochs=1, available={"cifar102": 2000}
    )
    sizes = {name: [c.num_train for c in configs if c.dataset == name] for name in ("cifar10", "cifar102")}
    assert sizes == {"cifar10": [1000, 2500, 5000], "cifar102": [1000, 2000]}
    assert all(config.evaluate_on == ("cifar10", "cifar102") for config in configs)


def test_tiny_sizes_still_give_a_curve():
    assert arms.size_steps(200, (1000, 2500)) == [25, 50, 100, 200]


def test_an_arm_is_evaluated_only_on_sets_with_its_classes():
    configs = arms.study_configs("cifar100", **SMALL, evaluate_on=("cifar100-fine", "cifar100-coarse"))
    assert {(config.dataset, *config.evaluate_on) for config in configs} == {
        ("cifar100-fine", "cifar100-fine"),
        ("cifar100-coarse", "cifar100-coarse"),
    }


def test_overrides_reach_all_arms_but_never_the_factor():
    configs = arms.study_configs(
        "pooling", **SMALL, model_options={"pooling": "max", "filters": [4, 8]}, learning_rate=0.5
    )
    assert {config.learning_rate for config in configs} == {0.5}
    assert [config.model_options["pooling"] for config in configs[:3]] == ["max", "average", "max_then_average"]
    assert all(config.model_options["filters"] == [4, 8] for config in configs)


def test_references_are_partners_on_the_first_set_or_the_first_version():
    of_sizes = ["1000+on+cifar10", "1000+on+cifar102", "2000+on+cifar10"]
    assert arms.reference_arms("dataset_size", of_sizes)["1000+on+cifar102"] == "1000+on+cifar10"
    assert arms.reference_arms("cifar100", ["fine-first", "fine-final"])["fine-final"] == "fine-first"
    assert arms.reference_arms("optimizers", ["checkpoint", "adam"])["adam"] == "checkpoint"
    assert arms.reference_arms("pooling", ["max", "average"]) == {"max": "max", "average": "max"}


def test_an_unknown_study_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="pooling"):
        arms.study_configs("poolling", **SMALL)
