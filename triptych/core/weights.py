"""Weights of models: where they lie, what they are, and whether they are what `models.lock` says.

Nothing is downloaded or loaded here, and nothing heavy is imported: the same check runs before any job and again in
each job. A model is a folder or file of this machine, or an id of a hub, whose files lie in the hub's own cache at one
commit. `triptych models --fetch` brings them and writes the lock; jobs run offline.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from triptych.core.files import digest_file, digest_json, replace_json

#: `folder`: a folder in the form of transformers (local, or id of the Hugging Face hub); `file`: one local file;
#: `tfhub`: a SavedModel (local folder, or handle of TensorFlow Hub); `none`: no weights; `package`: inside a package.
Kind = Literal["none", "package", "folder", "file", "tfhub"]

#: The lock lies where `snakemake` runs.
LOCK = Path("models.lock")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
#: Files of a model's folder that decide nothing.
_IDLE = {".md", ".png", ".jpg", ".gif", ".lock", ".metadata", ".gitattributes", ".gitignore"}


class WeightsError(ValueError):
    """Weights that are not here, or not what they must be; the message says which file, and what to do."""


@dataclass(frozen=True)
class Located:
    """Weights that are here.

    Attributes:
        model: as the study file names them.
        path: folder or file to load.
        identity: of their content: `org/name@commit`, or `sha256:...` of local ones. Part of the key of results.
        files: path relative to `path` ("" for a single file) -> bytes.
    """

    model: str
    path: Path
    identity: str
    files: Mapping[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(self.files.values())

    @property
    def safetensors(self) -> bool:
        """Whether the weights are safetensors (else a format that is read with `weights_only=True`)."""
        return any(name.endswith(".safetensors") for name in self.files)


def locate(
    model: str,
    revision: str | None = None,
    *,
    kind: Kind = "folder",
    listed: bool = False,
    lock: Mapping[str, Any] | None = None,
) -> Located:
    """Find weights and hold them against `models.lock`.

    Args:
        model: local path, or id of a hub.
        revision: commit of a hub's model; else the one that the lock names.
        kind: what is looked for.
        listed: the file must be named in the lock (formats that may carry code).
        lock: content of `models.lock`; read where `snakemake` runs by default.

    Raises:
        WeightsError: not here, no pinned revision, a file is missing or has another sha256 than the lock says.
    """
    if not model:
        raise WeightsError("name the model: `model:` is a local path or an id of a hub")
    told = (read_lock() if lock is None else lock).get(model)
    if kind in ("none", "package"):
        raise WeightsError(f"{model}: this encoder takes no model")
    path = Path(model).expanduser()
    if path.exists() or is_path(model):
        if not path.exists():
            raise WeightsError(f"{model}: there is no such {'file' if kind == 'file' else 'folder'}")
        if kind == "file" and not path.is_file():
            raise WeightsError(f"{model}: must be a file")
        if kind != "file" and not path.is_dir():
            raise WeightsError(f"{model}: must be a folder")
        if listed and told is None:
            raise WeightsError(
                f"{model}: a file of this format can carry code, so models.lock must list it (its sha256 is "
                f"{file_digest(path)}); after a look at where it comes from: triptych models --trust {model}"
            )
        identity = "sha256:" + (file_digest(path) if path.is_file() else folder_digest(path))
        found = Located(model, path.resolve(), identity, _sizes(path))
    else:
        found = _on_hub(model, revision, told, kind)
    if told is not None:
        _held_against(found, told)
    return found


def is_path(model: str) -> bool:
    """Whether a model's name can only be a path of this machine."""
    return model.startswith(("/", "./", "../", "~")) or (model.count("/") > 1 and "://" not in model)


def _on_hub(model: str, revision: str | None, told: Mapping[str, Any] | None, kind: Kind) -> Located:
    if kind == "file":
        raise WeightsError(f"{model}: there is no such file")
    if kind == "tfhub":
        folder = tfhub_folder(model)
        if not (folder / "saved_model.pb").is_file():
            raise WeightsError(f"{model} is not here; bring it: triptych models --fetch CONFIG")
        return Located(model, folder, "sha256:" + folder_digest(folder), _sizes(folder))
    if not _HUB_ID.fullmatch(model):
        raise WeightsError(f"{model!r} is neither a folder that is there nor an id such as `org/name`")
    commit = revision or (told or {}).get("revision")
    if not commit:
        raise WeightsError(
            f"{model}: no folder of this name is there, and no revision of this id is pinned; bring and pin it: "
            "triptych models --fetch CONFIG (writes models.lock)"
        )
    if not _COMMIT.fullmatch(commit):
        raise WeightsError(f"{model}: revision must be a commit (40 hexadecimal digits), not {commit!r}")
    folder = hub_folder(model, commit)
    if not folder.is_dir():
        raise WeightsError(f"{model} at {commit[:12]} is not here; bring it: triptych models --fetch CONFIG")
    return Located(model, folder, f"{model}@{commit}", _sizes(folder))


