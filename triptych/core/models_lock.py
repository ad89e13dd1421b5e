"""`models.lock`: of each model its commit, and of each file its sha256 and size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.core.files import parse_json, read_text, replace_json

#: The lock lies where `snakemake` runs.
LOCK = Path("models.lock")


class WeightsError(ValueError):
    """Weights that are not here, or not what they must be; the message says which file, and what to do."""


def read_lock(path: Path | str | None = None) -> dict[str, Any]:
    """Content of `models.lock`: model -> {"revision", "files": {name: {"sha256", "bytes"}}}; empty without the file.

    A second revision of a hub's model, which a study file names, has the key `org/name@commit`.

    Raises:
        WeightsError: damaged.
    """
    path = LOCK if path is None else Path(path)
    try:
        models = parse_json(read_text(path))["models"]
        for model, one in models.items():
            if not isinstance(one.get("revision", ""), str):
                raise ValueError(f"{model}: its revision is no commit")
            for name, file in one["files"].items():
                if name.startswith("/") or ".." in name.split("/"):
                    raise ValueError(f"{model}: {name!r} lies outside of the model's folder")
                if not re.fullmatch(r"[0-9a-f]{64}", file["sha256"]) or not isinstance(file["bytes"], int):
                    raise ValueError(f"{model}: {name} has no sha256")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        told = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise WeightsError(
            f"{path} is damaged ({told}); restore it, or remove it and fetch the models again"
        ) from error
    return models


def write_lock(models: Mapping[str, Any], path: Path | str | None = None) -> None:
    """Write `models.lock` whole."""
    replace_json(LOCK if path is None else path, {"models": dict(models)})


def entry_for(
    model: str, revision: str | None, lock: Mapping[str, Any], path: Path | None = None
) -> Mapping[str, Any] | None:
    """What the lock says of a model: of the revision that the study names, or of the same place by another path."""
    if revision and (one := lock.get(f"{model}@{revision}")):
        return one
    one = lock.get(model)
    if one is not None:
        return one if not revision or one.get("revision") in (None, revision) else None
    if path is None:
        return None
    local = [key for key, one in lock.items() if "revision" not in one and "://" not in key]
    return next((lock[key] for key in local if Path(key).expanduser().resolve() == path.resolve()), None)
