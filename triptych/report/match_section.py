"""Pictures held against words, and pictures made from words, as the report shows them."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import sealed
from triptych.core.hdf import DamagedStore
from triptych.core.paths import Paths
from triptych.core.store import read_store
from triptych.core.units import shard_of
from triptych.crossmodal import imagine
from triptych.media import keyframes
from triptych.media.sheet import clock
from triptych.report.cards import keyframes_file

log = logging.getLogger(__name__)

#: Width in pixels and quality of a picture, and imagined pictures of a video at most.
WIDE, QUALITY, IMAGINED = 170, 68, 4
#: What stands for many cosines, in words.
SCORES = {"mean": "mean over the frames", "max": "best frame"}
PAINTED = {"mean": "mean of all pairs", "max": "nearest pair"}


def section(study: Mapping[str, Any], paths: Paths) -> str:
    """Escaped HTML of the matches and imagined pictures of a study; empty when there is none.

    Args:
        study: the complete study file as a mapping.
        paths: its files. Read are what matches and imagined pictures left, and keyframes.
    """
    most = int(study["report"]["embed_videos"])
    parts = [_match(name, one, study, paths, most) for name, one in (study.get("match") or {}).items()]
    parts += [_imagine(name, one, study, paths, most) for name, one in (study.get("imagine") or {}).items()]
    if not parts:
        return ""
    return (
        '<section id="match" aria-labelledby="h-match"><h2 id="h-match">Pictures and words</h2>\n'
        '<p class="soft">A cosine by itself says nothing: texts and pictures differ in how near they are to all '
        "others. Matched pairs (of one video) are held against mismatched ones (of two videos), and p is the share of "
        "permutations of the pairs that reach as much.</p>\n" + "\n".join(parts) + "\n</section>"
    )


def _match(name: str, told_of: Mapping[str, Any], study, paths: Paths, most: int) -> str:
    told = sealed.read_json(paths.match(name, "json"))
    rows = [
        (f"{field}, {SCORES[score]}", one["used"], one[score])
        for field in told_of["text"]
        for one in [told["fields"][field]]
        for score in SCORES
    ]
    lines = [f"<h3>{escape(name)}: frames and text by {escape(told['encoder'])}</h3>", _apart(told, "videos")]
    lines.append(_table(rows, ("frames to text", "text to frames"), "Text and score"))
    lines += [_without(field, told["fields"][field]["without"], told["videos"]) for field in told_of["text"]]
    lines.append(_drawn(paths.match(name, "svg"), "matched and mismatched pairs"))
    frames = study["encoders"][told_of["encoder"]].get("frames") or "keyframes"
    shown = [_matched(one, paths, frames) for one in some(told["shown"], most)]
    if shown:
        summary = f"Best and worst frames of {len(shown)} videos that fit their text best or worst"
        lines.append(f"<details><summary>{summary}</summary>{''.join(shown)}</details>")
    return "\n".join(filter(None, lines))


def _imagine(name: str, told_of: Mapping[str, Any], study, paths: Paths, most: int) -> str:
    told = sealed.read_json(paths.imagined_scores(name, "json"))
    rows = [(words, told["used"], told[score]) for score, words in PAINTED.items()]
    lines = [f"<h3>{escape(name)}: pictures made from {escape(told['text'])}</h3>"]
    cut = f" {told['cut']} texts were longer than the pipeline reads; their ends play no part." if told["cut"] else ""
    lines.append(
        f'<p class="small">{told["pictures"]} pictures of {told["used"]} videos by '
        f"<code>{escape(told['model'])}</code>, held against keyframes by "
        f"<code>{escape(told['encoder'])}</code>.{cut}</p>"
    )
    lines.append(_apart(told, "videos"))
    lines.append(_table(rows, ("pictures to video", "video to pictures"), "Score"))
    lines.append(_without("", told["without"], told["videos"]))
    lines.append(_drawn(paths.imagined_scores(name, "svg"), "matched and mismatched pairs"))
    frames = study["encoders"][told_of["encoder"]].get("frames") or "keyframes"
    shown = [_painted(one, name, study, paths, frames) for one in some(told["shown"], most)]
    if shown:
        summary = f"Imagined and real pictures of {len(shown)} videos that are most and least like each other"
        lines.append(f"<details><summary>{summary}</summary>{''.join(shown)}</details>")
    return "\n".join(filter(None, lines))


def some(listed: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of a list that is sorted: as many of its beginning as of its end."""
    if len(listed) <= most:
        return list(listed)
    first = (most + 1) // 2
    return [*listed[:first], *listed[len(listed) - (most - first) :]]


