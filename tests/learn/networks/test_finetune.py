"""Fine-tuned text: learns a planted word, takes over finished fits and gives the same bytes, leaves a checkpoint."""

import itertools
import json
import logging
import pickle
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from learn.world import World, accuracy, planted, table
from support import CHECKOUT
from tiny import text as tiny

from triptych.commands import catalogue, check, models
from triptych.core import weights
from triptych.core.config import Model, Study
from triptych.learn import params
from triptych.learn.inputs import SequenceBlock
from triptych.learn.networks import checkpoint, finetune, spill, training
from triptych.learn.networks.finetune import FineTuned
from triptych.learn.networks.joint import JointNetwork
from triptych.learn.text import TextRows

TASK = {"label": "topic", "group": "film", "folds": 3}
PLANTED = {"sea": "ships", "zoo": "garden", "bank": "grass"}
#: Of the tokenizer's own sentences, and none that tells a class.
FILL = ["in", "the", "and", "a", "of", "on", "after", "was", "calm", "to", "late", "because"]
#: A random body has all to learn.
QUICK = {"epochs": 15, "learning_rate": 5e-3, "batch": 8, "validation": 0.2, "patience": 6, "max_length": 16}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny.build_distilbert(tmp_path_factory.mktemp("base") / "distilbert", longest=32, spread=0.1)


def sentences(rows: list[dict], words: int = 6, seed: int = 0) -> dict[str, str]:
    """Filler, and in a labelled row the word of its class somewhere."""
    random = np.random.default_rng(seed)
    found = {}
    for number, row in enumerate(sorted(rows, key=lambda row: row["slug"])):
        said = random.choice(FILL, words).tolist()
        labels = [one for one in row["fields"]["topic"].split(";") if one] or [sorted(PLANTED)[number % 3]]
        for label in labels:
            said.insert(int(random.integers(len(said) + 1)), PLANTED[label])
        found[row["slug"]] = " ".join(said)
    return found


def world(folder, sizes=None, unlabelled=0, **task) -> World:
    rows = table(sizes or {name: [3] * 6 for name in PLANTED}, unlabelled)
    one = World(folder, rows, {**TASK, **task}).prepare()
    one.texts = sentences(rows)
    return one


def section(base, seeds=1, **changes) -> dict:
    return {
        "text": ["words"],
        "head": "finetune",
        "seeds": seeds,
        "params": {"model": str(base), **QUICK, **changes},
    }


def test_a_planted_word_is_learned_out_of_fold(tmp_path, base):
    one = world(tmp_path, unlabelled=3)
    assert accuracy(one.run("m", section(base))) > 0.9
    assert not (tmp_path / "m.parquet.parts").exists()


def held_loss(tuned: FineTuned, rows, targets, groups) -> float:
    """Mean negative log-probability of the rows that training was stopped by."""
    parted = training.validation_rows(groups, targets, tuned.params["validation"], tuned.seed)
    p = tuned.predict_proba(rows[parted[1]])
    return float(-np.log((p * targets[parted[1]]).sum(axis=1)).mean())


def given(count: int = 24, seed: int = 0, long: int = 0):
    """Texts, and (rows, targets, groups) of a training fold of three classes."""
    random = np.random.default_rng(seed)
    names = sorted(PLANTED)
    texts = []
    for number in range(count):
        said = random.choice(FILL, 5 + long).tolist()
        texts.append(" ".join([*said, PLANTED[names[number % 3]]]))
    targets = np.eye(3, dtype=bool)[np.arange(count) % 3]
    return TextRows(texts), np.arange(count), targets, [f"g{number // 3}" for number in range(count)]


def tuned_of(base, block, multi=False, seed=0, **changes) -> FineTuned:
    model = Model.model_validate(section(base, **changes))
    return FineTuned(model, [block], multi=multi, seed=seed, threads=1)


