"""Weights of models: where they lie, what they are, and whether they are what `models.lock` says.

Nothing is downloaded or loaded here, and nothing heavy is imported: the same check runs before any job and again in
each job. A model is a folder or file of this machine, or an id of a hub, whose files lie in the hub's own cache at one
commit. `triptych models --fetch` brings them and writes the lock; jobs run offline.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from triptych.core import digests, intact
from triptych.core.files import digest_json, writer_lock
from triptych.core.hubs import hub_folder, tfhub_folder
from triptych.core.models_lock import LOCK, WeightsError, entry_for, read_lock, write_lock

#: `folder`: a folder in the form of transformers (local, or id of the Hugging Face hub); `file`: one local file;
#: `tfhub`: a SavedModel (local folder, or handle of TensorFlow Hub); `none`: no weights; `package`: inside a package.
Kind = Literal["none", "package", "folder", "file", "tfhub"]

#: Most files of one model; a folder with more is no model's folder (a home folder, a data set).
MOST_FILES = 2000
FETCH = "triptych models --fetch CONFIG"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
#: Files of a model's folder that decide nothing.
_IDLE = {".md", ".png", ".jpg", ".gif", ".lock", ".metadata", ".gitattributes", ".gitignore"}
#: Files of a folder in the form of transformers that are never read here: other frameworks' weights, and code.
_UNREAD = {".h5", ".msgpack", ".onnx", ".ot", ".gguf", ".py", ".pyc", ".ipynb"}


@dataclass(frozen=True)
class Located:
    """Weights that are here.

    Attributes:
        model: as the study file names them.
        path: folder or file to load.
        identity: of their content: `org/name@commit`, or `sha256:...` of local ones. Part of the key of results. Empty
            as `find` gives it for local ones, whose content it does not read.
        files: path relative to `path` ("" for a single file) -> bytes.
    """

    model: str
    path: Path
    identity: str = ""
    files: Mapping[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(self.files.values())

    @property
    def safetensors(self) -> bool:
        """Whether the weights are safetensors (else a format that is read with `weights_only=True`)."""
        weights = [name for name in self.files if name.endswith((".safetensors", ".bin"))]
        # Parts of a sentence-transformers model lie in folders of their own; the network itself is at the top.
        top = [name for name in weights if "/" not in name] or weights
        return any(name.endswith(".safetensors") for name in top)

    @property
    def commit(self) -> str:
        """Commit of a hub's model; empty for local ones."""
        return self.identity.partition("@")[2]


@dataclass(frozen=True)
class Need:
    """Weights that a section of the study file reads, as `locate` takes them.

    Attributes:
        model: local path or id of a hub.
        revision: commit of a hub's model.
        kind: what is looked for.
        listed: `models.lock` must name it.
        fetch: brings and verifies weights that lie on no hub, for `triptych models --fetch`; it is given a function
            that prints. The lock does not list them: whoever brings them knows their sha256.
    """

    model: str
    revision: str | None = None
    kind: Kind = "folder"
    listed: bool = False
    fetch: Callable[[Callable[[str], None]], None] | None = field(default=None, compare=False)


def needs(owner: type, section: Mapping[str, Any]) -> list[Need]:
    """All weights that an encoder or transcriber needs for a section of the study file.

    A class that needs more than its card's model, or names it otherwise (a size, a second network), has a method
    `needs(section)` of the class, which gives the list.
    """
    if hasattr(owner, "needs"):
        return list(owner.needs(section))
    card = owner.card
    kind = getattr(card, "weights", "none")
    if kind in ("none", "package"):
        return []
    model = section.get("model") or getattr(card, "model", "")
    model = getattr(card, "sizes", {}).get(model) or model  # a size (`small`) names an id of the hub
    return [Need(model, section.get("revision"), kind, getattr(card, "listed", False))]


