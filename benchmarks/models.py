"""Every encoder and transcriber through the Snakefile on the demo corpus: vectors, seconds, and what a rerun computes.

Weights are tiny random checkpoints of the true classes, which the tests build too (`tests/tiny`), so the table shows
that each way works and what its start-up costs; it says nothing about quality or about the time of real models.

    python benchmarks/models.py [--folder DIR] [--cores 2] [--only clip vivit ...]
"""

from __future__ import annotations

import argparse
import csv
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "tests")]

#: Recognisers of random weights babble: what would drop their text is turned off, and they say few words.
LOOSE = {"compression_ratio_threshold": 1000.0, "loop_repeats": 1000, "silence_db": -120.0}


def encoders(folder: Path) -> dict[str, dict]:
    """Sections of all registered encoders, checkpoints built in `folder`."""
    from tiny import audio, image, objects, text, video

    found: dict[str, dict] = {name: {"use": name} for name in ("classic-image", "classic-audio", "minilm")}
    built: dict[object, Path] = {}
    for presets in (image.PRESETS, video.PRESETS):
        for use, (build, *_) in presets.items():
            if build not in built:
                built[build] = build(folder / build.__name__)
            found[use] = {"use": use, "model": str(built[build])}
    found["mobilenet-litert"] = {"use": "mobilenet-litert", "model": str(image.build_mobilenet_litert(folder / "lite"))}
    detectors = {"rt-detr": objects.build_rt_detr, "yolos": objects.build_yolos, "detr": objects.build_detr}
    for use, build in detectors.items():
        found[use] = {"use": use, "model": str(build(folder / use)), "params": {"confidence": 0.05}}
    found["detector"] = found["detr"] | {"use": "detector"}
    yolo = objects.build_yolo(folder / "yolo.pt")
    objects.trust(yolo, folder / "models.lock")
    found["yolo"] = {"use": "yolo", "model": str(yolo), "params": {"sentence": "minilm", "confidence": 0.001}}
    sentence, distil = text.build_sentence(folder / "sentence"), text.build_distilbert(folder / "distilbert")
    found["sentence-transformers"] = {"use": "sentence-transformers", "model": str(sentence)}
    found["all-minilm"] = {"use": "all-minilm", "model": str(sentence)}
    found["text-transformers"] = {"use": "text-transformers", "model": str(distil)}
    found["yamnet"] = {"use": "yamnet", "model": str(audio.build_yamnet(folder / "yamnet"))}
    found["vggish"] = {"use": "vggish", "model": str(audio.build_vggish(folder / "vggish"))}
    found["yamnet-litert"] = {"use": "yamnet-litert", "model": str(audio.build_yamnet_litert(folder / "litert"))}
    found["ast"] = {"use": "ast", "model": str(audio.build_ast(folder / "ast"))}
    found["clap"] = {"use": "clap", "model": str(audio.build_clap(folder / "clap"))}
    found["audio-transformers"] = {"use": "audio-transformers", "model": str(audio.build_wav2vec2(folder / "w2v"))}
    return found


def transcribers(folder: Path) -> dict[str, dict]:
    """Sections of all transcribers."""
    from tiny import speech

    whisper = speech.build_whisper(folder / "whisper")
    short = {"max_tokens": 6, **LOOSE}
    ctc = str(speech.build_wav2vec2(folder / "ctc"))
    return {
        "captions": {"use": "captions"},
        "faster-whisper": {
            "use": "faster-whisper",
            "model": str(speech.build_converted(folder / "converted", whisper)),
            "params": {"vad": False, **short},
        },
        "openai-whisper": {
            "use": "openai-whisper",
            "model": str(speech.build_openai(folder / "openai.pt")),
            "language": "en",
            "params": {"beam": 1, "fallback": False, **short},
        },
        "hf-asr": {"use": "hf-asr", "model": str(whisper), "params": short},
        "hf-asr-ctc": {"use": "hf-asr", "model": ctc, "params": LOOSE},
        "ocr": {"use": "ocr", "params": {"frames": 1}},
    }