def test_the_best_pass_is_restored_and_training_ends_when_it_no_longer_gets_better(base, caplog):
    block, rows, targets, groups = given()
    targets = np.random.default_rng(1).permutation(targets)  # nothing to find: what is learned by heart does harm
    with caplog.at_level(logging.INFO, "triptych.finetune"):
        tuned = tuned_of(base, block, epochs=30, patience=2).fit(rows, targets, groups)
    told = [float(one) for one in re.findall(r"validation loss ([\d.]+)", caplog.text)]
    assert len(told) == tuned.epochs < 30 and tuned.best == tuned.epochs - 2 == int(np.argmin(told)) + 1
    assert held_loss(tuned, rows, targets, groups) == pytest.approx(min(told), abs=1e-4)
    assert re.search(r"epoch 1 of 30: loss [\d.]+, validation loss [\d.]+, [\d.]+ s", caplog.text)


def test_without_held_out_rows_all_passes_are_made(base):
    block, rows, targets, groups = given(9)
    tuned = tuned_of(base, block, epochs=2, validation=0.0).fit(rows, targets, groups)
    assert tuned.epochs == tuned.best == 2


def test_the_rate_rises_and_falls_and_biases_do_not_decay(base):
    rates = [finetune.rate(step, 10, 0.3) for step in range(10)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0] and rates[3:] == sorted(rates[3:], reverse=True) and rates[-1] > 0
    assert finetune.rate(0, 4, 0.0) == 1.0
    block, rows, targets, groups = given(12)
    tuned = tuned_of(base, block, epochs=1, weight_decay=0.5).fit(rows, targets, groups)
    decayed, plain = finetune.Steps(tuned, 1).optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.5, 0.0)
    names = {id(weight): name for name, weight in tuned.network.named_parameters()}
    assert all(names[id(one)].endswith("weight") and "LayerNorm" not in names[id(one)] for one in decayed["params"])
    assert {names[id(one)].rpartition(".")[2] for one in plain["params"]} == {"weight", "bias"}


def test_windows_of_a_long_text_are_averaged_and_a_cut_one_is_told(base, caplog):
    block, rows, targets, groups = given(30, long=25)
    options = {"max_length": 14, "stride": 2, "windows": "mean", "epochs": 2}
    with caplog.at_level(logging.INFO, "triptych.finetune"):
        tuned = tuned_of(base, block, **options).fit(rows, targets, groups)
        tuned_of(base, block, epochs=1, max_length=14).fit(rows, targets, groups)
    assert "30 of 30 texts are longer than 14 tokens: 90 windows" in caplog.text
    assert "30 of 30 texts are longer than 14 tokens: cut there" in caplog.text
    # By hand: the last window of each text holds what tells its class.
    windows, owner = tuned.tokens.spread(rows[:4])
    logits = tuned._logits(windows)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    by_hand = np.array([p[owner == place].mean(axis=0) for place in range(4)])
    assert tuned.predict_proba(rows[:4]) == pytest.approx(by_hand, abs=1e-6)
    assert len(windows) == 12 and max(len(one["input_ids"]) for one in windows) == 14
    few = tuned_of(base, block, **options | {"max_windows": 2, "epochs": 1}).fit(rows, targets, groups)
    assert (
        few.tokens.windows[0] == [tuned.tokens.windows[0][0], tuned.tokens.windows[0][2]] and few.tokens.dropped == 30
    )


def test_a_class_that_the_training_rows_lack_keeps_its_share(base):
    block, rows, targets, groups = given(18)
    told = np.zeros((18, 5), dtype=bool)
    told[:, [0, 2, 4]] = targets
    p = tuned_of(base, block, epochs=1).fit(rows, told, groups).predict_proba(rows)
    assert (p[:, [1, 3]] == 0).all() and p.sum(axis=1) == pytest.approx(1)
    several = np.concatenate([told, np.ones((18, 1), dtype=bool)], axis=1)
    p = tuned_of(base, block, multi=True, epochs=1).fit(rows, several, groups).predict_proba(rows)
    assert (p[:, 5] == 1).all() and (p[:, [1, 3]] == 0).all() and (p[:, [0, 2, 4]] > 0).all()
    none = tuned_of(base, block, multi=True).fit(rows, several[:, [1, 5]], groups)
    assert none.network is None and (none.predict_proba(rows) == [0, 1]).all()


