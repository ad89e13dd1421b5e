"""Ways of mapping one embedding to another. Rows are standardised by the training fold before they come here.

`ridge`, `pls` and `mlp` predict the target itself; `cca` and `infonce` bring both sides into a space that they share,
in which they are compared. What a method chooses, it chooses on training rows, groups kept together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from triptych.core.params import Param, complete, nearest
from triptych.core.params import faults as param_faults
from triptych.evaluate import retrieval
from triptych.learn.splits import assign

#: Inner folds that choose among components or penalties.
INNER = 3
#: Rows of a group up to which leaving it out is one block; larger ones are left out in parts.
LARGEST_BLOCK = 256
#: Penalties of ridge regression, as shares of the mean squared singular value of the training rows.
PENALTIES = tuple(10.0**power for power in np.arange(-4, 4.5, 0.5))
#: Numbers of components that PLS chooses among, and regularisations that CCA chooses among, in the same shares.
COMPONENTS = (1, 2, 3, 5, 8, 12, 20)
REGULARISATIONS = (0.01, 0.1, 1.0, 10.0)
#: What keeps the residuals of left-out groups finite where a group alone decides its own prediction.
SINGULAR = 1e-9
#: Singular values below this share of the largest are rounding noise.
NOISE = 1e-7

_NETWORK = {
    "hidden": Param(128, "width of the hidden layer", low=1, high=8192),
    "dropout": Param(0.1, "share of hidden units that are left out while training", low=0.0, high=0.9),
    "learning_rate": Param(0.001, "step of Adam", low=1e-6, high=1.0),
    "weight_decay": Param(0.0001, "L2 penalty", low=0.0, high=10.0),
    "epochs": Param(200, "most passes over the training videos", low=1, high=10_000),
    "patience": Param(20, "passes without a better validation loss before it stops", low=1, high=10_000),
    "batch": Param(256, "videos a step", low=2, high=100_000),
}
#: Method -> its parameters.
PARAMETERS: dict[str, dict[str, Param]] = {
    "ridge": {
        "penalty": Param(0.0, "in shares of the mean squared singular value; 0: chosen on training videos", low=0.0)
    },
    "pls": {"components": Param(0, "latent components; 0: chosen on training videos", low=0, high=1000)},
    "cca": {
        "components": Param(64, "canonical pairs that are compared, at most", low=1, high=4096),
        "regularisation": Param(0.0, "as `penalty` of ridge, of both sides; 0: chosen on training videos", low=0.0),
    },
    "mlp": _NETWORK,
    "infonce": _NETWORK
    | {
        "width": Param(64, "width of the shared space", low=1, high=4096),
        "temperature": Param(0.1, "cosines are divided by it", low=0.001, high=100.0),
    },
}
#: Methods that begin with random numbers.
SEEDED = ("mlp", "infonce")
#: Methods that compare in a space that they share, not in the target's own.
SHARED = ("cca", "infonce")


class Mapper(Protocol):
    """What maps rows of one feature to rows of another."""

    def fit(self, x: np.ndarray, y: np.ndarray, groups: Sequence[str]) -> Mapper:
        """Learn from rows (n, d) and (n, e) of the same videos, and their groups."""

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Where rows (n, d) of the source lie in the space that is compared in."""

    def place(self, y: np.ndarray) -> np.ndarray:
        """Where rows (n, e) of the target lie in it."""


def faults(method: str, given: Any) -> list[str]:
    """What is wrong with the parameters of a method, a line each."""
    if method not in PARAMETERS:
        return [f"{method}: there is no such method{nearest(method, PARAMETERS)}"]
    if not isinstance(given, Mapping):
        return [f"{method}: must be a mapping of parameters (given: {given!r})"]
    return [f"{method}.{one}" for one in param_faults(PARAMETERS[method], given)]


def make(method: str, given: Mapping[str, Any], seed: int, cache: Decompositions) -> Mapper:
    """A mapper, not yet fitted.

    Args:
        method: its name.
        given: its parameters of the study file.
        seed: of what is random.
        cache: decompositions that methods and pairs of features share.
    """
    params = complete(PARAMETERS[method], given)
    if method in SEEDED:
        from triptych.crossmodal.towers import Towers

        return Towers(params, contrastive=method == "infonce", seed=seed)
    return {"ridge": Ridge, "pls": Pls, "cca": Cca}[method](params, cache)


@dataclass(frozen=True)
class Decomposition:
    """Singular values of rows (n, d) that are above rounding noise: x = left * values @ right.T.

    Attributes:
        left: (n, r) orthonormal columns.
        values: (r,) singular values, from large to small.
        right: (d, r) orthonormal columns.
    """

    left: np.ndarray
    values: np.ndarray
    right: np.ndarray

    @property
    def scale(self) -> float:
        """Mean squared singular value: what penalties are shares of."""
        return float(np.mean(self.values**2)) if len(self.values) else 1.0


