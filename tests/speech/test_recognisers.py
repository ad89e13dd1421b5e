"""Each backend with a tiny model of its true class: text with times, independent of batches; weights are held."""

import json
import pickle
import shutil

import numpy as np
import pytest
from tiny import speech

from triptych.core import weights
from triptych.speech import base, ctc, quality
from triptych.speech.whisper_models import code_of

LOOSE = {"compression_ratio_threshold": 1000.0, "loop_repeats": 1000}
#: Never silent: a random model writes times anywhere, and text over silence is dropped.
SOUND = speech.noise(47) + np.float32(0.01)


@pytest.fixture
def made(hf_whisper, converted, openai_file, wav2vec2, parakeet):
    """`made(kind)` -> a loaded recogniser."""
    sections = {
        "faster": ("faster-whisper", converted, {"vad": False, "max_tokens": 12, "beam": 2}),
        "openai": ("openai-whisper", openai_file, {"max_tokens": 6, "beam": 1, "fallback": False}),
        "whisper": ("hf-asr", hf_whisper, {"max_tokens": 12}),
        "ctc": ("hf-asr", wav2vec2, {"window": 8.0, "overlap": 1.0}),
        "parakeet": ("hf-asr", parakeet, {"window": 8.0, "overlap": 1.0}),
    }

    def make(kind, **changes):
        use, model, params = sections[kind]
        one = base.made_from({"use": use, "model": str(model), "params": params | LOOSE | changes})
        one.load("cpu", 1, "float32")
        return one

    return make


@pytest.mark.parametrize("kind", ["faster", "whisper", "ctc", "parakeet", "openai"])
def test_text_times_and_quality(kind, made):
    recogniser = made(kind)
    sound = SOUND[: 4 * 16_000] if kind == "openai" else SOUND
    spoken, outcome = quality.judge(recogniser.hear(sound, None, 4), sound, 16_000, recogniser.params)
    assert outcome.ok and spoken.segments
    assert all(0 <= one.start <= one.end <= len(sound) / 16_000 for one in spoken.segments)
    assert all(np.isfinite(list(one.quality.values())).all() for one in spoken.segments)
    told = set(spoken.segments[0].quality)
    assert told >= {"avg_logprob", "compression_ratio"} and (kind in ("ctc", "parakeet") or "no_speech_prob" in told)
    if kind in ("faster", "whisper"):
        assert spoken.language in speech.TONGUES and sum(spoken.languages.values()) > 40
        again = recogniser.hear(sound, None, 1)
        assert [one.text for one in again.segments] == [one.text for one in recogniser.hear(sound, None, 4).segments]
    given = recogniser.hear(sound, "fr-FR", 4)
    assert given.language == "fr-FR" and not given.languages


def test_words_have_times(made):
    for kind in ("faster", "ctc"):
        segment = made(kind, word_times=True).hear(SOUND, "en", 4).segments[0]
        assert " ".join(word for _, _, word, _ in segment.words).strip() == segment.text.strip()
        assert all(start <= end for start, end, _, _ in segment.words)


def test_half_precision_is_float32_on_the_cpu_and_eight_bits_are_the_default(converted):
    for precision, wanted in (("auto", "int8"), ("bfloat16", "float32")):
        one = base.made_from({"use": "faster-whisper", "model": str(converted)})
        one.load("cpu", 1, precision)
        assert one.pipeline.model.model.compute_type.startswith(wanted)


def test_voice_detection_leaves_noise_out(converted):
    one = base.made_from({"use": "faster-whisper", "model": str(converted)})
    one.load("cpu", 1, "auto")
    assert one.hear(SOUND, None, 4).segments == ()


@pytest.mark.shared
def test_voice_detection_finds_real_speech(converted, shared):
    from faster_whisper.audio import decode_audio

    sound = decode_audio(str(shared / "data" / "speech" / "jfk.flac"))
    one = base.made_from({"use": "faster-whisper", "model": str(converted), "params": {"max_tokens": 12}})
    one.load("cpu", 1, "auto")
    spoken = one.hear(sound, None, 4)
    assert spoken.segments and 5 < sum(spoken.languages.values()) < len(sound) / 16_000 + 1


def test_windows_of_frames_agree_with_the_whole(made):
    """Words in the middle of windows are those of one pass over the whole sound."""
    whole = made("ctc", window=30.0).hear(SOUND[: 20 * 16_000], None, 1)
    parts = made("ctc", window=12.0, overlap=3.0).hear(SOUND[: 20 * 16_000], None, 1)
    one, two = whole.segments[0].text, parts.segments[0].text
    assert abs(len(one) - len(two)) < 0.1 * len(one)


class Letters:
    """The tokenizer of a CTC model over letters."""

    all_special_ids = (0,)

    def convert_ids_to_tokens(self, token):
        return "-|HELO"[token]


def test_repeats_and_blanks():
    marks = [0, 2, 2, 3, 4, 4, 0, 4, 5, 1, 0, 2, 5, 0]
    scores = np.log(np.full((len(marks), 6), 0.02))
    scores[np.arange(len(marks)), marks] = np.log(0.9)
    times = (np.arange(len(marks)) + 0.5) * 0.1
    words = ctc.words_of(scores, times, 0, Letters())
    assert [(round(a, 2), round(b, 2), word) for a, b, word, _ in words] == [(0.1, 0.9, "HELLO"), (1.1, 1.3, "HO")]
    told = {"pause": 0.15, "words": False}
    assert [one.text for one in ctc.segments(scores, times, 0, Letters(), **told)] == ["HELLO", "HO"]
    told["pause"] = 0.5
    assert [one.text for one in ctc.segments(scores, times, 0, Letters(), **told)] == ["HELLO HO"]


