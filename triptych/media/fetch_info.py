"""What a site tells of a video: the checks before its download, the metadata that is kept, and its captions."""

from __future__ import annotations

import re
from typing import Any

from triptych.core.status import stop
from triptych.media.fetch_secrets import hide

#: Metadata that is kept, and whether it is a list of texts.
METADATA = {
    "id": False,
    "extractor": False,
    "title": False,
    "description": False,
    "uploader": False,
    "uploader_id": False,
    "channel": False,
    "channel_id": False,
    "categories": True,
    "tags": True,
    "duration": False,
    "upload_date": False,
    "language": False,
    "license": False,
    "webpage_url": False,
}
MOST_TEXT, MOST_ITEMS = 5000, 100
#: Languages of captions: they become parts of a file's name.
LANGUAGE = r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*"


def single(info: dict[str, Any], resolve) -> dict[str, Any]:
    """The one video that a URL names; `resolve` turns a flat entry of a list of one into a video.

    Raises:
        Refused: `failed: playlist` when there are several, `failed: no_format` when there is none.
    """
    for _ in range(4):
        if info.get("_type", "video") not in ("playlist", "multi_video"):
            return info
        entries = [entry for entry in info.get("entries") or [] if entry]
        if len(entries) > 1:
            raise stop(
                "failed",
                "playlist",
                "The URL names several videos; `triptych table URL > videos.csv` makes a row of each.",
            )
        if not entries:
            raise stop("failed", "no_format", "No video was found at this URL.")
        info = resolve(entries[0])
    raise stop("failed", "playlist", "The URL leads to lists within lists; give the URL of one video.")


def check(info: dict[str, Any], params: dict[str, Any]) -> list[dict[str, Any]]:
    """The streams to download, one or two, after all checks that need no download.

    Raises:
        Refused: live or upcoming, protected, longer than `max_seconds` or larger than `max_bytes` as the site tells.
    """
    if info.get("live_status") == "is_upcoming":
        raise stop("failed", "upcoming", "The video is announced and not there yet.", transient=True)
    if info.get("is_live") or info.get("live_status") in ("is_live", "post_live"):
        raise stop("failed", "live", "The video is a live stream; it can be fetched when it has ended.", transient=True)
    duration = info.get("duration")
    if duration and float(duration) > params["max_seconds"]:
        raise stop(
            "refused", "too_long", f"{float(duration):,.0f} s, over fetch.max_seconds ({params['max_seconds']:g})."
        )
    streams = info.get("requested_formats") or [info]
    if len(streams) > 2:
        raise stop("failed", "no_format", "fetch.format selects more than one video and one audio stream.")
    for stream in streams:
        if stream.get("has_drm"):
            raise stop("failed", "drm", "The video is protected (DRM).")
        if not stream.get("url"):
            raise stop("failed", "no_format", "No video was found at this URL.")
    size = sum(stream.get("filesize") or 0 for stream in streams)
    if size > params["max_bytes"]:
        raise stop("refused", "too_large", f"{size:,} bytes, over fetch.max_bytes ({params['max_bytes']:,}).")
    return [{**info, **stream} if stream is not info else info for stream in streams]


def metadata(info: dict[str, Any]) -> dict[str, Any]:
    """The metadata that is kept: flat, of known names, bounded, without control characters."""
    kept: dict[str, Any] = {}
    for name, listed in METADATA.items():
        value = info.get(name)
        if listed:
            items = [_text(item) for item in value if isinstance(item, str)] if isinstance(value, (list, tuple)) else []
            value = items[:MOST_ITEMS] or None
        elif isinstance(value, str):
            value = _text(value)
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            value = None
        if value is not None:
            kept[name] = value
    return kept


def _text(value: str) -> str:
    clean = re.sub(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\ud800-\udfff]", " ", value)
    return hide(clean)[:MOST_TEXT]


def choose_captions(info: dict[str, Any], languages: list[str]) -> list[dict[str, Any]]:
    """For each wanted language the best captions: written ones before automatic ones, `en` before `en-GB`.

    Returns:
        Dictionaries with `language`, `automatic` and `track` (yt-dlp's entry, vtt or srt).
    """
    chosen: list[dict[str, Any]] = []
    for wanted in languages:
        for name, automatic in (("subtitles", False), ("automatic_captions", True)):
            tracks = info.get(name) or {}
            near = sorted(key for key in tracks if key.lower().startswith(f"{wanted.lower()}-"))
            for language in [wanted, *near] if wanted in tracks else near:
                track = _best(tracks[language])
                if track is not None and re.fullmatch(LANGUAGE, language):
                    chosen.append({"language": language, "automatic": automatic, "track": track})
                    break
            else:
                continue
            break
    unique = {one["language"]: one for one in reversed(chosen)}
    return [unique[language] for language in dict.fromkeys(one["language"] for one in chosen)]


def _best(tracks: Any) -> dict[str, Any] | None:
    """The vtt of a language's tracks, else the srt, else None."""
    for wanted in ("vtt", "srt"):
        for track in tracks or []:
            if track.get("ext") == wanted and (track.get("url") or track.get("data")):
                return dict(track)
    return None
