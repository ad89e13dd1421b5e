"""The report: one self-contained page, safe to open whatever titles, labels and transcripts hold.

All data lie in one JSON block in which `<`, `>`, `&` and the line separators of JavaScript are escaped; the page's own
script puts them in place as text, never as mark-up. A content security policy allows that one script and style by
their digests, pictures from the page itself, and nothing else; it also refuses any text that would become mark-up.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import platform
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.core.files import digest_json, replace_text
from triptych.core.paths import Paths
from triptych.core.status import STATES, Manifest
from triptych.core.units import by_shard
from triptych.report import cards, noted, results, sections, status_table

VERSION = "2"

TEMPLATE = Path(__file__).parent / "template"
SCRIPTS = ("dom.js", "models.js", "results.js", "coverage.js", "videos.js", "main.js")
#: Packages whose versions a result may depend on.
PACKAGES = ("triptych", "snakemake", "numpy", "scipy", "scikit-learn", "av", "opencv-python", "h5py", "pyarrow")
PACKAGES += ("matplotlib", "pydantic", "yt-dlp", "torch", "transformers", "sentence-transformers")
#: Problems that the page lists one by one; all are in status.tsv.
PROBLEMS = 500
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def build(
    study: Mapping[str, Any], paths: Paths, rows: Sequence[Mapping[str, str]], out: Path | str | None = None
) -> Path:
    """Write the report of a study from the files in its results folder.

    Args:
        study: the complete study file as a mapping.
        paths: its files. Read are status.tsv, comparisons, metrics, predictions, labels, balance pictures, reliability
            and learning curves, hints, selections, transcripts, features, contact sheets, probe manifests,
            history.jsonl, the notes and boxes in embedding files, and what other stages leave for their own parts.
        rows: the table: per row `slug`, `id`, `source`, `title`.
        out: the page; by default `paths.report`.

    Returns:
        Where the page is. The same files give the same bytes.
    """
    out = Path(out or paths.report)
    data = collect(study, paths, rows, out.parent)
    replace_text(out, render(data, sections.others(study, paths)))
    return out


def collect(
    study: Mapping[str, Any], paths: Paths, rows: Sequence[Mapping[str, str]], folder: Path | str
) -> dict[str, Any]:
    """All that the page shows, JSON-able (see `build`)."""
    lines = status_table.read(paths.status)
    views, predicted = [], {}
    for name in study["tasks"]:
        view, found, places = results.task_view(name, study, paths)
        new = {model: cards.new_predictions(paths.predictions(name, model), view["classes"]) for model in found}
        predicted[name] = cards.task_predictions(found, new, places, view["grouped"])
        views.append(view)
    transcripts = _transcripts(study, paths, [row["slug"] for row in rows])
    happened: dict[str, list[list[str]]] = {}
    for line in lines:
        if line["status"] != "ok" or line["warnings"]:
            words = [line[name] for name in ("stage", "status", "reason", "message", "warnings")]
            happened.setdefault(line["video"], []).append(words)
    embed = study["report"]["embed_videos"]
    slugs = [row["slug"] for row in rows[: cards.LISTED]]
    notes = noted.read(study, paths, slugs, slugs[:embed])
    return {
        "title": study["report"]["title"],
        "note": study["report"]["note"],
        "study": study["study"],
        "corpus": _corpus(study, paths, rows),
        "coverage": coverage(lines),
        **_problems(lines),
        "tasks": views,
        "relabels": results.other_labels(study, paths),
        "features": _features(study, paths),
        "encoders": _encoders(study),
        "videos": cards.video_cards(rows, happened, transcripts, predicted, paths, folder, embed, notes),
        "runs": results.runs(paths.history),
        "config": digest_json(study),
        "settings": _settings(study),
        "software": software(),
    }


def render(data: Mapping[str, Any], others: str = "") -> str:
    """The page for its data, with parts that other stages wrote as HTML (`sections.others`)."""
    script = "(() => {\n'use strict';\n" + "\n".join(_part(name) for name in SCRIPTS) + "})();\n"
    style = _part("page.css")
    filled = {
        "csp": policy(script, style),
        "title": html.escape(str(data["title"])),
        "style": style,
        "data": data_block(data),
        "script": script,
        "others": others,
    }
    # One pass: what is filled in is not searched again.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match.group(1)], _part("page.html"))


def data_block(data: Any) -> str:
    """JSON that is inert inside an HTML `script` element, and the same data when it is parsed."""
    text = json.dumps(_finite(data), ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    text = re.sub("[<>&\u2028\u2029]", lambda match: _ESCAPES[match.group()], text)
    # A lone half of a surrogate pair is no UTF-8; as an escape it is still the same JSON.
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match.group()):04x}", text)


def policy(script: str, style: str) -> str:
    """The content security policy that allows this script and style by their digests and pictures, nothing else."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_source_hash(script)}'",
            f"style-src '{_source_hash(style)}'",
            "img-src data: 'self'",
            "media-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        ]
    )


