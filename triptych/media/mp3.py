"""mp3 encoding by LAME itself: the same encoder as libav's, whose build inside PyAV is almost three times slower."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

#: Rates that mp3 allows.
RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
#: Kilobits a second by the four bits of a frame's header: MPEG 1, and MPEG 2 and 2.5 (layer III).
_RATE_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_RATE_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
#: LAME's own default of thoroughness for variable bit rates, which libav uses too.
_THOROUGH = 3
#: Samples by which a decoded mp3 lags: LAME's delay of 576, and 529 of any decoder.
_DELAY = 576 + 529


class Mp3:
    """Encodes mono sound into packets for libav's mp3 muxer, which writes the header with length, delay and padding.

    Args:
        stream: the muxer's stream.
        rate: samples a second, one of `RATES`.
        quality: variable bit rate, 0 (best) to 9.
    """

    def __init__(self, stream: Any, rate: int, quality: int) -> None:
        import lameenc

        self._stream, self._rate, self._tick = stream, rate, Fraction(1, rate)
        modern = rate >= 32_000
        self._samples, self._rates, self._step = (1152, _RATE_1, 144_000) if modern else (576, _RATE_2, 72_000)
        self._taken, self._pts, self._rest = 0, -_DELAY, b""
        self._held: Any = None
        self._lame = lameenc.Encoder()
        self._lame.silence()
        self._lame.set_channels(1)
        self._lame.set_in_sample_rate(rate)
        self._lame.set_out_sample_rate(rate)
        self._lame.set_quality(_THOROUGH)
        self._lame.set_vbr(4)  # vbr_mtrh, LAME's default method
        self._lame.set_vbr_quality(quality)

    def encode(self, frame: Any | None) -> list[Any]:
        """Packets of a mono `s16` frame; None gives what the encoder still holds."""
        if frame is None:
            if not self._taken:
                return []  # LAME begins with the first samples and refuses to end before
            packets = self._packets(bytes(self._lame.flush()))
            if self._held is not None:
                _skip(self._held, 0, max(0, self._pts - self._taken))
                packets.append(self._held)
            return packets
        self._taken += frame.samples
        return self._packets(bytes(self._lame.encode(frame.to_ndarray().tobytes())))

    def _packets(self, data: bytes) -> list[Any]:
        """Packets of the whole frames in what LAME gave; the last one is held back, since it is told the padding."""
        import av

        data, at, packets = self._rest + data, 0, []
        while at + 4 <= len(data):
            head = data[at + 2]
            end = at + self._step * self._rates[head >> 4] // self._rate + (head >> 1 & 1)
            if end > len(data):
                break
            packet = av.Packet(data[at:end])
            packet.stream, packet.time_base = self._stream, self._tick
            packet.pts = packet.dts = self._pts
            packet.duration = self._samples
            if self._held is None:
                _skip(packet, _DELAY, 0)
            else:
                packets.append(self._held)
            self._held = packet
            self._pts += self._samples
            at = end
        self._rest = data[at:]
        return packets


def _skip(packet: Any, first: int, last: int) -> None:
    """Tell the muxer how many samples of a packet's start and end are no sound of the source."""
    from av.packet import PacketSideData, packet_sidedata_type_from_literal

    told = PacketSideData(packet_sidedata_type_from_literal("skip_samples"), 10)
    told.update(struct.pack("<IIBB", first, last, 0, 0))
    packet.set_sidedata(told)