def _apart(told: Mapping[str, Any], what: str) -> str:
    if not told["group"]:
        return ""
    group = escape(told["group"])
    told_of = f"Mismatched are {what} of other groups of the task {group}; groups are permuted whole."
    return f'<p class="small soft">{told_of}</p>'


def _table(rows: Iterable[tuple[str, int, Mapping[str, Any]]], ways: tuple[str, str], head: str) -> str:
    """Matched against mismatched pairs, and retrieval both ways with what chance gives."""
    heads = ["n", "matched", "mismatched", "difference", "d\u2032", "p"]
    heads += [f"R@1 / 5 / 10, {way}" for way in ways]
    cells = "".join(f'<th scope="col" class="number">{escape(one)}</th>' for one in heads)
    body = "".join(_row(name, used, told) for name, used, told in rows)
    caption = "Recall in % of the videos, with what a blind draw gives; intervals are of 95 %, by groups."
    return (
        f'<div class="scroll"><table><caption><span>{caption}</span></caption>'
        f'<thead><tr><th scope="col">{escape(head)}</th>{cells}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _row(name: str, used: int, told: Mapping[str, Any]) -> str:
    start = f'<tr><th scope="row">{escape(name)}</th><td class="number">{used}</td>'
    if "matched" not in told:
        return f'{start}<td colspan="7">{escape(told["why"])}</td></tr>'
    between = "" if told["low"] is None else "<br>" + _small(f"{told['low']:+.3f} to {told['high']:+.3f}")
    cells = [f"{told['matched']:.3f}", f"{told['mismatched']:.3f}", f"{told['difference']:+.3f}{between}"]
    cells.append("" if told["d_prime"] is None else f"{told['d_prime']:.2f}")
    cells.append("" if told["p"] is None else p_value(told["p"], told["permutations"]))
    for way in ("row_to_column", "column_to_row"):
        one = told[way]
        recall = " / ".join(f"{100 * one[f'r{k}']:.0f}" for k in (1, 5, 10))
        chance = " / ".join(f"{100 * one['chance'][f'r{k}']:.0f}" for k in (1, 5, 10))
        rank = f"median rank {one['median_rank']:g} of {one['gallery']:.0f}"
        cells.append(f"{recall}<br>{_small(f'chance {chance}')}<br>{_small(rank)}")
    return start + "".join(f'<td class="number">{cell}</td>' for cell in cells) + "</tr>"


def p_value(p: float, permutations: int) -> str:
    """A p as it may be told: no smaller than the permutations can show."""
    least = 1 / (1 + permutations)
    return f"\u2264 {least:.2g}" if p <= least * (1 + 1e-9) else f"{p:.2g}"


def _small(text: str) -> str:
    return f'<span class="interval">{escape(text)}</span>'


def _without(field: str, counts: Mapping[str, int], videos: int) -> str:
    """How many videos have no part in it, by reason."""
    if not counts:
        return ""
    told = ", ".join(f"{number} {escape(reason)}" for reason, number in counts.items())
    place = f"{escape(field)}: " if field else ""
    return f'<p class="small soft">{place}{sum(counts.values())} of {videos} videos have no part in it: {told}.</p>'


def _drawn(path: str, words: str) -> str:
    data = base64.b64encode(Path(path).read_bytes()).decode()
    shown = f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(words)}" loading="lazy">'
    return f'<div class="picture whole">{shown}</div>'


