"""Agreement-on-the-line: exact where models err independently of the set, refused without models."""

import numpy as np
import pytest

from cifar102.analysis import model_pairs


def simulated(rng: np.random.Generator, n: int, shift: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Models of rising skill on images of rising difficulty; `shift` makes all images harder."""
    labels, difficulty = rng.integers(10, size=n), rng.standard_normal(n) + shift
    models = {}
    for k, skill in enumerate(np.linspace(0.3, 2.2, 8)):
        right = skill + 0.5 * rng.standard_normal(n) > difficulty
        models[f"m{k}"] = np.where(right, labels, (labels + 1 + rng.integers(9, size=n)) % 10)
    return models, labels


def test_accuracy_is_foretold_without_labels(rng: np.random.Generator) -> None:
    (original, labels), (new, new_labels) = simulated(rng, 20_000, 0), simulated(rng, 20_000, 0.5)
    found = model_pairs.agreement_on_the_line(original, new, labels, new_labels)
    drop = (found.models["original"] - found.models["new"]).mean()
    assert drop > 0.08
    assert found.r2 > 0.99
    assert found.mean_error_s < drop / 4
    assert found.mean_error_d < drop / 4


def test_same_set_twice_foretells_its_own_accuracy(rng: np.random.Generator) -> None:
    models, labels = simulated(rng, 2_000, 0)
    found = model_pairs.agreement_on_the_line(models, models, labels)
    assert (found.slope, found.intercept) == pytest.approx((1, 0), abs=1e-9)
    assert np.allclose(found.models["aline_s"], found.models["original"])
    assert np.allclose(found.models["aline_d"], found.models["original"])
    assert np.isnan(found.mean_error_s)


def test_agreements_are_shares_of_equal_answers(rng: np.random.Generator) -> None:
    models = {name: rng.integers(10, size=500) for name in "abc"}
    found = model_pairs.agreements(models)
    assert np.diag(found).tolist() == [1, 1, 1]
    assert found[0, 2] == found[2, 0] == pytest.approx((models["a"] == models["c"]).mean())


def test_two_models_or_other_models_are_refused(rng: np.random.Generator) -> None:
    models, labels = simulated(rng, 100, 0)
    few = {name: models[name] for name in ("m0", "m1")}
    with pytest.raises(ValueError, match="3 or more"):
        model_pairs.agreement_on_the_line(few, few, labels)
    with pytest.raises(ValueError, match="same 3 or more"):
        model_pairs.agreement_on_the_line(models, few, labels)
