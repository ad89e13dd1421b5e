"""Sections of the media stages: limits, downloads, audio, keyframes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from triptych.core.config.section import Section


class Limits(Section):
    """What is refused from a file's header, and what a decoding child process may use."""

    max_pixels: int = Field(33_177_600, gt=0)
    """Largest width x height of a video (default 8K, 7680 x 4320)."""
    max_frames: int = Field(2_000_000, gt=0)
    """Largest number of frames that a header may declare."""
    max_seconds: float = Field(6 * 3600, gt=0)
    """Longest declared duration in seconds."""
    max_bytes: int = Field(20_000_000_000, gt=0)
    """Largest file."""
    memory_mb: int = Field(3000, ge=256)
    """Address space that a decoding child may use, in MB beyond what it starts with."""
    wall_seconds: float = Field(1800, gt=0)
    """Wall-clock time after which a decoding child is ended and the video is `failed: timeout`."""


class Fetch(Section):
    """Downloads of URL rows (yt-dlp)."""

    format: str = "bv*[height<=720]+ba/b[height<=720]/bv*+ba/b"
    """yt-dlp format selection."""
    retries: int = Field(5, ge=0)
    """Attempts after the first one, with growing waits, within one job."""
    backoff_seconds: float = Field(2.0, ge=0)
    """First wait before a further attempt; it doubles each time, up to two minutes."""
    timeout_seconds: float = Field(30.0, gt=0)
    """Silence of a server after which an attempt is given up."""
    max_bytes: int = Field(4_000_000_000, gt=0)
    """Largest download; larger ones are refused."""
    max_seconds: float = Field(4 * 3600, gt=0)
    """Longest video; longer ones are refused before the download where the site tells."""
    rate_limit: int | None = Field(None, gt=0)
    """Bytes a second at most; none by default."""
    sleep_seconds: float = Field(0.0, ge=0)
    """Pause before each download, for sites that ask for it."""
    concurrent: int = Field(4, ge=1)
    """Downloads at the same time."""
    stop_after_429: int = Field(3, ge=1)
    """Answers 429 (or one bot check) after which fetching stops for this run."""
    retry_after_hours: float = Field(12.0, ge=0)
    """Hours after which a transient failure is due again."""
    cookies: str | None = None
    """Path of a Netscape cookie file; it is copied for each job, never written to and never logged."""
    allow_private_hosts: bool = False
    """Allow addresses of private networks and of this machine."""
    captions: list[str] = Field(default_factory=lambda: ["en"])
    """Languages of captions to keep beside the video; an empty list fetches none."""
    keep_sources: bool = True
    """Keep downloads after the stages that decode them are done."""


class Audio(Section):
    """Audio: one decode gives an mp3 for people and a 16 kHz mono flac for models."""

    mp3_quality: int = Field(4, ge=0, le=9)
    """LAME variable-bit-rate quality of the mp3 (0 best, 9 smallest)."""
    mp3_rate: int = Field(44_100, gt=0)
    """Sampling rate of the mp3 in Hz."""


class Keyframes(Section):
    """Keyframes: the frames nearest to the centroids of a k-means over candidate frames."""

    count: int = Field(32, ge=1, le=64)
    """Number of clusters and so of keyframes."""
    mode: Literal["auto", "keyframe-packets", "exact"] = "auto"
    """Candidates: the stream's own keyframes, N frames a second, or the first when there are enough of them."""
    fps: float = Field(2.0, gt=0)
    """Candidates a second in mode `exact` (more on short videos, so that there are twice `count` of them)."""
    max_candidates: int = Field(4096, ge=64)
    """Most candidates; longer videos are thinned evenly, so that memory does not grow with duration."""
    short_side: int = Field(288, ge=64)
    """Short side in pixels of the stored frames."""
    jpeg_quality: int = Field(95, ge=50, le=100)
    """JPEG quality of the stored frames."""
    uniform: int = Field(0, ge=0, le=64)
    """Frames at even times that are stored beside the keyframes, for encoders with `frames: uniform`; 0 for none."""
    min_fraction: float = Field(0.0, ge=0, le=1)
    """Share of the declared duration that must decode; a video below it is `failed: truncated`."""
    seed: int = 0
    """Seed of the k-means."""