@pytest.mark.parametrize("loss", ["bce", "asymmetric"])
def test_several_labels_are_learned_with_each_loss(tmp_path, base, loss):
    names = sorted(PLANTED)
    # With fewer films the rows that end the training are a handful, and the rounding of a processor decided when.
    both = {f"{a};{b}": [4] * 6 for a, b in itertools.combinations(names, 2)}
    one = world(tmp_path, {**{name: [4] * 6 for name in names}, **both}, multi_label=True, folds=2)
    model = section(base, loss=loss, epochs=20, learning_rate=6e-3) | {"balance": "class_weight"}
    rows = [row for key, found in one.run("m", model).items() if key[0] == "test" for row in found.values()]
    ranked = sorted(rows, key=lambda row: -row["probability"])
    positive = sum(row["truth"] for row in rows)
    assert np.mean([row["truth"] for row in ranked[:positive]]) > 0.9


def test_seeds_differ_and_balanced_rows_repeat(tmp_path, base):
    one = world(tmp_path, {"sea": [2] * 4, "zoo": [1] * 4, "bank": [1] * 4})
    one.run("m", section(base, seeds=2, epochs=1) | {"balance": "under+over"})
    told = pq.read_table(tmp_path / "m.parquet").to_pydict()
    values: dict[int, list[float]] = {0: [], 1000: []}
    for seed, probability in zip(told["seed"], told["probability"], strict=True):
        values[seed].append(probability)
    assert len(values[0]) == len(values[1000]) == 16 * 3 and values[0] != values[1000]


@pytest.mark.parametrize("layers", [1, "all"])
def test_frozen_layers_stay_as_they_are(base, layers):
    import torch

    block, rows, targets, groups = given(12)
    tuned = tuned_of(base, block, epochs=1, freeze=layers, validation=0.0).fit(rows, targets, groups)
    before = checkpoint.network_of(tuned.located, tuned.tokenizer, 3, 0).state_dict()
    moved = {name for name, value in tuned.network.state_dict().items() if not torch.equal(value, before[name])}
    assert {name for name in moved if "classifier" in name}
    assert not any("embeddings" in name or "layer.0." in name for name in moved)
    assert any("layer.1." in name for name in moved) == (layers == 1)


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2"])
def test_other_kinds_of_checkpoints_are_tuned_with_what_they_read(tmp_path, kind):
    folder = tiny.build_of_kind(tmp_path / kind, kind)
    block, rows, targets, groups = given(12, long=40)
    tuned = tuned_of(folder, block, epochs=1, max_length=None, freeze=1).fit(rows, targets, groups)
    assert tuned.length == 32 and tuned.predict_proba(rows).sum(axis=1) == pytest.approx(1)
    assert ("token_type_ids" in tuned.tokens.windows[0][0]) == (kind == "bert")
    frozen = {name for name, weight in tuned.network.named_parameters() if not weight.requires_grad}
    assert any("embed" in name or "wte" in name for name in frozen) and not any(".1." in name for name in frozen)


def test_the_head_is_new_and_a_body_is_whole(tmp_path, base):
    import torch

    block, rows, targets, groups = given(12)
    tuned = tuned_of(base, block, epochs=1).fit(rows, targets, groups)
    tuned.save(tmp_path / "tuned", "topic", sorted(PLANTED))
    again = tuned_of(tmp_path / "tuned", block, epochs=1)
    made = checkpoint.network_of(again.located, tuned.tokenizer, 3, 0)
    kept, old = made.state_dict(), tuned.network.state_dict()
    words = "distilbert.embeddings.word_embeddings.weight"
    assert torch.equal(kept[words], old[words])
    assert not torch.equal(kept["classifier.weight"], old["classifier.weight"])
    other = checkpoint.network_of(again.located, tuned.tokenizer, 3, 1).state_dict()
    assert not torch.equal(kept["classifier.weight"], other["classifier.weight"])
    shutil.copytree(base, tmp_path / "deep")
    config = json.loads((tmp_path / "deep" / "config.json").read_text())
    (tmp_path / "deep" / "config.json").write_text(json.dumps(config | {"n_layers": 3}))
    with pytest.raises(checkpoint.CheckpointError, match=r"lacks 16 of the weights .* would be random"):
        tuned_of(tmp_path / "deep", block).fit(rows, targets, groups)


