"""Lists of videos: their entries for `triptych table URL`, and rows that name one by mistake."""

import pytest

from triptych.media import playlist

from .conftest import answer, parameters, redirect, serve


def feed(site, count, page="/feed.xml"):
    items = "".join(
        f"<item><title>Film &amp; {i}</title><link>{site.url}/f{i}</link>"
        f'<enclosure url="{site.url}/f{i}.mp4" type="video/mp4" length="1"/></item>'
        for i in range(count)
    )
    body = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Feed</title>{items}</channel></rss>'
    site.pages[page] = lambda handler: answer(handler, 200, body.encode(), "application/rss+xml")
    return f"{site.url}{page}"


def test_entries_of_a_feed(site):
    found = playlist.entries(feed(site, 5), parameters())
    assert [one["url"] for one in found] == [f"{site.url}/f{i}.mp4" for i in range(5)]
    assert found[3]["title"] == "Film & 3"
    assert set(found[0]) == {"id", "url", "title"}
    assert len(site.log) == 1  # nothing but the list itself is asked for


def test_a_single_video_is_one_entry(site, clip):
    site.pages["/a.mp4"] = serve(clip)
    assert playlist.entries(f"{site.url}/a.mp4", parameters()) == [
        {"id": "a", "url": f"{site.url}/a.mp4", "title": "a"}
    ]


def test_entries_that_are_no_urls_are_left_out(site):
    items = f"<item><title>x</title><link>file:///etc/passwd</link></item><item><link>{site.url}/ok</link></item>"
    body = f"<rss version='2.0'><channel><title>F</title>{items}</channel></rss>".encode()
    site.pages["/feed"] = lambda handler: answer(handler, 200, body, "application/rss+xml")
    assert [one["url"] for one in playlist.entries(f"{site.url}/feed", parameters())] == [f"{site.url}/ok"]


def test_lists_are_guarded_as_downloads_are(sites):
    with pytest.raises(playlist.PlaylistError, match="http"):
        playlist.entries("file:///etc/passwd", parameters())
    open_one, inner = sites("127.0.0.2"), sites("127.0.0.3")
    with pytest.raises(playlist.PlaylistError, match="private"):
        playlist.entries(feed(inner, 2), parameters(allow_private_hosts=False))
    open_one.pages["/feed"] = redirect(f"{inner.url}/feed.xml")
    with pytest.raises(playlist.PlaylistError, match=r"127\.0\.0\.3"):
        playlist.entries(f"{open_one.url}/feed", parameters(allow_private_hosts=False), allow=["127.0.0.2"])
    assert not inner.log
    with pytest.raises(playlist.PlaylistError, match="HTTP Error 404"):
        playlist.entries(f"{open_one.url}/none", parameters())


def test_a_row_that_names_a_list_fails_with_advice(site, get):
    ended = get(feed(site, 3)).outcome
    assert (ended.status, ended.reason, ended.transient) == ("failed", "playlist", False)
    assert "triptych table" in ended.message


def test_a_list_of_one_is_that_video(site, get, clip):
    site.pages["/f0.mp4"] = serve(clip)
    done = get(feed(site, 1))
    assert done.outcome.ok, done.outcome
