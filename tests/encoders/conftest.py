"""A small study on disk: real clips with picture and sound, through the real media stages."""

from fractions import Fraction

import numpy as np
import pytest

from triptych.core.config import Audio, Keyframes, Limits
from triptych.core.paths import Paths
from triptych.core.status import Outcome
from triptych.media import unit
from triptych.speech.transcript import Segment, Transcript, write_transcripts


def write_clip(path, number, *, picture=True, sound=True, seconds=1.0):
    """A clip whose colour, movement and tone depend on `number`."""
    import av

    with av.open(str(path), "w") as container:
        if picture:
            video = container.add_stream("mpeg4", rate=10, options={"g": "1"})
            video.width, video.height, video.pix_fmt = 96, 72, "yuv420p"
        if sound:
            audio = container.add_stream("aac", rate=16_000, layout="mono")
        if picture:
            _rows, columns = np.mgrid[:72, :96]
            for at in range(int(10 * seconds)):
                image = np.zeros((72, 96, 3), np.uint8)
                image[..., number % 3] = 60 + 10 * number
                image[(columns + 3 * at * (number + 1)) % 32 < 16] += 80
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = at, Fraction(1, 10)
                container.mux(video.encode(frame))
            container.mux(video.encode())
        if sound:
            clock = np.arange(int(16_000 * seconds)) / 16_000
            tone = 0.3 * np.sin(2 * np.pi * (220 + 110 * number) * clock) * (1 + np.sin(2 * np.pi * 4 * clock)) / 2
            for start in range(0, len(tone), 1024):
                block = tone[start : start + 1024].astype(np.float32)[None]
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = 16_000, start, Fraction(1, 16_000)
                container.mux(audio.encode(frame))
            container.mux(audio.encode())


class Studio:
    """Six clips (one without sound, one without picture), a file that is none, and a row of text alone."""

    def __init__(self, folder):
        self.folder = folder
        self.paths = Paths("small", str(folder / "results"), str(folder / "media"), str(folder / "splits"))
        self.slugs = [*(f"clip{number}" for number in range(6)), "broken", "words"]
        sources = folder / "sources"
        sources.mkdir(parents=True)
        for number in range(6):
            write_clip(sources / f"clip{number}.mp4", number, sound=number != 4, picture=number != 5)
        (sources / "broken.mp4").write_text("no film")
        videos = [
            {"slug": slug, "source": str(sources / f"{slug}.mp4") if slug != "words" else "", "url": False}
            for slug in self.slugs
        ]
        limits = Limits().model_dump()
        for stage, params in (
            ("probe", {}),
            ("audio", Audio().model_dump()),
            ("keyframes", Keyframes(count=4, short_side=72).model_dump()),
        ):
            unit.run_stage(stage, videos, self.paths, params, limits)

    def videos(self, slugs=None):
        return [{"slug": slug, "fields": {"title": f"title of {slug}"}} for slug in slugs or self.slugs]

    def write_transcripts(self, shard, slugs=None):
        said = [
            Transcript(slug, "captions", segments=(Segment(0, 1, f"these are the words of {slug}"),))
            if slug not in ("clip3", "broken")
            else Transcript(slug, "captions", Outcome("absent", "no_captions", "none"))
            for slug in slugs or self.slugs
        ]
        write_transcripts(self.paths.transcripts("text", shard), said)


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    return Studio(tmp_path_factory.mktemp("studio"))


@pytest.fixture
def studio(built):
    """The study, with no embeddings yet."""
    import shutil

    shutil.rmtree(f"{built.paths.root}/embeddings", ignore_errors=True)
    return built
