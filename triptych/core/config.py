"""The study file: one model that gives defaults, validation, the JSON schema and the table in the docs."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME)]


class Section(BaseModel):
    """A part of the study file: unknown keys are errors, values are not changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Limits(Section):
    """What is refused from a file's header, and what a decoding child process may use."""

    max_pixels: int = Field(33_177_600, gt=0)
    """Largest width x height of a video (default 8K, 7680 x 4320)."""
    max_frames: int = Field(2_000_000, gt=0)
    """Largest number of frames that a header may declare."""
    max_seconds: float = Field(6 * 3600, gt=0)
    """Longest declared duration in seconds."""
    max_bytes: int = Field(20_000_000_000, gt=0)
    """Largest file."""
    memory_mb: int = Field(3000, ge=256)
    """Address space that a decoding child may use, in MB beyond what it starts with."""
    wall_seconds: float = Field(1800, gt=0)
    """Wall-clock time after which a decoding child is ended and the video is `failed: timeout`."""


class Fetch(Section):
    """Downloads of URL rows (yt-dlp)."""

    format: str = "bv*[height<=720]+ba/b[height<=720]/bv*+ba/b"
    """yt-dlp format selection."""
    retries: int = Field(5, ge=0)
    """Attempts after the first one, with growing waits, within one job."""
    backoff_seconds: float = Field(2.0, ge=0)
    """First wait before a further attempt; it doubles each time, up to two minutes."""
    timeout_seconds: float = Field(30.0, gt=0)
    """Silence of a server after which an attempt is given up."""
    max_bytes: int = Field(4_000_000_000, gt=0)
    """Largest download; larger ones are refused."""
    max_seconds: float = Field(4 * 3600, gt=0)
    """Longest video; longer ones are refused before the download where the site tells."""
    rate_limit: int | None = Field(None, gt=0)
    """Bytes a second at most; none by default."""
    sleep_seconds: float = Field(0.0, ge=0)
    """Pause before each download, for sites that ask for it."""
    concurrent: int = Field(4, ge=1)
    """Downloads at the same time."""
    stop_after_429: int = Field(3, ge=1)
    """Answers 429 (or one bot check) after which fetching stops for this run."""
    retry_after_hours: float = Field(12.0, ge=0)
    """Hours after which a transient failure is due again."""
    cookies: str | None = None
    """Path of a Netscape cookie file; it is copied for each job, never written to and never logged."""
    allow_private_hosts: bool = False
    """Allow addresses of private networks and of this machine."""
    captions: list[str] = Field(default_factory=lambda: ["en"])
    """Languages of captions to keep beside the video; an empty list fetches none."""
    keep_sources: bool = True
    """Keep downloads after the stages that decode them are done."""


class Audio(Section):
    """Audio: one decode gives an mp3 for people and a 16 kHz mono flac for models."""

    mp3_quality: int = Field(4, ge=0, le=9)
    """LAME variable-bit-rate quality of the mp3 (0 best, 9 smallest)."""
    mp3_rate: int = Field(44_100, gt=0)
    """Sampling rate of the mp3 in Hz."""


class Keyframes(Section):
    """Keyframes: the frames nearest to the centroids of a k-means over candidate frames."""

    count: int = Field(32, ge=1, le=64)
    """Number of clusters and so of keyframes."""
    mode: Literal["auto", "keyframe-packets", "exact"] = "auto"
    """Candidates: the stream's own keyframes, N frames a second, or the first when there are enough of them."""
    fps: float = Field(2.0, gt=0)
    """Candidates a second in mode `exact` (more on short videos, so that there are twice `count` of them)."""
    max_candidates: int = Field(4096, ge=64)
    """Most candidates; longer videos are thinned evenly, so that memory does not grow with duration."""
    short_side: int = Field(288, ge=64)
    """Short side in pixels of the stored frames."""
    jpeg_quality: int = Field(95, ge=50, le=100)
    """JPEG quality of the stored frames."""
    uniform: int = Field(0, ge=0, le=64)
    """Frames at even times that are stored beside the keyframes, for encoders with `frames: uniform`; 0 for none."""
    min_fraction: float = Field(0.0, ge=0, le=1)
    """Share of the declared duration that must decode; a video below it is `failed: truncated`."""
    seed: int = 0
    """Seed of the k-means."""


