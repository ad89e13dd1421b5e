"""Sections of evaluation and report."""

from __future__ import annotations

from pydantic import Field, field_validator

from triptych.core.config.section import Name, Section, once, seeding


class Evaluate(Section):
    """Metrics and intervals."""

    bootstrap: int = Field(2000, ge=100)
    """Resamples of groups for the 95 % intervals."""
    permutations: int = Field(5000, ge=100)
    """Permutations of the paired test against the best single modality."""
    seed: int = 0
    """Seed of both."""
    curves: list[Name] = Field(default_factory=list)
    """Models whose learning curve is computed: the model fitted again on shares of each training fold."""
    curve_shares: list[float] = Field(default_factory=lambda: [0.1, 0.2, 0.4, 0.7, 1.0], min_length=2)
    """Shares of the groups of a training fold."""
    curve_draws: int = Field(3, ge=1, le=50)
    """Random draws of each share."""
    label_hints: bool = True
    """Rank labels that are probably wrong, by the models' out-of-fold probabilities."""

    @field_validator("seed")
    @classmethod
    def _seed(cls, value: int) -> int:
        return seeding(value)

    @field_validator("curves")
    @classmethod
    def _curves(cls, value: list[str]) -> list[str]:
        return once(value)

    @field_validator("curve_shares")
    @classmethod
    def _shares(cls, value: list[float]) -> list[float]:
        if not all(0 < one <= 1 for one in value):
            raise ValueError("shares lie above 0 and are 1 at most")
        return value


class Report(Section):
    """The report."""

    title: str = "Triptych"
    """Heading of the page."""
    note: str | None = None
    """A sentence shown at the top, e.g. that the corpus is synthetic."""
    embed_videos: int = Field(200, ge=0)
    """Most videos whose pictures are embedded in the page; beyond that they are linked files."""
