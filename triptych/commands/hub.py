"""Models of the Hugging Face hub, brought into its own cache: only files that are read, each held against its hash.

The hub's library downloads and trusts; here every file is compared with the sha256 (or git hash) that the hub's tree
tells and with `models.lock`. What differs is removed and fetched once more, then refused.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from triptych.commands.models import size
from triptych.core import digests, weights
from triptych.core.hubs import hub_cache, hub_folder

#: Settings, vocabularies and tokenizers.
_SMALL = re.compile(r".*\.(json|txt|model|tiktoken|bpe)")
_SAFE = re.compile(r"(.*/)?(model|adapter_model|diffusion_pytorch_model)(-\d+-of-\d+)?\.safetensors")
_BIN = re.compile(r"(.*/)?(pytorch_model|adapter_model|diffusion_pytorch_model|model)(-\d+-of-\d+)?\.bin")
#: Folders of other frameworks, and of training runs.
_ASIDE = re.compile(r"(.*/)?(onnx|openvino|coreml|flax|tf|original|runs|logs|checkpoint-\d+|\.[^/]*)/.*")


def choose(names: Iterable[str]) -> list[str]:
    """The files that are read: never code, never another framework's copy, `.bin` only without safetensors."""
    usable = [name for name in names if not _ASIDE.fullmatch(name)]
    safe = [name for name in usable if _SAFE.fullmatch(name)]
    if not safe:  # a name of its own, where there is one file
        safe = [name for name in usable if name.endswith(".safetensors")]
    places = {name.rpartition("/")[0] for name in safe}
    bins = [name for name in usable if _BIN.fullmatch(name) and name.rpartition("/")[0] not in places]
    small = [name for name in usable if _SMALL.fullmatch(name) and not name.endswith(".index.json")]
    indexes = [name for name in usable if name.endswith(".index.json") and _indexed(name, [*safe, *bins])]
    return sorted({*safe, *bins, *small, *indexes})


def _indexed(index: str, chosen: list[str]) -> bool:
    """Whether an index is of files that were chosen (`model.safetensors.index.json`)."""
    stem, ending = index.removesuffix(".index.json").rpartition(".")[::2]
    return any(name.startswith(f"{stem}-") and name.endswith(f".{ending}") for name in chosen)


def bring(need: weights.Need, say: Callable[[str], None]) -> weights.Located:
    """Bring a model of the hub to this machine, at the pinned commit or else the newest one.

    Args:
        need: with an id of the hub.
        say: prints a line.

    Raises:
        WeightsError: the hub does not have it, cannot be reached, or sends something else than it tells of.
    """
    try:
        from huggingface_hub import HfApi, constants, errors
    except ImportError as error:
        raise weights.WeightsError(
            'the Hugging Face hub needs its library; install it with: pip install "triptych[models]"'
        ) from error
    if constants.is_offline_mode():
        raise weights.WeightsError(f"{need.model}: HF_HUB_OFFLINE is set; fetch without it, where the network is")
    lock = weights.read_lock()
    wanted = need.revision or lock.get(need.model, {}).get("revision") or "main"
    api = HfApi()
    try:
        return _bring(api, need, wanted, lock, say)
    except errors.GatedRepoError as error:
        raise weights.WeightsError(
            f"{need.model}: its owner asks you to agree to terms first: on {api.endpoint}/{need.model}, then `hf auth "
            "login` or HF_TOKEN, and fetch again"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise weights.WeightsError(f"{need.model}: the hub has no revision {wanted}") from error
    except errors.RepositoryNotFoundError as error:
        raise weights.WeightsError(
            f"{need.model}: {api.endpoint} has no model of this id, or a private one (then set HF_TOKEN)"
        ) from error
    except weights.WeightsError:
        raise
    except Exception as error:  # the hub's library passes on the errors of several others
        told = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise weights.WeightsError(
            f"{need.model}: {api.endpoint} did not send it ({type(error).__name__}: {told}); fetch again, whole files "
            "are kept"
        ) from error


def _bring(api: Any, need: weights.Need, wanted: str, lock: Mapping[str, Any], say: Callable) -> weights.Located:
    commit = api.model_info(need.model, revision=wanted).sha
    if need.revision and need.revision != commit:
        raise weights.WeightsError(f"{need.model}: revision must be a commit; {need.revision} is now {commit}")
    tree = {one.path: one for one in api.list_repo_tree(need.model, recursive=True, revision=commit) if _is_file(one)}
    told = weights.entry_for(need.model, commit, lock) or {}
    chosen = sorted(told["files"]) if told else choose(tree)
    missing = [name for name in chosen if name not in tree]
    if missing:
        raise weights.WeightsError(f"{need.model}: the hub lacks {missing[0]}, which models.lock lists")
    if not any(name.endswith((".safetensors", ".bin")) for name in chosen):
        raise weights.WeightsError(f"{need.model}: no weights in a form that is read here (safetensors, or .bin)")
    folder = hub_folder(need.model, commit)
    found = weights.Located(need.model, folder, f"{need.model}@{commit}", {name: tree[name].size for name in chosen})
    say(f"{need.model} at {commit[:12]}: {len(chosen)} files, {size(found.bytes)}")
    _room(found, folder)
    for attempt in (1, 2):
        _download(need.model, commit, chosen)
        wrong = [(name, fault) for name in chosen if (fault := _fault(folder / name, tree[name], told, name))]
        for name, _ in wrong:
            _remove(folder / name)
        if not wrong:
            return found
        if attempt == 1:
            say(f"  {wrong[0][0]} {wrong[0][1]}; once more")
    name, fault = wrong[0]
    raise weights.WeightsError(f"{need.model}: {name} as it was sent {fault}; removed, and not in models.lock")


def _is_file(one: Any) -> bool:
    return getattr(one, "blob_id", None) is not None


def _download(model: str, commit: str, names: list[str]) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    # Names are patterns to the library.
    patterns = [re.sub(r"([*?\[])", r"[\1]", name) for name in names]
    snapshot_download(model, revision=commit, cache_dir=hub_cache(), allow_patterns=patterns)


def _fault(path: Path, told: Any, locked: Mapping[str, Any], name: str) -> str | None:
    """What a file has in place of what it must have; None when it is right."""
    if told.lfs is not None:
        expected, have = told.lfs.sha256, digests.of(path)
    else:
        expected, have = told.blob_id, weights.git_digest(path)
    if have != expected:
        return f"has the hash {have}, but the hub tells of {expected}"
    wanted = locked.get("files", {}).get(name, {}).get("sha256")
    if wanted and digests.of(path) != wanted:
        return f"has the sha256 {digests.of(path)}, but models.lock expects {wanted}"
    return None


def _remove(path: Path) -> None:
    """Remove a file of the cache and what its link points to."""
    blob = path.resolve()
    path.unlink(missing_ok=True)
    blob.unlink(missing_ok=True)


def _room(found: weights.Located, folder: Path) -> None:
    """Whether the disk has room for what is not here yet."""
    needed = sum(size for name, size in found.files.items() if not (folder / name).is_file())
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise weights.WeightsError(
            f"{found.model} needs {size(needed)}, but {place} has {size(free)}; free some, or set HF_HOME elsewhere"
        )
