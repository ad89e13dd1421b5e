"""Fetch: the videos of URL rows, downloaded by yt-dlp to one fixed name, with captions and metadata beside.

A download ends `ok`, `failed` (permanent or transient) or `refused`, never as an exception; only a full disk, an
unreadable cookie file and bugs fail the job. What is remembered of failures lies in `fetch_attempts`.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triptych.core.files import digest_file, digest_json, writer_lock
from triptych.core.paths import Paths, within
from triptych.core.status import OK, Manifest, Outcome, Refused, stop
from triptych.media import fetch_info, fetch_join
from triptych.media.fetch_attempts import RunStop, record, record_refetch, token
from triptych.media.fetch_errors import NOT_NOW
from triptych.media.fetch_secrets import hide
from triptych.media.hosts import Guard, check_url
from triptych.media.sniff import sniff

VERSION = "1"
#: What the first bytes may not be.
NO_MEDIA = {"empty", "html", "text", "pdf", "archive", "data", "program", "list", "zeros"}
#: Longest wait before a further attempt, in seconds.
LONGEST_WAIT = 120.0
#: Environment variable that names this run of Snakemake, where `params` holds no `run`.
RUN_VARIABLE = "TRIPTYCH_RUN"
log = logging.getLogger("triptych.fetch")


@dataclass
class _Found:
    """What one attempt brought into the work folder."""

    info: dict[str, Any]
    files: list[Path]
    formats: str
    captions: list[dict[str, Any]] = field(default_factory=list)
    warnings: dict[str, str] = field(default_factory=dict)


__all__ = ["VERSION", "asked", "drop_source", "ensure_source", "run", "token"]


def run(row: dict[str, str], paths: Paths, params: dict[str, Any], used: int = 0, *, allow: Iterable[str] = ()) -> None:
    """Fetch one URL row and write its manifest.

    Args:
        row: `slug` and `source` (the URL) of the row.
        paths: the study's files.
        params: the study's `fetch` section; `run` names this run of Snakemake (or the variable `TRIPTYCH_RUN`).
        used: the token of this attempt, from `token`.
        allow: addresses or networks that are allowed beside the public ones.

    Raises:
        OSError: the disk is full, or `cookies` cannot be read.
        ValueError: `cookies` is no cookie file.
    """
    slug, url = row["slug"], row["source"]
    with writer_lock(paths.media(slug)):
        kept = _kept(paths, slug, url, params)
        manifest = kept or _fetch(paths, slug, url, params, tuple(allow))
        record(paths, slug, used, manifest.outcome, asked(url, params))
        if not kept:  # else its time stays that of the download
            manifest.write(paths.manifest("fetch", slug))
    log.info("%s: %s %s", slug, manifest.outcome.status, manifest.outcome.message or "")


def drop_source(paths: Paths, slug: str) -> bool:
    """Remove a download whose media stages are done (`keep_sources: false`); whether there was one.

    Only a file that a successful fetch wrote is removed, never a link to a local file. Its manifest stays valid:
    what needs the source later calls `ensure_source`.
    """
    manifest = _manifest(paths, slug)
    media = Path(paths.media(slug))
    if manifest is None or not manifest.outcome.ok or media.is_symlink():
        return False
    with writer_lock(media):
        if media.is_symlink() or not media.is_file():
            return False
        media.unlink()
    return True


def ensure_source(
    paths: Paths, row: dict[str, str], params: dict[str, Any], *, allow: Iterable[str] = ()
) -> dict[str, str]:
    """Make sure that the download of a fetched row (its `slug`) is there: one that was dropped is downloaded again.

    The manifest of the fetch does not change, since jobs depend on it; that the source was fetched again is noted with
    the attempts.

    Returns:
        Warnings for the stage's outcome: `source_changed` when the site now gives another file.

    Raises:
        Refused: why it cannot be had, as an outcome.
        OSError: a full disk.
    """
    slug = row["slug"]
    media = Path(paths.media(slug))
    if media.is_file():
        return {}
    with writer_lock(media):
        if media.is_file():
            return {}
        manifest = _manifest(paths, slug)
        if manifest is None or not manifest.outcome.ok:
            raise stop("failed", "not_fetched", "The video was not fetched (see its fetch stage).")
        try:
            data, _ = _download(paths, slug, manifest.data["url"], {**params, "captions": []}, tuple(allow))
        except Refused as ended:
            record(paths, slug, _used(paths, slug), ended.outcome)
            raise Refused(_without_secrets(ended.outcome)) from None
        digest = data["media"]["sha256"]
        changed = digest != manifest.artefacts["media"]["sha256"]
        record_refetch(paths, slug, digest, changed)
    if not changed:
        return {}
    return {"source_changed": "the download had been removed, and the site now gives another file"}


def _used(paths: Paths, slug: str) -> int:
    """The token of the last attempt."""
    return token(paths, slug, {"retry_after_hours": float("inf")})


def _manifest(paths: Paths, slug: str) -> Manifest | None:
    try:
        return Manifest.read(paths.manifest("fetch", slug))
    except (FileNotFoundError, ValueError):
        return None


def _key(url: str, params: dict[str, Any]) -> str:
    """Digest of what determines a download."""
    return digest_json({"version": VERSION, "url": url, "format": params["format"], "captions": params["captions"]})


def asked(url: str, params: dict[str, Any]) -> str:
    """Digest of all that decides how a download ends, as far as the study decides it."""
    limits = {name: params[name] for name in ("max_bytes", "max_seconds", "allow_private_hosts")}
    return digest_json([_key(url, params), limits])


def _kept(paths: Paths, slug: str, url: str, params: dict[str, Any]) -> Manifest | None:
    """The manifest of an earlier fetch of the same URL in the same way, when its files are whole; no request is made.

    The archive is this: the slug's own manifest with URL, extractor and id. Ids alone would mix up sites, since
    the id of a plain link is its file name.
    """
    manifest = _manifest(paths, slug)
    if manifest is None or not manifest.outcome.ok or manifest.key != _key(url, params):
        return None
    folder = Path(paths.manifest("fetch", slug)).parent
    for name, artefact in manifest.artefacts.items():
        path = _own(paths, folder / artefact["path"])
        if path is None:
            return None
        if name == "media" and not params["keep_sources"] and not path.exists():
            continue
        if not path.is_file() or path.is_symlink() or path.stat().st_size != artefact["bytes"]:
            return None
        if artefact["bytes"] > params["max_bytes"] or digest_file(path) != artefact["sha256"]:
            return None
    return manifest


def _fetch(paths: Paths, slug: str, url: str, params: dict[str, Any], allow: tuple[str, ...]) -> Manifest:
    """Download a row anew; the manifest, not yet written."""
    before = _manifest(paths, slug)
    try:
        data, warnings = _download(paths, slug, url, params, allow)
    except Refused as ended:
        if before is None or before.data.get("url") != url:
            _remove_files(paths, slug, before)
        return Manifest(slug, "fetch", _without_secrets(ended.outcome), _key(url, params), data={"url": url})
    media = {"media": data.pop("media")}
    captions = {}
    for index, one in enumerate(data["captions"]):
        captions["captions" if index == 0 else f"captions.{one['language']}"] = one.pop("file")
    kept = {artefact["path"] for artefact in captions.values()}
    _remove_captions(paths, slug, before, kept)
    outcome = Outcome("ok", warnings={code: hide(text) for code, text in warnings.items()}) if warnings else OK
    return Manifest(slug, "fetch", outcome, _key(url, params), {**media, **captions}, {"url": url, **data})


def _without_secrets(outcome: Outcome) -> Outcome:
    """An outcome whose words may be those of a site."""
    return dataclasses.replace(outcome, message=hide(outcome.message or "") or None)


def _remove_files(paths: Paths, slug: str, before: Manifest | None) -> None:
    """Remove what an earlier URL of this row left, so that nothing downstream takes it for this one."""
    media = Path(paths.media(slug))
    if not media.is_symlink():
        media.unlink(missing_ok=True)
    _remove_captions(paths, slug, before, set())


def _remove_captions(paths: Paths, slug: str, before: Manifest | None, kept: set[str]) -> None:
    folder = Path(paths.manifest("fetch", slug)).parent
    for name, artefact in (before.artefacts if before else {}).items():
        path = _own(paths, folder / artefact["path"])
        if not name.startswith("captions") or artefact["path"] in kept or path is None:
            continue
        # The folder holds files of other videos too, whatever a manifest names.
        if re.fullmatch(rf"{re.escape(slug)}\.{fetch_info.LANGUAGE}\.(vtt|srt)", path.name):
            path.unlink(missing_ok=True)


def _own(paths: Paths, path: Path) -> Path | None:
    """The path of a download's file; None when a manifest names one that lies elsewhere, which is never touched."""
    try:
        within(Path(paths.media("x")).parent, path.parent)
    except ValueError:
        return None
    return path


