"""Text that is shown: the keyframes of a video read by RapidOCR (PP-OCR models inside its package, works offline).

A source of transcripts that is never part of the resolved text, which is what is said; encoders and models read it by
its name. A line that stays on the screen from keyframe to keyframe is one segment, from the first to the last of them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triptych.core import sealed
from triptych.core.cells import count
from triptych.core.config import nearest
from triptych.core.files import digest_json, writer_lock
from triptych.core.paths import Paths
from triptych.core.status import OK, Manifest, Outcome, Refused
from triptych.core.weights import file_digest
from triptych.speech.transcript import Segment, Transcript

VERSION = "1"

THREADS = 2
MEMORY_MB = 1500
PACKAGES = ("rapidocr", "onnxruntime")
#: Parameter -> default, least and largest value, meaning.
PARAMETERS = {
    "confidence": (0.6, 0.0, 1.0, "lines that the recogniser is less sure of are left out"),
    "frames": (32, 1, 64, "keyframes of a video that are read at most, evenly chosen"),
}
#: Videos that are read between two writings of `{shard}.part`.
SPILL = 8
#: Most lines that are kept of a frame.
MAX_LINES = 100

Line = tuple[str, float, np.ndarray]
#: (H, W, 3) uint8 RGB -> lines in reading order.
Read = Callable[[np.ndarray], list[str]]

_log = logging.getLogger("triptych.ocr")


class OcrError(ValueError):
    """The reader cannot be used; the message says what to do."""


def validate(name: str, source: Mapping[str, Any], *, installed: bool = True) -> list[str]:
    """What is wrong with a source of this kind, before any job; nothing heavy is imported.

    Args:
        name: its name in the study file.
        source: its section (`use`, `params`, ...).
        installed: the packages must be importable here, not in environments of the jobs' own.
    """
    place = f"transcripts.{name}"
    faults = [f"{place}.params.{fault}" for fault in _param_faults(source.get("params") or {})]
    missing = [one for one in PACKAGES if importlib.util.find_spec(one) is None]
    if missing and installed:
        listed = ", ".join(missing)
        how = 'install it with: pip install "triptych[ocr]"'
        faults.append(f"{place}.use: ocr needs {listed}, which is not installed; {how}")
    given = [key for key in ("model", "revision") if source.get(key)]
    faults += [f"{place}.{key}: ocr has its models in a package; leave this out" for key in given]
    if source.get("when", "always") != "always":
        faults.append(f"{place}.when: ocr reads what is shown, whatever is said; leave this out")
    return faults


def complete_params(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parameters, defaults filled in."""
    return {name: (params or {}).get(name, told[0]) for name, told in PARAMETERS.items()}


def signature(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """All that determines results beside the frames: parameters, version of the package, digests of its models."""
    models = {path.name: file_digest(path) for path in _models()}
    return {
        "version": VERSION,
        "params": complete_params(params),
        "rapidocr": importlib.metadata.version("rapidocr"),
        "models": models,
    }


def read_shard(
    videos: Iterable[str],
    source: str,
    params: Mapping[str, Any] | None,
    paths: Paths,
    out: Path | str,
    *,
    language: str | None = None,
    threads: int = 1,
    remake: Mapping[str, Any] | None = None,
) -> dict[str, int]:
    """Write the text that is shown in the keyframes of a shard's videos.

    A video whose keyframes and parameters are unchanged is taken over from the file that is there; the models are
    loaded once, and only when a video is to be read. What is read is kept in `{shard}.part` until the file is written,
    so that a kill costs a few videos.

    Args:
        videos: slugs of the shard.
        source: name of the source in the study file.
        params: its parameters.
        paths: of the study.
        out: the JSON lines file to write; each line holds the key of its video.
        language: of the text, as the study file tells it.
        threads: of the models.
        remake: sections `limits` and `fetch` of the study, for keyframes that must be made again.

    Returns:
        Number of videos `computed`, `taken_over`, and by status.

    Raises:
        OcrError: parameters are wrong, or the package is not there.
        OSError: `out` cannot be written.
    """
    faults = validate(source, {"params": params})
    if faults:
        raise OcrError("; ".join(faults))
    told = signature(params)
    with writer_lock(Path(out)):
        part = Path(out).with_suffix(".part")
        before = _earlier(Path(out)) | _earlier(part)
        lines: dict[str, dict[str, Any]] = {}
        counts = {"computed": 0, "taken_over": 0}
        read: Read | None = None
        for video in sorted(videos):
            manifest = Manifest.read(paths.manifest("keyframes", video))
            digest = manifest.artefacts["h5"]["sha256"] if manifest.outcome.ok else manifest.outcome.as_dict()
            key = digest_json([told, source, language, digest])
            if before.get(video, {}).get("key") == key:
                lines[video] = before[video]
                counts["taken_over"] += 1
                continue
            if manifest.outcome.ok:
                read = read or reader(float(told["params"]["confidence"]), threads)
                found = _of_video(video, source, told["params"], paths, read, remake or {}, language)
                counts["computed"] += 1
            else:
                outcome = manifest.outcome
                message = f"keyframes: {outcome.message or outcome.reason}"
                found = Transcript(video, source, Outcome(outcome.status, outcome.reason, message))
            lines[video] = found.as_dict() | {"key": key}
            if counts["computed"] and counts["computed"] % SPILL == 0:
                _write(part, lines)
        _write(Path(out), lines)
        part.unlink(missing_ok=True)
    for line in lines.values():
        counts[line["status"]] = counts.get(line["status"], 0) + 1
    _log.info("%s: %s", source, ", ".join(f"{number} {what}" for what, number in counts.items()))
    return counts


def reader(confidence: float, threads: int = 1) -> Read:
    """Load the models.

    Args:
        confidence: lines below it are left out.
        threads: of the models.

    Returns:
        A function from a frame, (H, W, 3) uint8 RGB, to its lines in reading order.
    """
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.text_score": 0.0,
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )

    def read(frame: np.ndarray) -> list[str]:
        found = engine(np.ascontiguousarray(frame[..., ::-1]))  # it takes BGR, as OpenCV reads pictures
        if found.txts is None or found.boxes is None:
            return []
        lines = zip(found.txts, found.scores, np.asarray(found.boxes, np.float64), strict=True)
        return reading_order([line for line in lines if line[1] >= confidence])[:MAX_LINES]

    return read


