"""Tiny recognisers, and a study whose audio manifests and flacs are there."""

from types import SimpleNamespace

import numpy as np
import pytest
from tiny import speech

from triptych.core.files import digest_file
from triptych.core.paths import Paths
from triptych.core.status import Manifest, Outcome


@pytest.fixture(scope="session")
def hf_whisper(tmp_path_factory):
    return speech.build_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="session")
def converted(tmp_path_factory, hf_whisper):
    return speech.build_converted(tmp_path_factory.mktemp("converted"), hf_whisper)


@pytest.fixture(scope="session")
def openai_file(tmp_path_factory):
    return speech.build_openai(tmp_path_factory.mktemp("openai") / "tiny.pt")


@pytest.fixture(scope="session")
def wav2vec2(tmp_path_factory):
    return speech.build_wav2vec2(tmp_path_factory.mktemp("wav2vec2"))


@pytest.fixture(scope="session")
def parakeet(tmp_path_factory):
    return speech.build_parakeet(tmp_path_factory.mktemp("parakeet"))


def write_flac(path, samples):
    import av

    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=16_000)
        stream.layout = "mono"
        stream.format = "s16"
        whole = (samples * 32767).astype(np.int16)
        for start in range(0, len(whole), 4096):
            frame = av.AudioFrame.from_ndarray(whole[None, start : start + 4096], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture
def sounds(tmp_path):
    """Four videos with sound (one silent, one nearly so), one without; `write(slug, samples, start)` changes one."""
    paths = Paths("s", str(tmp_path / "results"), str(tmp_path / "media"), str(tmp_path / "splits"))
    folder = tmp_path / "results" / "s" / "audio"
    folder.mkdir(parents=True)

    def write(slug, samples, start=0.0):
        write_flac(folder / f"{slug}.flac", samples)
        digest = digest_file(folder / f"{slug}.flac")
        size = (folder / f"{slug}.flac").stat().st_size
        peak = round(float(np.abs(samples).max()), 6)
        artefacts = {"flac": {"path": f"{slug}.flac", "sha256": digest, "bytes": size}}
        facts = {"start": start, "peak": peak, "rate": 16_000}
        Manifest(slug, "audio", Outcome("ok"), digest, artefacts, facts).write(paths.manifest("audio", slug))

    for number in range(3):
        write(f"v{number}", speech.noise(3 + number, number), start=1.5 if number == 1 else 0.0)
    write("silent", np.zeros(32_000, np.float32))
    Manifest("mute", "audio", Outcome("absent", "no_audio", "there is no sound track")).write(
        paths.manifest("audio", "mute")
    )
    return SimpleNamespace(paths=paths, write=write, slugs=["mute", "silent", "v0", "v1", "v2"])
