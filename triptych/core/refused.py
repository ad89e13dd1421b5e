"""What near-duplicates mean for a task (`refused.json`): videos that are left out, and groups that are tied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from triptych.core import sealed
from triptych.core.files import DamagedFile


def read_refused(path: Path | str | None) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What `refused.json` of a task tells: video -> its near-duplicate, and group -> the group it is tied to.

    A file that is not there tells of none.

    Raises:
        DamagedFile: it tells of something else.
    """
    if path is None or not Path(path).is_file():
        return {}, {}
    told = sealed.read_json(path)
    try:
        refused, tied = told.get("refused", {}), told.get("tied", {})
        whole = all(isinstance(one["duplicate_of"], str) for one in refused.values())
        if not whole or not all(isinstance(one, str) for one in tied.values()):
            raise TypeError("videos and groups are no text")
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedFile(path, error) from error
    return refused, tied
