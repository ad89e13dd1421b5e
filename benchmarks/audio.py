"""Audio of a video: this workflow's job against the ffmpeg program with the same encoder settings.

Ten minutes of stereo AAC at 44.1 kHz (noise and sweeping tones). The job decodes once and writes an mp3 (mono,
LAME variable bit rate, quality 4, 44.1 kHz), a 16 kHz mono flac and the manifest; start-up is included on both sides.
Compared are: the mp3 alone on both sides (the same function as in the job, without the flac), mp3 and flac on both
sides, and the whole job against ffmpeg's mp3 alone. Interleaved pairs, one thread each; CPU seconds are medians,
ratios are medians of the pairs' ratios, memory is the highest peak.

    python benchmarks/audio.py [--minutes 10] [--pairs 5]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from keyframes import JOB, row
from processes import cost, ffmpeg, pairs, python

#: The sound of a file as mp3, by the function that the job calls.
ALONE = """
import json, sys
from triptych.media import audio
told = json.loads(sys.argv[1])
audio.extract(told["source"], 0, 0.0, {"mp3": told["target"]}, told["params"], told["limits"])
"""


def render(target: Path, minutes: int) -> Path:
    """Stereo noise and tones."""
    tones = "0.3*sin(2*PI*(200+150*sin(t))*t)*(0.5+0.5*sin(5*t))|0.3*sin(2*PI*(300+100*cos(t/2))*t)"
    command = [
        ffmpeg(),
        "-v",
        "error",
        "-y",
        "-f",
        "lavfi",
        "-i",
        f"anoisesrc=d={60 * minutes}:c=pink:r=44100:a=0.3:seed=1",
    ]
    command += ["-f", "lavfi", "-i", f"aevalsrc='{tones}':d={60 * minutes}:s=44100"]
    command += ["-filter_complex", "amix=inputs=2:normalize=0", "-ac", "2", "-c:a", "aac", "-b:a", "128k", str(target)]
    subprocess.run(command, check=True)
    return target


def main() -> None:
    from triptych.core.config import Audio, Limits

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = render(folder / "sound.m4a", given.minutes)
        said = {"folder": str(folder), "slug": "sound", "source": str(source), "limits": Limits().model_dump()}
        cost(python(JOB, json.dumps(said | {"stage": "probe", "params": {}})))
        command = python(JOB, json.dumps(said | {"stage": "audio", "params": Audio().model_dump()}))
        both = [ffmpeg(), "-v", "error", "-y", "-threads", "1", "-i", str(source)]
        alone = [*both, "-ac", "1", "-ar", "44100", "-q:a", "4", "-threads", "1", str(folder / "one.mp3")]
        both = [*alone, "-ac", "1", "-ar", "16000", "-sample_fmt", "s16", "-threads", "1", str(folder / "one.flac")]

        def ours() -> tuple[float, float]:
            shutil.rmtree(folder / "results" / "bench" / "audio", ignore_errors=True)
            return cost(command)

        mp3_alone = python(
            ALONE, json.dumps(said | {"target": str(folder / "ours.mp3"), "params": Audio().model_dump()})
        )
        print(f"{'':34s} {'ours':>10s} {'':9s}   {'other':>10s} {'':9s}   {'ratio':>6s}")
        row("mp3 alone / ffmpeg, mp3 alone", pairs(lambda: cost(mp3_alone), lambda: cost(alone), given.pairs))
        row("mp3 + flac / ffmpeg, mp3 alone", pairs(ours, lambda: cost(alone), given.pairs))
        row("mp3 + flac / ffmpeg, mp3 + flac", pairs(ours, lambda: cost(both), given.pairs))
        sizes = [(folder / "results/bench/audio/sound.mp3").stat().st_size, (folder / "one.mp3").stat().st_size]
        print(f"size of the mp3: {sizes[0]:,} and {sizes[1]:,} bytes")


if __name__ == "__main__":
    main()