class Transcript(Section):
    """A source of transcripts; sources are tried in the order of the file."""

    use: Name
    """The transcriber: `captions` (the table's or the platform's captions), a speech recogniser or `ocr`."""
    model: str | None = None
    """Weights of the transcriber: a local path, an id of a hub, or a size (`small`)."""
    revision: str | None = None
    """Commit of a hub's model; the one of `models.lock` by default."""
    batch: int = Field(8, ge=1)
    """Stretches of sound that go through the model at once."""
    precision: Literal["auto", "float32", "bfloat16", "float16", "int8"] = "auto"
    """Numbers that the model computes with; `auto`: by device."""
    threads: int | None = Field(None, ge=1)
    """Threads of a job; what the transcriber's card says by default."""
    when: Literal["always", "no_text"] = "always"
    """`no_text`: only for videos that the sources before it left without text."""
    language: str | None = None
    """Language of the text; taken from the captions where they tell."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Further parameters of the transcriber."""


class Encoder(Section):
    """An encoder: what it reads is told by its card (`triptych doctor` lists them)."""

    use: str
    """Registered name (`triptych models` lists them) or import path `module:Class`."""
    model: str | None = None
    """Weights: a local path or an id of a hub; the card's by default."""
    revision: str | None = None
    """Commit of a hub's model; the one of `models.lock` by default."""
    frames: Literal["keyframes", "uniform"] | None = None
    """For image encoders: which stored frames are read; the card's choice by default."""
    store: Literal["float32", "float16"] = "float32"
    """Numbers that arrays are stored with."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Numbers that a network computes with on a card; `auto`: bfloat16, float16 on old cards. On the CPU float32."""
    threads: int | None = Field(None, ge=1)
    """Threads of a job; what the encoder's card says by default."""
    text: list[str] = Field(default_factory=lambda: ["transcript"])
    """For text encoders: fields that are read: `transcript`, a source of transcripts, or a column in `text_fields`."""
    batch: int = Field(32, ge=1)
    """Items that go through the encoder at once."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the encoder, as its card names them."""


