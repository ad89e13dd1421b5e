"""Zero-shot labels: scores by hand from logits, what is refused, and that nothing is computed twice."""

import json

import numpy as np
import pytest
from tiny import nli as tiny

from triptych.core import weights
from triptych.core.config import Relabel, Study
from triptych.core.paths import Paths
from triptych.core.status import OK, Outcome
from triptych.core.store import Entry, write_store
from triptych.core.units import by_shard
from triptych.encoders import base, clip_text
from triptych.learn import relabel_files, relabel_nli, relabel_similarity
from triptych.learn.relabel import candidates, decide, relabel_videos
from triptych.learn.relabel_files import RelabelError

LABELS = ["harbour", "kitchen", "meadow"]
TEXTS = {
    "a": "ships and salt water",
    "b": "a pan with parsley",
    "c": "rain " * 80,
    "d": "",
    "e": "sparks jump from the nail, and the ships wait for the green leaves of mint",
}


@pytest.fixture(scope="module")
def bart(tmp_path_factory):
    return tiny.build_nli(tmp_path_factory.mktemp("bart"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny.build_clip(tmp_path_factory.mktemp("clip"))


class Place:
    """A study on disk whose zero-shot labels read the column `words`."""

    def __init__(self, folder, encoders=None, **section):
        self.study = Study.model_validate(
            {
                "study": "small",
                "corpus": "videos.csv",
                "results": str(folder),
                "shards": 2,
                "encoders": encoders or {},
                "relabel": {"zero": {"labels": LABELS, **section}},
            }
        ).model_dump(by_alias=True, mode="json")
        self.paths = Paths.from_config(self.study)
        self.out = self.paths.relabelled("zero")

    def run(self, texts=None, **options):
        rows = [{"slug": slug, "fields": {"words": text}} for slug, text in (texts or TEXTS).items()]
        shards = by_shard([row["slug"] for row in rows], 2)
        return relabel_videos("zero", self.study, rows, self.out, shards=shards, **options)

    def table(self):
        return relabel_files.read(self.out)


def logits_of(folder, texts, template):
    """(n, K, 3) logits of each pair, one at a time, without the pipeline."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    words = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    found = []
    with torch.inference_mode():
        for text in texts:
            pairs = [
                words(text, template.format(label), truncation="only_first", return_tensors="pt") for label in LABELS
            ]
            found.append([model(**pair).logits[0].numpy() for pair in pairs])
    return np.array(found, dtype=np.float64)


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("batch", [1, 8])
def test_scores_are_those_of_the_logits_by_hand(bart, tmp_path, multi, batch):
    template = "this example is a {}"
    place = Place(
        tmp_path, use="nli", model=str(bart), text=["words"], template=template, multi_label=multi, batch=batch
    )
    counts = place.run()
    table = place.table()
    assert counts == {"computed": 4, "taken_over": 0, "ok": counts["ok"], "absent": counts["absent"]}
    logits = logits_of(bart, [TEXTS[video] for video in "abce"], template)
    powers = np.exp(logits)
    if multi:
        expected = powers[..., 2] / (powers[..., 0] + powers[..., 2])
    else:
        expected = powers[..., 2] / powers[..., 2].sum(axis=1, keepdims=True)
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(table.scores[[0, 1, 2, 4]], expected, rtol=1e-5, atol=1e-7)
    assert np.isnan(table.scores[3]).all()
    assert table.outcomes[3].status == "absent" and table.outcomes[3].reason == "no_text" and table.labels[3] == ()
    for row, labels in zip(expected, [table.labels[one] for one in (0, 1, 2, 4)], strict=True):
        reached = [LABELS[one] for one in np.argsort(-row) if row[one] >= 0.5]
        assert labels == (tuple(reached) if multi else (LABELS[int(row.argmax())],))
    assert table.facts["label_source"] == "words" and table.facts["template"] == template


def test_scores_do_not_depend_on_the_batch(bart, tmp_path):
    tables = []
    for batch in (1, 3, 64):
        place = Place(tmp_path / str(batch), use="nli", model=str(bart), text=["words"], batch=batch)
        place.run()
        tables.append(place.table())
    for other in tables[1:]:
        np.testing.assert_allclose(other.scores, tables[0].scores, rtol=1e-5)
        assert other.labels == tables[0].labels


def test_a_model_without_entailment_stops_before_and_in_the_job(tmp_path):
    folder = tiny.build_nli(tmp_path / "model", {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2})
    place = Place(tmp_path / "run", use="nli", model=str(folder), text=["words"])
    with pytest.raises(RelabelError, match="no output is named `entailment`"):
        place.run()
    section = Relabel.model_validate(place.study["relabel"]["zero"])
    assert "no output is named `entailment`" in relabel_nli.faults(section)[0]


def test_contradiction_where_the_pipeline_does_not_look_is_refused_with_several_labels():
    ids = {"neutral": 0, "Entailment": 1, "contradiction": 2}
    assert relabel_nli.entailment(ids, False, "m") == 1
    with pytest.raises(RelabelError, match="`contradiction` is output 2"):
        relabel_nli.entailment(ids, True, "m")
    assert relabel_nli.entailment({"entailment": 0, "not_entailment": 1}, True, "m") == 0


def test_weights_that_are_not_here_are_a_fault():
    section = Relabel(use="nli", model="some/model", labels=LABELS)
    assert "triptych models --fetch" in relabel_nli.faults(section)[0]


def test_positions_limit_the_length():
    class Config:
        def __init__(self, kind, positions):
            self.model_type, self.max_position_embeddings = kind, positions

    assert relabel_nli.longest(10**30, Config("bart", 1024)) == 1024
    assert relabel_nli.longest(10**30, Config("roberta", 514)) == 512
    assert relabel_nli.longest(48, Config("bart", 1024)) == 48
    assert relabel_nli.longest(10**30, Config("t5", 0)) == 512


def test_a_rerun_loads_nothing_and_new_videos_alone_are_computed(bart, tmp_path, monkeypatch):
    place = Place(tmp_path, use="nli", model=str(bart), text=["words"])
    place.run()
    first = place.table()
    with monkeypatch.context() as patched:
        patched.setattr(relabel_nli.Inference, "load", lambda *_: pytest.fail("the model was loaded"))
        before = (tmp_path / "small/relabel/zero.parquet").read_bytes()
        assert place.run()["computed"] == 0
        assert (tmp_path / "small/relabel/zero.parquet").read_bytes() == before
        place.study["relabel"]["zero"]["threshold"] = 0.99
        assert place.run()["computed"] == 0
        assert {one.reason for one in place.table().outcomes} == {"below_threshold", "no_text"}
        place.study["relabel"]["zero"]["threshold"] = None
        left = {video: text for video, text in TEXTS.items() if video != "b"}
        assert place.run(left)["computed"] == 0
    assert place.run({**left, "f": "a meadow with mint"})["computed"] == 1
    assert place.run({**left, "f": "another text"})["computed"] == 1
    assert place.run({**left, "f": "another text", "b": TEXTS["b"]})["computed"] == 1
    again = place.table()
    np.testing.assert_allclose(again.scores[:5], first.scores, rtol=1e-5)
    place.study["relabel"]["zero"]["template"] = "a photo of a {}"
    assert place.run()["computed"] == 4


def test_what_a_killed_job_had_computed_is_taken_over(bart, tmp_path, monkeypatch):
    place = Place(tmp_path, use="nli", model=str(bart), text=["words"], batch=1)
    texts = {f"v{number:02d}": f"ships of {number}" for number in range(20)}
    score, calls = relabel_nli.Inference.score, []

    def dies(self, values):
        calls.append(len(values))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return score(self, values)

    with monkeypatch.context() as patched:
        patched.setattr(relabel_nli.Inference, "score", dies)
        with pytest.raises(KeyboardInterrupt):
            place.run(texts)
    parts = tmp_path / "small/relabel/zero.parts.jsonl"
    with parts.open("a") as handle:
        handle.write('["torn')
    counts = place.run(texts)
    assert counts["taken_over"] == calls[0] and counts["computed"] == 20 - calls[0]
    assert not parts.exists() and counts["ok"] == 20


def test_a_damaged_file_is_made_anew(bart, tmp_path):
    place = Place(tmp_path, use="nli", model=str(bart), text=["words"])
    place.run()
    path = tmp_path / "small/relabel/zero.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RelabelError, match="delete it and run again"):
        place.table()
    assert place.run()["computed"] == 4
    assert path.read_bytes() == whole


def test_out_of_memory_halves_the_batch(bart, tmp_path, monkeypatch):
    class OutOfMemoryError(RuntimeError):
        pass

    place = Place(tmp_path / "a", use="nli", model=str(bart), text=["words"], batch=16)
    plain = Place(tmp_path / "b", use="nli", model=str(bart), text=["words"], batch=16)
    plain.run()
    load, sizes = relabel_nli.Inference.load, []

    def small_card(self, *given):
        load(self, *given)
        pipe = self.pipe

        def call(*args, batch_size, **kwargs):
            sizes.append(batch_size)
            if batch_size > 4:
                raise OutOfMemoryError
            return pipe(*args, batch_size=batch_size, **kwargs)

        self.pipe = call

    monkeypatch.setattr(relabel_nli.Inference, "load", small_card)
    place.run()
    assert sizes == [16, 8, 4]
    np.testing.assert_allclose(place.table().scores, plain.table().scores, rtol=1e-5)


class Letters:
    """A text encoder for tests: counts of letters."""

    card = base.ModelCard("letters", "text", {"embedding": 26, "two": 2}, "none", "MIT", "test")

    def __init__(self, params):
        pass

    def load(self, device):
        pass

    def encode(self, batch):
        found = []
        for item in batch:
            text = " ".join(words for _, part in item.fields for _, _, words in part)
            row = np.array([[text.count(chr(97 + place)) for place in range(26)]], np.float32)
            found.append(base.Encoded({"embedding": row}, {"embedding": np.zeros((1, 2))}))
        return found


def embedded(place, name, vectors, array="embedding"):
    for shard, slugs in by_shard(vectors, 2).items():
        entries = []
        for slug in slugs:
            rows = vectors[slug]
            if rows is None:
                entries.append(Entry(slug, f"key of {slug}", Outcome("absent", "no_text", "nothing is said")))
            else:
                rows = np.atleast_2d(np.asarray(rows, np.float32))
                entries.append(Entry(slug, f"key of {slug}", OK, {array: rows}, {array: np.zeros((len(rows), 2))}))
        write_store(place.paths.embeddings(name, shard), entries)


@pytest.mark.parametrize("multi", [False, True])
def test_similarity_is_the_cosine_of_the_mean_and_the_prompt(tmp_path, multi):
    options = {"multi_label": True, "threshold": 0.6} if multi else {"temperature": 0.1}
    encoders = {"letters": {"use": f"{Letters.__module__}:Letters", "text": ["words"]}}
    place = Place(tmp_path, encoders, use="similarity", encoder="letters", template="a {}", **options)
    random = np.random.default_rng(0)
    vectors = {"a": random.random((3, 26)), "b": random.random((1, 26)), "c": None}
    embedded(place, "letters", vectors)
    place.run({slug: "" for slug in vectors})
    table = place.table()
    prompts = Letters({}).encode([base.Words("", [("words", [(0, 0, f"a {label}")])]) for label in LABELS])
    rows = np.stack([one.arrays["embedding"][0] for one in prompts]).astype(float)
    for number, slug in enumerate("ab"):
        mean = vectors[slug].mean(axis=0)
        cosines = rows @ mean / np.linalg.norm(rows, axis=1) / np.linalg.norm(mean)
        powers = np.exp(cosines / 0.1)
        expected = cosines if multi else powers / powers.sum()
        np.testing.assert_allclose(table.scores[number], expected, rtol=1e-5)
        best = tuple(LABELS[one] for one in np.argsort(-expected) if expected[one] >= (0.6 if multi else 0))
        assert table.labels[number] == (best if multi else best[:1])
    assert table.outcomes[2].reason == "no_text" and table.labels[2] == ()
    assert table.facts["label_source"] == "words"


class Clip:
    """Stands for the image encoder of a CLIP checkpoint: its card, and where its weights are."""

    card = base.ModelCard("clip", "image", {"embedding": 12}, "lock", "MIT", "test", weights="folder", model="")

    def __init__(self, params):
        pass

    def load(self, device):
        raise AssertionError("the image tower is not needed")

    def encode(self, batch):
        raise AssertionError


def test_clip_prompts_go_through_the_text_tower_of_the_same_checkpoint(clip, tmp_path):
    encoders = {"seen": {"use": f"{Clip.__module__}:Clip", "model": str(clip)}}
    place = Place(tmp_path, encoders, use="similarity", encoder="seen", template="a photo of a {}")
    random = np.random.default_rng(1)
    vectors = {"a": random.normal(size=(4, 12)), "b": random.normal(size=(1, 12))}
    embedded(place, "seen", vectors)
    place.run({slug: "" for slug in vectors})
    import torch
    from transformers import AutoTokenizer, CLIPModel

    model, words = CLIPModel.from_pretrained(clip).eval(), AutoTokenizer.from_pretrained(clip)
    with torch.inference_mode():
        given = words([f"a photo of a {label}" for label in LABELS], padding=True, return_tensors="pt")
        text = model.get_text_features(**given).pooler_output.numpy().astype(float)
        scale = float(model.logit_scale.exp())
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    for number, rows in enumerate(vectors.values()):
        mean = rows.astype(np.float32).astype(float).mean(axis=0)
        powers = np.exp(scale * text @ mean / np.linalg.norm(mean))
        np.testing.assert_allclose(place.table().scores[number], powers / powers.sum(), rtol=1e-4, atol=1e-7)
    assert place.table().facts["label_source"] == "pictures"


def test_embeddings_of_another_space_are_refused(clip, tmp_path):
    encoders = {"seen": {"use": f"{Clip.__module__}:Clip", "model": str(clip)}}
    place = Place(tmp_path, encoders, use="similarity", encoder="seen")
    embedded(place, "seen", {"a": np.ones((1, 7))})
    with pytest.raises(RelabelError, match="7 numbers a video, label prompts have 12"):
        place.run({"a": ""})


def test_a_checkpoint_without_text_tower_or_classifier_is_refused(clip, bart, tmp_path):
    from transformers import BartForSequenceClassification, CLIPModel

    CLIPModel.from_pretrained(clip).vision_model.save_pretrained(tmp_path / "tower")
    tiny.tokenizer(20).save_pretrained(tmp_path / "tower")
    tower = clip_text.ClipText(weights.locate(str(tmp_path / "tower")))
    with pytest.raises(base.EncoderError, match="no text tower"):
        tower.load("cpu")
    whole = BartForSequenceClassification.from_pretrained(bart)
    whole.model.config.label2id = whole.config.label2id
    whole.model.save_pretrained(tmp_path / "base")
    tiny.tokenizer().save_pretrained(tmp_path / "base")
    place = Place(tmp_path / "run", use="nli", model=str(tmp_path / "base"), text=["words"])
    with pytest.raises(RelabelError, match="no whole classifier"):
        place.run()


class Apart(Letters):
    """Keeps its fields in arrays of their own."""

    card = base.ModelCard("apart", "text", {"title": 26, "words": 26}, "none", "MIT", "test")

    def encode(self, batch):
        found = super().encode(batch)
        for item, one in zip(batch, found, strict=True):
            one.arrays[item.fields[0][0]] = one.arrays.pop("embedding")
        return found


def test_prompts_are_embedded_as_the_field_whose_array_is_compared(tmp_path):
    encoders = {"apart": {"use": f"{Apart.__module__}:Apart", "text": ["title", "words"]}}
    place = Place(tmp_path, encoders, use="similarity", encoder="apart", array="words")
    embedded(place, "apart", {"a": np.ones(26)}, array="words")
    assert place.run({"a": ""})["ok"] == 1


def test_windows_are_weighted_by_their_text():
    vectors, tokens = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[3.0], [1.0]])
    np.testing.assert_allclose(relabel_similarity.mean(vectors, tokens), [0.75, 0.25])
    np.testing.assert_allclose(relabel_similarity.mean(vectors), [0.5, 0.5])


def test_an_encoder_that_cannot_read_prompts_is_a_fault():
    section = Relabel(use="similarity", encoder="sound", labels=LABELS)
    assert "cannot embed label prompts" in relabel_similarity.faults(section, {"sound": {"use": "classic-audio"}})[0]
    section = Relabel(use="similarity", encoder="said", labels=LABELS, array="embeding")
    told = relabel_similarity.faults(section, {"said": {"use": f"{Letters.__module__}:Letters"}})[0]
    assert "did you mean 'embedding'" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"use": "nli", "labels": LABELS}, "needs a `model`"),
        ({"use": "similarity", "labels": LABELS}, "needs an `encoder`"),
        ({"use": "similarity", "labels": LABELS, "encoder": "e", "text": ["title"]}, "`text` belongs to `use: nli`"),
        ({"use": "nli", "model": "m", "labels": ["one"]}, "two different labels"),
        ({"use": "nli", "model": "m", "labels": ["a", "b;c"]}, "holds `;`"),
        ({"use": "nli", "model": "m", "labels": LABELS, "template": "no place"}, "template must hold"),
        ({"use": "nli", "model": "m", "labels": LABELS, "template": "{} {0}"}, "template must hold"),
        ({"use": "similarity", "encoder": "e", "labels": LABELS, "multi_label": True}, "name the `threshold`"),
    ],
)
def test_sections_that_make_no_sense_are_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        Relabel.model_validate(changes)


def test_labels_of_a_column_are_its_classes():
    section = Relabel(use="nli", model="m", labels={"column": "topic"})
    rows = [{"fields": {"topic": text}} for text in ("sea", " hill ", "", "sea;town")]
    assert candidates("zero", section, rows) == ["hill", "sea", "town"]
    with pytest.raises(RelabelError, match="names 1 classes"):
        candidates("zero", section, rows[:1])


def test_equal_scores_go_to_the_label_named_first():
    section = Relabel(use="nli", model="m", labels=["b", "a"])
    assert decide([0.5, 0.5], ["b", "a"], section)[0] == ("b",)


def test_the_file_tells_how_it_was_made(bart, tmp_path):
    import pyarrow.parquet as pq

    place = Place(tmp_path, use="nli", model=str(bart), text=["words"])
    place.run()
    table = pq.read_table(place.out)
    assert table.column_names[:8] == [
        *("video", "labels", "score", "label_source", "status", "reason", "message", "key"),
    ]
    assert table.column_names[8:] == [f"score:{label}" for label in LABELS]
    facts = json.loads(table.schema.metadata[b"triptych"])
    assert facts["identity"].startswith("sha256:") and facts["labels"] == LABELS


@pytest.mark.parametrize(
    ("tasks", "relabel", "told"),
    [
        (
            {"t": {"label": {"relabel": "zreo"}, "group": "none"}},
            {},
            "there is no relabel 'zreo'; did you mean 'zero'?",
        ),
        (
            {"t": {"label": {"relabel": "zero"}, "group": "none"}},
            {"multi_label": True},
            "gives several labels; set `multi_label: true`",
        ),
        (
            {},
            {"use": "similarity", "model": None, "encoder": "wrods"},
            "there is no encoder 'wrods'; did you mean 'words'",
        ),
    ],
)
def test_a_study_names_what_it_refers_to_and_has_not(tasks, relabel, told):
    section = {"use": "nli", "model": "m", "labels": LABELS, **relabel}
    study = {"study": "s", "corpus": "c", "encoders": {"words": {"use": "minilm"}}, "tasks": tasks}
    with pytest.raises(ValueError, match="relabel") as caught:
        Study.model_validate({**study, "relabel": {"zero": section}})
    assert told in str(caught.value)


def test_a_task_takes_the_labels_and_leaves_others_unlabelled(tmp_path):
    from triptych.learn.tasks import TaskError, make_labels

    rows = [{"slug": slug, "fields": {}} for slug in "abcde"]
    task = {"label": {"relabel": "zero"}, "group": "none", "folds": 2}
    made = {"a": "sea", "b": "sea", "c": "hill", "d": "hill", "e": ""}
    found = make_labels("t", task, rows, tmp_path / "labels.parquet", relabelled=made)
    assert found.classes == ["hill", "sea"] and found.reasons == [None] * 4 + ["no_label"]
    with pytest.raises(TaskError, match="relabel 'zero' is empty for all 5 rows"):
        make_labels("t", task, rows, tmp_path / "labels.parquet", relabelled={})