def decompose(x: np.ndarray) -> Decomposition:
    """The thin singular value decomposition, by the smaller of the two Gram matrices."""
    n, d = x.shape
    gram = x.T @ x if d <= n else x @ x.T
    squares, vectors = np.linalg.eigh(gram)
    order = np.argsort(squares)[::-1]
    squares, vectors = np.maximum(squares[order], 0.0), vectors[:, order]
    values = np.sqrt(squares)
    kept = values > NOISE * max(float(values[0]) if len(values) else 0.0, np.finfo(float).tiny)
    values, vectors = values[kept], vectors[:, kept]
    if d <= n:
        return Decomposition(x @ vectors / values, values, vectors)
    return Decomposition(vectors, values, x.T @ vectors / values)


class Decompositions:
    """Decompositions that were made already, by the identity of the rows; a fold makes a new one."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[np.ndarray, Decomposition]] = {}

    def of(self, x: np.ndarray) -> Decomposition:
        """The decomposition of `x`, made once for an array; arrays must not be changed."""
        if id(x) not in self._made:
            # The array is kept too, so that no other one gets its identity.
            self._made[id(x)] = (x, decompose(x))
        return self._made[id(x)][1]


class Ridge:
    """Ridge regression of all target columns at once; one penalty for all of them.

    The penalty is the one by which each group is predicted best from the others: leaving a group out has a closed form
    on the decomposition, so that all penalties cost about one fit.
    """

    def __init__(self, params: Mapping[str, Any], cache: Decompositions) -> None:
        self.params, self.cache = params, cache

    def fit(self, x: np.ndarray, y: np.ndarray, groups: Sequence[str]) -> Ridge:
        """See `Mapper.fit`."""
        parts = self.cache.of(x)
        turned = parts.left.T @ y
        self.penalty = float(self.params["penalty"]) or best_penalty(parts, turned, y, groups)
        shrunk = parts.values / (parts.values**2 + self.penalty * parts.scale)
        self.weights = parts.right @ (shrunk[:, None] * turned)
        self.chosen = {"penalty": self.penalty}
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Predicted targets."""
        return x @ self.weights

    def place(self, y: np.ndarray) -> np.ndarray:
        """The targets themselves."""
        return y


def best_penalty(parts: Decomposition, turned: np.ndarray, y: np.ndarray, groups: Sequence[str]) -> float:
    """The penalty with the least squared error of groups that are left out, each predicted from all others.

    With H the hat matrix, the residuals of a left-out group are (I - H_gg)^-1 (y - H y)_g.
    """
    blocks = _blocks(groups)
    # Groups of one size go together.
    stacks = [np.stack([rows for rows in blocks if len(rows) == size]) for size in sorted({*map(len, blocks)})]
    best = (np.inf, PENALTIES[-1])
    for penalty in reversed(PENALTIES):
        kept = parts.values**2 / (parts.values**2 + penalty * parts.scale)
        residual = y - parts.left @ (kept[:, None] * turned)
        error = 0.0
        for rows in stacks:
            left = parts.left[rows]
            # The mean is fitted too: 1/n is what it adds to the hat matrix.
            if rows.shape[1] == 1:
                inside = 1.0 - (left[:, 0] ** 2) @ kept - 1.0 / len(y)
                alone = residual[rows[:, 0]] / np.maximum(inside, SINGULAR)[:, None]
            else:
                inside = np.eye(rows.shape[1]) - (left * kept) @ left.transpose(0, 2, 1) - 1.0 / len(y)
                alone = np.linalg.solve(inside + SINGULAR * np.eye(rows.shape[1]), residual[rows])
            error += float((alone**2).sum())
        if error < best[0] * (1 - 1e-9):
            best = (error, penalty)
    return best[1]