def _matched(one: Mapping[str, Any], paths: Paths, frames: str) -> str:
    """One video: its text, and its best and worst frames."""
    places = [(what, told) for what in ("best", "worst") for told in one[what]]
    found = pictures(paths, one["video"], [told["time"] for _, told in places], frames)
    tiles = [
        _tile(
            data, f"{what} at {clock(told['time'])}", f"cosine {told['cosine']:.3f}, others' texts {told['others']:.3f}"
        )
        for (what, told), data in zip(places, found, strict=True)
    ]
    facts = (
        f"{one['field']}: mean {one['matched']:.3f}, others' texts {one['mismatched']:.3f}, rank {one['text_rank']:g}"
    )
    return _video(one["video"], facts, one["text"], tiles)


def _painted(one: Mapping[str, Any], name: str, study: Mapping[str, Any], paths: Paths, frames: str) -> str:
    """One video: imagined pictures, then the keyframe that is nearest to one of them."""
    video = one["video"]
    try:
        entries, _ = read_store(paths.imagined(name, shard_of(video, study["shards"])), [video])
        made = imagine.pictures(entries[video])
    except (DamagedStore, FileNotFoundError, KeyError) as error:
        log.warning("imagined pictures of %s are left out of the page: %s", video, error)
        made = []
    nearest = one["nearest_picture"]
    order = [nearest, *(number for number in range(len(made)) if number != nearest)] if made else []
    tiles = [
        _tile(_jpeg(imagine.decoded(made[number])), f"imagined {number + 1}", "nearest" if number == nearest else "")
        for number in order[:IMAGINED]
    ]
    real = pictures(paths, video, [one["nearest_time"]], frames)
    tiles.append(_tile(real[0], f"real, at {clock(one['nearest_time'])}", "nearest keyframe"))
    facts = f"mean {one['matched']:.3f}, others' keyframes {one['mismatched']:.3f}, rank {one['video_rank']:g}"
    return _video(video, facts, "", tiles)


def _video(video: str, facts: str, text: str, tiles: Iterable[str]) -> str:
    quoted = f'<p class="said-text">{escape(text)}</p>' if text else ""
    return (
        f"<h4>{escape(video)}</h4>"
        f'<p class="small soft">{escape(facts)}</p>{quoted}<div class="tiles">{"".join(tiles)}</div>'
    )


def _tile(data: bytes | None, title: str, more: str) -> str:
    shown = '<p class="soft">no picture</p>'
    if data:
        source = "data:image/jpeg;base64," + base64.b64encode(data).decode()
        shown = f'<img src="{source}" alt="{escape(title)}" width="{WIDE}" loading="lazy">'
    more = f'<br><span class="soft">{escape(more)}</span>' if more else ""
    return f'<div class="tile">{shown}<p class="small">{escape(title)}{more}</p></div>'


def pictures(paths: Paths, video: str, times: Sequence[float], frames: str = "keyframes") -> list[bytes | None]:
    """Small JPEGs of a video's stored frames at these times, None for those that cannot be had."""
    path = keyframes_file(paths, video)
    if path is None:
        return [None] * len(times)
    try:
        found = keyframes.read(path, "uniform" if frames == "uniform" else "keyframes")
    except (DamagedStore, FileNotFoundError, OSError, ValueError) as error:
        log.warning("frames of %s are left out of the page: %s", video, error)
        return [None] * len(times)
    places = [int(np.abs(np.asarray(found.times) - time).argmin()) for time in times]
    return [_jpeg(found.frames[place]) for place in places]


def _jpeg(picture: np.ndarray) -> bytes:
    """A small copy of a picture (H, W, 3)."""
    from PIL import Image

    image = Image.fromarray(picture)
    high = max(1, round(image.height * WIDE / image.width))
    memory = io.BytesIO()
    image.resize((WIDE, high), Image.Resampling.BICUBIC).save(memory, "JPEG", quality=QUALITY)
    return memory.getvalue()