def test_what_does_not_fit_into_memory_goes_in_halves_and_steps_stay_as_large(base, monkeypatch, caplog):
    """The device says so for more than two texts at once; without dropout nothing else may differ."""
    import torch

    block, rows, targets, groups = given(12)
    loaded, most = checkpoint.network_of, [100]

    def small(network, args, told):
        if len(told["input_ids"]) > most[0]:
            raise torch.OutOfMemoryError("CUDA out of memory")

    def network_of(*given):
        made = loaded(*given)
        for module in made.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        made.config.attention_dropout = 0.0
        made.register_forward_pre_hook(small, with_kwargs=True)
        return made

    monkeypatch.setattr(checkpoint, "network_of", network_of)
    whole = tuned_of(base, block, epochs=2, batch=6, accumulate=2).fit(rows, targets, groups).predict_proba(rows)
    most[0] = 2
    tuned = tuned_of(base, block, epochs=2, batch=6, accumulate=2).fit(rows, targets, groups)
    assert tuned.batch == 1 and tuned.predict_proba(rows) == pytest.approx(whole, abs=1e-4)
    assert "out of memory: batches of 3 texts" in caplog.text
    most[0] = 0
    with pytest.raises(checkpoint.CheckpointError, match="too small for one text of 16 tokens; lower `max_length`"):
        tuned_of(base, block).fit(rows, targets, groups)


class Killed(BaseException):
    pass


def interrupted(monkeypatch, after: int, kind: type = FineTuned) -> list[int]:
    """Fits that are begun; the job is killed in the one after `after`."""
    begun: list[int] = []
    fit = kind.fit

    def counted(self, rows, targets, groups):
        begun.append(self.seed)
        if len(begun) > after:
            raise Killed
        return fit(self, rows, targets, groups)

    monkeypatch.setattr(kind, "fit", counted)
    return begun


def test_a_killed_job_takes_over_its_finished_fits_and_ends_with_the_same_bytes(tmp_path, base, monkeypatch, caplog):
    one, model = world(tmp_path, unlabelled=2), section(base, seeds=2, epochs=1)
    options = {"inner": 2, "checkpoint": tmp_path / "checkpoint", "task_name": "topic"}
    one.run("m", model, **options)
    undisturbed = (tmp_path / "m.parquet").read_bytes(), snapshot(tmp_path / "checkpoint")
    (tmp_path / "m.parquet").unlink()
    shutil.rmtree(tmp_path / "checkpoint")
    total = 3 * (1 + 2) * 2 + 2
    parts = tmp_path / "m.parquet.parts"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        begun = interrupted(patch, 7)
        one.run("m", model, **options)
    assert len(begun) == 8 and len(list(parts.glob("*.h5"))) == 7 and not (tmp_path / "m.parquet").exists()
    damaged = sorted(parts.glob("*.h5"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-200])
    with monkeypatch.context() as patch, pytest.raises(Killed):
        begun = interrupted(patch, total - 6 - 1)  # all but the last one, with the damaged one again
        one.run("m", model, **options)
    with monkeypatch.context() as patch, caplog.at_level(logging.INFO, "triptych.networks"):
        begun = interrupted(patch, total)
        one.run("m", model, **options)
    assert begun == [1000] and f"fit {total - 1} of {total}: taken over" in caplog.text
    assert f"fit {total} of {total}: 54 rows to learn from, 2 to predict, seed 1000" in caplog.text
    assert ((tmp_path / "m.parquet").read_bytes(), snapshot(tmp_path / "checkpoint")) == undisturbed
    assert not parts.exists()


