"""Intermediate fusion: what one input cannot tell, what is missing, text beside features."""

import numpy as np
import pytest
from learn.networks.planted import block, features, fitted, names, one_hot, sequences, weights, xor

from triptych.core.config import Model
from triptych.learn import params
from triptych.learn.inputs import assemble
from triptych.learn.text import TextBlock

torch = pytest.importorskip("torch")
HEADS = ("concat", "gated", "bottleneck")
FAST = {"epochs": 40, "learning_rate": 0.005, "width": 16, "refit": False, "dropout": 0.1}


def section(head: str, inputs=("a", "b"), **more) -> dict:
    given = {**FAST, **({"heads": 2} if head == "bottleneck" else {}), **more.pop("params", {})}
    return {"inputs": list(inputs), "fusion": "intermediate", "head": head, "params": given, **more}


@pytest.mark.parametrize("head", HEADS)
def test_what_both_inputs_tell_together_is_learned(head):
    seen, heard, y = xor(320)
    targets, train, test = one_hot(y, 2), np.arange(240), np.arange(240, 320)
    blocks = [features(seen), features(heard)]
    network = fitted(section(head), blocks, train, targets[train])
    assert (network.predict_proba(test).argmax(axis=1) == y[test]).mean() > 0.9


def test_early_fusion_by_a_linear_head_cannot_learn_it():
    from triptych.learn import heads

    seen, heard, y = xor(320)
    targets, train, test = one_hot(y, 2), np.arange(240), np.arange(240, 320)
    left, right = assemble([features(seen), features(heard)], train, test)
    head = heads.make("logistic", {}, multi=False, inner=3, seed=0).fit(left, targets[train], names(240))
    assert (head.predict_proba(right).argmax(axis=1) == y[test]).mean() < 0.65


@pytest.mark.parametrize("head", HEADS)
def test_what_is_missing_is_its_embedding_and_no_row_of_zeros(head):
    seen, heard, y = xor(60)
    present = np.arange(60) % 3 > 0
    heard[~present] = 1e9  # never read
    network = fitted(
        section(head, params={"epochs": 2}), [features(seen), features(heard, present)], range(60), one_hot(y, 2)
    )
    before = network.predict_proba(np.arange(60))
    with torch.no_grad():
        network.layers["null"]["of"][1] += 3.0
    after = network.predict_proba(np.arange(60))
    changed = np.abs(after - before).max(axis=1)
    assert (changed[~present] > 1e-4).all() and (changed[present] == 0).all()


def gradient_of_null(modality_dropout: float):
    seen, heard, y = xor(60)
    given = {"epochs": 3, "modality_dropout": modality_dropout, "weight_decay": 0.0}
    network = fitted(section("gated", params=given), [features(seen), features(heard)], range(60), one_hot(y, 2))
    with_, without = network.layers["null"]["of"].detach(), None
    fresh = fitted(section("gated", params={**given, "learning_rate": 1e-30}), network.blocks, range(60), one_hot(y, 2))
    without = fresh.layers["null"]["of"].detach()
    return (with_ - without).abs().max(dim=1).values


def test_hiding_inputs_trains_the_embeddings_of_what_is_missing():
    assert (gradient_of_null(0.5) > 1e-3).all()
    assert (gradient_of_null(0.0) < 1e-9).all()


def test_inputs_are_hidden_by_chance_but_never_all():
    from triptych.learn.networks.modules import keep_some

    torch.manual_seed(0)
    present = torch.rand(4000, 3) < 0.6
    present[0] = False
    shown = keep_some(present, 0.5)
    assert not (shown & ~present).any()
    some = present.any(dim=1)
    assert shown[some].any(dim=1).all() and not shown[~some].any()
    three = shown[present.all(dim=1)]
    # Each alone half of the time, and the eighth of the rows that would lose all keep one of three.
    assert three.float().mean(dim=0).numpy() == pytest.approx([0.5 + 1 / 24] * 3, abs=0.05)
    assert torch.equal(keep_some(present, 0.0), present)


@pytest.mark.parametrize("head", HEADS)
def test_a_seed_gives_the_same_bytes_and_another_seed_others(head):
    seen, heard, y = xor(40)
    made = [
        weights(
            fitted(
                section(head, params={"epochs": 2}), [features(seen), features(heard)], range(40), one_hot(y, 2), seed=s
            )
        )
        for s in (5, 5, 6)
    ]
    assert made[0] == made[1] != made[2]


def test_sequences_text_and_features_side_by_side():
    """Each input tells one label; rows of text and of sequences are missing here and there."""
    values, starts, y = sequences(160, classes=2)
    random = np.random.default_rng(1)
    words, sight = random.integers(0, 2, (2, 160))
    documents = [f"the clip shows {'rain and wind' if one else 'sun and sand'}" for one in words]
    spoken = np.arange(160) % 8 > 0
    text = TextBlock(
        [document if there else "" for document, there in zip(documents, spoken, strict=True)],
        "tfidf",
        params.values_of(params.TEXT_PARAMS, {}),
    )
    blocks = [block(values, starts), features(random.normal(size=(160, 5)) + 3 * sight[:, None]), text]
    targets = np.stack([y, sight, words], axis=1).astype(bool)
    model = section("concat", text=["transcript"], params={"epochs": 60, "modality_dropout": 0.1})
    network = fitted(model, blocks, range(110), targets[:110], multi=True)
    test = np.arange(110, 160)
    hit = (network.predict_proba(test) > 0.5) == targets[test]
    assert hit[:, 0].mean() > 0.85 and hit[:, 1].mean() > 0.9
    assert hit[spoken[test], 2].mean() > 0.9 > hit[~spoken[test], 2].mean()
    assert np.isfinite(network.predict_proba(np.arange(160))).all()


def test_an_input_that_no_training_video_has_is_left_out():
    seen, heard, y = xor(60)
    present = np.arange(60) >= 40
    blocks = [features(seen), features(heard, present)]
    network = fitted(section("gated", params={"epochs": 2}), blocks, range(40), one_hot(y, 2)[:40])
    assert len(network.used) == 1
    assert np.isfinite(network.predict_proba(np.arange(60))).all()


def test_test_rows_have_no_say_in_training():
    seen, heard, y = xor(80)
    made = []
    for size in (0.0, 1e12):
        left, right = seen.copy(), heard.copy()
        left[60:] += size
        right[60:] -= size
        network = fitted(
            section("concat", params={"epochs": 2}), [features(left), features(right)], range(60), one_hot(y, 2)[:60]
        )
        made.append(weights(network))
    assert made[0] == made[1]


def test_parameters_are_checked_by_head():
    def faults(head, **given):
        return params.validate(Model.model_validate({**section(head), "params": given}), "m")

    assert faults("gated", width=32, modality_dropout=0.5, loss="focal") == []
    assert faults("bottleneck", width=30, heads=4) == ["models.m.params.heads: must divide `width` (30; given: 4)"]
    assert "no such parameter" in faults("gated", kernel=3)[0]
    assert faults("concat", modality_dropout=1.0) == [
        "models.m.params.modality_dropout: must be 0 or more, below 1 (given: 1.0)"
    ]
