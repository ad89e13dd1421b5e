"""Each way of mapping against a plain computation of the same thing."""

import numpy as np
import pytest

from triptych.crossmodal import mappers, nulls
from triptych.crossmodal.towers import info_nce


def planted(n=60, d=8, e=5, seed=0, noise=0.5):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d))
    y = x @ random.normal(size=(d, e)) + noise * random.normal(size=(n, e))
    return tuple((one - one.mean(axis=0)) / one.std(axis=0) for one in (x, y))


@pytest.mark.parametrize("shape", [(40, 7), (12, 30), (9, 9)])
def test_the_decomposition_gives_the_rows_back(shape):
    x = np.random.default_rng(0).normal(size=shape)
    x -= x.mean(axis=0)
    parts = mappers.decompose(x)
    assert np.allclose(parts.left * parts.values @ parts.right.T, x)
    assert np.allclose(parts.left.T @ parts.left, np.eye(len(parts.values)))
    assert len(parts.values) == min(shape[0] - 1, shape[1]) and (np.diff(parts.values) <= 0).all()
    assert len(mappers.decompose(np.zeros(shape)).values) == 0


@pytest.mark.parametrize("shape", [(40, 7), (12, 30)])
def test_ridge_is_that_of_scikit_learn(shape):
    from sklearn.linear_model import Ridge

    x, y = planted(*shape)
    cache = mappers.Decompositions()
    model = mappers.make("ridge", {"penalty": 0.3}, 0, cache).fit(x, y, ["g"] * len(x))
    peer = Ridge(alpha=0.3 * cache.of(x).scale).fit(x, y)
    assert np.allclose(model.transform(x), peer.predict(x))


@pytest.mark.parametrize("size", [1, 3, 300])
def test_leaving_a_group_out_in_closed_form_is_leaving_it_out(size, monkeypatch):
    """The penalty that is chosen is the one that refitting without each group would choose."""
    from sklearn.linear_model import Ridge

    x, y = planted(n=30, noise=2.0)
    groups = [f"g{row // size}" if size < 300 else f"g{row % 2}" for row in range(len(x))]
    parts = mappers.decompose(x)
    errors = {}
    for penalty in mappers.PENALTIES:
        errors[penalty] = 0.0
        for group in sorted(set(groups)):
            held = np.array([one == group for one in groups])
            model = Ridge(alpha=penalty * parts.scale).fit(x[~held], y[~held])
            errors[penalty] += ((model.predict(x[held]) - y[held]) ** 2).sum()
    chosen = mappers.best_penalty(parts, parts.left.T @ y, y, groups)
    assert chosen == min(errors, key=errors.get)
    # In parts, a large group is no longer left out as one; all the same every row is left out.
    monkeypatch.setattr(mappers, "LARGEST_BLOCK", 2)
    assert sorted(np.concatenate(mappers._blocks(groups)).tolist()) == list(range(30))