def locate(
    model: str,
    revision: str | None = None,
    *,
    kind: Kind = "folder",
    listed: bool = False,
    lock: Mapping[str, Any] | None = None,
) -> Located:
    """Find weights and hold them against `models.lock`, and against what their own files say.

    Args:
        model: local path, or id of a hub.
        revision: commit of a hub's model; else the one that the lock names.
        kind: what is looked for.
        listed: the file must be named in the lock (formats that may carry code).
        lock: content of `models.lock`; read where `snakemake` runs by default.

    Raises:
        WeightsError: not here, no pinned revision, a file is missing, cut short, carries code, or has another sha256
            than the lock says.
    """
    lock = read_lock() if lock is None else lock
    found = find(model, revision, kind=kind, lock=lock)
    told = entry_for(model, revision, lock, found.path)
    if listed and told is None:
        raise WeightsError(
            f"{model}: a file of this format can carry code, so models.lock must list it (its sha256 is "
            f"{file_digest(found.path)}); after a look at where it comes from: triptych models --trust {model}"
        )
    if told is not None:
        _held_against(found, told)
    if found.commit:
        _held_against_blobs(found, told or {})
    if kind == "folder":
        if not any(name.endswith(intact.WEIGHTS) for name in found.files):
            endings = ", ".join(intact.WEIGHTS)
            raise WeightsError(f"{model}: {found.path} holds no weights (no file that ends in {endings})")
        faults = intact.faults(found.path, found.files)
        if faults:
            raise WeightsError(f"{model}: {faults[0]}")
    if found.identity:
        return found
    content = file_digest(found.path) if found.path.is_file() else folder_digest(found.path, found.files)
    return replace(found, identity=f"sha256:{content}")


def find(
    model: str, revision: str | None = None, *, kind: Kind = "folder", lock: Mapping[str, Any] | None = None
) -> Located:
    """Where weights lie, without a look into their files: for lists, not for loading.

    Raises:
        WeightsError: not here, or no pinned revision.
    """
    if not model:
        raise WeightsError("name the model: `model:` is a local path or an id of a hub")
    if kind in ("none", "package"):
        raise WeightsError(f"{model}: this encoder takes no model")
    lock = read_lock() if lock is None else lock
    try:
        path = Path(model).expanduser()
        exists = path.exists()
    except (OSError, RuntimeError) as error:  # a name too long, the home of a user who is not there
        raise WeightsError(f"{model[:200]}: is no path ({getattr(error, 'strerror', None) or error})") from error
    if not exists and not is_path(model):
        return _on_hub(model, revision, lock, kind)
    if not exists:
        raise WeightsError(f"{model}: there is no such {'file' if kind == 'file' else 'folder'}")
    if kind == "file" and not path.is_file():
        raise WeightsError(f"{model}: must be a file")
    if kind != "file" and not path.is_dir():
        raise WeightsError(f"{model}: must be a folder")
    if not is_path(model) and "revision" in lock.get(model, {}):
        raise WeightsError(
            f"{model}: models.lock pins the hub's model of this id, but a local folder of this name is there too; "
            f"write ./{model} for the folder, or rename it"
        )
    return Located(model, path.resolve(), "", sizes(path, kind))


def is_path(model: str) -> bool:
    """Whether a model's name can only be a path of this machine."""
    return model.startswith(("/", "./", "../", "~")) or (model.count("/") > 1 and "://" not in model)


def _on_hub(model: str, revision: str | None, lock: Mapping[str, Any], kind: Kind) -> Located:
    if kind == "file":
        raise WeightsError(f"{model}: there is no such file")
    if kind == "tfhub":
        folder = tfhub_folder(model)
        if not (folder / "saved_model.pb").is_file():
            raise WeightsError(f"{model} is not here; bring it: {FETCH} (looked for in {folder})")
        return Located(model, folder, "", sizes(folder, kind))
    if not _HUB_ID.fullmatch(model):
        raise WeightsError(f"{model!r} is neither a folder that is there nor an id such as `org/name`")
    commit = revision or lock.get(model, {}).get("revision")
    if not commit:
        raise WeightsError(
            f"{model}: no folder of this name is there, and no revision of this id is pinned; bring and pin it: "
            f"{FETCH} (writes models.lock)"
        )
    if not _COMMIT.fullmatch(commit):
        raise WeightsError(f"{model}: revision must be a commit (40 hexadecimal digits), not {commit!r}")
    folder = hub_folder(model, commit)
    if not folder.is_dir():
        raise WeightsError(f"{model} at {commit[:12]} is not here; bring it: {FETCH} (looked for in {folder})")
    return Located(model, folder, f"{model}@{commit}", sizes(folder, kind))