class Feature(Section):
    """A feature: pooled arrays of an encoder, one row a video."""

    from_: str = Field(alias="from", pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$")
    """`encoder.array`."""
    pool: str = "mean"
    """`mean`, `wmean` (weighted, by the tokens of text), `std`, `max`, `min`, `pNN` (percentile) joined by `+`;
    `present`: 1 where there is the array, else 0."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True)

    @field_validator("pool")
    @classmethod
    def _known_pools(cls, value: str) -> str:
        for part in value.split("+"):
            if not re.fullmatch(r"w?mean|std|max|min|present|p(\d{1,2}|100)", part.strip()):
                raise ValueError(
                    f"unknown pooling {part.strip()!r}; use mean, wmean, std, max, min or p25, joined by '+'"
                )
        return value.replace(" ", "")


class Metadata(Section):
    """A value from platform metadata, as yt-dlp tells it."""

    metadata: str
    """Path in the metadata: `categories.0`, `channel_id`."""


class LabelColumn(Section):
    """The classes of a column of the table."""

    column: str
    """Column whose values are the candidate labels (joined by `;` where a row has several)."""


class Relabel(Section):
    """Zero-shot labels: each video is held against candidate labels; no example is needed."""

    use: Literal["nli", "similarity"]
    """`nli`: a natural language inference model reads text; `similarity`: embeddings are held against label prompts."""
    model: str | None = None
    """For `nli`: the model, a local folder or an id of a hub."""
    revision: str | None = None
    """Commit of a hub's model; the one of `models.lock` by default."""
    text: list[str] | None = Field(None, min_length=1)
    """For `nli`: text fields that are read, `transcript` by default."""
    encoder: Name | None = None
    """For `similarity`: an encoder of the study, a text encoder or `clip`, which embeds the label prompts too."""
    array: str = "embedding"
    """For `similarity`: array of the encoder; its mean over time is compared."""
    labels: list[str] | LabelColumn
    """Candidate labels, or `{column: topic}`: the classes of that column."""
    template: str = "This example is {}."
    """Sentence that a label is put into, at `{}`."""
    multi_label: bool = False
    """A video may get several labels: all that reach `threshold`."""
    threshold: float | None = None
    """Lowest score of a label; a video that no label reaches has none. By default 0, with `multi_label` 0.5."""
    temperature: float | None = Field(None, gt=0)
    """For `similarity`: scores are the softmax of cosines over this; 0.05 by default, for `clip` its checkpoint's."""
    batch: int = Field(8, ge=1)
    """For `nli`: pairs of text and label that go through the model at once."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Numbers that the model computes with on a graphics card; `auto`: bfloat16. On the CPU always float32."""
    threads: int | None = Field(None, ge=1)
    """Threads of the job; 2 by default."""
    against: str | None = None
    """Column of existing labels that the new ones are compared with (Cohen's kappa)."""
    samples: int = Field(100, ge=1)
    """Videos on the sheet that is to be checked by hand."""
    seed: int = 0
    """Seed of the draw of these videos."""
    checked: str | None = None
    """Path of a filled copy of the sheet; the report then tells how many labels were right."""

    @property
    def fields(self) -> list[str]:
        """Text fields that `nli` reads."""
        return list(self.text or ["transcript"])

    @model_validator(mode="after")
    def _consistent(self) -> Relabel:
        given = {"nli": ("model", "revision", "text"), "similarity": ("encoder", "temperature")}
        other = "similarity" if self.use == "nli" else "nli"
        foreign = [key for key in given[other] if getattr(self, key) is not None]
        if foreign:
            raise ValueError(f"`{foreign[0]}` belongs to `use: {other}`")
        if self.use == "nli" and not self.model:
            raise ValueError("`use: nli` needs a `model`")
        if self.use == "similarity" and not self.encoder:
            raise ValueError("`use: similarity` needs an `encoder`")
        if isinstance(self.labels, list):
            bad = [one for one in self.labels if not one.strip() or ";" in one or not one.isprintable()]
            if bad:
                raise ValueError(f"labels: {bad[0]!r} is empty, or holds `;` or a character that does not print")
            if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
                raise ValueError("labels: name two different labels at least, each once")
        # The pipeline fills the template by str.format.
        before, _, after = self.template.partition("{}")
        if "{}" not in self.template or set("{}") & set(before + after):
            raise ValueError("template must hold `{}` once, and no other braces")
        if self.use == "similarity" and self.multi_label and self.threshold is None:
            raise ValueError("with `multi_label` scores of `similarity` are cosines; name the `threshold`")
        return self


class Relabelled(Section):
    """Labels that a section of `relabel` makes."""

    relabel: Name
    """Its name."""


class Task(Section):
    """What is predicted, and how the videos are split."""

    label: str | Metadata | Relabelled
    """Column of the labels (several joined by `;` when `multi_label`), `{metadata: categories.0}`, or `{relabel: NAME}`
    for zero-shot labels."""
    multi_label: bool = False
    """A video may carry several labels."""
    group: str | Metadata
    """Column whose values must not be split over folds, `none` (flagged in the report), or `{metadata: channel_id}`."""
    folds: int | Literal["predefined"] = 5
    """Number of folds, or `predefined`: the table's column `fold`."""
    repeats: int = Field(1, ge=1, le=100)
    """How often the whole cross-validation is repeated with other folds."""
    seed: int = 0
    """Salt of the group hashes that order the groups, and seed of the models."""
    min_groups: Literal["stop", "drop", "allow"] = "stop"
    """A class with fewer groups than folds: `stop`, `drop` it (its videos become unlabelled), or `allow` it."""

    @field_validator("folds")
    @classmethod
    def _folds(cls, value: int | str) -> int | str:
        if isinstance(value, int) and not 2 <= value <= 50:
            raise ValueError("folds must be 2 to 50, or 'predefined'")
        return value


HEADS = ("svc", "linear_svc", "logistic", "mlp", "knn", "forest", "majority", "prior")
FUSION_HEADS = ("mean", "log_product", "logistic")


class Model(Section):
    """A model (an experiment): a head on features or text, or a fusion of other models."""

    inputs: list[Name] = Field(default_factory=list)
    """Features that the head reads; several only with `fusion: early`."""
    text: list[str] = Field(default_factory=list)
    """Text fields that the head reads (as an encoder's `text`), counted inside the training fold."""
    vectorizer: Literal["tfidf", "counts"] = "tfidf"
    """How text fields become vectors."""
    head: Literal[
        "svc", "linear_svc", "logistic", "mlp", "knn", "forest", "majority", "prior", "mean", "log_product"
    ] = "logistic"
    """Classifier; for `fusion: late` how members are joined: `mean`, `log_product` or `logistic` (nested stacking)."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the head, as its page in the docs names them."""
    fusion: Literal["early", "late"] | None = None
    """`early`: block-scaled concatenation of the inputs; `late`: members' probabilities."""
    members: list[Name] = Field(default_factory=list)
    """Models that a late fusion joins."""
    balance: Literal["none", "class_weight", "under+over"] = "none"
    """How classes are balanced, inside the training fold only."""
    inner: int = Field(3, ge=2, le=20)
    """Inner folds of a stack and of probability calibration (same groups)."""
    tasks: list[Name] | None = None
    """Tasks that this model is for; all by default."""
    allow_label_source: bool = False
    """Allow inputs from which the task's zero-shot labels were made (the report says so)."""

    @model_validator(mode="after")
    def _consistent(self) -> Model:
        for kind in ("inputs", "members", "text"):
            if len(set(getattr(self, kind))) != len(getattr(self, kind)):
                raise ValueError(f"`{kind}` names something twice")
        if self.fusion == "late":
            if len(self.members) < 2:
                raise ValueError("a late fusion needs at least two members")
            if self.inputs or self.text:
                raise ValueError("a late fusion reads its members; leave out `inputs` and `text`")
            if self.head not in FUSION_HEADS:
                raise ValueError(f"head of a late fusion must be one of {', '.join(FUSION_HEADS)}")
        else:
            if self.members:
                raise ValueError("`members` belongs to `fusion: late`")
            if self.head not in HEADS:
                raise ValueError(f"head must be one of {', '.join(HEADS)}")
            if self.head in ("majority", "prior"):
                if self.inputs or self.text:
                    raise ValueError(f"the baseline `{self.head}` reads no inputs")
            elif self.fusion == "early":
                if len(self.inputs) + bool(self.text) < 2:
                    raise ValueError("an early fusion needs at least two inputs")
            elif (len(self.inputs) == 1) == bool(self.text):
                raise ValueError("a head reads one feature (`inputs: [seen]`) or text fields (`text: [transcript]`)")
        return self


class Evaluate(Section):
    """Metrics and intervals."""

    bootstrap: int = Field(2000, ge=100)
    """Resamples of groups for the 95 % intervals."""
    permutations: int = Field(5000, ge=100)
    """Permutations of the paired test against the best single modality."""
    seed: int = 0
    """Seed of both."""


class Report(Section):
    """The report."""

    title: str = "Triptych"
    """Heading of the page."""
    note: str | None = None
    """A sentence shown at the top, e.g. that the corpus is synthetic."""
    embed_videos: int = Field(200, ge=0)
    """Most videos whose pictures are embedded in the page; beyond that they are linked files."""


class Study(Section):
    """A study file, complete: what is read, computed, trained and reported."""

    study: Name
    """Name of the study: the folder of its results and of its splits."""
    corpus: str
    """Path of the table of videos, relative to where `snakemake` runs."""
    results: str = Field("results", min_length=1)
    """Folder of all outputs; they lie in `{results}/{study}`."""
    media_dir: str = Field("data/media", min_length=1)
    """Folder of downloads and links; they lie in `{media_dir}/{study}/{video}.media`."""
    splits_dir: str = Field("data/splits", min_length=1)
    """Folder of the split files, meant to be committed: `{splits_dir}/{study}/{task}.csv`."""
    unit: Literal["video", "shard"] = "video"
    """Jobs of the media stages: one a video, or one a shard (clusters, large corpora)."""
    shards: int = Field(8, ge=1, le=100_000)
    """Number of shards: jobs of each transcriber and encoder."""
    gpus: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"
    """Graphics cards that jobs share; 0 runs all on the CPU."""
    min_ok_fraction: float = Field(0.5, ge=0, le=1)
    """Share of the videos that must be usable; features stop below it."""
    limits: Limits = Field(default_factory=Limits)
    """What is refused, and what decoding may use."""
    fetch: Fetch = Field(default_factory=Fetch)
    """Downloads."""
    audio: Audio = Field(default_factory=Audio)
    """Audio files."""
    keyframes: Keyframes = Field(default_factory=Keyframes)
    """Keyframes."""
    text_fields: list[str] = Field(default_factory=lambda: ["title", "description"])
    """Columns of the table that encoders and models may read as text, beside transcripts; others can tell the label."""
    transcripts: dict[Name, Transcript] = Field(default_factory=dict)
    """Sources of transcripts, in the order in which they are tried."""
    encoders: dict[Name, Encoder] = Field(default_factory=dict)
    """Encoders."""
    features: dict[Name, Feature] = Field(default_factory=dict)
    """Features."""
    relabel: dict[Name, Relabel] = Field(default_factory=dict)
    """Zero-shot labels."""
    tasks: dict[Name, Task] = Field(default_factory=dict)
    """Tasks."""
    models: dict[Name, Model] = Field(default_factory=dict)
    """Models; the baselines `majority` and `prior` are always added."""
    evaluate: Evaluate = Field(default_factory=Evaluate)
    """Metrics."""
    report: Report = Field(default_factory=Report)
    """The report."""

    @model_validator(mode="after")
    def _references(self) -> Study:
        faults = list(self._dangling())
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _dangling(self):
        for name in {"text", "transcript"} & set(self.transcripts):
            yield f"transcripts.{name}: this name belongs to the resolved text; choose another"
        for name, feature in self.features.items():
            encoder = feature.from_.split(".")[0]
            if encoder not in self.encoders:
                yield f"features.{name}.from: there is no encoder {encoder!r}{nearest(encoder, self.encoders)}"
        for name, section in self.relabel.items():
            if section.encoder is not None and section.encoder not in self.encoders:
                near = nearest(section.encoder, self.encoders)
                yield f"relabel.{name}.encoder: there is no encoder {section.encoder!r}{near}"
        for name, task in self.tasks.items():
            if isinstance(task.label, Relabelled):
                made = self.relabel.get(task.label.relabel)
                if made is None:
                    near = nearest(task.label.relabel, self.relabel)
                    yield f"tasks.{name}.label: there is no relabel {task.label.relabel!r}{near}"
                elif made.multi_label and not task.multi_label:
                    yield f"tasks.{name}: relabel {task.label.relabel!r} gives several labels; set `multi_label: true`"
        for name, model in self.models.items():
            for wanted, known, kind in (
                (model.inputs, self.features, "feature"),
                (model.members, self.models, "model"),
                (model.tasks or [], self.tasks, "task"),
            ):
                for one in wanted:
                    if one not in known:
                        yield f"models.{name}: there is no {kind} {one!r}{nearest(one, known)}"
            for member in set(model.members) & set(self.models):
                other = self.models[member].tasks
                lacking = [] if other is None else sorted(set(model.tasks or self.tasks) - set(other))
                if lacking:
                    yield f"models.{name}: member {member!r} is not for {', '.join(lacking)}; name the task in both"
            for member in model.members:
                if member in self.models and self.models[member].fusion == "late":
                    yield f"models.{name}: member {member!r} is itself a late fusion; name its members instead"
            if name in ("majority", "prior") and model.head != name:
                yield f"models.{name}: this name belongs to the baseline"

    @property
    def spoken(self) -> list[str]:
        """Sources of transcripts that the resolved text is taken from, in order: what is said, not what is shown."""
        return [name for name, source in self.transcripts.items() if source.use != "ocr"]

    @property
    def shown(self) -> list[str]:
        """Sources of transcripts that read the pictures."""
        return [name for name, source in self.transcripts.items() if source.use == "ocr"]

    def models_of(self, task: str) -> dict[str, Model]:
        """The models of a task, the two baselines first (they are rows of every comparison)."""
        named = {"majority": Model(head="majority"), "prior": Model(head="prior")}
        named.update(self.models)
        return {name: model for name, model in named.items() if model.tasks is None or task in model.tasks}

    def inner_folds(self, model: str, task: str) -> int:
        """Inner folds for which `model` must also predict, because a stack of this task reads it; 0 for none."""
        wanted = [
            other.inner
            for other in self.models_of(task).values()
            if other.fusion == "late" and other.head == "logistic" and model in other.members
        ]
        return max(wanted, default=0)


def nearest(word: str, known) -> str:
    """`; did you mean 'x'?` for the nearest known word, or an empty string."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
