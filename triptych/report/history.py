"""history.jsonl: a line a run with the digest of its configuration and its metrics; an unchanged run adds none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.core.files import canonical_json, digest_json, replace_text


def append_history(
    path: Path | str, config_digest: str, metrics: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> bool:
    """Add a line for this run, unless it is the same as the last one.

    The file is read, and replaced whole with a line more. No clock is in it: the order of the lines is that of the
    runs.

    Args:
        path: history.jsonl; made when it is not there.
        config_digest: digest of the configuration that the results were made with.
        metrics: task -> model -> content of its metrics file.

    Returns:
        Whether a line was added.
    """
    told = {
        task: {model: _brief(one) for model, one in sorted(models.items())} for task, models in sorted(metrics.items())
    }
    run = digest_json([config_digest, told])
    path = Path(path)
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text and not text.endswith("\n"):
        text += "\n"
    earlier = read_history(path)
    if earlier and earlier[-1].get("run") == run:
        return False
    replace_text(path, text + canonical_json({"run": run, "config": config_digest, "metrics": told}) + "\n")
    return True


def read_history(path: Path | str) -> list[dict[str, Any]]:
    """The lines of the file, oldest first; lines that are no JSON are passed over (and kept in the file)."""
    path = Path(path)
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            one = json.loads(line) if line.strip() else None
        except ValueError:
            continue
        if isinstance(one, dict):
            found.append(one)
    return found


def _brief(one: Mapping[str, Any]) -> dict[str, Any]:
    """n, and value and interval of the scores that a glance at the past needs."""
    wanted = [one["primary"], "balanced_accuracy", "macro_f1"]
    return {"n": one["n"]} | {
        name: [one["all"][name][part] for part in ("value", "low", "high")] for name in wanted if name in one["all"]
    }