def test_groups_that_are_alike_ask_for_a_stronger_penalty():
    """Copies in a group would make leaving single rows out choose no penalty at all."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(15, 40)), random.normal(size=(15, 4))
    x, y = (np.repeat(one - one.mean(axis=0), 3, axis=0) for one in (x, y))
    parts = mappers.decompose(x)
    alone = mappers.best_penalty(parts, parts.left.T @ y, y, [f"g{row}" for row in range(45)])
    grouped = mappers.best_penalty(parts, parts.left.T @ y, y, [f"g{row // 3}" for row in range(45)])
    assert alone < 0.01 < 10 < grouped


def test_pls_with_all_components_is_least_squares_and_fewer_are_its_first():
    x, y = planted(d=4)
    model = mappers.make("pls", {"components": 4}, 0, mappers.Decompositions()).fit(x, y, ["g"] * len(x))
    assert np.allclose(model.transform(x), x @ np.linalg.lstsq(x, y, rcond=None)[0], atol=1e-6)
    fewer = mappers.make("pls", {"components": 2}, 0, mappers.Decompositions()).fit(x, y, ["g"] * len(x))
    assert np.allclose(mappers._pls_predict(model.parts, x, 2), fewer.transform(x))


def test_canonical_correlations_are_those_of_their_definition():
    x, y = planted(n=200, d=4, e=3)
    cache = mappers.Decompositions()
    model = mappers.make("cca", {"regularisation": 1e-9}, 0, cache).fit(x, y, ["g"] * len(x))
    # Eigenvalues of Sxx^-1 Sxy Syy^-1 Syx are the squared correlations.
    wanted = np.linalg.eigvals(np.linalg.solve(x.T @ x, x.T @ y) @ np.linalg.solve(y.T @ y, y.T @ x))
    wanted = np.sort(np.sqrt(np.abs(wanted.real)))[::-1][:3]
    variates, own = model.transform(x), model.place(y)
    assert np.allclose((own.T @ own) / len(x), np.eye(3), atol=1e-6)
    assert np.allclose(variates.std(axis=0), wanted, atol=1e-6)
    found = [np.corrcoef(variates[:, one], own[:, one])[0, 1] for one in range(3)]
    assert np.allclose(found, wanted, atol=1e-6)


def test_wide_noise_is_not_correlated_for_all_that():
    """With more columns than videos an unregularised analysis finds correlations of 1 in noise."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 100)), random.normal(size=(30, 100))
    groups = [f"g{row}" for row in range(30)]
    model = mappers.make("cca", {}, 0, mappers.Decompositions()).fit(x - x.mean(0), y - y.mean(0), groups)
    loose = mappers.make("cca", {"regularisation": 1e-9}, 0, mappers.Decompositions())
    loose.fit(x - x.mean(0), y - y.mean(0), groups)
    assert np.linalg.norm(loose.transform(x).std(axis=0).max()) > 0.99
    assert model.chosen["regularisation"] in mappers.REGULARISATIONS


def test_the_contrastive_loss_is_its_formula():
    import torch

    random = np.random.default_rng(0)
    one, two = (torch.from_numpy(random.normal(size=(6, 4))) for _ in range(2))
    scores = np.array(
        [[float(a @ b / a.norm() / b.norm()) for b in two] for a in one],
    )
    powers = np.exp(scores / 0.2)
    rows, columns = (np.log(np.diag(powers) / powers.sum(axis=axis)).mean() for axis in (1, 0))
    assert float(info_nce(one, two, 0.2)) == pytest.approx(-(rows + columns) / 2)


def test_what_is_chosen_is_chosen_with_groups_kept_together():
    groups = [f"g{row // 4}" for row in range(24)]
    seen = []

    def fitted(rows):
        seen.append(rows)
        return lambda candidate, held: (np.eye(24)[held] * candidate, np.eye(24)[held])

    assert mappers.choose([0.0, 1.0, 2.0], fitted, groups) == 1.0
    for rows in seen:
        inside = {groups[row] for row in rows}
        assert all(row in rows for row in range(24) if groups[row] in inside) and len(inside) < 6


def test_permuted_pairs_move_whole_groups():
    groups = np.array(["a"] * 3 + ["b"] * 3 + ["c"] * 3, dtype=object)
    drawn = nulls.pairings(groups, 50, np.random.default_rng(0))
    assert all(sorted(one) == list(range(9)) for one in drawn.tolist())
    for one in drawn:
        assert all(len({groups[target] for target in one[start : start + 3]}) == 1 for start in (0, 3, 6))
    assert len({tuple(groups[one]) for one in drawn}) == 6
    uneven = nulls.pairings(np.array(["a", "a", "a", "b"], dtype=object), 20, np.random.default_rng(0))
    assert all(sorted(one) == [0, 1, 2, 3] for one in uneven.tolist())


def test_weighted_median_is_that_of_the_repeated_values():
    random = np.random.default_rng(0)
    values, weights = random.integers(0, 6, size=9).astype(float), random.integers(0, 4, size=(40, 9)).astype(float)
    weights[0] = 0
    found = nulls.weighted_median(values, weights)
    assert np.isnan(found[0])
    for row, median in zip(weights[1:], found[1:], strict=True):
        assert median == np.median(np.repeat(values, row.astype(int)))


def test_centroids_of_classes_without_training_videos_are_the_mean_of_all():
    y = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    train = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=bool)
    test = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)
    assert nulls.centroids(y, train, test).tolist() == [[2.0, 0.0], [1.0, 2.0], [0.0, 0.0]]
