"""Sections of labels: tasks, and zero-shot labels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from triptych.core.config.section import Name, Section, seeding


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
    duplicates: Literal["refuse", "ignore"] = "refuse"
    """Near-duplicates (section `duplicates`): videos tied by one lie in one fold; where the split file has them in two,
    the newer one is left out of the task (`refused: duplicate_of`). `ignore`: they are listed only."""
    min_groups: Literal["stop", "drop", "allow"] = "stop"
    """A class with fewer groups than folds: `stop`, `drop` it (its videos become unlabelled), or `allow` it."""

    @field_validator("folds")
    @classmethod
    def _folds(cls, value: int | str) -> int | str:
        if isinstance(value, int) and not 2 <= value <= 50:
            raise ValueError("folds must be 2 to 50, or 'predefined'")
        return value

    @field_validator("seed")
    @classmethod
    def _seed(cls, value: int) -> int:
        # Repeats and runs add up to 100,000 (`learn.seeds`).
        return seeding(value, 4_000_000_000)