def coverage(lines: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """For each stage the videos by state, and by state and reason."""
    reasons: dict[str, Counter] = {}
    lines = list(lines)
    for line in lines:
        if line["status"] != "ok":
            reasons.setdefault(line["stage"], Counter())[line["status"], line["reason"]] += 1
    return [
        {
            "stage": stage,
            "counts": [counts[state] for state in STATES],
            "reasons": [[*key, count] for key, count in sorted(reasons.get(stage, {}).items())],
        }
        for stage, counts in status_table.totals(lines).items()
    ]


def software() -> list[list[str]]:
    """Python, and the installed packages that results may depend on: [name, version]."""
    from importlib.metadata import PackageNotFoundError, version

    found = [["python", platform.python_version()]]
    for name in PACKAGES:
        try:
            found.append([name, version(name)])
        except PackageNotFoundError:
            continue
    return found


def _part(name: str) -> str:
    return (TEMPLATE / name).read_text(encoding="utf-8")


def _source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()


def _finite(value: Any) -> Any:
    """The value with None for numbers that JSON has not."""
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def _problems(lines: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Failed and refused videos, each where it first went wrong: stages after it fail for the same reason."""
    first: dict[str, list[str]] = {}
    warned = {line["video"] for line in lines if line["warnings"]}
    for line in lines:
        if line["status"] in ("failed", "refused"):
            first.setdefault(line["video"], [line[n] for n in ("video", "stage", "status", "reason", "message")])
    listed = sorted(first.values(), key=lambda words: (words[2], words[3], words[0]))
    return {"problems": listed[:PROBLEMS], "problem_count": len(listed), "warned": len(warned)}


def _transcripts(study: Mapping[str, Any], paths: Paths, slugs: Sequence[str]) -> dict[str, Any]:
    from triptych.speech.transcript import read_transcripts

    found: dict[str, Any] = {}
    if study["transcripts"]:
        for shard in by_shard(slugs, study["shards"]):
            found |= read_transcripts(paths.transcripts("text", shard))
    return found


def _corpus(study: Mapping[str, Any], paths: Paths, rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    urls = sum(row["source"][:8].lower().startswith(("http://", "https://")) for row in rows)
    seconds, kinds = 0.0, Counter()
    for row in rows:
        try:
            facts = Manifest.read(paths.manifest("probe", row["slug"])).data
        except FileNotFoundError:
            continue
        seconds += facts.get("duration") or 0.0
        kinds[facts.get("kind") or ("not readable" if row["source"] else "text alone")] += 1
    without = sum(not row["source"] for row in rows)
    return {
        "path": study["corpus"],
        "rows": len(rows),
        "urls": urls,
        "files": len(rows) - urls - without,
        "without_source": without,
        "seconds": round(seconds, 1),
        "kinds": dict(sorted(kinds.items())),
    }


def _features(study: Mapping[str, Any], paths: Paths) -> list[dict[str, Any]]:
    from triptych.encoders.pooling import feature_size

    found = []
    for name, section in study["features"].items():
        rows, videos, width = feature_size(paths.feature(name))
        source = section.get("from") or section["from_"]
        told = {"name": name, "from": source, "pool": section["pool"], "width": width}
        found.append({**told, "videos": videos, "rows": rows})
    return found


def _encoders(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Cards of the encoders and their weights; one that cannot be imported here is told by its name."""
    from triptych.encoders.base import EncoderError
    from triptych.encoders.registry import find, signature

    found = []
    for name, section in study["encoders"].items():
        told = {"name": name, "use": section["use"], "params": section["params"]}
        try:
            card = find(section["use"]).card
            told |= {part: str(getattr(card, part)) for part in ("modality", "revision", "licence")}
            if card.has_model:
                told["model"] = section.get("model") or card.model
                if card.model and told["model"] != card.model:
                    told["licence"] = "of the model"
                identity = str(signature(section)["revision"])
                told["revision"] = identity.partition("@")[2] or identity
        except EncoderError:
            pass
        found.append(told)
    return found


def _settings(study: Mapping[str, Any]) -> list[list[str]]:
    """The study file without what others must not read, as lines of [key, value]."""
    shown = {key: value for key, value in study.items() if key not in ("report",)}
    shown["fetch"] = {key: value for key, value in study["fetch"].items() if key != "cookies"}
    return [[key, json.dumps(value, ensure_ascii=False)] for key, value in shown.items()]
