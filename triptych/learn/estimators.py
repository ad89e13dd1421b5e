"""The classifiers behind the heads `logistic`, `mlp`, `knn`, `forest` and `hist_gradient_boosting`.

Each has fit(x, targets, groups, weights) and predict_proba(x); targets hold only classes with something to learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class _Estimator:
    """A classifier with its parameters.

    Args:
        point: one value for each parameter of the head.
        multi: several labels a video.
        seed: of everything random.
        threads: it may use.
    """

    def __init__(self, point: Mapping[str, Any], multi: bool, seed: int, threads: int) -> None:
        self.point, self.multi, self.seed, self.threads = point, multi, seed, threads


class Logistic(_Estimator):
    """Multinomial logistic regression; with several labels one binary regression each."""

    def fit(self, x, targets: np.ndarray, groups: Sequence[str], weights: np.ndarray | None) -> None:
        """Learn (L-BFGS)."""
        from sklearn.linear_model import LogisticRegression

        def one(y):
            model = LogisticRegression(C=self.point["C"], max_iter=self.point["max_iter"])
            return model.fit(x, y, sample_weight=weights)

        self.models = [one(column) for column in targets.T] if self.multi else [one(targets.argmax(axis=1))]

    def predict_proba(self, x) -> np.ndarray:
        """Probabilities (n, K)."""
        if self.multi:
            return np.stack([model.predict_proba(x)[:, 1] for model in self.models], axis=1)
        return self.models[0].predict_proba(x)


class Mlp(_Estimator):
    """A multi-layer perceptron (ReLU, Adam): softmax over classes, or a sigmoid a label."""

    def fit(self, x, targets: np.ndarray, groups: Sequence[str], weights: np.ndarray | None) -> None:
        """Learn; ends when the loss no longer falls, or after `max_iter` passes."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        self.model = MLPClassifier(
            hidden_layer_sizes=tuple(self.point["hidden"]),
            alpha=self.point["alpha"],
            learning_rate_init=self.point["learning_rate"],
            max_iter=self.point["max_iter"],
            batch_size=min(32, x.shape[0]),
            random_state=self.seed,
        )
        with warnings.catch_warnings():
            # The number of passes is a parameter of the user's, not a fault.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.lone = self.multi and targets.shape[1] == 1
            y = targets.astype(int) if self.multi and not self.lone else targets.argmax(axis=1)
            self.model.fit(x, targets[:, 0].astype(int) if self.lone else y, sample_weight=weights)

    def predict_proba(self, x) -> np.ndarray:
        """Probabilities (n, K)."""
        p = self.model.predict_proba(x)
        return p[:, 1:] if self.lone else p


class Knn(_Estimator):
    """Votes of the nearest neighbours, with one vote of the training prior, so that no probability is 0 or 1."""

    def fit(self, x, targets: np.ndarray, groups: Sequence[str], weights: np.ndarray | None) -> None:
        """Keep the training rows."""
        from sklearn.neighbors import NearestNeighbors

        count = min(self.point["neighbors"], x.shape[0])
        self.weights = np.ones(x.shape[0]) if weights is None else weights
        self.votes = targets.astype(float) * self.weights[:, None]
        self.prior = self.votes.sum(axis=0) / self.weights.sum()
        # brute: the same neighbours for dense and sparse rows, ties in the order of the rows.
        self.search = NearestNeighbors(n_neighbors=count, algorithm="brute", metric=self.point["metric"]).fit(x)

    def predict_proba(self, x) -> np.ndarray:
        """Probabilities (n, K)."""
        distance, index = self.search.kneighbors(x)
        strength = np.ones_like(distance)
        if self.point["weights"] == "distance":
            strength = 1.0 / np.maximum(distance, 1e-9)
            strength /= strength.mean(axis=1, keepdims=True)
        total = (strength * self.weights[index]).sum(axis=1, keepdims=True)
        return ((strength[:, :, None] * self.votes[index]).sum(axis=1) + self.prior) / (total + 1.0)


class Forest(_Estimator):
    """Random forest."""

    def fit(self, x, targets: np.ndarray, groups: Sequence[str], weights: np.ndarray | None) -> None:
        """Grow the trees on `threads` threads; the trees do not depend on how many."""
        from sklearn.ensemble import RandomForestClassifier

        share = self.point["max_features"]
        self.model = RandomForestClassifier(
            n_estimators=self.point["n_estimators"],
            max_features=share if isinstance(share, str) else float(share),
            min_samples_leaf=self.point["min_samples_leaf"],
            max_depth=self.point["max_depth"],
            random_state=self.seed,
            n_jobs=self.threads,
        )
        y = targets.astype(int) if self.multi else targets.argmax(axis=1)
        self.model.fit(x, y[:, 0] if self.multi and y.shape[1] == 1 else y, sample_weight=weights)
        # One thread from here on: several would add the trees' votes in an order that differs from run to run.
        self.model.n_jobs = 1

    def predict_proba(self, x) -> np.ndarray:
        """Probabilities (n, K)."""
        p = self.model.predict_proba(x)
        if not self.multi:
            return p
        return np.stack([one[:, 1] for one in p], axis=1) if isinstance(p, list) else p[:, 1:]


class HistGradientBoosting(_Estimator):
    """Gradient boosting of trees on binned columns; with several labels one model a label."""

    def fit(self, x, targets: np.ndarray, groups: Sequence[str], weights: np.ndarray | None) -> None:
        """Grow the trees."""
        from scipy import sparse
        from sklearn.ensemble import HistGradientBoostingClassifier

        dense = x.toarray() if sparse.issparse(x) else x

        def one(y):
            model = HistGradientBoostingClassifier(
                learning_rate=self.point["learning_rate"],
                max_iter=self.point["max_iter"],
                max_leaf_nodes=self.point["max_leaf_nodes"],
                min_samples_leaf=self.point["min_samples_leaf"],
                l2_regularization=self.point["l2"],
                # Its own validation split would part groups.
                early_stopping=False,
                random_state=self.seed,
            )
            return model.fit(dense, y, sample_weight=weights)

        self.models = [one(column) for column in targets.T] if self.multi else [one(targets.argmax(axis=1))]

    def predict_proba(self, x) -> np.ndarray:
        """Probabilities (n, K)."""
        from scipy import sparse

        dense = x.toarray() if sparse.issparse(x) else x
        if self.multi:
            return np.stack([model.predict_proba(dense)[:, 1] for model in self.models], axis=1)
        return self.models[0].predict_proba(dense)