# Weights and what a study file may say.


def faults(**source):
    return base.validate("speech", {"params": {}, "language": None, **source})


def test_faults_are_told_before_any_job(converted, openai_file, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    model = str(converted)
    assert faults(use="faster-whisper", model=model) == []
    assert faults(use="openai-whisper", model=str(openai_file)) == []
    assert faults(use="captions") == []
    (told,) = faults(use="faster-wisper")
    assert "there is no transcriber 'faster-wisper'; did you mean 'faster-whisper'?" in told and "captions" in told
    (told,) = faults(use="faster-whisper", model=model, params={"beem": 2})
    assert "transcripts.speech.params.beem: unknown parameter; did you mean 'beam'?" in told
    (told,) = faults(use="faster-whisper", model=model, params={"beam": 0})
    assert "transcripts.speech.params.beam: must be at least 1" in told
    (told,) = faults(use="faster-whisper", model=model, language="klingon")
    assert "transcripts.speech.language: Whisper does not know 'klingon'" in told
    (told,) = faults(use="faster-whisper", model="small")
    assert "Systran/faster-whisper-small" in told and "triptych models --fetch" in told
    (told,) = faults(use="openai-whisper", model="tiny")
    assert "transcripts.speech.model: tiny is not here; download https://openaipublic" in told
    (told,) = faults(use="hf-asr")
    assert "name the model" in told
    assert faults(use="captions", model="small") == ["transcripts.speech.model: captions has no weights to choose"]
    (told,) = faults(use="hf-asr", model=model, params={"overlap": 10.0})
    assert "params.overlap" in told


def test_a_folder_of_another_form_is_told(hf_whisper):
    (told,) = faults(use="faster-whisper", model=str(hf_whisper))
    assert "has no model.bin" in told and "ct2-transformers-converter" in told


def test_a_missing_package_is_named_with_its_extra(converted, monkeypatch):
    import dataclasses

    from triptych.speech.faster_whisper import FasterWhisper

    card = dataclasses.replace(FasterWhisper.card, packages=("no_such_package",))
    monkeypatch.setattr(FasterWhisper, "card", card)
    (told,) = faults(use="faster-whisper", model=str(converted))
    assert "needs no_such_package, which is not installed" in told and 'pip install "triptych[models]"' in told


def test_a_file_of_a_size_must_be_openais(tmp_path, monkeypatch, openai_file):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "whisper").mkdir()
    shutil.copy(openai_file, tmp_path / "whisper" / "tiny.pt")
    (told,) = faults(use="openai-whisper", model="tiny")
    assert "is not OpenAI's file (sha256 " in told and "expected 65147644a518" in told


def test_weights_are_held_against_the_lock(tmp_path, monkeypatch, converted):
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "model"
    shutil.copytree(converted, copy)
    weights.write_lock({str(copy): weights.entry_of(weights.locate(str(copy)))})
    assert faults(use="faster-whisper", model=str(copy)) == []
    (copy / "model.bin").write_bytes((copy / "model.bin").read_bytes() + b"x")
    (told,) = faults(use="faster-whisper", model=str(copy))
    assert "is not the file of models.lock" in told and "expected" in told


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_pickle_in_the_file_is_not_run(tmp_path):
    canary = tmp_path / "canary"
    (tmp_path / "bad.pt").write_bytes(pickle.dumps(Payload(str(canary))))
    one = base.made_from({"use": "openai-whisper", "model": str(tmp_path / "bad.pt")})
    with pytest.raises(base.TranscriberError, match=r"bad\.pt is no model of openai-whisper that can be loaded"):
        one.load("cpu", 1, "auto")
    import torch

    torch.save({"dims": Payload(str(canary)), "model_state_dict": {}}, tmp_path / "bad.pt")
    with pytest.raises(base.TranscriberError, match=r"bad\.pt is no model of openai-whisper that can be loaded"):
        one.load("cpu", 1, "auto")
    assert not canary.exists()


def test_signature_and_memory(converted):
    source = {"use": "faster-whisper", "model": str(converted), "params": {}, "language": None}
    told = base.signature(source)
    assert json.dumps(told) and told["params"]["beam"] == 5 and told["revision"].startswith("sha256:")
    assert base.signature(source | {"batch": 1, "threads": 3}) == told
    assert base.signature(source | {"language": "fr"}) != told
    assert base.memory_mb(source) > base.find("faster-whisper").card.memory_mb
    assert isinstance(base.made_from(source), base.Transcriber)
    assert code_of("pt-BR") == "pt" and code_of(None) is None


def test_a_stretch_is_decoded_once(made):
    """The package's own `generate` goes back within a stretch; here what it says first is all that is said."""
    recogniser = made("whisper", max_tokens=8)
    sound = SOUND[: 25 * 16_000]
    said = " ".join(segment.text for segment in recogniser.hear(sound, "de", 1).segments)
    features = recogniser.processor.feature_extractor([sound], sampling_rate=16_000, return_tensors="pt")
    reference = recogniser.net.generate(
        features.input_features, language="de", task="transcribe", return_timestamps=True, max_new_tokens=8
    )
    words = recogniser.processor.tokenizer.decode(reference[0], skip_special_tokens=True).split()
    assert 0 < len(said.split()) <= 8 and "".join(words).startswith("".join(said.split())[:-6])
