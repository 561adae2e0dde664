"""The model flattens cliffs, foretells, and takes trees where they foretell better."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution

from controllers import accuracy_model
from controllers.accuracy_model import (
    KERNEL_ROWS,
    ROWS,
    AccuracyModel,
    _folds,
    _missed,
    half_rank,
)
from controllers.candidates import draw
from controllers.encoding import Encoder, Features
from controllers.gaussian_process import fitted
from controllers.kernel import Kernel
from controllers.plain_space import PlainSpace

SPACE = PlainSpace({f"d{at}": CategoricalDistribution(["a", "b", "c"]) for at in range(8)})


def tokens(count: int, seed: int = 0) -> tuple[Features, np.ndarray]:
    rng = np.random.default_rng(seed)
    points = [draw(SPACE, rng) for _ in range(count)]
    return Encoder(SPACE)(points), np.array([point.tokens for point in points])  # type: ignore[attr-defined]


def worth(found: np.ndarray) -> np.ndarray:
    return np.asarray(found @ np.array([3.0, 2.0, 1.0, 0.5, 0, 0, 0, 0]))


@given(st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=40))
def test_half_rank_keeps_the_order_and_the_better_half(values: list[float]) -> None:
    given, found = np.array(values), half_rank(np.array(values))
    order = np.argsort(given, kind="stable")
    assert (np.diff(found[order]) >= -1e-9).all()
    assert ((np.diff(given[order]) > 0) == (np.diff(found[order]) > 0)).all()
    upper = given >= np.median(given)
    np.testing.assert_array_equal(found[upper], given[upper])
    assert (found[~upper] < np.median(given)).all()


def test_a_cliff_does_not_drown_the_rest() -> None:
    values = np.concatenate([np.full(5, -1e6), np.linspace(90, 94, 20)])
    assert half_rank(values).min() > 80


def test_a_great_weight_makes_no_bad_architecture_promising() -> None:
    """Low values are raised where nobody is misled: their worth stays the lowest."""
    features, found = tokens(50)
    weights = np.where(features.choices[:, 0] > 0, 4.0, 1.0)
    told = np.where(weights > 1, 0.01, worth(found)) * weights
    model = AccuracyModel(features, told, weights=weights)
    np.testing.assert_array_equal(
        np.argsort(model.values * weights, kind="stable"), np.argsort(told, kind="stable")
    )
    mean, _ = model.predict(features)
    assert (mean * weights)[weights > 1].max() < np.median(told)


def test_a_small_weight_makes_no_architecture_promising_either() -> None:
    """A hard target weighs slow networks by a fifth: low worth, and no reason to raise accuracy."""
    features, found = tokens(60)
    true = 0.8 + 0.01 * worth(found)
    weights = np.where(features.choices[:, 0] > 0, 0.2, 1.0)
    model = AccuracyModel(features, true * weights, weights=weights)
    assert model.values.max() <= true.max() + 1e-9
    mean, _ = model.predict(features)
    fast = weights == 1
    assert np.corrcoef(mean[fast], true[fast])[0, 1] > 0.8


def test_it_foretells_and_is_surer_of_what_it_saw() -> None:
    features, found = tokens(50)
    model = AccuracyModel(features, worth(found))
    assert not model.shape.trees
    fresh, truth = tokens(200, seed=4)
    mean, deviation = model.predict(fresh)
    assert np.corrcoef(mean, worth(truth))[0, 1] > 0.95
    assert model.predict(features)[1].mean() < deviation.mean()


def test_many_lessons_are_thinned_and_still_foretell() -> None:
    features, found = tokens(ROWS + KERNEL_ROWS)
    model = AccuracyModel(features, worth(found))
    fresh, truth = tokens(200, seed=4)
    assert np.corrcoef(model.predict(fresh)[0], worth(truth))[0, 1] > 0.98
    assert len(model.values) == ROWS + KERNEL_ROWS


def test_trees_are_taken_for_a_cliff_along_one_of_many_measures() -> None:
    rng = np.random.default_rng(0)

    def drawn(count: int) -> tuple[Features, np.ndarray]:
        points = [draw(SPACE, rng) for _ in range(count)]
        sizes = {point.key: rng.uniform(1, 9, size=8) for point in points}
        features = Encoder(SPACE, lambda point: tuple(sizes[point.key]))(points)
        above = np.array([sizes[point.key][0] > 5 for point in points], dtype=float)
        return features, above

    model = AccuracyModel(*drawn(150))
    assert model.shape.trees
    fresh, truth = drawn(200)
    assert np.corrcoef(model.predict(fresh)[0], truth)[0, 1] > 0.8


def test_equal_values_teach_nothing_and_break_nothing() -> None:
    features, _ = tokens(20)
    mean, deviation = AccuracyModel(features, np.full(20, 3.0)).predict(features)
    np.testing.assert_allclose(mean, 3.0, atol=1e-6)
    assert np.isfinite(deviation).all()


def test_the_process_is_judged_by_kernels_that_saw_none_of_the_values_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[np.ndarray] = []

    def watched(features: Features, values: np.ndarray, near: Kernel | None = None) -> Kernel:
        seen.append(values)
        return fitted(features, values, near)

    monkeypatch.setattr(accuracy_model, "fitted", watched)
    features, found = tokens(50)
    model = AccuracyModel(features, worth(found) + np.random.default_rng(1).normal(size=50))
    whole, *apart = seen
    left = [np.setdiff1d(whole, values) for values in apart]
    np.testing.assert_array_equal(np.sort(np.concatenate(left)), np.sort(whole))
    np.testing.assert_array_equal(model.shape.kernel.logs, fitted(features, whole).logs)


def test_the_trainings_of_a_network_are_left_out_together() -> None:
    networks = np.array([7, 3, 7, 5, 3, 9, 7, 1, 0, 0])
    folds = _folds(networks)
    np.testing.assert_array_equal(np.sum(folds, axis=0), np.ones(10))
    assert [{*networks[out]} for out in folds] == [{7, 0}, {3}, {5}, {9}, {1}]
    assert len(_folds(np.array([4, 4, 4, 2]))) == 2


def test_trees_are_taken_only_where_they_are_clearly_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, found = tokens(50)
    values = worth(found)
    ones, noise = np.ones(50), np.random.default_rng(0).normal(size=50)

    def trees(gain: np.ndarray) -> bool:
        monkeypatch.setattr(accuracy_model, "_missed", lambda *_: (ones, ones - gain))
        return AccuracyModel(features, values).shape.trees

    noise -= noise.mean()
    error = noise.std(ddof=1) / 50**0.5
    assert not trees(noise + 0.9 * error)
    assert trees(noise + 1.1 * error)


def test_what_each_network_repeats_is_no_reason_to_take_trees() -> None:
    """Values that hang together with nothing, each shown twice: both models foretell nothing."""
    features, _ = tokens(30)
    twice = np.repeat(np.arange(30), 2)
    values = np.random.default_rng(0).normal(size=30)[twice]

    def missed(networks: np.ndarray) -> float:
        kernel = fitted(features[twice], values)
        both = _missed(features[twice], values, kernel, networks)
        return min(each.sum() for each in both) / float(values @ values)

    assert missed(np.arange(60)) < 0.5 < 0.9 < missed(twice)
