"""The downloads of a unit: its URL rows one after the other, so that a shard of them is one job.

Each video has its manifest as soon as it is done; a job that is ended loses the download in flight, whose part the next
one goes on with. What is downloaded is not asked for again, and a failure stands until it is due.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from triptych.core import retry
from triptych.core.files import digest_file
from triptych.core.paths import Paths
from triptych.core.status import Manifest, write_shard
from triptych.media import fetch
from triptych.media.fetch_attempts import stands, token

log = logging.getLogger("triptych.fetch")


class Tokens:
    """The tokens of a study's downloads, for the parameters of their jobs.

    Args:
        paths: the study's files.
        params: the study's `fetch` section.
    """

    def __init__(self, paths: Paths, params: Mapping[str, Any]) -> None:
        self.paths, self.params = paths, dict(params)

    @cached_property
    def _since(self) -> float:
        return retry.requested_at(self.paths)

    @cached_property
    def _noted(self) -> set[str]:
        """Names of the notes of failures: one look at their folder in place of one for each video."""
        try:
            return set(os.listdir(Path(self.paths.attempts("x")).parent))  # noqa: PTH208 - names alone
        except (FileNotFoundError, NotADirectoryError):
            return set()

    def of(self, videos: Iterable[str]) -> list[tuple[str, int]]:
        """The videos whose failure was taken up again, or is due now, and how often: it changes when one is due."""
        noted = [video for video in videos if f"{video}.json" in self._noted]
        due = {video: retry.due(self.paths, video, self._since) for video in noted}
        counted = [(video, token(self.paths, video, self.params, due[video])) for video in noted]
        return [(video, count) for video, count in counted if count]


def run_rule(snakemake: Any) -> None:
    """A rule's job: `params.sources` are slugs and URLs of its videos, `params.tokens` those of `Tokens.of`."""
    config, unit = snakemake.config, snakemake.wildcards.unit
    run_unit(
        snakemake.params.sources,
        Paths.from_config(config),
        config["fetch"],
        dict(snakemake.params.tokens),
        shard=unit if config["unit"] == "shard" else None,
    )


def run_unit(
    sources: Iterable[tuple[str, str]],
    paths: Paths,
    params: Mapping[str, Any],
    tokens: Mapping[str, int],
    shard: str | None = None,
) -> None:
    """Download the videos of a unit in turn and write their manifests.

    Args:
        sources: slugs and URLs.
        paths: the study's files.
        params: the study's `fetch` section.
        tokens: video -> its token, where it is not 0.
        shard: name of the shard, whose manifest is written at the end, and in which failures stand that are not due;
            None for a unit of one video.

    Raises:
        OSError: the disk is full, or `cookies` cannot be read.
        ValueError: `cookies` is no cookie file.
    """
    sources, settings = list(sources), dict(params)
    digests = {}
    for number, (slug, url) in enumerate(sources, 1):
        used = tokens.get(slug, 0)
        target = Path(paths.manifest("fetch", slug))
        if shard is None or not _stands(target, paths, slug, url, settings, used):
            fetch.run({"slug": slug, "source": url}, paths, settings, used)
        digests[slug] = digest_file(target)
        log.info("fetch %s [%d of %d]", slug, number, len(sources))
    if shard is not None:
        write_shard(paths.shard_manifest("fetch", shard), "fetch", shard, digests)


def drop_unit(slugs: Iterable[str], paths: Paths) -> int:
    """Remove the downloads of a unit, whose media stages are done; how many there were."""
    return sum(fetch.drop_source(paths, slug) for slug in slugs)


def _stands(target: Path, paths: Paths, slug: str, url: str, params: dict[str, Any], used: int) -> bool:
    """Whether a recorded failure of the same URL in the same way is not due: this job runs for another video."""
    try:
        manifest = Manifest.read(target)
    except (FileNotFoundError, ValueError):
        return False
    return not manifest.outcome.ok and stands(paths, slug, used, fetch.asked(url, params))
