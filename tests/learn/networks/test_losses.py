"""Losses: published reference numbers, identities between them, and numbers that stay finite."""

import numpy as np
import pytest

from triptych.learn.networks import losses

torch = pytest.importorskip("torch")
X = [[2.0, -1.0, 0.5, -3.5]]
Y = [[1.0, 0.0, 0.0, 0.0]]


def reference():
    return torch.tensor(X, dtype=torch.float64, requires_grad=True), torch.tensor(Y, dtype=torch.float64)


@pytest.mark.parametrize(
    ("gamma_neg", "gamma_pos", "clip", "expected"),
    [
        (4, 1, 0.05, 0.10695099),
        (4, 0, 0.05, 0.21874881),
        (0, 0, 0, 1.4440171),
        (2, 2, 0, 0.40189878),
        (9, 1, 0.05, 0.02074057),
    ],
)
def test_the_asymmetric_loss_gives_the_numbers_of_its_reference_code(gamma_neg, gamma_pos, clip, expected):
    x, y = reference()
    found = losses.asymmetric(x, y, gamma_neg=gamma_neg, gamma_pos=gamma_pos, clip=clip, reduction="sum")
    assert found.item() == pytest.approx(expected, abs=max(5e-9, 5e-8 * expected))


@pytest.mark.parametrize(
    ("detached", "expected"),
    [(True, [-0.014209, 0.000578, 0.059030, 0]), (False, [-0.027536, 0.002618, 0.208874, 0])],
)
def test_the_asymmetric_loss_has_the_gradients_of_its_reference_code(detached, expected):
    x, y = reference()
    losses.asymmetric(x, y, detach_weight=detached, reduction="sum").backward()
    assert x.grad[0].numpy() == pytest.approx(expected, abs=5e-7)


def test_the_defaults_are_those_of_the_reference_class():
    x, y = reference()
    assert losses.make("asymmetric", {})(x, y).item() * 4 == pytest.approx(0.10695099, rel=5e-8)


def test_without_focus_all_losses_of_several_labels_are_one():
    x, y = torch.randn(6, 5, dtype=torch.float64), (torch.rand(6, 5) < 0.4).double()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(x, y)
    assert losses.bce(x, y).item() == pytest.approx(expected.item())
    assert losses.focal(x, y, gamma=0).item() == pytest.approx(expected.item())
    assert losses.asymmetric(x, y, gamma_neg=0, gamma_pos=0, clip=0).item() == pytest.approx(expected.item())
    focused = losses.asymmetric(x, y, gamma_neg=2, gamma_pos=2, clip=0)
    assert losses.focal(x, y, gamma=2).item() == pytest.approx(focused.item())


def test_weights_are_those_of_torch_and_of_balancing():
    x, y = torch.randn(30, 3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[[0] * 20 + [1] * 8 + [2] * 2]
    weight = torch.tensor([0.5, 1.25, 5.0], dtype=torch.float64)
    expected = torch.nn.functional.cross_entropy(x, y.argmax(1), weight=weight, reduction="none").mean()
    assert losses.cross_entropy(x, y, weights=weight).item() == pytest.approx(expected.item())
    assert losses.term_weights(y.numpy().astype(bool), multi=False)[0] == pytest.approx([0.5, 1.25, 5.0])
    torchs = torch.nn.functional.binary_cross_entropy_with_logits(x, y, pos_weight=weight)
    assert losses.bce(x, y, pos_weight=weight).item() == pytest.approx(torchs.item())
    positive, negative = losses.term_weights(y.numpy().astype(bool), multi=True)
    assert positive * y.numpy().sum(0) == pytest.approx(negative * (1 - y.numpy()).sum(0))


def test_class_weights_make_a_rare_class_as_dear_as_a_frequent_one():
    y = np.eye(2, dtype=bool)[[0] * 9 + [1]]
    loss = losses.make("cross_entropy", {}, losses.term_weights(y, multi=False))
    x = torch.zeros(10, 2, requires_grad=True)
    loss(x, torch.tensor(y)).backward()
    assert x.grad[:9].sum(0).numpy() == pytest.approx(-x.grad[9].numpy())


@pytest.mark.parametrize("loss", [losses.bce, losses.focal, losses.asymmetric, losses.cross_entropy])
@pytest.mark.parametrize("size", [20.0, 500.0])
def test_confident_logits_leave_loss_and_slope_finite(loss, size):
    options = {"gamma": 0.5} if loss is losses.focal else {}
    options = {"gamma_neg": 0.5, "gamma_pos": 0.5} if loss is losses.asymmetric else options
    x = torch.tensor([[size, -size], [-size, size]], requires_grad=True)
    for y in ([[1, 0], [0, 1]], [[0, 1], [1, 0]]):
        value = loss(x, torch.tensor(y), **options)
        value.backward()
        assert torch.isfinite(value) and torch.isfinite(x.grad).all()


def test_the_mean_does_not_grow_with_the_batch_and_the_sum_does():
    x, y = torch.randn(4, 3), (torch.rand(4, 3) < 0.5).float()
    for loss in (losses.bce, losses.focal, losses.asymmetric):
        twice = loss(torch.cat([x, x]), torch.cat([y, y])).item()
        assert twice == pytest.approx(loss(x, y).item(), rel=1e-5)
        assert loss(x, y, reduction="sum").item() == pytest.approx(12 * loss(x, y).item(), rel=1e-5)
    with pytest.raises(ValueError, match="reduction must be mean, sum or none"):
        losses.bce(x, y, reduction="median")
