"""Audio: one decode gives an mp3 for people and a 16 kHz mono flac for models; both start when the sound starts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core.status import stop
from triptych.media import mp3
from triptych.media.frames import (
    Tally,
    content,
    declared_end,
    decode,
    only,
    open_media,
    packets,
    pick_audio,
    prepare,
    truncated,
)
from triptych.media.sandbox import Answer

VERSION = "1"
#: Samples a second of the flac.
RATE = 16_000
#: Seconds that go through resampling and encoding at once: Python's share of the work is paid once a block.
BLOCK = 10.0
#: Seconds by which a timestamp must be late for silence to be put in.
GAP = 0.1
#: Samples a second below which there is no sound to hear: at 1 Hz a file of some kilobytes lasts for hours.
LEAST_RATE = 1000
#: Largest magnitude (of 32768) up to which sound counts as silent: about -60 dB.
SILENT = 32


def extract(
    path: str, index: int, zero: float, targets: dict[str, str], params: dict[str, Any], limits: dict[str, Any]
) -> Answer:
    """Decode a sound track once into an mp3 and a flac, for `sandbox.run`.

    Args:
        path: absolute path of the media file.
        index: which stream, as the probe chose it.
        zero: start of the video's clock in seconds of the container's own clock (`start` of the probe).
        targets: `mp3` and `flac` -> path to write; either may be missing.
        params: `Audio` as a mapping.
        limits: `Limits` as a mapping.

    Returns:
        `data`: seconds, samples and rate of the flac; start (of the first sample on the video's clock, in seconds);
        declared seconds; peak (0 to 1); mp3_rate. Warnings: `truncated`, `corrupt_packets`, `gaps`, `silent`.

    Raises:
        Refused: `failed: undecodable`, `refused: too_long` or `odd_rate`.
    """
    tally = Tally()
    with open_media(path) as container:
        stream = next((one for one in container.streams.audio if one.index == index), None) or pick_audio(container)
        if stream is None:
            raise stop("failed", "unreadable", "the sound track that the probe saw is not there any more")
        declared, own = declared_end(container, stream)
        if own or declared is None:
            only(container, stream)
        prepare(stream, 1, limits["max_pixels"])
        _check_rate(stream.rate)
        with _Writer(targets, params, min(stream.rate, params["mp3_rate"])) as writer:
            blocks = _Blocks(writer, limits["max_seconds"])
            for packet in packets(container, stream, tally):
                for frame in decode(stream.codec_context, packet, tally):
                    blocks.add(frame)
            for frame in decode(stream.codec_context, None, tally):
                blocks.add(frame)
            blocks.flush()
        if not writer.samples:
            raise stop("failed", "undecodable", f"no sound could be decoded ({stream.codec_context.name})")
    seconds = writer.samples / RATE
    warnings = tally.warnings() | truncated(declared, seconds if own else tally.reached_any - zero)
    if blocks.gaps:
        warnings["gaps"] = f"{blocks.gaps} gaps, {blocks.silence:.2f} s together, are filled with silence"
    if writer.peak <= SILENT:
        warnings["silent"] = "the sound track is silent throughout (below -60 dB)"
    start = 0.0 if blocks.start is None else blocks.start - zero
    facts = {"seconds": seconds, "start": start, "rate": RATE, "samples": writer.samples, "declared": declared}
    facts |= {"peak": round(min(writer.peak, 32767) / 32767, 6), "mp3_rate": writer.mp3_rate}
    return Answer(facts, warnings)


def read_flac(path: Path | str) -> np.ndarray:
    """Samples of a flac that `extract` wrote.

    Returns:
        (samples,) float32 in [-1, 1], mono at 16 kHz.
    """
    import av

    blocks = []
    with av.open(str(path), format="flac") as container:
        for frame in container.decode(audio=0):
            blocks.append(frame.to_ndarray().reshape(-1))
    whole = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
    return whole.astype(np.float32) / np.float32(32768)


def _check_rate(rate: int) -> None:
    """Refuse a rate, as the header or a frame tells it, that would make much of nearly nothing."""
    if rate < LEAST_RATE:
        raise stop("refused", "odd_rate", f"sound of {rate:,} samples a second, the least is {LEAST_RATE:,}")


class _Blocks:
    """Collects decoded frames into long blocks, and keeps to their timestamps.

    Attributes:
        start: time of the first sample on the container's clock, None when it is not told.
        gaps: how often silence was put in.
        silence: seconds of it.
    """

    def __init__(self, writer: _Writer, most_seconds: float) -> None:
        self.writer, self.most = writer, most_seconds
        self.start: float | None = None
        self.gaps, self.silence, self.seconds = 0, 0.0, 0.0
        self._kind: tuple[Any, ...] = ()
        # One a target: a resampler may take the frame that it is given for its own.
        self._fifos: dict[str, Any] = {}
        self._full = 0
        self._due: float | None = None
        self._late = 0.0
        self._tick = 0.0

    def add(self, frame: Any) -> None:
        """Take one decoded frame."""
        if (frame.sample_rate, frame.format.name, frame.layout.name) != self._kind:
            self._change(frame)
        pts = frame.pts
        if pts is not None:
            if self._due is None:
                self._due = pts
                self.start = pts * self._tick - self.seconds if self.start is None else self.start
            elif not -self._late < pts - self._due < self._late:
                self._gap(pts)
            frame.pts = None
            self._due += frame.samples / (self._rate * self._tick)
        for fifo in self._fifos.values():
            fifo.write(frame)
        if fifo.samples >= self._full:
            self.flush()

    def flush(self) -> None:
        """Hand on what is collected."""
        for name, fifo in self._fifos.items():
            if fifo.samples:
                block = fifo.read()
                if name == "flac":
                    self._count(block.samples / self._rate)
                self.writer.write(name, block)

    def _change(self, frame: Any) -> None:
        """Begin, or go on with frames of another rate, format or layout."""
        import av

        _check_rate(frame.sample_rate)
        self.flush()
        self.writer.change()
        self._kind = (frame.sample_rate, frame.format.name, frame.layout.name)
        self._rate = frame.sample_rate
        self._fifos = {"mp3": av.AudioFifo(), "flac": av.AudioFifo()}
        self._full = int(BLOCK * self._rate)
        tick = float(frame.time_base) if frame.time_base else 1 / self._rate
        if self._due is not None:
            self._due *= self._tick / tick
        self._tick = tick
        self._late = GAP / tick

    def _gap(self, pts: int) -> None:
        """Fill what is missing with silence; a clock that jumps back is followed from there."""
        missing = (pts - self._due) * self._tick
        self._due = pts
        if missing > 0:
            self.flush()
            self._count(missing)
            self.writer.silence(missing)
            self.gaps += 1
            self.silence += missing

    def _count(self, seconds: float) -> None:
        self.seconds += seconds
        if self.seconds > self.most:
            raise stop("refused", "too_long", f"the sound lasts longer than {self.most:,.0f} s (limits.max_seconds)")


class _Writer:
    """Resamples blocks to mono and encodes them.

    Attributes:
        samples: samples written at 16 kHz.
        peak: largest magnitude among them.
        mp3_rate: sampling rate of the mp3.
    """

    def __init__(self, targets: dict[str, str], params: dict[str, Any], rate: int) -> None:
        self.mp3_rate = next((one for one in mp3.RATES if one >= rate), mp3.RATES[-1])
        self.samples, self.peak = 0, 0
        self._targets, self._quality = targets, params["mp3_quality"]
        self._outputs: dict[str, tuple[Any, Any]] = {}
        self._resamplers: dict[str, Any] = {}
        self._rates = {"mp3": self.mp3_rate, "flac": RATE}

    def __enter__(self) -> _Writer:
        import av

        for name, target in self._targets.items():
            container = av.open(target, "w", format=name)
            codec, form = ("libmp3lame", "s16p") if name == "mp3" else ("flac", "s16")
            stream = container.add_stream(codec, rate=self._rates[name], layout="mono", format=form)
            encoder = mp3.Mp3(stream, self.mp3_rate, self._quality) if name == "mp3" else stream
            self._outputs[name] = (container, encoder)
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if kind is None:
                self.change()
                for container, encoder in self._outputs.values():
                    container.mux(encoder.encode(None))
        finally:
            for container, _ in self._outputs.values():
                container.close()

    def write(self, name: str, block: Any) -> None:
        """Resample a block of the source's form and encode it for one target."""
        import av

        if name not in self._resamplers:
            self._resamplers[name] = av.AudioResampler(format="s16", layout="mono", rate=self._rates[name])
        # Channels whose places nobody told cannot be mixed, for one.
        with content(f"sound of {block.layout.name} at {block.sample_rate} Hz cannot be made mono"):
            frames = self._resamplers[name].resample(block)
        for frame in frames:
            self._encode(name, frame)

    def change(self) -> None:
        """Write what the resamplers still hold; the next block may have another form."""
        for name, resampler in self._resamplers.items():
            with content("the end of the sound cannot be made mono"):
                frames = resampler.resample(None)
            for frame in frames:
                self._encode(name, frame)
        self._resamplers.clear()

    def silence(self, seconds: float) -> None:
        """Write silence, in blocks."""
        import av

        self.change()
        for name, rate in self._rates.items():
            left = round(seconds * rate)
            while left > 0:
                count = min(left, int(BLOCK * rate))
                frame = av.AudioFrame.from_ndarray(np.zeros((1, count), np.int16), format="s16", layout="mono")
                frame.sample_rate = rate
                self._encode(name, frame)
                left -= count

    def _encode(self, name: str, frame: Any) -> None:
        if name == "flac":
            values = frame.to_ndarray()
            self.samples += frame.samples
            self.peak = max(self.peak, int(values.max(initial=0)), -int(values.min(initial=0)))
            frame.pts, frame.time_base = self.samples - frame.samples, Fraction(1, RATE)
        if name in self._outputs:
            container, encoder = self._outputs[name]
            container.mux(encoder.encode(frame))