def _held_against(found: Located, told: Mapping[str, Any]) -> None:
    wanted = {name: one["sha256"] for name, one in told.get("files", {}).items()}
    commit = found.identity.partition("@")[2]
    if commit and told.get("revision") != commit:
        return  # the study pins another revision than the lock knows
    for name, sha256 in sorted(wanted.items()):
        path = found.path / name if name else found.path
        if not path.is_file():
            raise WeightsError(f"{found.model}: {path} is missing; bring it: triptych models --fetch CONFIG")
        have = file_digest(path)
        if have != sha256:
            raise WeightsError(
                f"{found.model}: {path} is not the file of models.lock (sha256 {have}, expected {sha256}); "
                "not loaded. Remove it and run: triptych models --fetch CONFIG"
            )


def read_lock(path: Path | str | None = None) -> dict[str, Any]:
    """Content of `models.lock`: model -> {"revision", "files": {name: {"sha256", "bytes"}}}; empty without the file.

    Raises:
        WeightsError: damaged.
    """
    path = LOCK if path is None else Path(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        models = found["models"]
        if not all(isinstance(one.get("files"), dict) for one in models.values()):
            raise ValueError("files are missing")
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise WeightsError(
            f"{path} is damaged ({error}); restore it, or remove it and fetch the models again"
        ) from error
    return models


def entry_of(found: Located) -> dict[str, Any]:
    """What the lock keeps of weights that are here."""
    commit = found.identity.partition("@")[2]
    digests = {
        name: {"sha256": file_digest(found.path / name if name else found.path), "bytes": size}
        for name, size in sorted(found.files.items())
    }
    return ({"revision": commit} if commit else {}) | {"files": digests}


def write_lock(models: Mapping[str, Any], path: Path | str | None = None) -> None:
    """Write `models.lock` whole."""
    replace_json(LOCK if path is None else path, {"models": dict(models)})


def hub_cache() -> Path:
    """Where the Hugging Face hub keeps its files, by the hub's own environment variables."""
    given = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if given:
        return Path(given).expanduser()
    home = os.environ.get("HF_HOME") or os.path.join(  # noqa: PTH118
        os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface"
    )
    return Path(home).expanduser() / "hub"


def hub_folder(model: str, commit: str) -> Path:
    """The folder of a hub's model at one commit in the cache."""
    return hub_cache() / f"models--{model.replace('/', '--')}" / "snapshots" / commit


def tfhub_folder(handle: str) -> Path:
    """The folder of a handle in the cache of TensorFlow Hub, which names it by the handle's sha1."""
    import hashlib
    import tempfile

    cache_dir = os.environ.get("TFHUB_CACHE_DIR") or Path(tempfile.gettempdir()) / "tfhub_modules"
    return Path(cache_dir).expanduser() / hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest()


def folder_digest(folder: Path) -> str:
    """Digest of names and contents of the files of a folder that decide results."""
    return digest_json({name: file_digest(folder / name) for name in _sizes(folder)})


def _sizes(path: Path) -> dict[str, int]:
    """Files of a model -> bytes; symbolic links of the hub's cache are followed."""
    if path.is_file():
        return {"": path.stat().st_size}
    found = {}
    for one in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in one.relative_to(path).parts)
        if one.is_file() and not hidden and one.suffix.lower() not in _IDLE:
            found[one.relative_to(path).as_posix()] = one.stat().st_size
    return found


def file_digest(path: Path) -> str:
    """Sha256 of a file; a file of unchanged size and time is not read again (gigabytes take seconds)."""
    real = path.resolve()
    known = real.stat()
    mark = f"{real}|{known.st_size}|{known.st_mtime_ns}|{known.st_ino}"
    remembered = _remembered()
    if mark not in remembered:
        remembered[mark] = digest_file(real)
        _remember(remembered)
    return remembered[mark]


def _memory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "triptych" / "digests.json"


@cache
def _remembered() -> dict[str, str]:
    try:
        found = json.loads(_memory().read_text(encoding="utf-8"))
        return {str(mark): str(digest) for mark, digest in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _remember(digests: dict[str, str]) -> None:
    # Beside results it would be an input of nothing; a cache that cannot be written costs time only.
    with contextlib.suppress(OSError):
        replace_json(_memory(), dict(list(digests.items())[-2000:]))