def _held_against(found: Located, told: Mapping[str, Any]) -> None:
    wanted = {name: one["sha256"] for name, one in told["files"].items()}
    for name, sha256 in sorted(wanted.items()):
        path = found.path / name if name else found.path
        if not path.is_file():
            raise WeightsError(f"{found.model}: {path} is missing (expected sha256 {sha256}); bring it: {FETCH}")
        have = file_digest(path)
        if have != sha256:
            raise WeightsError(
                f"{found.model}: {path} is not the file of models.lock (sha256 {have}, expected {sha256}); "
                f"not loaded. Remove it and run: {FETCH}"
            )
    more = sorted(set(found.files) - set(wanted))
    if more and not found.commit:
        raise WeightsError(
            f"{found.model}: {found.path / more[0]} is not listed in models.lock; remove it, or after a look at "
            f"where it comes from: triptych models --trust {found.model}"
        )


def _held_against_blobs(found: Located, told: Mapping[str, Any]) -> None:
    """Files of the hub's cache that the lock does not list: the cache names each by its sha256 or its git hash."""
    for name in sorted(set(found.files) - set(told.get("files", {}))):
        path = found.path / name
        blob = path.readlink().name if path.is_symlink() else ""
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", blob):
            if told:
                raise WeightsError(f"{found.model}: {path} is not listed in models.lock; remove it, or run: {FETCH}")
            continue
        have = file_digest(path) if len(blob) == 64 else git_digest(path)
        if have != blob:
            raise WeightsError(
                f"{found.model}: {path} is damaged (its hash is {have}, expected {blob}); not loaded. Run: {FETCH}"
            )


def git_digest(path: Path) -> str:
    """The hash by which git, and so the hub, names a small file's content."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def entry_of(found: Located) -> dict[str, Any]:
    """What the lock keeps of weights that are here."""
    files = {
        name: {"sha256": file_digest(found.path / name if name else found.path), "bytes": size}
        for name, size in sorted(found.files.items())
    }
    return ({"revision": found.commit} if found.commit else {}) | {"files": files}


def add_to_lock(found: Located, revision: str | None = None) -> None:
    """Put weights that are here into `models.lock`, beside what is in it.

    Args:
        found: the weights.
        revision: commit that the study file names; an entry of the same model at another commit stays.
    """
    entry = entry_of(found)
    with writer_lock(LOCK):
        models = read_lock()
        pinned = models.get(found.model, {}).get("revision")
        key = f"{found.model}@{revision}" if revision and pinned not in (None, revision) else found.model
        if not found.commit:  # the same place by another path has one entry
            models = {name: one for name, one in models.items() if one is not entry_for(key, None, models, found.path)}
        models[key] = entry
        write_lock(models)


def folder_digest(folder: Path, files: Mapping[str, int] | None = None) -> str:
    """Digest of names and contents of the files of a folder that decide results."""
    return digest_json({name: file_digest(folder / name) for name in (sizes(folder) if files is None else files)})


def sizes(path: Path, kind: Kind = "folder") -> dict[str, int]:
    """Files of a model -> bytes, those that decide nothing left out; links of the hub's cache are followed.

    Raises:
        WeightsError: a folder that cannot be a model's.
    """
    if path.is_file():
        return {"": path.stat().st_size}
    idle = _IDLE | _UNREAD if kind == "folder" else _IDLE
    found: dict[str, int] = {}
    for place, folders, files in os.walk(path):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for file in sorted(files):
            one = Path(place, file)
            if file.startswith(".") or one.suffix.lower() in idle:
                continue
            if not one.is_file():
                raise WeightsError(f"{one} is no file, or a link that leads nowhere; bring it again: {FETCH}")
            found[one.relative_to(path).as_posix()] = one.stat().st_size
            if len(found) > MOST_FILES:
                raise WeightsError(f"{path} has more than {MOST_FILES} files, so it is not one model's folder")
    return dict(sorted(found.items()))


def file_digest(path: Path) -> str:
    """Sha256 of a file; one that did not change is not read again.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        return digests.of(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})") from error
