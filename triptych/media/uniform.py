"""Frames at even times: those on the screen in the middle of equal spans of a video, for encoders of clips.

Where candidates for keyframes come from decoding all frames, these are taken on the way. Where only the stream's own
keyframes are decoded, a pass of its own decodes from the keyframe before each wanted frame to that frame, and of the
frames between only those that others refer to.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from triptych.media.candidates import Scan, Source, all_frames, stream_of
from triptych.media.even import shown_at
from triptych.media.frames import Tally, decode, only, open_media, packets, prepare
from triptych.media.stored import Writer


class Uniform:
    """Takes the wanted frames out of those that are decoded in the order of showing.

    Attributes:
        wanted: marks (ticks of the stream, or numbers of frames) that are still to come, the next one last.
        times: seconds on the clock of the frames that were taken.
        jpegs: the frames as they are stored.
        counts: even times that each stands for.
        tally: what a decoding pass of its own met.
    """

    def __init__(self, source: Source, seen: Scan, writer: Writer) -> None:
        timed = seen.timed
        marks = np.unique(seen.ticks[seen.ticks != -1]) if timed else np.arange(len(seen.ticks))
        chosen, counts = shown_at(marks, source.params["uniform"])
        self.wanted: list[int] = [int(marks[position]) for position in reversed(chosen)]
        self._counts: list[int] = [int(count) for count in reversed(counts)]
        self._step, self._zero = (seen.step, source.zero) if timed else (1 / seen.rate, 0.0)
        self._writer = writer
        self.times: list[float] = []
        self.jpegs: list[bytes] = []
        self.counts: list[int] = []
        self.tally = Tally()

    def wants(self, mark: int) -> bool:
        """Whether the frame at this mark is to be taken: it is wanted, or the first after one that was not decoded."""
        return bool(self.wanted) and mark >= self.wanted[-1]

    def take(self, mark: int, jpeg: bytes) -> None:
        """Take a frame; it also stands for wanted ones before it that could not be decoded."""
        count = 0
        while self.wants(mark):
            self.wanted.pop()
            count += self._counts.pop()
        self.times.append(round(mark * self._step - self._zero, 6))
        self.jpegs.append(jpeg)
        self.counts.append(count)

    def offer(self, frame: Any, mark: int) -> None:
        """Take a decoded frame if it is wanted."""
        if self.wants(mark):
            self.take(mark, self._writer.picture(frame)[1])

    def arrays(self) -> dict[str, np.ndarray]:
        """What is stored; the last frame stands for what could not be decoded behind it."""
        if self.counts:
            self.counts[-1] += sum(self._counts)
        self.wanted, self._counts = [], []
        return {
            "uniform/bytes": np.frombuffer(b"".join(self.jpegs), np.uint8),
            "uniform/offsets": np.cumsum([0] + [len(one) for one in self.jpegs]).astype(np.int64),
            "uniform/times": np.asarray(self.times, np.float64),
            "uniform/counts": np.asarray(self.counts, np.int64),
        }


def decode_wanted(source: Source, seen: Scan, uniform: Uniform) -> None:
    """Decode the wanted frames of a stream of which the candidates decoded only keyframes."""
    with open_media(source.path) as container:
        stream = stream_of(container, source)
        only(container, stream)
        prepare(stream, source.threads, source.limits["max_pixels"])
        if not seen.timed:
            for count, frame in enumerate(all_frames(container, stream, uniform.tally)):
                uniform.offer(frame, count)
                if not uniform.wanted:
                    return
            return
        targets, runs = stretches(seen, uniform.wanted[::-1])
        context = stream.codec_context
        for number, packet in enumerate(packets(container, stream, uniform.tally)):
            if not runs:
                return
            if number < runs[0][0]:
                continue
            # Frames that no other refers to are not decoded unless they are wanted themselves.
            context.skip_frame = "DEFAULT" if number in targets else "NONREF"
            frames = decode(context, packet, uniform.tally)
            if number == runs[0][1]:
                frames += decode(context, None, uniform.tally)
                context.flush_buffers()
                runs.pop(0)
            for frame in frames:
                mark = frame.pts if frame.pts is not None else frame.dts
                if mark is not None:
                    uniform.offer(frame, mark)


def stretches(seen: Scan, marks: list[int]) -> tuple[set[int], list[list[int]]]:
    """What must be decoded to see the frames at `marks` (rising ticks).

    Returns:
        The numbers of the frames' own packets, and [first, last] numbers of packets of each stretch, in the order of
        decoding: from the keyframe that is shown at or before the frame, to the frame's packet.
    """
    order = np.argsort(seen.ticks, kind="stable")
    packets_of = order[np.searchsorted(seen.ticks[order], marks)]
    key_ticks = seen.ticks[seen.keys]
    spans = []
    for mark, packet in zip(marks, packets_of.tolist(), strict=True):
        before = int(np.searchsorted(seen.keys, packet, side="right")) - 1
        # Frames that lead a keyframe are shown before it and refer to frames before it.
        while before > 0 and key_ticks[before] > mark:
            before -= 1
        spans.append([int(seen.keys[before]) if before >= 0 else 0, packet])
    runs: list[list[int]] = []
    for first, last in sorted(spans):
        if runs and first <= runs[-1][1] + 1:
            runs[-1][1] = max(runs[-1][1], last)
        else:
            runs.append([first, last])
    return set(packets_of.tolist()), runs
