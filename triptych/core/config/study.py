"""The whole study file, and what its sections say of each other."""

from __future__ import annotations

from os.path import normpath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ModelWrapValidatorHandler, ValidationError, model_validator

from triptych.core.config.crossmodal import Duplicates, Imagine, Mapping, Match, Summary
from triptych.core.config.encoders import Encoder, Feature, Transcript
from triptych.core.config.grid import expand
from triptych.core.config.labels import Relabel, Relabelled, Task
from triptych.core.config.media import Audio, Fetch, Keyframes, Limits
from triptych.core.config.models import SEQUENCE_HEADS, Decide, Model
from triptych.core.config.report import Evaluate, Report
from triptych.core.config.resources import EVERY, TABLE, Resources
from triptych.core.config.section import Name, Section, nearest

#: Files are known by their names: `./results/` is `results`.
Folder = Annotated[str, AfterValidator(normpath)]


class Study(Section):
    """A study file, complete: what is read, computed, trained and reported."""

    study: Name
    """Name of the study: the folder of its results and of its splits."""
    corpus: str
    """Path of the table of videos, relative to where `snakemake` runs."""
    results: Folder = Field("results", min_length=1)
    """Folder of all outputs; they lie in `{results}/{study}`."""
    media_dir: Folder = Field("data/media", min_length=1)
    """Folder of downloads and links; they lie in `{media_dir}/{study}/{video}.media`."""
    splits_dir: Folder = Field("data/splits", min_length=1)
    """Folder of the split files, meant to be committed: `{splits_dir}/{study}/{task}.csv`."""
    unit: Literal["video", "shard"] = "video"
    """Jobs of the media stages: one a video, or one a shard (clusters, large corpora)."""
    shards: int = Field(8, ge=1, le=100_000)
    """Number of shards: jobs of each transcriber and encoder."""
    gpus: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"
    """Graphics cards that jobs share; 0 runs all on the CPU. On a cluster name a number: `auto` is for this machine."""
    resources: dict[str, Resources] = Field(default_factory=dict)
    """What the jobs of a rule ask for on a cluster: rule (or `every`) -> memory, minutes, threads."""
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
    duplicates: Duplicates = Field(default_factory=Duplicates)
    """Near-duplicate videos."""
    tasks: dict[Name, Task] = Field(default_factory=dict)
    """Tasks."""
    models: dict[Name, Model] = Field(default_factory=dict)
    """Models; the baselines `majority` and `prior` are always added."""
    summaries: dict[Name, Summary] = Field(default_factory=dict)
    """Short texts, text fields like `transcript`."""
    mapping: dict[Name, Mapping] = Field(default_factory=dict)
    """Features mapped to one another."""
    match: dict[Name, Match] = Field(default_factory=dict)
    """Pictures held against words."""
    imagine: dict[Name, Imagine] = Field(default_factory=dict)
    """Pictures made from words."""
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

    @model_validator(mode="wrap")
    @classmethod
    def _grids(cls, data: Any, handler: ModelWrapValidatorHandler[Study]) -> Study:
        """Grids become models before anything is checked; faults are told of the grid, once.

        It stands behind the others: the last of these validators is the outermost.
        """
        if isinstance(data, Study):
            return handler(data)
        grids = expand(data)
        try:
            study = handler(grids.data)
        except ValidationError as error:
            if not grids.models and not grids.faults:
                raise
            raise grids.error(error, cls.__name__, data) from None
        if grids.faults:
            raise grids.error(None, cls.__name__, data)
        return study

    def _dangling(self):
        for name in {"text", "transcript"} & set(self.transcripts):
            yield f"transcripts.{name}: this name belongs to the resolved text; choose another"
        for rule in set(self.resources) - {EVERY, *TABLE}:
            yield f"resources.{rule}: there is no rule {rule!r}{nearest(rule, {EVERY, *TABLE})}"
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
                (model.select, self.models, "model"),
                (model.tasks or [], self.tasks, "task"),
            ):
                for one in wanted:
                    if one not in known:
                        yield f"models.{name}: there is no {kind} {one!r}{nearest(one, known)}"
            for member in {*model.members, *model.select} & set(self.models):
                other = self.models[member].tasks
                lacking = [] if other is None else sorted(set(model.tasks or self.tasks) - set(other))
                if lacking:
                    yield f"models.{name}: member {member!r} is not for {', '.join(lacking)}; name the task in both"
            for member in (*model.members, *model.select):
                if member in self.models and self.models[member].reads_members:
                    kind = "a choice" if self.models[member].select else "a late fusion"
                    yield f"models.{name}: member {member!r} is itself {kind}; name its members instead"
            yield from self._sequences(name, model)
            single = [one for one in model.tasks or self.tasks if one in self.tasks and not self.tasks[one].multi_label]
            if model.decide != Decide() and single:
                yield (
                    f"models.{name}.decide: it is for tasks with several labels a video, and {single[0]!r} has one; "
                    "name the model's `tasks`, or leave `decide` out"
                )
            if name in ("majority", "prior") and model.head != name:
                yield f"models.{name}: this name belongs to the baseline"

        for name, section in self.mapping.items():
            for one in section.features:
                if one not in self.features:
                    yield f"mapping.{name}: there is no feature {one!r}{nearest(one, self.features)}"
            if section.task not in self.tasks:
                yield f"mapping.{name}.task: there is no task {section.task!r}{nearest(section.task, self.tasks)}"
        for kind, sections in (("match", self.match), ("imagine", self.imagine)):
            for name, section in sections.items():
                if section.encoder not in self.encoders:
                    near = nearest(section.encoder, self.encoders)
                    yield f"{kind}.{name}.encoder: there is no encoder {section.encoder!r}{near}"
                if section.group is not None and section.group not in self.tasks:
                    near = nearest(section.group, self.tasks)
                    yield f"{kind}.{name}.group: there is no task {section.group!r}{near}"
        yield from self._pooled()
        for name in set(self.summaries) & {"text", "transcript", *self.transcripts, *self.text_fields}:
            yield f"summaries.{name}: this name belongs to another text field; choose another"
        for one in self.duplicates.features:
            if one not in self.features:
                yield f"duplicates.features: there is no feature {one!r}{nearest(one, self.features)}"
            elif self.features[one].pool == "sequence":
                yield f"duplicates.features: {one!r} is a sequence; name a pooled feature"
        for one in self.evaluate.curves:
            if one not in self.models:
                yield f"evaluate.curves: there is no model {one!r}{nearest(one, self.models)}"
            elif self.models[one].reads_members:
                yield f"evaluate.curves: {one!r} reads other models' predictions; name its members instead"

    def _sequences(self, name: str, model: Model):
        """Sequence features are for networks, and heads of sequences read nothing else."""
        for one in model.inputs:
            if one not in self.features:
                continue
            sequence = self.features[one].pool == "sequence"
            if sequence and not model.network:
                yield f"models.{name}: feature {one!r} is a sequence; `{model.head}` reads pooled features"
            if model.head in SEQUENCE_HEADS and not sequence:
                yield f"models.{name}: `{model.head}` reads a sequence feature; set `pool: sequence` for {one!r}"

    def _pooled(self):
        """Mappings read one row a video."""
        for name, section in self.mapping.items():
            for one in section.features:
                if one in self.features and self.features[one].pool == "sequence":
                    yield f"mapping.{name}: feature {one!r} is a sequence, which is for networks; name a pooled one"

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
        """Inner folds for which `model` must also predict; 0 for none.

        A stack or a choice of this task reads them, or thresholds are chosen on them: the model's own, or those of a
        late fusion.
        """
        models = self.models_of(task)
        wanted = [
            other.inner
            for other in models.values()
            if (model in other.members and (other.head == "logistic" or other.decide.chosen)) or model in other.select
        ]
        own = models.get(model)
        wanted += [own.inner] if own is not None and own.decide.chosen and not own.reads_members else []
        return max(wanted, default=0)
