"""Sections of transcripts, encoders and features."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from triptych.core.config.section import Name, Section


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
    `present`: 1 where there is the array, else 0; `sequence`: all rows in order, for networks."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True)

    @field_validator("pool")
    @classmethod
    def _known_pools(cls, value: str) -> str:
        if value.strip() == "sequence":
            return "sequence"
        for part in value.split("+"):
            if not re.fullmatch(r"w?mean|std|max|min|present|p(\d{1,2}|100)", part.strip()):
                raise ValueError(
                    f"unknown pooling {part.strip()!r}; use mean, wmean, std, max, min or p25, joined by '+'"
                )
        return value.replace(" ", "")
