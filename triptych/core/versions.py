"""Versions of stages: results are remade when a stage's VERSION is bumped, never because a file was touched.

`versions.lock` keeps for each stage its version and a digest of the sources that its results come from. A source that
changed without either a bumped VERSION or a refreshed lock is a mistake that `make lint` and a test name.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from functools import cache
from pathlib import Path

from triptych.core.files import digest_bytes, replace_text

PACKAGE = Path(__file__).resolve().parents[1]
LOCK = PACKAGE.parent / "versions.lock"

#: Stage -> the module that holds its VERSION. Sources are that module and all of the package that it imports.
STAGES = {
    "fetch": "media/fetch.py",
    "probe": "media/probe.py",
    "audio": "media/audio.py",
    "keyframes": "media/keyframes.py",
    "captions": "speech/captions.py",
    "transcribe": "speech/engine.py",
    "faster-whisper": "speech/faster_whisper.py",
    "openai-whisper": "speech/openai_whisper.py",
    "hf-asr": "speech/hf_asr.py",
    "ocr": "speech/ocr.py",
    "resolve": "speech/resolve.py",
    "summarise": "crossmodal/summarise.py",
    "embed": "encoders/engine.py",
    "classic-image": "encoders/classic_image.py",
    "classic-audio": "encoders/classic_audio.py",
    "minilm": "encoders/minilm.py",
    "yamnet": "encoders/yamnet.py",
    "yamnet-litert": "encoders/yamnet_litert.py",
    "vggish": "encoders/vggish.py",
    "audio-transformers": "encoders/audio_transformers.py",
    "image-transformers": "encoders/image_transformers.py",
    "mobilenet-litert": "encoders/mobilenet_litert.py",
    "video-transformers": "encoders/video_transformers.py",
    "detect": "encoders/detect_transformers.py",
    "yolo": "encoders/yolo.py",
    "sentence-transformers": "encoders/text_sentence.py",
    "text-transformers": "encoders/text_transformers.py",
    "pool": "encoders/pooling.py",
    "relabel": "learn/relabel.py",
    "review": "learn/review.py",
    "duplicates": "learn/duplicates.py",
    "labels": "learn/tasks.py",
    "splits": "learn/splits.py",
    "predict": "learn/predict.py",
    "select": "learn/select.py",
    "metrics": "evaluate/metrics.py",
    "compare": "evaluate/compare.py",
    "hints": "evaluate/hints.py",
    "curve": "learn/curve.py",
    "mapping": "crossmodal/mapping.py",
    "match": "crossmodal/match.py",
    "imagine": "crossmodal/imagine.py",
    "imagine-scores": "crossmodal/imagine_scores.py",
    "report": "report/page.py",
}
#: Files of a stage that are not Python.
BESIDE = {"report": ["report/template"]}
#: Parts of core that carry results nowhere: their change is no change of a stage.
NOT_RESULTS = {
    "core/study.py",
    "core/paths.py",
    "core/job.py",
    "core/live.py",
    "core/locks.py",
    "core/damage.py",
    "core/versions.py",
    "core/corpus.py",
}


@cache
def of(stage: str) -> str:
    """The version of a stage, read from its source without importing it."""
    source = (PACKAGE / STAGES[stage]).read_text(encoding="utf-8")
    found = re.search(r'^VERSION = "([^"]+)"$', source, re.MULTILINE)
    if not found:
        raise ValueError(f'triptych/{STAGES[stage]} needs a line VERSION = "..."')
    return found.group(1)


def sources(stage: str) -> list[str]:
    """The files, relative to the package, that the results of a stage come from."""
    seen: set[str] = set()
    todo = [STAGES[stage]]
    while todo:
        name = todo.pop()
        if name in seen or name in NOT_RESULTS:
            continue
        seen.add(name)
        todo.extend(_imports(name))
    return sorted(seen)


def _imports(name: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse((PACKAGE / name).read_text(encoding="utf-8"))):
        modules: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        for module in modules:
            if module.startswith("triptych."):
                path = module.removeprefix("triptych.").replace(".", "/") + ".py"
                if (PACKAGE / path).is_file():
                    found.append(path)
    return found


def current() -> dict[str, dict[str, str]]:
    """Stage -> its version and the digest of its sources, as they are now."""
    found = {}
    for stage in sorted(STAGES):
        beside = [path for folder in BESIDE.get(stage, []) for path in sorted((PACKAGE / folder).iterdir())]
        paths = [*(PACKAGE / name for name in sources(stage)), *beside]
        digests = [f"{path.relative_to(PACKAGE)} {digest_bytes(path.read_bytes())}" for path in paths]
        found[stage] = {"version": of(stage), "sources": digest_bytes("\n".join(digests).encode())}
    return found


def faults() -> list[str]:
    """What does not agree with `versions.lock`: one line a stage, with what to do."""
    locked = json.loads(LOCK.read_text(encoding="utf-8")) if LOCK.is_file() else {}
    now = current()
    lines = [f"{stage}: not in versions.lock; run `make versions`" for stage in now if stage not in locked]
    lines += [f"{stage}: in versions.lock but no stage; run `make versions`" for stage in locked if stage not in now]
    for stage in sorted(set(now) & set(locked)):
        if now[stage]["version"] != locked[stage]["version"]:
            lines.append(f"{stage}: VERSION is {now[stage]['version']}; run `make versions`")
        elif now[stage]["sources"] != locked[stage]["sources"]:
            lines.append(
                f"{stage}: its sources changed ({', '.join(sources(stage))}); when results may differ, bump VERSION in "
                f"triptych/{STAGES[stage]}; then run `make versions`"
            )
    return lines


def main() -> int:
    """`python -m triptych.core.versions [--fix]`."""
    if "--fix" in sys.argv[1:]:
        replace_text(LOCK, json.dumps(current(), indent=1, sort_keys=True) + "\n")
        return 0
    lines = faults()
    print("\n".join(lines) or f"versions.lock agrees with {len(STAGES)} stages")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
