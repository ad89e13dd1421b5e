"""Where the hubs' own caches lie on this machine, by the hubs' own variables; nothing of theirs is imported."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


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


def tfhub_cache() -> Path:
    """Where models of TensorFlow Hub lie: `TFHUB_CACHE_DIR`, or a folder that outlives temporary files."""
    given = os.environ.get("TFHUB_CACHE_DIR")
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(given).expanduser() if given else home.expanduser() / "tfhub_modules"


def tfhub_folder(handle: str) -> Path:
    """The folder of a handle in the cache of TensorFlow Hub, which names it by the handle's sha1."""
    name = hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest()
    folder = tfhub_cache() / name
    # What TensorFlow Hub fetched by itself, without TFHUB_CACHE_DIR, lies among temporary files.
    aside = Path(tempfile.gettempdir()) / "tfhub_modules" / name
    own = aside.is_dir() and aside.stat().st_uid == os.getuid()
    return aside if own and not folder.is_dir() and not os.environ.get("TFHUB_CACHE_DIR") else folder
