"""Near-duplicate videos, as the report shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triptych.core.paths import Paths


def section(study: Mapping[str, Any], paths: Paths) -> str:
    """Escaped HTML of the near-duplicates of a study; empty when there is none."""
    return ""
