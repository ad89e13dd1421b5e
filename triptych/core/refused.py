"""What near-duplicates mean for a task (`refused.json`): videos that are left out, and groups that are tied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from triptych.core import sealed


def read_refused(path: Path | str | None) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What `refused.json` of a task tells: video -> its near-duplicate, and group -> the group it is tied to.

    A file that is not there tells of none.
    """
    told = sealed.read_json(path) if path is not None and Path(path).is_file() else {}
    return told.get("refused", {}), told.get("tied", {})
