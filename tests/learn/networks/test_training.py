"""Training: the same bytes twice, whole groups held out, the best pass kept, nothing global left behind."""

import numpy as np
import pytest

from triptych.learn.networks import training

torch = pytest.importorskip("torch")


def data(rows: int = 60, width: int = 8):
    random = np.random.default_rng(0)
    y = np.arange(rows) % 2
    x = random.normal(size=(rows, width)) + 0.4 * y[:, None]
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def fitted(seed: int, held=range(40, 60), **changes):
    x, y = data()
    with training.reproducible(seed, 1):
        module = torch.nn.Sequential(
            torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(16, 2)
        )

        def loss(rows):
            return torch.nn.functional.cross_entropy(module(x[rows]), y[rows])

        schedule = training.Schedule(**{"learning_rate": 0.01, "epochs": 30, "patience": 4, "batch": 16, **changes})
        history = training.train(module, loss, np.arange(40), np.array(held), schedule, seed)
        with torch.no_grad():
            final = loss(torch.tensor(list(held))).item() if len(held) else None
    return module, history, final


def bytes_of(module) -> bytes:
    return b"".join(value.numpy().tobytes() for value in module.state_dict().values())


def test_a_seed_gives_the_same_bytes_and_another_seed_others():
    torch.rand(7)
    first = bytes_of(fitted(3)[0])
    torch.manual_seed(99)
    assert bytes_of(fitted(3)[0]) == first
    assert bytes_of(fitted(4)[0]) != first


def test_the_best_pass_is_kept_and_patience_ends_training():
    _, history, final = fitted(0, learning_rate=0.05, epochs=200)
    assert len(history.held) < 200
    assert history.best == int(np.argmin(history.held)) + 1
    assert len(history.held) == history.best + 4
    assert final == pytest.approx(min(history.held), rel=1e-6)


def test_without_held_out_rows_all_passes_are_made():
    _, history, _ = fitted(0, held=[], epochs=7)
    assert (len(history.train), history.held, history.best) == (7, [], 7)


def test_nothing_global_is_left_changed():
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError), training.reproducible(1, 1):
        torch.rand(3)
        assert torch.are_deterministic_algorithms_enabled()
        raise RuntimeError
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == threads


def test_a_loss_that_is_not_finite_stops():
    x, _ = data()
    module = torch.nn.Linear(8, 1)
    with pytest.raises(FloatingPointError, match="lower `learning_rate`"), training.reproducible(0):
        training.train(module, lambda rows: module(x[rows]).mean() / 0, np.arange(9), None, training.Schedule(), 0)


def test_held_out_rows_are_whole_groups_with_every_class_on_both_sides():
    groups = [f"g{number // 3}" for number in range(90)]
    targets = np.eye(3, dtype=bool)[[number // 3 % 3 for number in range(90)]]
    for seed in range(5):
        learn, held = training.validation_rows(groups, targets, 0.2, seed)
        assert sorted([*learn, *held]) == list(range(90))
        assert not {groups[row] for row in learn} & {groups[row] for row in held}
        assert targets[learn].any(axis=0).all() and targets[held].any(axis=0).all()
        assert 0.1 <= len(held) / 90 <= 0.3
    assert [*training.validation_rows(groups, targets, 0.2, 1)[1]] == [
        *training.validation_rows(groups, targets, 0.2, 1)[1]
    ]
    different = {tuple(training.validation_rows(groups, targets, 0.2, seed)[1]) for seed in range(8)}
    assert len(different) > 1


def test_the_only_group_of_a_class_is_learned_from():
    groups = [f"g{number}" for number in range(20)]
    targets = np.eye(2, dtype=bool)[[0] * 19 + [1]]
    for seed in range(6):
        learn, _ = training.validation_rows(groups, targets, 0.2, seed)
        assert 19 in learn


def test_too_few_groups_hold_nothing_out():
    targets = np.eye(2, dtype=bool)[[0, 1] * 6]
    assert training.validation_rows(["a", "b", "c"] * 4, targets, 0.2, 0) is None
    assert training.validation_rows([f"g{number}" for number in range(12)], targets, 0.0, 0) is None


def test_batches_are_nearly_equal_and_hold_each_row_once():
    parts = list(training.batches(33, 32, torch.Generator().manual_seed(1)))
    assert [len(part) for part in parts] == [17, 16]
    assert sorted(torch.cat(parts).tolist()) == list(range(33))
