"""One-vs-rest support vector machines with probabilities, on one Gram matrix shared by all classes and inner folds.

scikit-learn's OneVsRestClassifier(SVC(probability=True)) computes the kernel again for each class and each of its five
calibration folds. Here it is computed once for the training fold; inner folds are parts of it, and all test decision
values are one matrix product. Calibration is Platt's sigmoid on decision values of inner folds of the same groups, so
that a group is never calibrated by a machine that has seen it. The same inner decisions choose C and gamma.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from triptych.learn import calibrate
from triptych.learn.splits import assign

#: Most rows of a Gram matrix (8 bytes a pair: 3.2 GB).
MOST_ROWS = 20_000


class _Machines:
    """Binary machines, one a class, with a sigmoid each; what kernel and linear ones share.

    Args:
        multi: classes are independent labels; else probabilities are normalised to sum one, and two classes share one
            machine.
        folds: inner folds of the calibration.
        seed: of inner folds and solvers.
        threads: machines that are solved at the same time.
    """

    def __init__(self, points: Sequence[dict], multi: bool, folds: int, seed: int, threads: int) -> None:
        self.points, self.multi, self.folds, self.seed, self.threads = points, multi, folds, seed, threads

    def fit(self, x, targets: np.ndarray, groups: Sequence[str], weights: np.ndarray | None = None):
        """Choose the parameters, calibrate on inner folds, fit on all rows.

        Args:
            x: (n, d) dense or CSR.
            targets: (n, K) bool; each column holds both values.
            groups: (n,) groups that inner folds keep together.
            weights: (n, K) weight of each row for each class, or None.
        """
        self.pair = not self.multi and targets.shape[1] == 2
        wanted = targets[:, 1:] if self.pair else targets
        weights = weights[:, 1:] if self.pair and weights is not None else weights
        inner = self._inner_folds(targets, groups)
        best = None
        for point in self.points:
            decision = self._inner_decisions(x, point, wanted, weights, inner)
            slopes = self._slopes(decision, wanted, weights)
            loss = self._loss(decision, slopes, targets, weights) if len(self.points) > 1 else 0.0
            if best is None or loss < best[0] - 1e-12:
                best = (loss, point, slopes)
        self.point, self.slopes = best[1], best[2]
        self._solve_all(x, self.point, np.arange(len(wanted)), wanted, weights, final=True)
        return self

    def predict_proba(self, x) -> np.ndarray:
        """Probabilities (n, K)."""
        return self._probability(self._decide(x), self.slopes)

    def _inner_folds(self, targets: np.ndarray, groups: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
        folds = min(self.folds, len(set(groups)))
        if folds < 2:
            return []
        found = assign(groups, targets, folds, f"calibrate {self.seed}")
        of_row = np.array([found[group] for group in groups])
        pairs = [(np.flatnonzero(of_row != fold), np.flatnonzero(of_row == fold)) for fold in range(folds)]
        return [(train, test) for train, test in pairs if len(train) and len(test)]

    def _inner_decisions(self, x, point, wanted, weights, inner) -> np.ndarray:
        """Decision values of rows by machines that have not seen their group; NaN where a class has none to learn."""
        decision = np.full(wanted.shape, np.nan)
        for train, test in inner:
            decision[test] = self._solve_all(x, point, train, wanted, weights, test=test)
        return decision

    def _slopes(self, decision, wanted, weights) -> np.ndarray:
        """Slope and offset of each class (K, 2); a class whose rows share one group keeps the plain sigmoid."""
        slopes = np.tile([1.0, 0.0], (wanted.shape[1], 1))
        for column in range(wanted.shape[1]):
            known = np.isfinite(decision[:, column])
            target = wanted[known, column]
            if target.any() and not target.all():
                w = None if weights is None else weights[known, column]
                slopes[column] = calibrate.platt(decision[known, column], target, w)
        return slopes

    def _probability(self, decision: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        p = calibrate.sigmoid(decision * slopes[:, 0] + slopes[:, 1])
        if self.pair:
            return np.concatenate([1 - p, p], axis=1)
        if self.multi:
            return p
        p = np.maximum(p, 1e-12)
        return p / p.sum(axis=1, keepdims=True)

    def _loss(self, decision, slopes, targets, weights) -> float:
        rows = np.isfinite(decision).all(axis=1)
        if not rows.any():
            return 0.0
        w = None if weights is None else (weights[rows] * (targets[:, 1:] if self.pair else targets)[rows]).sum(axis=1)
        w = None if w is None or not (w > 0).all() else w
        return calibrate.log_loss(self._probability(decision[rows], slopes), targets[rows], self.multi, w)

    def _map(self, work, items: Iterable):
        if self.threads == 1:
            return [work(item) for item in items]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(work, items))

    def _solve_all(self, x, point, train, wanted, weights, test=None, final=False):
        raise NotImplementedError

    def _decide(self, x) -> np.ndarray:
        raise NotImplementedError


class KernelSVC(_Machines):
    """RBF kernel. `points` hold `C` and `gamma` (`scale`: 1 / (d var), as in scikit-learn)."""

    def fit(self, x, targets, groups, weights=None):
        """See `_Machines.fit`.

        Raises:
            ValueError: more rows than a Gram matrix may have.
        """
        from sklearn.metrics.pairwise import euclidean_distances

        if x.shape[0] > MOST_ROWS:
            raise ValueError(
                f"svc: {x.shape[0]} training videos; a Gram matrix may have {MOST_ROWS}: use `head: linear_svc`, "
                f"`head: logistic`, or `balance: under+over`"
            )
        self.x, self.gram, self.gram_of = x, None, None
        self.distances = euclidean_distances(x, squared=True)
        super().fit(x, targets, groups, weights)
        del self.distances, self.gram
        return self

    def _gamma(self, gamma) -> float:
        if gamma != "scale":
            return float(gamma)
        variance = (
            (self.x.multiply(self.x)).mean() - self.x.mean() ** 2 if hasattr(self.x, "multiply") else self.x.var()
        )
        return 1.0 / (self.x.shape[1] * variance) if variance > 0 else 1.0

    def _kernel(self, gamma) -> np.ndarray:
        if self.gram_of != gamma:
            self.gram, self.gram_of = np.exp(-self._gamma(gamma) * self.distances), gamma
        return self.gram

    def _solve_all(self, x, point, train, wanted, weights, test=None, final=False):
        gram = self._kernel(point["gamma"])
        part = gram if final else gram[np.ix_(train, train)]

        def solve(column: int):
            w = None if weights is None else weights[train, column]
            return _solve(part, wanted[train, column], point["C"], w)

        solved = self._map(solve, range(wanted.shape[1]))
        coefficients = np.stack([one[0] for one in solved], axis=1)
        offsets = np.array([one[1] for one in solved])
        if final:
            used = np.flatnonzero((coefficients != 0).any(axis=1))
            self.support, self.coefficients, self.offsets = x[used], coefficients[used], offsets
            self.width = self._gamma(point["gamma"])
            self.x = None
            return None
        return gram[np.ix_(test, train)] @ coefficients + offsets

    def _decide(self, x) -> np.ndarray:
        from sklearn.metrics.pairwise import euclidean_distances

        gram = np.exp(-self.width * euclidean_distances(x, self.support, squared=True))
        return gram @ self.coefficients + self.offsets


def _solve(gram: np.ndarray, target: np.ndarray, c: float, weights: np.ndarray | None) -> tuple[np.ndarray, float]:
    """Dual coefficients (n,) and offset of one binary machine (libsvm); NaN offset when one class is absent."""
    from sklearn.svm import SVC

    coefficients = np.zeros(len(target))
    if target.all() or not target.any():
        return coefficients, np.nan
    machine = SVC(kernel="precomputed", C=c, cache_size=500).fit(gram, target, sample_weight=weights)
    coefficients[machine.support_] = machine.dual_coef_[0]
    return coefficients, float(machine.intercept_[0])


class LinearSVC(_Machines):
    """Linear machines in the primal (liblinear, squared hinge). `points` hold `C`."""

    def _solve_all(self, x, point, train, wanted, weights, test=None, final=False):
        from sklearn.svm import LinearSVC as Solver

        part = x[train]

        def solve(column: int):
            target = wanted[train, column]
            if target.all() or not target.any():
                return np.zeros(x.shape[1]), np.nan
            solver = Solver(C=point["C"], dual="auto", random_state=self.seed, max_iter=5000)
            solver.fit(part, target, sample_weight=None if weights is None else weights[train, column])
            return solver.coef_[0], float(solver.intercept_[0])

        # liblinear draws from one global generator: machines are solved one after another.
        solved = [solve(column) for column in range(wanted.shape[1])]
        coefficients, offsets = np.stack([one[0] for one in solved], axis=1), np.array([one[1] for one in solved])
        if final:
            self.coefficients, self.offsets = coefficients, offsets
            return None
        return np.asarray(x[test] @ coefficients) + offsets

    def _decide(self, x) -> np.ndarray:
        return np.asarray(x @ self.coefficients) + self.offsets
