"""Media stages over units: each video's outcome, artefacts and manifest; what is unchanged is taken over.

Per video: hold the one writer's place, do the stage in a limited child, write the artefacts, then the manifest that
names them with their digests. A bad video ends as an outcome in its manifest; a full disk or a bug ends the job.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from triptych.core import sealed
from triptych.core.files import (
    DamagedFile,
    digest_file,
    digest_json,
    replace_bytes,
    temporary_name,
    writer_lock,
)
from triptych.core.paths import Paths
from triptych.core.retry import UNSETTLED
from triptych.core.status import Manifest, Outcome, Refused, stop, write_shard
from triptych.media import stages

Stage = Literal["probe", "audio", "keyframes"]

log = logging.getLogger(__name__)


def run_rule(stage: Stage, snakemake: Any) -> None:
    """A rule's job: the stage for all videos of its unit, as its script has them.

    The probe is told its videos by the table (`params.sources`: slug and source as given), the stages after it by the
    probe's manifest: the video itself, or those that the shard's manifest lists.
    """
    config, unit = snakemake.config, snakemake.wildcards.unit
    sharded = config["unit"] == "shard"
    if stage == "probe":
        videos = _of_table(snakemake.params.sources, config["corpus"])
    else:
        slugs = sorted(sealed.read_json(snakemake.input.probe)["videos"]) if sharded else [unit]
        videos = [{"slug": slug} for slug in slugs]
    outcomes = run_stage(
        stage,
        videos,
        Paths.from_config(config),
        {} if stage == "probe" else config[stage],
        config["limits"],
        shard=unit if sharded else None,
        threads=snakemake.threads,
        fetch=config["fetch"],
    )
    log.info("%s of %s: %s", stage, unit, describe(outcomes))


def _of_table(sources: Iterable[tuple[str, str]], corpus: str) -> list[dict[str, Any]]:
    """Videos for `run_stage` from slugs and sources as the table gives them."""
    from triptych.core.corpus import Row

    videos = []
    for slug, source in sources:
        row = Row(0, slug, slug, source, "", "", "", "", {})
        local = row.path(Path(corpus).absolute().parent)
        videos.append({"slug": slug, "source": str(local or ""), "url": row.is_url})
    return videos


def run_stage(
    stage: Stage,
    videos: Iterable[Mapping[str, Any]],
    paths: Paths,
    params: Mapping[str, Any],
    limits: Mapping[str, Any],
    shard: str | None = None,
    threads: int = 1,
    fetch: Mapping[str, Any] | None = None,
) -> dict[str, Outcome]:
    """Do a media stage for some videos and write their manifests.

    Args:
        stage: `probe`, `audio` or `keyframes`.
        videos: mappings with `slug`, `source` (absolute local path, or empty for a row without a file) and `url`
            (True: the file was downloaded by `fetch`).
        paths: of the study.
        params: the study's section of this stage as a mapping (empty for the probe).
        limits: `Limits` as a mapping.
        shard: name of the shard whose manifest is written at the end; None for a unit of one video.
        threads: of a decoder.
        fetch: `Fetch` as a mapping: how a download that was removed is fetched again; the defaults otherwise.

    Returns:
        Outcome by slug.

    Raises:
        OSError: full disk, no right to write.
        TimeoutError: another process writes the same video's artefacts and does not end.
    """
    videos = list(videos)
    if len(videos) > 1:
        stages.warm(stage)
    outcomes, digests = {}, {}
    for number, video in enumerate(videos, 1):
        slug = video["slug"]
        target = Path(paths.manifest(stage, slug))
        with writer_lock(target):
            manifest = _settle(stage, video, paths, params, limits, threads, fetch)
        outcomes[slug] = manifest.outcome
        digests[slug] = digest_file(target)
        said = f" ({manifest.outcome.reason}: {manifest.outcome.message})" if not manifest.outcome.ok else ""
        log.info("%s %s: %s%s [%d of %d]", stage, slug, manifest.outcome.status, said, number, len(videos))
    if shard is not None:
        write_shard(paths.shard_manifest(stage, shard), stage, shard, digests)
    return outcomes


def artefact(
    paths: Paths,
    stage: Stage,
    slug: str,
    name: str,
    limits: Mapping[str, Any] | None = None,
    threads: int = 1,
    fetch: Mapping[str, Any] | None = None,
) -> Path:
    """The path of an artefact whose content agrees with its manifest; made again when missing or damaged.

    Args:
        paths: of the study.
        stage: `audio` or `keyframes`.
        slug: the video.
        name: `mp3`, `flac`, `h5` or `jpg`.
        limits: `Limits` as a mapping, for making it again; the defaults otherwise.
        threads: of a decoder, for making it again.
        fetch: `Fetch` as a mapping, when the download must be fetched for it; the defaults otherwise.

    Raises:
        Refused: the video's outcome when the stage has no such artefact, or `failed: artefact_lost` when it cannot be
            made again (source gone or changed).
        DamagedFile: the manifest is not that of this video at this stage.
    """
    target = Path(paths.manifest(stage, slug))
    manifest = _own(target, stage, slug)
    if not manifest.outcome.ok:
        raise Refused(manifest.outcome)
    path = target.parent / manifest.artefacts[name]["path"]
    if _verified(path, manifest.artefacts[name]):
        return path
    with writer_lock(target):
        manifest = _own(target, stage, slug)
        if manifest.outcome.ok and _verified(path, manifest.artefacts[name]):
            return path
        log.warning("%s is missing or damaged and is made again", path)
        manifest = _remake(manifest, target, paths, limits, threads, fetch)
    return target.parent / manifest.artefacts[name]["path"]


def _own(target: Path, stage: Stage, slug: str) -> Manifest:
    """The manifest at its place, which tells whose it is."""
    manifest = Manifest.read(target)
    if (manifest.stage, manifest.video) != (stage, slug):
        raise DamagedFile(target, f"it is that of {manifest.video!r} at {manifest.stage!r}")
    return manifest


def verified(manifest: Manifest, folder: Path) -> bool:
    """Whether all artefacts that a manifest names are there with their digests."""
    return all(_verified(folder / one["path"], one) for one in manifest.artefacts.values())


def _verified(path: Path, told: Mapping[str, Any]) -> bool:
    try:
        return path.stat().st_size == told["bytes"] and digest_file(path) == told["sha256"]
    except OSError:
        return False


def _settle(stage: Stage, video, paths: Paths, params, limits, threads: int, fetch) -> Manifest:
    """The manifest of one video at a stage, taken over or made, written."""
    slug = video["slug"]
    target = Path(paths.manifest(stage, slug))
    job = stages.Job(slug, target.parent, dict(params), dict(limits), threads, fetch=fetch)
    before = _earlier(target)
    try:
        job = _prepared(stage, job, video, paths)
        if before and before.key == job.key and _settled(before.outcome) and verified(before, target.parent):
            return before
        again = _fetched_again(job, paths)
        if stage == "probe" and again:
            job = _prepared(stage, job, video, paths)  # what came is not what the download's manifest tells
        manifest = _made(stage, job)
    except Refused as refused:
        manifest = Manifest(slug, stage, refused.outcome, key=job.key, data=job.facts)
    else:
        if again and manifest.outcome.ok:
            outcome = dataclasses.replace(manifest.outcome, warnings={**manifest.outcome.warnings, **again})
            manifest = dataclasses.replace(manifest, outcome=outcome)
    if manifest != before:
        manifest.write(target)
    return manifest


def _settled(outcome: Outcome) -> bool:
    """Whether an outcome stands as long as its key does; what was refused or ended by a limit is tried again."""
    return outcome.status != "refused" and outcome.reason not in UNSETTLED


def _fetched_again(job: stages.Job, paths: Paths) -> dict[str, str]:
    """Make sure that a download is there, which `keep_sources: false` may have removed; warnings for the outcome.

    Raises:
        Refused: it is gone and cannot be had again.
    """
    fetched = None if Path(job.path).is_file() else _earlier(Path(paths.manifest("fetch", job.slug)))
    if fetched is None or not fetched.data.get("url"):
        return {}
    from triptych.core.config import Fetch
    from triptych.media.fetch import ensure_source

    try:
        return ensure_source(paths, {"slug": job.slug}, dict(job.fetch or Fetch().model_dump()))
    except Refused:
        job.key = ""  # that a site does not answer today is not settled
        raise


def _made(stage: Stage, job: stages.Job) -> Manifest:
    """Do the stage and write its artefacts."""
    try:
        outcome, facts, artefacts = stages.do(stage, job)
    except Refused as refused:
        return Manifest(job.slug, stage, refused.outcome, key=job.key, data=job.facts)
    told = {}
    for name, content in artefacts.items():
        path = job.folder / f"{job.slug}.{name}"
        if isinstance(content, Path):
            _publish(content, path)
        elif content is not None:
            replace_bytes(path, content)
        told[name] = {"path": path.name, "sha256": digest_file(path), "bytes": path.stat().st_size}
    return Manifest(job.slug, stage, outcome, job.key, told, job.facts | facts)


def _publish(temporary: Path, path: Path) -> None:
    """Give a finished file its name."""
    with temporary.open("rb") as handle:
        os.fsync(handle.fileno())
    temporary.replace(path)


def _earlier(target: Path) -> Manifest | None:
    try:
        return Manifest.read(target)
    except (OSError, ValueError):
        return None


def _prepared(stage: Stage, job: stages.Job, video, paths: Paths) -> stages.Job:
    """The job with its file, its key and what earlier stages found.

    Raises:
        Refused: the stage has nothing to do for this video.
    """
    if stage == "probe":
        return _prepared_probe(job, video, paths)
    probe = Manifest.read(paths.manifest("probe", job.slug))
    if not probe.outcome.ok:
        raise Refused(_after("probe", probe.outcome))
    wanted = "audio" if stage == "audio" else "video"
    if probe.data[wanted] is None:
        raise stop("absent", f"no_{wanted}", f"the file has no {'sound track' if wanted == 'audio' else 'picture'}")
    job.path, job.facts = paths.media(job.slug), {"made_with": stages.made_with(stage, job.params)}
    job.found = probe.data
    job.key = digest_json([probe.data["digest"], probe.data[wanted], probe.data["start"], job.facts["made_with"]])
    return job


def _prepared_probe(job: stages.Job, video, paths: Paths) -> stages.Job:
    """Link a local file, check its size and digest its content.

    A download that was removed (`keep_sources: false`) is known by its manifest: it is not fetched again to find that
    nothing has changed.
    """
    media, removed = Path(paths.media(job.slug)), None
    if video.get("url"):
        fetched = _earlier(Path(paths.manifest("fetch", job.slug)))
        if fetched is None or not fetched.outcome.ok:
            raise Refused(_after("fetch", fetched.outcome) if fetched else _missing("it was not downloaded"))
        if fetched.data.get("url") and not os.path.lexists(media):
            removed = fetched.artefacts.get("media")
    elif not video["source"]:
        raise stop("absent", "no_source", "the row names no file")
    else:
        source = Path(video["source"])
        if not source.is_file():
            what = "is no regular file" if source.exists() else "is not there"
            raise Refused(_missing(f"{source} {what}; correct the table or put the file there"))
        link(media, source)
    job.path = str(media)
    if not removed and not media.is_file():
        raise Refused(_missing(f"{media} is not there; run snakemake --forcerun fetch_video to fetch it again"))
    try:
        size = stages.checked_size(removed["bytes"] if removed else media.stat().st_size, job.limits)
        digest = removed["sha256"] if removed else digest_file(media)
    except PermissionError as error:
        raise stop("failed", "unreadable", f"no right to read {media.resolve()}") from error
    job.facts = {"bytes": size, "digest": digest}
    job.key = digest_json([digest, stages.made_with("probe", job.limits)])
    return job


def _missing(message: str) -> Outcome:
    return Outcome("failed", "missing_source", message)


def _after(stage: str, outcome: Outcome) -> Outcome:
    """The outcome of a stage whose forerunner did not give what it needs: the same, named as a consequence."""
    return Outcome(outcome.status, outcome.reason, f"after {stage}: {outcome.message}", transient=outcome.transient)


def link(media: Path, source: Path) -> None:
    """Point `media` at a local file (absolute symbolic link, replaced whole); one that is right is not touched."""
    wanted = str(source.absolute())
    if media.is_symlink() and os.readlink(media) == wanted:  # noqa: PTH115 - compared as text
        return
    media.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(media)
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(wanted)
    temporary.replace(media)


def _remake(manifest: Manifest, target: Path, paths: Paths, limits, threads: int, fetch) -> Manifest:
    """Make a video's artefacts again as their manifest tells."""
    slug, stage = manifest.video, manifest.stage
    made = manifest.data.get("made_with", {})
    if not isinstance(made, dict) or not isinstance(made.get("params", {}), dict):
        raise DamagedFile(target, "it does not tell how its artefacts were made")
    if limits is None:
        from triptych.core.config import Limits

        limits = Limits().model_dump()
    job = stages.Job(slug, target.parent, dict(made.get("params", {})), dict(limits), threads, fetch=fetch)
    try:
        if made.get("version") != stages.made_with(stage, {})["version"]:
            raise stop("failed", "artefact_lost", f"artefacts of {target} are damaged and of another version")
        job = _prepared(stage, job, {"slug": slug}, paths)
        _fetched_again(job, paths)
        if not Path(job.path).is_file() or digest_file(job.path) != job.found["digest"]:
            raise stop(
                "failed", "artefact_lost", f"an artefact of {target} is damaged and its source has gone or changed"
            )
    except OSError as error:
        raise stop("failed", "artefact_lost", f"an artefact of {target} is damaged; its source: {error}") from error
    again = _made(stage, job)
    if not again.outcome.ok:
        raise Refused(again.outcome)
    if again != manifest:
        again.write(target)
    return again


def describe(outcomes: Mapping[str, Outcome]) -> str:
    """`3 ok, 1 failed`, for a job's last line."""
    counts: dict[str, int] = {}
    for outcome in outcomes.values():
        counts[outcome.status] = counts.get(outcome.status, 0) + 1
    return ", ".join(f"{number} {status}" for status, number in sorted(counts.items(), reverse=True))
