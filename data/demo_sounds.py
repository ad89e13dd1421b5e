"""Sounds of the demo corpus: three synthetic sound scenes, the room tone of a film, and speech by espeak-ng."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
from demo_words import Film

#: espeak-ng speaks at this rate; everything else follows.
RATE = 22050
#: Loudness of the narration (root mean square); the scenes below are tuned to be heard beside it.
SPEECH = 0.06


def require_espeak() -> str:
    """The path of espeak-ng, or a clear end of the program."""
    found = shutil.which("espeak-ng")
    if not found:
        raise SystemExit(
            "make_demo: espeak-ng is needed to render the narration (Debian/Ubuntu: apt-get install espeak-ng, "
            "macOS: brew install espeak-ng). The rendered corpus in data/demo works without it."
        )
    return found


def say(text: str, film: Film, speed: int) -> np.ndarray:
    """One sentence in the voice of a film.

    Args:
        text: what to say.
        film: gives voice and pitch.
        speed: words per minute.

    Returns:
        Mono samples at `RATE` with a root mean square of `SPEECH`, silence at both ends removed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "say.wav"
        argv = [require_espeak(), "-v", film.voice, "-p", str(film.pitch), "-s", str(speed), "-w", str(path), text]
        subprocess.run(argv, check=True, capture_output=True)
        with wave.open(str(path)) as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
                raise SystemExit(f"make_demo: espeak-ng wrote {file.getparams()}, expected {RATE} Hz mono 16 bit")
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    if not len(loud):
        raise SystemExit(f"make_demo: espeak-ng said nothing for voice {film.voice!r}")
    sound = sound[loud[0] : loud[-1] + 1]
    return sound * (SPEECH / np.sqrt(np.mean(sound**2)))


def _shaped(rng: np.random.Generator, n: int, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Noise with the given gain over frequency, root mean square 1."""
    spectrum = np.fft.rfft(rng.normal(size=n)) * gain(np.maximum(np.fft.rfftfreq(n, 1 / RATE), 1.0))
    noise = np.fft.irfft(spectrum, n)
    return noise / np.sqrt(np.mean(noise**2))


def _add(sound: np.ndarray, piece: np.ndarray, at: float) -> None:
    """Mix a piece into a sound, from a time in seconds; what hangs over the end is dropped."""
    start = round(at * RATE)
    piece = piece[: max(0, len(sound) - start)]
    sound[start : start + len(piece)] += piece


def air(rng: np.random.Generator, n: int) -> np.ndarray:
    """Wind or surf that swells and falls, with bird calls."""
    t = np.arange(n) / RATE
    swell = 0.65 + 0.35 * np.sin(6.28 * (rng.uniform(0.2, 0.4) * t + rng.uniform()))
    sound = 0.05 * swell * _shaped(rng, n, lambda f: (f > 80) / (1 + (f / 500) ** 1.2))
    for at in np.arange(rng.uniform(0.1, 0.4), n / RATE - 0.3, 0.75) + rng.uniform(0, 0.3):
        base, slide = rng.uniform(2300, 3600), rng.uniform(-900, 1200)
        for call in range(rng.integers(1, 4)):
            u = np.arange(round(rng.uniform(0.07, 0.16) * RATE)) / RATE
            shape = np.sin(np.pi * u / u[-1]) ** 2
            tone = np.sin(6.28 * (base * u + slide * u**2 / (2 * u[-1]) + 4 * np.sin(6.28 * 28 * u)))
            _add(sound, 0.1 * shape * tone, at + 0.17 * call)
    return sound


def pan(rng: np.random.Generator, n: int) -> np.ndarray:
    """Something that sizzles and bubbles."""
    crackle = np.convolve((rng.uniform(size=n) < 60 / RATE) * rng.exponential(1, n), np.exp(-np.arange(400) / 80))[:n]
    sound = _shaped(rng, n, lambda f: 1 / (1 + (3500 / f) ** 4)) * (0.02 + 0.05 * crackle)
    for at in np.cumsum(rng.exponential(0.085, int(n / RATE / 0.085) + 20)):
        if at > n / RATE - 0.1:
            break
        u = np.arange(round(0.07 * RATE)) / RATE
        base = rng.uniform(350, 900)
        _add(sound, rng.uniform(0.08, 0.16) * np.exp(-u / 0.018) * np.sin(6.28 * (base * u + base * 6 * u**2)), at)
    return sound


def anvil(rng: np.random.Generator, n: int) -> np.ndarray:
    """Regular blows on metal, and bellows."""
    t = np.arange(n) / RATE
    breath = np.maximum(0, np.sin(6.28 * (0.55 * t + rng.uniform()))) ** 2
    sound = 0.03 * breath * _shaped(rng, n, lambda f: (f > 60) / (1 + (f / 250) ** 2))
    beat, pitch = rng.uniform(0.42, 0.56), rng.uniform(620, 820)
    u = np.arange(round(0.4 * RATE)) / RATE
    for at in np.arange(rng.uniform(0.05, 0.3), n / RATE - 0.05, beat):
        # A bar rings at these ratios, never at whole multiples: that is what sounds like metal.
        ring = sum(np.sin(6.28 * pitch * r * u) * np.exp(-u * 7 * r**0.5) / r**0.4 for r in (1, 2.76, 5.4, 8.93))
        strike = rng.normal(size=len(u)) * np.exp(-u * 250)
        _add(sound, rng.uniform(0.08, 0.13) * (ring + strike), max(0.0, at + rng.normal(0, 0.015)))
    return sound


SOUNDS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {"air": air, "pan": pan, "anvil": anvil}


def room(film: Film, sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What the film's recording adds to a sound: mains hum, hiss and a tilted frequency response.

    Args:
        film: gives hum, hiss and tilt.
        sound: mono samples at `RATE`.
        rng: the clip's own random numbers.

    Returns:
        Samples within -0.95 and 0.95.
    """
    t = np.arange(len(sound)) / RATE
    hum = sum(np.sin(6.28 * film.hum * k * t + k) / k for k in (1, 2, 3, 5))
    mixed = sound + 0.008 * hum + film.hiss * rng.normal(size=len(sound))
    frequency = np.clip(np.fft.rfftfreq(len(mixed), 1 / RATE), 60, 8000)
    mixed = np.fft.irfft(np.fft.rfft(mixed) * 10 ** (film.tilt * np.log2(frequency / 1000) / 20), len(mixed))
    return mixed * min(1.0, 0.95 / np.abs(mixed).max())
