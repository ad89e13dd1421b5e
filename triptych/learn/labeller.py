"""What gives zero-shot labels: the contract of a labeller, and what it reads of a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from triptych.core.status import Outcome


@dataclass(frozen=True)
class Given:
    """What a labeller reads of one video: its digest, whether it is usable, and text (str) or a vector (D,)."""

    digest: str
    outcome: Outcome
    value: Any = None


class Labeller(Protocol):
    """A way to score labels: made from a section (cheap), loaded once a job, then given videos in batches."""

    def signature(self) -> dict[str, Any]:
        """All that determines the scores beside what is read."""

    def read(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Given]:
        """What there is to read of each video, by slug."""

    def load(self, device: str, threads: int) -> None:
        """Load weights and libraries."""

    def score(self, values: Sequence[Any]) -> np.ndarray:
        """Scores of the labels (n, K) of usable videos."""
