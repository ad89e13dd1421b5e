"""A results folder as a run leaves it: small, made with the functions that the stages use."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from triptych.core.config import Study
from triptych.core.files import digest_bytes, digest_json, read_json, replace_bytes
from triptych.core.paths import Paths
from triptych.core.status import OK, Manifest, Outcome
from triptych.core.store import Entry, write_store
from triptych.core.units import by_shard
from triptych.encoders.detect import IDS, SEEN
from triptych.encoders.pooling import pool_feature
from triptych.evaluate.compare import comparison
from triptych.evaluate.compute import compute_seconds
from triptych.evaluate.hints import label_hints
from triptych.evaluate.metrics import evaluate_model
from triptych.evaluate.modality import is_baseline, models_of
from triptych.learn import predict, select, splits, tasks
from triptych.learn.curve import learning_curve
from triptych.media.sheet import contact_sheet
from triptych.report import history, page, status_table
from triptych.speech.resolve import resolve_shard
from triptych.speech.transcript import Segment, Transcript, write_transcripts

#: Titles, a class and words that would run or break out if anything of them were read as mark-up.
HOSTILE = [
    "<script>document.title='PWNED'</script>",
    "</script><script>document.title='PWNED'</script>",
    "<img src=x onerror=\"document.title='PWNED'\">",
    "line\u2028separators\u2029and \\u003c/script\\u003e <!--<script>",
    "'\"><svg onload=document.title='PWNED'> {{data}} $\\frac{1}{0}$ =1+1",
]
HOSTILE_CLASS = "<b onmouseover=document.title='PWNED'>kitchen</b>"
WORDS = {"harbour": "ships rope", "kitchen": "pan salt", "meadow": "grass hay", "street": "grass hay"}


def study_of(folder: Path, **changes) -> dict:
    """The complete study file as a mapping."""
    study = {
        "study": "demo",
        "corpus": "videos.csv",
        "results": str(folder / "results"),
        "media_dir": str(folder / "media"),
        "splits_dir": str(folder / "splits"),
        "shards": 3,
        "transcripts": {"captions": {"use": "captions"}},
        "encoders": {"picture": {"use": "classic-image"}, "sound": {"use": "classic-audio"}},
        "features": {"frames": {"from": "picture.frame"}, "heard": {"from": "sound.clip", "pool": "mean+std"}},
        "tasks": {"topic": {"label": "topic", "group": "film", "folds": 3}},
        "models": {
            "seen": {"inputs": ["frames"], "head": "logistic"},
            "heard": {"inputs": ["heard"], "head": "logistic", "balance": "under+over"},
            "said": {"text": ["transcript"], "head": "logistic"},
            "late": {"fusion": "late", "members": ["seen", "heard", "said"], "head": "mean"},
        },
        "evaluate": {"bootstrap": 200, "permutations": 500},
        "report": {"title": "Demo", "note": "The corpus is synthetic."},
        **changes,
    }
    return Study.model_validate(study).model_dump(by_alias=True, mode="json")


def rows_of(videos: int = 24, classes=tuple(WORDS), hostile: bool = False) -> list[dict]:
    """The table: `videos` labelled rows in films of two, one unlabelled, one broken file, one without sound."""
    rows = []
    for number in range(videos):
        label = classes[number // 2 % len(classes)]
        rows.append({"slug": f"clip-{number:03d}", "topic": label, "film": f"film {number // 2}"})
    rows.append({"slug": "unlabelled", "topic": "", "film": "film x"})
    rows.append({"slug": "broken", "topic": "", "film": "film y"})
    for number, row in enumerate(rows):
        title = HOSTILE[number % len(HOSTILE)] if hostile else f"Clip {number}, a day at the {row['topic'] or 'sea'}"
        row |= {"id": row["slug"], "source": f"media/{row['slug']}.mp4", "title": title}
        row["fields"] = {"topic": row["topic"], "film": row["film"]}
    if hostile:
        rows[0]["id"] = "-=cmd|' /C calc'!A1\t<i>"
        rows[1]["source"] = "https://user:hunter2@video.example/watch?v=1&token=SECRET"
        rows[2]["source"] = "javascript:document.title='PWNED'"
    return rows


def picture(colour: tuple[int, int, int], number: int) -> bytes:
    image = Image.new("RGB", (256, 144), colour)
    ImageDraw.Draw(image).ellipse((20 + 6 * number, 30, 80 + 6 * number, 90), fill=(250, 240, 200))
    memory = io.BytesIO()
    image.save(memory, "JPEG")
    return memory.getvalue()


def make(folder: Path, rows: list[dict], **changes) -> tuple[dict, Paths]:
    """Write everything that a run of these rows leaves, the report last."""
    study = study_of(folder, **changes)
    paths = Paths.from_config(study)
    slugs = [row["slug"] for row in rows]
    labels = sorted({row["topic"] for row in rows} - {""})
    for row in rows:
        media(paths, row, labels)
    for shard, members in by_shard(slugs, study["shards"]).items():
        texts(paths, shard, [row for row in rows if row["slug"] in members])
        embeddings(paths, shard, [row for row in rows if row["slug"] in members], labels)
        if "objects" in study["encoders"]:
            objects(paths, shard, [row for row in rows if row["slug"] in members])
    shards = list(by_shard(slugs, study["shards"]))
    for name, feature in study["features"].items():
        files = [paths.embeddings(feature["from"].split(".")[0], shard) for shard in shards]
        pool_feature(name, feature["from"], feature["pool"], files, paths.feature(name))
    for task in study["tasks"]:
        learn(paths, study, task, rows, shards)
    for stage, seconds in {
        "probe": 3,
        "keyframes": 41,
        "embed-picture": 12,
        "embed-sound": 7,
        "train-topic": 1,
    }.items():
        unit = "seen" if stage == "train-topic" else "0"
        replace_bytes(paths.benchmark(stage, unit), f"s\tcpu_time\n{seconds}\t1\n".encode())
    for task in study["tasks"]:
        compare(paths, study, task)
    status_table.write(paths.status, status_table.collect(paths, rows, study))
    told = {
        task: {model: read_json(paths.metrics(task, model)) for model in models_of(study, task)}
        for task in study["tasks"]
    }
    history.append_history(paths.history, digest_json(study), told)
    page.build(study, paths, rows)
    return study, paths


def media(paths: Paths, row: dict, labels: list[str]) -> None:
    slug, good = row["slug"], row["slug"] != "broken"
    if row["source"].startswith("http"):
        Manifest(slug, "fetch", OK).write(paths.manifest("fetch", slug))
    bad = Outcome("failed", "unreadable", "the file is text, not media: <b>replace</b> it\tor remove the row")
    facts = {"kind": "video", "duration": 6.4} if good else {}
    warnings = {"truncated": "decodes to 60 % of what it declares"} if slug == "clip-003" else {}
    Manifest(slug, "probe", Outcome("ok", warnings=warnings) if good else bad, data=facts).write(
        paths.manifest("probe", slug)
    )
    silent = Outcome("absent", "no_audio", "the video has no sound")
    sound = bad if not good else silent if slug == "clip-004" else OK
    artefacts = {}
    if sound.ok:
        replace_bytes(Path(paths.manifest("audio", slug)).with_suffix(".mp3"), b"ID3 no sound in here")
        artefacts = {"mp3": {"path": f"{slug}.mp3", "sha256": digest_bytes(b"ID3 no sound in here"), "bytes": 20}}
    Manifest(slug, "audio", sound, artefacts=artefacts).write(paths.manifest("audio", slug))
    artefacts = {}
    if good:
        shade = 40 + 50 * (labels.index(row["topic"]) if row["topic"] else 1)
        frames = [picture((shade, 130, 220 - shade), number) for number in range(12)]
        sheet = contact_sheet(frames, [0.5 * number for number in range(12)])
        replace_bytes(Path(paths.manifest("keyframes", slug)).with_suffix(".jpg"), sheet)
        artefacts = {"jpg": {"path": f"{slug}.jpg", "sha256": digest_bytes(sheet), "bytes": len(sheet)}}
    Manifest(slug, "keyframes", OK if good else bad, artefacts=artefacts).write(paths.manifest("keyframes", slug))


def texts(paths: Paths, shard: str, rows: list[dict]) -> None:
    found = []
    for row in rows:
        words = WORDS.get(row["topic"], "salt and " + HOSTILE[1] if row["topic"] else "")
        segments = tuple(Segment(2.0 * k, 2.0 * k + 1.5, words) for k in range(3)) if words else ()
        outcome = OK if segments else Outcome("absent", "no_captions", "the video has no captions")
        found.append(Transcript(row["slug"], "captions", outcome, "en", segments))
    write_transcripts(paths.transcripts("captions", shard), found)
    sources = [{"name": "captions", "path": paths.transcripts("captions", shard)}]
    resolve_shard(sources, [row["slug"] for row in rows], paths.transcripts("text", shard))


def embeddings(paths: Paths, shard: str, rows: list[dict], labels: list[str]) -> None:
    for encoder, array, halves in (("picture", "frame", 2), ("sound", "clip", 3)):
        entries = []
        for row in rows:
            missing = row["slug"] == "broken" or (encoder == "sound" and row["slug"] == "clip-004")
            if missing:
                entries.append(Entry(row["slug"], "k", Outcome("absent", "no_input", f"{encoder} has nothing to read")))
                continue
            random = np.random.default_rng(sum(map(ord, row["slug"])) + halves)
            # Each encoder tells some classes apart and not others.
            place = labels.index(row["topic"]) % halves if row["topic"] else 0
            values = (np.eye(4)[place] * 2 + random.normal(size=(5, 4))).astype(np.float32)
            entries.append(Entry(row["slug"], "k", OK, {array: values}, {array: np.zeros((5, 2))}))
        write_store(paths.embeddings(encoder, shard), entries)


def objects(paths: Paths, shard: str, rows: list[dict]) -> None:
    """What a detector leaves: two boxes a video, of a class with a hostile name; nothing on every third."""
    entries = []
    for row in rows:
        if row["slug"] == "broken":
            entries.append(Entry(row["slug"], "k", Outcome("failed", "unreadable", "no frames")))
            continue
        arrays = {"classes": np.zeros((2, 3), np.float32)}
        notes = {}
        if sum(map(ord, row["slug"])) % 3:
            notes = {SEEN: [[HOSTILE[0], 0.75], ["person", 0.5]], IDS: [[HOSTILE[0], 0], ["person", 2]]}
            arrays["boxes"] = np.array([[0, 0, 0.9, 0.1, 0.1, 0.5, 0.9], [0.5, 2, 0.8, 0, 0, 1, 1]], np.float32)
        times = {name: np.zeros((len(values), 2)) for name, values in arrays.items()}
        entries.append(Entry(row["slug"], "k", OK, arrays, times, {"notes": notes} if notes else {}))
    write_store(paths.embeddings("objects", shard), entries)


def learn(paths: Paths, study: dict, task: str, rows: list[dict], shards: list[str]) -> None:
    section = study["tasks"][task]
    tasks.make_labels(task, section, rows, paths.labels(task))
    splits.update_splits(paths.labels(task), paths.splits(task), section)
    inner = Study.model_validate(study).inner_folds
    for name, model in models_of(study, task).items():
        members = {one: paths.predictions(task, one) for one in (*model["members"], *(model.get("select") or ()))}
        chosen = paths.selection(task, name) if model.get("select") else None
        if chosen:
            at = {"labels": paths.labels(task), "splits": paths.splits(task)}
            select.select_model(name, model, section, **at, members=members, out=chosen)
        spec = {key: value for key, value in model.items() if key != "tasks"}
        predict.run_model(
            name,
            spec,
            section,
            labels=paths.labels(task),
            splits=paths.splits(task),
            out=paths.predictions(task, name),
            features={one: paths.feature(one) for one in model["inputs"]},
            transcripts={"transcript": [paths.transcripts("text", shard) for shard in shards]},
            members=members or None,
            selection=chosen,
            inner=inner(name, task),
            balance=None if members else paths.balance(task, name),
        )
        evaluate_model(
            paths.predictions(task, name),
            paths.labels(task),
            paths.metrics(task, name),
            task=task,
            model=name,
            spec=spec,
            evaluate=study["evaluate"],
            svg=paths.confusion(task, name, "svg"),
            csv=paths.confusion(task, name, "csv"),
            reliability=paths.reliability(task, name),
            multi_label=section["multi_label"],
            selection=chosen,
        )
        if name in study["evaluate"]["curves"]:
            learning_curve(
                name,
                spec,
                section,
                labels=paths.labels(task),
                splits=paths.splits(task),
                out=paths.curve(task, name, "json"),
                svg=paths.curve(task, name, "svg"),
                evaluate=study["evaluate"],
                features={one: paths.feature(one) for one in model["inputs"]},
                transcripts={"transcript": [paths.transcripts("text", shard) for shard in shards]},
            )
    looking = [name for name, model in models_of(study, task).items() if not is_baseline(model)]
    label_hints({name: paths.predictions(task, name) for name in looking}, paths.hints(task), section["multi_label"])


def compare(paths: Paths, study: dict, task: str, lineage: dict | None = None) -> None:
    models = list(models_of(study, task))
    comparison(
        {name: paths.metrics(task, name) for name in models},
        {name: paths.predictions(task, name) for name in models},
        paths.labels(task),
        paths.comparison(task),
        study=study,
        evaluate=study["evaluate"],
        compute=compute_seconds(paths, study, task),
        lineage=lineage,
    )
