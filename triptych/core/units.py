"""Units of work: which shard a video belongs to. It depends on the slug and the number of shards alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def shard_of(slug: str, shards: int) -> str:
    """The name of the shard of a video: `sha256(slug) mod shards`, as digits padded to one width."""
    number = int.from_bytes(hashlib.sha256(slug.encode()).digest()[:8], "big") % shards
    return f"{number:0{len(str(shards - 1))}d}"


def by_shard(slugs: Iterable[str], shards: int) -> dict[str, list[str]]:
    """Shard name -> its slugs, both sorted; empty shards are not named (they have no job)."""
    members: dict[str, list[str]] = {}
    for slug in sorted(slugs):
        members.setdefault(shard_of(slug, shards), []).append(slug)
    return dict(sorted(members.items()))