def reading_order(lines: Sequence[Line]) -> list[str]:
    """Texts from top to bottom, and from left to right where boxes stand side by side.

    Args:
        lines: text, confidence and the (4, 2) corners of its box in pixels.
    """
    places = []
    for text, _, box in lines:
        text = " ".join(str(text).split())
        if text:
            top, bottom = box[:, 1].min(), box[:, 1].max()
            places.append(((top + bottom) / 2, bottom - top, box[:, 0].min(), text))
    places.sort(key=lambda one: (one[0], one[2]))
    rows: list[list[tuple[float, float, float, str]]] = []
    for one in places:
        # On one line with the first box of a row: its middle lies within half of that box's height.
        if rows and one[0] - rows[-1][0][0] <= rows[-1][0][1] / 2:
            rows[-1].append(one)
        else:
            rows.append([one])
    return [one[3] for row in rows for one in sorted(row, key=lambda one: one[2])]


def segments_of(frames: Sequence[Sequence[str]], times: Sequence[float]) -> tuple[Segment, ...]:
    """Segments of lines by frame: a line that the next frames repeat is said once, from its first to its last frame.

    Lines that come and go together are one segment, in reading order. Case and spaces do not matter for a repetition.

    Args:
        frames: lines of each frame in reading order.
        times: seconds of each frame, ascending.
    """
    runs: list[list[Any]] = []  # first frame, last frame, text
    open_runs: dict[tuple[str, int], list[Any]] = {}
    for number, lines in enumerate(frames):
        shown: dict[tuple[str, int], list[Any]] = {}
        for text in lines:
            name = "".join(text.split()).casefold()
            # The same line twice in one frame is two lines.
            mark = (name, sum(known[0] == name for known in shown))
            run = open_runs.get(mark)
            if run is None:
                run = [number, number, text]
                runs.append(run)
            run[1] = number
            shown[mark] = run
        open_runs = shown
    joined: dict[tuple[int, int], list[str]] = {}
    for first, last, text in runs:
        joined.setdefault((first, last), []).append(text)
    return tuple(
        Segment(float(times[first]), float(times[last]), " ".join(texts))
        for (first, last), texts in sorted(joined.items())
    )


def _of_video(
    video: str,
    source: str,
    params: Mapping[str, Any],
    paths: Paths,
    read: Read,
    remake: Mapping[str, Any],
    language: str | None,
) -> Transcript:
    """The transcript of one video whose keyframes are there."""
    from triptych.media import keyframes, unit

    try:
        found = keyframes.read(unit.artefact(paths, "keyframes", video, "h5", **remake))
    except Refused as refused:
        return Transcript(video, source, refused.outcome)
    number = len(found.frames)
    chosen = np.unique(np.linspace(0, number - 1, min(number, int(params["frames"]))).round().astype(int))
    times = [float(found.times[place]) for place in chosen]
    segments = segments_of([read(found.frames[place]) for place in chosen], times)
    if not segments:
        message = f"no text in {count(len(chosen), 'keyframe')}"
        return Transcript(video, source, Outcome("absent", "no_text_shown", message), language)
    return Transcript(video, source, OK, language, segments, duration=max(one.end for one in segments))


def _models() -> list[Path]:
    """Files of the package's models.

    Raises:
        OcrError: the package is not there.
    """
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        raise OcrError('ocr needs rapidocr; install it with: pip install "triptych[ocr]"')
    return sorted((Path(spec.submodule_search_locations[0]) / "models").glob("*.onnx"))


def _write(path: Path, lines: Mapping[str, Mapping[str, Any]]) -> None:
    sealed.write_lines(path, (lines[video] for video in sorted(lines)))


def _earlier(path: Path) -> dict[str, dict[str, Any]]:
    """Lines of the file that is there, by video; a damaged line is read again."""
    found: dict[str, dict[str, Any]] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return found
    for line in text.split("\n"):
        try:
            told = sealed.read_line(line)
            Transcript.from_dict(told)
            found[told["video"]] = told
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def _param_faults(params: Mapping[str, Any]) -> list[str]:
    faults = []
    for name, value in params.items():
        if name not in PARAMETERS:
            listed = nearest(str(name), PARAMETERS) or f"; known are {', '.join(PARAMETERS)}"
            faults.append(f"{name}: unknown parameter{listed}")
            continue
        default, low, high, _ = PARAMETERS[name]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not low <= value <= high or (isinstance(default, int) and int(value) != value):
            kind = "a whole number" if isinstance(default, int) else "a number"
            faults.append(f"{name}: must be {kind} from {low:g} to {high:g} (given: {value!r})")
    return faults
