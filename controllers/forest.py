"""Extremely randomised trees (Geurts et al. 2006, doi 10.1007/s10994-006-6226-1)."""

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from controllers.encoding import Features

TREES = 30
LEAF = 2


class Forest:
    """What values of some architectures tell about others, as `GaussianProcess`; cliffs are fine.

    Args:
        features: of the n architectures.
        values: float64 [n].
    """

    noise = None
    """What a single training adds is not told apart from what the trees do not know."""

    def __init__(self, features: Features, values: np.ndarray) -> None:
        trees = ExtraTreesRegressor(TREES, min_samples_leaf=LEAF, max_features=0.5, random_state=0)
        self._trees = trees.fit(_table(features), values)
        self._features = features

    def predict(self, features: Features) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation over the trees, float64 [m] each."""
        table = _table(features).astype(np.float32)
        each = np.array([tree.tree_.predict(table)[:, 0] for tree in self._trees.estimators_])
        return each.mean(axis=0), np.maximum(each.std(axis=0), 1e-3)

    def at_known(self) -> np.ndarray:
        """Means of the n architectures themselves, float64 [n]."""
        return self.predict(self._features)[0]

    def believing(self, features: Features) -> "Forest":
        """Itself: trees that grow on their own means would not learn from them."""
        return self


def _table(features: Features) -> np.ndarray:
    return np.hstack([features.choices, features.measures])