def _download(
    paths: Paths, slug: str, url: str, params: dict[str, Any], allow: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Download with attempts and waits; data of the manifest and warnings.

    Raises:
        Refused: how it ended instead.
    """
    from triptych.media import fetch_client, fetch_network

    check_url(url)
    cookies = fetch_client.read_cookies(params["cookies"])
    run_stop = RunStop(paths, run_name(params), params["stop_after_429"])
    work = Path(paths.media(slug)).parent / ".work" / slug
    run_stop.check()
    _own_files(work)
    guard = Guard(params["allow_private_hosts"], allow)
    session = fetch_network.Session(params, guard, run_stop, work / "validators.json")
    with guard, fetch_client.open_client(session, cookies) as client:
        for attempt in range(params["retries"] + 1):
            time.sleep(params["sleep_seconds"])
            try:
                found = _attempt(client, session, url, work)
                break
            except Refused as refused:
                ended = refused.outcome
            if ended.reason == "bot_check":
                run_stop.bot_check(check_url(url))
            if not ended.transient:
                shutil.rmtree(work, ignore_errors=True)
            if not ended.transient or ended.reason in NOT_NOW or attempt == params["retries"]:
                raise Refused(ended)
            pause = min(LONGEST_WAIT, max(params["backoff_seconds"] * 2**attempt, session.retry_after))
            log.info("%s: %s Attempt %d in %.1f s.", slug, ended.message, attempt + 2, pause)
            time.sleep(pause)
            run_stop.check()
    try:
        return _keep(paths, slug, work, found)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _own_files(work: Path) -> None:
    """Leave only files of downloads in a work folder: writing to a link, or a second name, would change another file.

    The names are no secret: they follow from the URL.
    """
    for folder in (work.parent, work):
        if folder.is_symlink():
            folder.unlink()
    if not work.is_dir():
        return
    for path in work.iterdir():
        told = path.lstat()
        if stat.S_ISDIR(told.st_mode):
            shutil.rmtree(path)
        elif not stat.S_ISREG(told.st_mode) or told.st_nlink > 1:
            path.unlink()


def run_name(params: dict[str, Any]) -> str:
    """The name of this run of Snakemake, under which its downloads count refusals together; empty when unknown."""
    return str(params.get("run") or os.environ.get(RUN_VARIABLE, ""))


def _attempt(client: Any, session: Any, url: str, work: Path) -> _Found:
    """One attempt: look at the page, check, download streams and captions into the work folder (resuming parts)."""
    from triptych.media import fetch_client

    session.base_bytes, session.retry_after = 0, 0.0
    info = fetch_info.single(client.look(url), client.resolve)
    with fetch_client.foreign():
        streams = fetch_info.check(info, session.params)
        captions = fetch_info.choose_captions(info, session.params["captions"])
    _own_files(work)
    work.mkdir(parents=True, exist_ok=True)
    files = []
    for number, stream in enumerate(streams):
        name = digest_json([url, stream.get("format_id"), stream.get("ext"), stream.get("protocol")])[:12]
        target = work / f"{number}-{name}"
        client.save(stream, target)
        kind, phrase = sniff(target)
        if kind in NO_MEDIA:
            raise stop("failed", "not_media", f"What the server sent {phrase}.")
        session.base_bytes += target.stat().st_size
        files.append(target)
    if len(streams) == 2 and streams[0].get("vcodec") == "none":
        files.reverse()
    found = _Found(info, files, "+".join(str(stream.get("format_id")) for stream in streams))
    for one in captions:
        track = one.pop("track")
        target = work / f"captions.{one['language']}.{track['ext']}"
        target.unlink(missing_ok=True)
        try:
            client.save({**track, "id": info.get("id"), "title": info.get("title")}, target, captions=True)
            if b"-->" not in target.read_bytes():
                raise stop("failed", "not_captions", "The captions hold no cue.")
        except Refused as refused:
            found.warnings["captions_failed"] = f"{one['language']}: {refused.outcome.message}"
        else:
            found.captions.append({**one, "file": target})
    return found


def _keep(paths: Paths, slug: str, work: Path, found: _Found) -> tuple[dict[str, Any], dict[str, str]]:
    """Join the streams, put media and captions in their places; data of the manifest and warnings."""
    media = Path(paths.media(slug))
    joined_by, whole = None, found.files[0]
    if len(found.files) == 2:
        whole = work / "joined"
        joined_by = fetch_join.join(found.files[0], found.files[1], whole)
    captions = []
    for one in found.captions:
        place = media.with_name(f"{slug}.{one['language']}{one['file'].suffix}")
        captions.append({**one, "file": _place(paths, one["file"], place)})
    data = {
        **fetch_info.metadata(found.info),
        "formats": hide(found.formats),
        "joined_by": joined_by,
        "captions": captions,
    }
    data["media"] = _place(paths, whole, media)
    return data, found.warnings


def _place(paths: Paths, source: Path, target: Path) -> dict[str, Any]:
    """Put a finished file in its place, whole; its entry for the manifest.

    Raises:
        Refused: `failed: not_media` when a link has come in its place.
    """
    if source.is_symlink():
        raise stop("failed", "not_media", f"{source} has become a link, which is not followed; run again.")
    with source.open("rb+") as handle:
        os.fsync(handle.fileno())
    entry = {
        "path": os.path.relpath(target, Path(paths.manifest("fetch", "x")).parent),
        "sha256": digest_file(source),
        "bytes": source.stat().st_size,
    }
    source.replace(target)
    return entry