def snapshot(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("change", ["text", "label", "name", "weights", "params", "seed", "section"])
def test_what_determines_a_fit_is_part_of_its_key(tmp_path, base, monkeypatch, change):
    one, model = world(tmp_path, {name: [1] * 4 for name in PLANTED}, min_groups="allow"), section(base, epochs=1)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        interrupted(patch, 1)
        one.run("m", model)
    if change == "text":
        one.texts = {slug: text + " rain" for slug, text in one.texts.items()}
    elif change == "label":
        for row in one.rows:
            row["fields"]["topic"] = {"sea": "zoo", "zoo": "sea"}.get(row["fields"]["topic"], "bank")
        one.prepare()
    elif change == "name":  # of a class, which stands in the checkpoint
        for row in one.rows:
            row["fields"]["topic"] = row["fields"]["topic"].replace("zoo", "zoos")
        one.prepare()
    elif change == "weights":
        model["params"]["model"] = str(tiny.build_distilbert(tmp_path / "other", longest=32, spread=0.3))
    elif change == "params":
        model["params"]["weight_decay"] = 0.3
    elif change == "seed":
        one.task["seed"] = 7
        one.splits.unlink()
        one.prepare()
    else:
        model["allow_label_source"] = True  # changes no fit
    begun = interrupted(monkeypatch, 9)
    one.run("m", model)
    assert len(begun) == (2 if change == "section" else 3)


def test_the_checkpoint_gives_the_probabilities_of_the_new_rows(tmp_path, base):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    one, folder = world(tmp_path, unlabelled=3), tmp_path / "checkpoint"
    one.texts |= {slug: text + " rain" * 30 for slug, text in one.texts.items() if slug == "v0054"}
    found = one.run("m", section(base, epochs=3), checkpoint=folder, task_name="topic")
    words, network = AutoTokenizer.from_pretrained(folder), AutoModelForSequenceClassification.from_pretrained(folder)
    new = sorted(video for role, _, _, video in found if role == "new")
    assert len(new) == 3 and network.config.id2label == {0: "bank", 1: "sea", 2: "zoo"}
    with torch.inference_mode():
        read = words([one.texts[video] for video in new], padding=True, truncation=True, return_tensors="pt")
        p = network.eval()(**read).logits.softmax(dim=1).numpy()
    for row, video in enumerate(new):
        told = found["new", 0, -1, video]
        assert p[row] == pytest.approx([told[name]["probability"] for name in sorted(PLANTED)], abs=1e-5)
    facts = json.loads((folder / "training.json").read_text())
    assert (facts["task"], facts["classes"], facts["groups"], facts["videos"]) == ("topic", sorted(PLANTED), 18, 54)
    assert facts["base"] == checkpoint.located({"model": str(base)}).identity and facts["epochs"] == 3
    assert facts["seed"] == 0 and facts["max_length"] == 16
    assert (folder / "model.safetensors").is_file()
    for path in folder.iterdir():
        assert str(tmp_path).encode() not in path.read_bytes() and str(base).encode() not in path.read_bytes()


def test_a_checkpoint_is_left_without_unlabelled_videos_and_when_nothing_can_be_learned(tmp_path, base):
    one, folder = world(tmp_path, {name: [1] * 3 for name in PLANTED}), tmp_path / "checkpoint"
    one.run("m", section(base, epochs=1, validation=0.0), checkpoint=folder, task_name="topic")
    assert json.loads((folder / "training.json").read_text())["videos"] == 9
    one.texts = dict.fromkeys(one.texts, "")
    found = one.run("m", section(base, epochs=1), checkpoint=folder, task_name="topic")
    assert json.loads((folder / "training.json").read_text()) == {"task": "topic", "videos": 0, "epochs": 0}
    assert not any(row["covered"] for rows in found.values() for row in rows.values())


def study_of(base, **changes) -> Study:
    task = {"label": "topic", "group": "film"}
    tasks = {"topic": task, "tags": {**task, "multi_label": True}}
    return Study.model_validate(
        {"study": "s", "corpus": "videos.csv", "tasks": tasks, "models": {"m": section(base, **changes)}}
    )


def told(base, **changes) -> str:
    return "\n".join(check.check_study_alone(study_of(base, **changes)))


def test_what_cannot_be_tuned_is_told_before_any_job(tmp_path, base, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert told(base) == ""
    assert "models.m.params.model: ./nowhere: there is no such folder" in told("./nowhere")
    assert "no revision of this id is pinned; bring and pin it: triptych models --fetch" in told("org/name")
    assert "models.m.params.loss: task 'topic' has one class a video: use cross_entropy" in told(base, loss="focal")
    assert "models.m.params.freeze" in told(base, freeze=3) and "has 2 layers (given: 3)" in told(base, freeze=3)
    assert "reads 32 tokens (given: 64)" in told(base, max_length=64)
    assert "models.m.params.stride: belongs to `windows: mean`" in told(base, stride=4)
    assert "must be at most half of max_length, 8 (given: 9)" in told(base, stride=9, windows="mean")
    assert "models.m.params.learning_rate: must be above 0, to 1" in told(base, learning_rate=0)
    assert "models.m.params.epoch: the head `finetune` has no such parameter; did you mean 'epochs'?" in told(
        base, epoch=1
    )
    nameless = study_of(base)
    del nameless.models["m"].params["model"]
    assert any("model: name the checkpoint" in one for one in check.check_study_alone(nameless))


def changed(base, folder, **config):
    shutil.copytree(base, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return folder


def test_a_folder_that_is_no_checkpoint_of_text_is_told(tmp_path, base):
    other = changed(base, tmp_path / "vit", model_type="vit")
    assert f"{other} is a vit, of which transformers has no classifier of text" in told(other)
    (changed(base, tmp_path / "bare") / "tokenizer.json").unlink()
    assert "holds no tokenizer.json or vocab.txt" in told(tmp_path / "bare")
    (changed(base, tmp_path / "unnamed") / "config.json").write_text("{}")
    assert "config.json names no model_type" in told(tmp_path / "unnamed")
    cut = changed(base, tmp_path / "cut") / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-9])
    assert "model.safetensors is not whole" in told(tmp_path / "cut")
    pickled = changed(base, tmp_path / "pickled")
    (pickled / "model.safetensors").unlink()
    (pickled / "pytorch_model.bin").write_bytes(pickle.dumps(print))
    assert "carries more than numbers (it wants to call builtins.print" in told(pickled)
    assert checkpoint.classifiers() >= {"distilbert", "bert", "roberta", "modernbert", "gpt2"}


def test_the_weights_are_among_what_the_study_needs(base, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    pinned = Study.model_validate(study_of("org/name", revision="a" * 40).model_dump(by_alias=True))
    (part,) = catalogue.parts_of(pinned)[0]
    assert (part.kind, part.name, part.use) == ("model", "m", "finetune")
    assert part.needs == [weights.Need("org/name", "a" * 40)]
    lines = "\n".join(models.lines([models.describe(part)]))
    assert "m (finetune)" in lines and "--  org/name: not here" in lines and "extra models" in lines
    (here,) = catalogue.parts_of(study_of(base))[0]
    assert models.describe(here)["weights"][0]["here"]


def test_other_networks_are_kept_too(tmp_path, monkeypatch):
    rows = table({name: [1] * 4 for name in PLANTED})
    one = World(tmp_path, rows, TASK).prepare()
    one.feature("seen", planted(rows, 6, 2.0, 1))
    one.feature("heard", planted(rows, 4, 2.0, 2))
    model = {
        "inputs": ["seen", "heard"],
        "fusion": "intermediate",
        "head": "concat",
        "seeds": 1,
        "params": {"epochs": 3},
    }
    one.run("m", model)
    undisturbed = (tmp_path / "m.parquet").read_bytes()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        interrupted(patch, 2, JointNetwork)
        one.run("m", model)
    begun = interrupted(monkeypatch, 9, JointNetwork)
    one.run("m", model)
    assert len(begun) == 1 and (tmp_path / "m.parquet").read_bytes() == undisturbed


def test_the_content_of_a_sequence_tells_its_rows_apart():
    values, starts = np.arange(12.0).reshape(6, 2), np.array([0, 2, 3, 6])

    def content(values, rows=(0, 2), present=(True, True, True)):
        block = SequenceBlock("s", values, starts, np.array(present), ["a", "b", "c"])
        return spill.content(block, np.array(rows))

    other = values.copy()
    other[2] += 1  # of the second video, which is not asked for
    assert content(values) == content(other) != content(values + 1)
    assert len({content(values), content(values, (2, 0)), content(values, present=(True, True, False))}) == 3


def test_the_page_names_every_parameter():
    page = (CHECKOUT / "docs" / "finetune.md").read_text()
    (lines,) = params.markdown({"finetune": params.TUNE_PARAMS}).values()
    assert lines in page, "docs/finetune.md: its table differs; print it with params.markdown()"
