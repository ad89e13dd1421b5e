"""What an encoder reads of each video: found by its manifest or transcript, verified, and decoded only when wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.core.files import digest_json
from triptych.core.paths import Paths
from triptych.core.status import Manifest, Outcome
from triptych.encoders.base import Clip, EncoderError, Item, ModelCard, Pictures, Sound, Words
from triptych.speech.transcript import Transcript, read_transcripts

#: Media stage and artefact that a modality reads.
STAGES = {"image": ("keyframes", "h5"), "audio": ("audio", "flac"), "video": ("probe", None)}


@dataclass(frozen=True)
class Input:
    """One video's input: its digest and whether it is usable; `words` already holds the text."""

    video: str
    digest: str
    outcome: Outcome
    data: Mapping[str, Any]
    words: Words | None = None


def describe(
    card: ModelCard,
    videos: Sequence[Mapping[str, Any]],
    paths: Paths,
    shard: str,
    fields: Sequence[str],
    sources: Sequence[str] = (),
    masked: Sequence[str] = (),
    summaries: Sequence[str] = (),
) -> dict[str, Input]:
    """The inputs of a shard's videos, by slug; nothing is decoded.

    Args:
        card: of the encoder.
        videos: `{"slug", "fields": {column: text}}` each; `fields` matters for text encoders only.
        paths: of the study.
        shard: name of the shard (whose transcripts are read).
        fields: `transcript`, sources of transcripts, summaries or columns, in the order in which a text encoder reads
            them.
        sources: names of the study's sources of transcripts.
        masked: columns whose words are taken out of the text.
        summaries: names of the study's summaries.

    Raises:
        ValueError: a damaged manifest or transcript file, with its name.
        FileNotFoundError: an upstream file is not there.
    """
    if card.modality == "text":
        spoken = {}
        for name in fields:
            if name == "transcript" or name in sources or name in summaries:
                spoken[name] = read_transcripts(paths.text(name, shard, summaries))
        return {one["slug"]: _words(one, fields, spoken, masked) for one in videos}
    stage, artefact = STAGES[card.modality]
    return {one["slug"]: _media(one["slug"], paths, stage, artefact) for one in videos}


def read(
    card: ModelCard,
    one: Input,
    paths: Paths,
    remake: Mapping[str, Any] | None = None,
    frames: str | None = None,
) -> Item:
    """Decode one usable input.

    Args:
        card: of the encoder.
        one: the input.
        paths: of the study.
        remake: sections `limits` and `fetch` of the study, for an artefact that must be made again.
        frames: for image encoders, `keyframes` or `uniform`; the card's choice by default.

    Raises:
        Refused: the input turned out to be unusable (its source is gone and it must be made again).
    """
    if one.words is not None:
        return one.words
    if card.modality == "audio":
        return _sound(one, paths, remake or {})
    if card.modality == "image":
        return _pictures(one, paths, remake or {}, frames or card.frames)
    return Clip(one.video, Path(paths.media(one.video)), one.data)


def _media(video: str, paths: Paths, stage: str, artefact: str | None) -> Input:
    manifest = Manifest.read(paths.manifest(stage, video))
    outcome = manifest.outcome
    if not outcome.ok:
        upstream = Outcome(outcome.status, outcome.reason, f"{stage}: {outcome.message or outcome.reason}")
        return Input(video, digest_json([stage, outcome.as_dict()]), upstream, {})
    digest = manifest.artefacts[artefact]["sha256"] if artefact else manifest.data.get("digest", manifest.key)
    # The offset of the sound moves its times, so it belongs to what is read.
    start = float(manifest.data.get("start") or 0.0) if stage == "audio" else 0.0
    return Input(video, digest_json([stage, digest, start]), Outcome("ok"), manifest.data)


def _sound(one: Input, paths: Paths, remake: Mapping[str, Any]) -> Sound:
    from triptych.media import audio, unit

    samples = audio.read_flac(unit.artefact(paths, "audio", one.video, "flac", **remake))
    return Sound(one.video, samples, int(one.data.get("rate", 16_000)), float(one.data.get("start") or 0.0))


def _pictures(one: Input, paths: Paths, remake: Mapping[str, Any], frames: str) -> Pictures:
    from triptych.media import keyframes, unit

    if frames == "uniform" and "uniform" not in one.data:
        raise EncoderError(f"{one.video}: no frames at even times are stored; set keyframes.uniform, for example to 32")
    found = keyframes.read(unit.artefact(paths, "keyframes", one.video, "h5", **remake), frames)
    return Pictures(one.video, found.frames, found.times, found.weights, found.thumbs, found.thumb_times)


def _words(
    video: Mapping[str, Any],
    fields: Sequence[str],
    spoken: Mapping[str, Mapping[str, Transcript]],
    masked: Sequence[str] = (),
) -> Input:
    """Text fields of a video; a transcript's outcome is the video's when nothing else has text."""
    columns = video.get("fields") or {}
    hidden = words_of(str(columns.get(name) or "") for name in masked)
    slug = video["slug"]
    found: list[tuple[str, list[tuple[float, float, str]]]] = []
    silent: list[tuple[str, Outcome]] = []
    for name in fields:
        if name in spoken:
            transcript = spoken[name].get(slug)
            segments = transcript.segments if transcript is not None and transcript.outcome.ok else ()
            texts = [(one.start, one.end, without(one.text, hidden)) for one in segments]
            if transcript is not None and not transcript.outcome.ok:
                silent.append((name, transcript.outcome))
        else:
            texts = [(0.0, 0.0, without(str(columns.get(name) or "").strip(), hidden))]
        texts = [one for one in texts if one[2].strip()]
        if texts:
            found.append((name, texts))
    if found:
        return Input(slug, digest_json(found), Outcome("ok"), {}, Words(slug, found))
    outcome = Outcome("absent", "no_text", f"no text in {', '.join(fields)}")
    if silent:
        name, told = silent[0]
        outcome = Outcome(told.status, told.reason, f"{name}: {told.message or told.reason}")
    return Input(slug, digest_json(["text", outcome.as_dict()]), outcome, {})


def words_of(values: Iterable[str]) -> re.Pattern | None:
    """What finds the words of some values (names of channels), also run together as in a handle; None without any.

    Words of one letter are left: they are initials and articles.
    """
    found: set[str] = set()
    for value in values:
        words = re.findall(r"\w+", value)
        found |= {word for word in [*words, "".join(words)] if len(word) > 1}
    if not found:
        return None
    listed = "|".join(re.escape(word) for word in sorted(found, key=lambda word: (-len(word), word)))
    return re.compile(rf"(?<!\w)(?:{listed})(?!\w)", re.IGNORECASE)


def without(text: str, hidden: re.Pattern | None) -> str:
    """Text with a space in the place of hidden words."""
    return hidden.sub(" ", text) if hidden else text
