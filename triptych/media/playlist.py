"""The entries of a playlist, channel or feed, for `triptych table URL`: listed, not downloaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from triptych.core.paths import Paths
from triptych.core.status import Refused
from triptych.media.fetch_secrets import hide
from triptych.media.hosts import Guard, check_url


class PlaylistError(ValueError):
    """The list cannot be read; the message tells why, in yt-dlp's own words where it has some."""


def entries(url: str, params: dict[str, Any], *, allow: Iterable[str] = ()) -> list[dict[str, str]]:
    """List the videos of a URL, guarded as downloads are.

    Args:
        url: playlist, channel, feed or a single video.
        params: the study's `fetch` section.
        allow: addresses or networks that are allowed beside the public ones.

    Returns:
        `id`, `url` and `title` of each, in the site's order; a URL of one video gives one. Entries that are not
        http(s) are left out.

    Raises:
        PlaylistError: no list, no access, or an address that is not allowed.
    """
    from triptych.media import fetch_client, fetch_network
    from triptych.media.fetch_attempts import RunStop

    run_stop = RunStop(Paths("table"), "", params["stop_after_429"])
    try:
        check_url(url)
        guard = Guard(params["allow_private_hosts"], allow)
        session = fetch_network.Session(params, guard, run_stop)
        cookies = fetch_client.read_cookies(params["cookies"])
        options: dict[str, Any] = {"noplaylist": False, "playlistend": None, "lazy_playlist": False}
        with guard, fetch_client.open_client(session, cookies, **options) as client:
            info = client.look(url)
    except Refused as refused:
        raise PlaylistError(f"{url}: {refused.outcome.message}") from refused
    if info.get("_type", "video") not in ("playlist", "multi_video"):
        return [_entry(info, url)]
    found = []
    for entry in info.get("entries") or []:
        address = str((entry or {}).get("webpage_url") or (entry or {}).get("url") or "")
        try:
            check_url(address)
        except Refused:
            continue
        found.append(_entry(entry, address))
    if not found:
        raise PlaylistError(f"{url}: the list holds no videos")
    return found


def _entry(info: dict[str, Any], url: str) -> dict[str, str]:
    title = " ".join(hide(str(info.get("title") or "")).split())
    return {"id": hide(str(info.get("id") or "")), "url": url, "title": title}