def snakemake(folder: Path, cores: int, *more: str) -> str:
    """Run the study of `folder`; what Snakemake printed."""
    ran = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "snakemake",
                "--snakefile",
                str(CHECKOUT / "Snakefile"),
                "--directory",
                str(folder),
            ),
            *(
                "--configfile",
                str(folder / "study.yaml"),
                "--cores",
                str(cores),
                *more,
                "--",
                "embeddings",
                "transcripts",
            ),
        ],
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        sys.exit(ran.stdout[-3000:] + ran.stderr[-6000:])
    return ran.stdout + ran.stderr


def seconds(path: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MB of a job, as Snakemake measured them."""
    with path.open(encoding="utf-8", newline="") as handle:
        row = next(csv.DictReader(handle, delimiter="\t"))
    # A job that ended before the first look at it has no CPU time or memory ("-" or "NA").
    wall, processor, memory = (
        float(row[name]) if re.fullmatch(r"[\d.]+", row[name]) else float("nan")
        for name in ("s", "cpu_time", "max_rss")
    )
    return wall, processor, memory


def main() -> None:
    from triptych.core.store import read_store
    from triptych.encoders import registry
    from triptych.speech.transcript import read_transcripts

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--only", nargs="+", help="names of encoders and transcribers")
    given = parser.parse_args()
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="triptych-models-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    listed, sources = encoders(folder), transcribers(folder)
    lacking = sorted(set(registry.REGISTRY) - set(listed))
    if lacking:
        sys.exit(f"no checkpoint for {', '.join(lacking)}")
    if given.only:
        listed = {name: one for name, one in listed.items() if name in given.only}
        sources = {name: one for name, one in sources.items() if name in given.only or name == "captions"}
    study = {
        "study": "models",
        "corpus": str(CHECKOUT / "data" / "demo" / "videos.csv"),
        "shards": 1,
        "gpus": 0,
        "keyframes": {"count": 8, "uniform": 8},
        "transcripts": sources,
        # One thread each, so that two jobs run side by side.
        "encoders": {name: one | {"threads": 1} for name, one in listed.items()},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    snakemake(folder, given.cores)
    again = snakemake(folder, given.cores)
    results = folder / "results" / "models"
    benchmarks = results / "benchmarks"
    print(f"{'':24s} {'modality':10s} {'arrays':44s} {'ok':>3s} {'of':>3s} {'wall s':>7s} {'CPU s':>7s} {'MB':>6s}")
    for name in listed:
        entries, damaged = read_store(results / "embeddings" / name / "0.h5")
        assert not damaged, damaged
        ok = [entry for entry in entries.values() if entry.outcome.ok]
        arrays = {array: values.shape[1] for entry in ok for array, values in entry.arrays.items()}
        told = ", ".join(f"{array} ({length})" for array, length in sorted(arrays.items()))
        read = registry.find(name).card.modality
        line(name, read, told, len(ok), len(entries), benchmarks / f"embed-{name}" / "0.tsv")
    for name in sources:
        lines = read_transcripts(results / "transcripts" / name / "0.jsonl")
        ok = [one for one in lines.values() if one.outcome.ok]
        told = f"{sum(len(one.segments) for one in ok)} segments"
        line(name, "transcript", told, len(ok), len(lines), benchmarks / f"transcripts-{name}" / "0.tsv")
    nothing = "Nothing to be done" in again
    print(f"rerun: {'nothing to be done' if nothing else 'something ran again'}")
    print(f"forced rerun: {forced(folder, given.cores, listed, sources)}")
    if not nothing:
        sys.exit(1)


def forced(folder: Path, cores: int, listed: dict, sources: dict) -> str:
    """Run every encoder's job once more: entries must be taken over by their keys."""
    snakemake(folder, cores, "--forcerun", "embed_shard")
    logs = folder / "results" / "models" / "logs"
    found = [path.read_text() for name in listed for path in logs.glob(f"embed-{name}/0.log")]
    computed = sum(int(number) for text in found for number in re.findall(r"(\d+) to compute", text))
    return f"{len(found)} jobs of encoders, {computed} videos computed"


def line(name: str, modality: str, told: str, ok: int, rows: int, path: Path) -> None:
    """One row of the table."""
    wall, processor, memory = seconds(path)
    print(
        f"{name:24s} {modality:10s} {told:44s} {ok:3d} {rows:3d} {wall:7.1f} {processor:7.1f} {memory:6.0f}", flush=True
    )


if __name__ == "__main__":
    main()
