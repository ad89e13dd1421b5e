"""Sections of the study of one modality against another: summaries, mapping, match, imagined pictures."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from triptych.core.config.section import Name, Section, once

#: Ways of mapping one embedding to another.
MAPPINGS = ("ridge", "pls", "cca", "mlp", "infonce")


class Summary(Section):
    """A short text of each video, made of longer ones; its name is a text field like `transcript`."""

    use: Literal["extractive", "transformers"] = "extractive"
    """`extractive`: the sentences nearest to the whole text; `transformers`: a summarisation model."""
    text: list[str] = Field(default_factory=lambda: ["transcript"], min_length=1)
    """Text fields that are summarised: columns, `transcript`, sources of transcripts."""
    sentences: int = Field(3, ge=1, le=50)
    """For `extractive`: sentences that are kept, in their order."""
    model: str | None = None
    """For `transformers`: the model, a local folder or an id of a hub."""
    revision: str | None = None
    """Commit of a hub's model; the one of `models.lock` by default."""
    params: dict[str, Any] = Field(default_factory=dict)
    """For `transformers`: `max_tokens` (64), `min_tokens` (0), `beams` (4), `prefix` (none; `summarize: ` for T5)."""

    @model_validator(mode="after")
    def _consistent(self) -> Summary:
        if (self.use == "transformers") != bool(self.model):
            raise ValueError("`model` and `use: transformers` belong together")
        return self


class Mapping(Section):
    """Features mapped to one another: what of one modality can be told from another."""

    features: list[Name] = Field(min_length=2)
    """Features; all ordered pairs are mapped."""
    methods: list[Literal["ridge", "pls", "cca", "mlp", "infonce"]] = Field(
        default_factory=lambda: list(MAPPINGS), min_length=1
    )
    """`ridge`, `pls`, `cca`, `mlp` (mean squared error) and `infonce` (an MLP with a contrastive loss)."""
    task: Name
    """Task whose splits are used (a mapping is fitted on training folds only), and whose classes the class-centroid
    null takes."""
    reduce: int | None = Field(None, ge=2, le=4096)
    """Width to which an autoencoder brings each feature beforehand, fitted on the training fold; none by default."""
    params: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Parameters by method."""
    permutations: int = Field(200, ge=20)
    """Permutations of the pairs, for the null of each score."""
    seeds: int = Field(5, ge=1, le=100)
    """How often networks are fitted, each with another seed."""


class Match(Section):
    """Pictures held against words: whether a video's keyframes fit its own text better than other videos' texts."""

    encoder: Name
    """An encoder of pictures that embeds text too (`clip`)."""
    text: list[str] = Field(default_factory=lambda: ["description", "transcript"], min_length=1)
    """Text fields, each matched by itself: columns, `transcript`, sources of transcripts, summaries."""
    group: Name | None = None
    """Task whose groups are kept apart: a video is compared with videos of other groups only."""
    permutations: int = Field(1000, ge=100)
    """Permutations of pictures against texts, for p."""
    shown: int = Field(6, ge=0, le=100)
    """Videos that the report shows, with their best and worst matching frames."""
    seed: int = 0
    """Seed of the permutations."""

    @field_validator("text")
    @classmethod
    def _fields(cls, value: list[str]) -> list[str]:
        return once(value)


class Imagine(Section):
    """Pictures made from words by a diffusion model, held against the videos' own keyframes."""

    model: str
    """A text-to-image pipeline of diffusers: a local folder or an id of a hub."""
    revision: str | None = None
    """Commit of a hub's model; the one of `models.lock` by default."""
    text: str = "description"
    """Text field that is painted: a column, `transcript`, a source of transcripts, or a summary."""
    encoder: Name
    """An image encoder of the study: pictures and keyframes are compared by its embeddings."""
    array: str = "embedding"
    """Array of the encoder."""
    images: int = Field(1, ge=1, le=16)
    """Pictures a video."""
    steps: int = Field(4, ge=1, le=200)
    """Denoising steps."""
    guidance: float = Field(1.0, ge=0, le=30)
    """Guidance scale."""
    size: int | None = Field(None, ge=16, le=1024)
    """Height and width in pixels; the pipeline's own by default."""
    videos: int | None = Field(None, ge=1)
    """Most videos that are painted, the first by a hash of their names; all by default."""
    group: Name | None = None
    """Task whose groups are kept apart: a video's pictures are compared with keyframes of other groups only."""
    permutations: int = Field(1000, ge=100)
    """Permutations of pictures against videos, for p."""
    shown: int = Field(6, ge=0, le=100)
    """Videos that the report shows, their pictures beside their keyframes."""
    seed: int = 0
    """Seed of the pictures and of the permutations."""


class Duplicates(Section):
    """Videos that are the same or nearly: they are listed, and never lie on both sides of a split."""

    use: list[Literal["content", "pictures", "sound"]] = Field(default_factory=lambda: ["content", "pictures", "sound"])
    """`content`: same bytes or same decoded sound; `pictures`: perceptual hashes of keyframes; `sound`: audio
    fingerprints. An empty list finds nothing."""
    picture_bits: int = Field(10, ge=0, le=16)
    """Bits of 64 in which the hashes of two like frames differ at most; the frames themselves are compared then."""
    picture_share: float = Field(0.5, gt=0, le=1)
    """Share of the keyframes of the shorter of two videos that must have a like frame in the other one."""
    sound_share: float = Field(0.5, gt=0, le=1)
    """Share of the fingerprints of the shorter of two sounds that must agree at one offset."""
    features: dict[Name, float] = Field(default_factory=dict)
    """Feature -> least cosine of two videos that count as duplicates; none by default."""

    @field_validator("features")
    @classmethod
    def _cosines(cls, value: dict[str, float]) -> dict[str, float]:
        odd = [name for name, cosine in value.items() if not 0 < cosine <= 1]
        if odd:
            raise ValueError(f"a cosine lies above 0 and is 1 at most ({', '.join(odd)})")
        return value