def _blocks(groups: Sequence[str]) -> list[np.ndarray]:
    """Row numbers of each group, large groups in parts."""
    _, index = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    order = np.argsort(index, kind="stable")
    found = np.split(order, np.flatnonzero(np.diff(index[order])) + 1)
    return [part for rows in found for part in np.array_split(rows, -(-len(rows) // LARGEST_BLOCK))]


class Pls:
    """Partial least squares (scikit-learn's PLSRegression); the number of components is chosen on inner folds."""

    def __init__(self, params: Mapping[str, Any], cache: Decompositions) -> None:
        self.params = params

    def fit(self, x: np.ndarray, y: np.ndarray, groups: Sequence[str]) -> Pls:
        """See `Mapper.fit`."""
        most = int(np.linalg.matrix_rank(x)) if min(x.shape) <= max(COMPONENTS) else min(x.shape)
        # With one component fewer than rows the training videos are met exactly.
        most = max(1, min(most, len(x) - 1))
        wanted = int(self.params["components"])
        if wanted:
            count = min(wanted, most)
        else:
            listed = [one for one in COMPONENTS if one <= most] or [1]

            def fitted(rows: np.ndarray):
                parts = _pls(x[rows], y[rows], min(listed[-1], max(1, len(rows) - 1)))
                return lambda count, held: (_pls_predict(parts, x[held], count), y[held])

            count = choose(listed, fitted, groups)
        self.parts, self.count = _pls(x, y, count), count
        self.chosen = {"components": count}
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Predicted targets."""
        return _pls_predict(self.parts, x, self.count)

    def place(self, y: np.ndarray) -> np.ndarray:
        """The targets themselves."""
        return y


def _pls(x: np.ndarray, y: np.ndarray, count: int):
    """Rotations (d, k), loadings (e, k) and the means, of which fewer components are the first columns."""
    import warnings

    from sklearn.cross_decomposition import PLSRegression

    with warnings.catch_warnings():
        # Power iterations that end early, and a target that is explained before the last component.
        warnings.simplefilter("ignore")
        model = PLSRegression(n_components=count, scale=False, max_iter=200, tol=1e-5).fit(x, y)
    rotations, loadings = np.nan_to_num(model.x_rotations_), np.nan_to_num(model.y_loadings_)
    return rotations, loadings, x.mean(axis=0), y.mean(axis=0)


def _pls_predict(parts, x: np.ndarray, count: int) -> np.ndarray:
    rotations, loadings, mean_x, mean_y = parts
    return (x - mean_x) @ rotations[:, :count] @ loadings[:, :count].T + mean_y


class Cca:
    """Canonical correlations with a ridge on both sides (Vinod 1976), from the decompositions of both.

    A source is compared with a target along the canonical pairs, each weighted by its correlation: without the ridge,
    features wider than there are videos would all correlate perfectly.
    """

    def __init__(self, params: Mapping[str, Any], cache: Decompositions) -> None:
        self.params, self.cache = params, cache

    def fit(self, x: np.ndarray, y: np.ndarray, groups: Sequence[str]) -> Cca:
        """See `Mapper.fit`."""
        count = int(self.params["components"])
        ridge = float(self.params["regularisation"])
        if not ridge:

            def fitted(rows: np.ndarray):
                one, other = decompose(x[rows]), decompose(y[rows])

                def placed(penalty: float, held: np.ndarray):
                    source, target = _canonical(one, other, penalty, count)
                    return x[held] @ source, y[held] @ target

                return placed

            ridge = choose(REGULARISATIONS[::-1], fitted, groups)
        self.source, self.target = _canonical(self.cache.of(x), self.cache.of(y), ridge, count)
        self.chosen = {"regularisation": ridge, "components": self.source.shape[1]}
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Canonical variates of the source, each times its correlation: the expected ones of the target."""
        return x @ self.source

    def place(self, y: np.ndarray) -> np.ndarray:
        """Canonical variates of the target."""
        return y @ self.target


def _canonical(x: Decomposition, y: Decomposition, penalty: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (d, k) and (e, k) of the canonical pairs."""
    whitened = []
    for one in (x, y):
        length = np.sqrt(one.values**2 + penalty * one.scale)
        whitened.append((one.left * (one.values / length), one.right / length))
    (left_x, right_x), (left_y, right_y) = whitened
    a, correlations, b = np.linalg.svd(left_x.T @ left_y, full_matrices=False)
    root = np.sqrt(len(x.left))
    return root * right_x @ (a[:, :count] * correlations[:count]), root * right_y @ b[:count].T


def choose(candidates: Sequence[Any], fitted: Callable, groups: Sequence[str]) -> Any:
    """The candidate by which held-out training rows are found best: least mean rank, as a share of the rows held out.

    Args:
        candidates: the earlier one wins a tie.
        fitted: row numbers -> a function of (candidate, held-out row numbers) that gives queries and gallery.
        groups: (n,), which inner folds keep together.
    """
    if len(candidates) == 1 or len(set(groups)) < 2:
        return candidates[0]
    found = assign(list(groups), np.zeros((len(groups), 0), dtype=bool), min(INNER, len(set(groups))), "inner")
    of_row = np.array([found[group] for group in groups])
    loss = np.zeros(len(candidates))
    for fold in np.unique(of_row):
        learn, held = np.flatnonzero(of_row != fold), np.flatnonzero(of_row == fold)
        if len(learn) < 2 or len(held) < 2:
            continue
        placed = fitted(learn)
        for number, candidate in enumerate(candidates):
            rank = retrieval.ranks(*retrieval.places_of(*placed(candidate, held)))
            loss[number] += float(rank.sum()) / (len(held) - 1)
    return candidates[int(np.argmin(loss.round(9)))]
