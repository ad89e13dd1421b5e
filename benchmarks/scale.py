"""What a large corpus costs before any work is done: parsing, planning, batches, status, and runs that find all done.

usage: python benchmarks/scale.py SECTION [...]

  parse [ROWS ...]          a cluster job's reading of Snakefile, study and table (10000 100000)
  plan [ROWS] [UNIT ...]    a dry run, of files and of URLs (10000 shard video)
  batch [ROWS] [N]          each kind of batch of `--batch media=I/N`, for both units (100000 20)
  status [ROWS]             `triptych status`, and `--days`, over so many manifests of each media stage (100000)
  noop [VIDEOS] [UNIT ...]  a run that finds all done, over empty files, and the plan of a row more (1000 shard video)
  rerun [VIDEOS] [UNIT ...] a whole run over tiny videos, then nothing to do, then a row more (1000 shard video)
  fetch [VIDEOS] [UNIT ...] downloads of tiny videos from a server of this machine (60 shard video)
  driver [VIDEOS]           Snakemake's own work over the media stages of tiny videos, three jobs each, as it is
                            and with a limit of job starts (300)

Each prints its figures; nothing is asserted. Temporary files lie where TMPDIR says.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import plan
import yaml
from plan import CHECKOUT, measured, snakemake, study, table

#: A study of all stages that need no weights.
STUDY = {
    "study": "scale",
    "corpus": "videos.csv",
    "shards": 10,
    "keyframes": {"count": 8},
    "transcripts": {"captions": {"use": "captions"}},
    "encoders": {"picture": {"use": "classic-image"}, "sound": {"use": "classic-audio"}},
    "features": {
        "seen": {"from": "picture.frame", "pool": "mean+std"},
        "heard": {"from": "sound.clip", "pool": "mean"},
    },
    # A thousand pictures of twelve blocks resemble each other by chance.
    "tasks": {"topic": {"label": "topic", "group": "film", "folds": 3, "duplicates": "ignore"}},
    "models": {"sight": {"inputs": ["seen"], "head": "logistic"}, "sound": {"inputs": ["heard"], "head": "logistic"}},
    "evaluate": {"bootstrap": 100, "permutations": 100},
}


def parse(folder: Path, *rows: str) -> None:
    """Seconds of a cluster job before its own work, and of these what Snakemake needs for an empty Snakefile."""
    empty = folder / "Snakefile"
    empty.write_text("")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(empty), "--directory", str(folder)]
    least = min(measured([*command, "--cores", "1", "--mode", "subprocess", "--list-rules"])[1] for _ in range(3))
    print(f"parse: an empty Snakefile {least:.2f} CPU s", flush=True)
    for count in map(int, rows or ("10000", "100000")):
        table(folder, count)
        for unit in ("shard", "video"):
            config = study(folder, unit, max(50, count // 500))
            told = snakemake(folder, config, "--mode", "subprocess", "--list-rules")
            _, cpu, wall, peak = min((measured(told) for _ in range(3)), key=lambda one: one[1])
            whole = f"the whole process {cpu:.2f} CPU s, {wall:.2f} s, {peak:.0f} MB"
            print(f"parse, {count} rows, unit {unit}: {cpu - least:.2f} CPU s ({whole})", flush=True)


def plans(folder: Path, rows: str = "10000", *units: str) -> None:
    """Dry runs of a table of files, and of one of URLs."""
    for kind, source in (("files", "empty.mp4"), ("URLs", "https://example.org/{n}.mp4")):
        table(folder, int(rows), source)
        for unit in units or ("shard", "video"):
            jobs, cpu, wall, peak = plan.plan(folder, study(folder, unit, max(50, int(rows) // 500)))
            print(
                f"plan, {rows} {kind}, unit {unit}: {jobs} jobs, {cpu:.1f} CPU s, {wall:.1f} s, {peak:.0f} MB",
                flush=True,
            )


def batches(folder: Path, rows: str = "100000", count: str = "20") -> None:
    """The first, a middle and the last batch of the media stages, and all without batches where that is quick."""
    table(folder, int(rows))
    for unit in ("shard", "video"):
        config = study(folder, unit, max(50, int(rows) // 500))
        for number in (1, int(count) // 2 + 1, int(count) - 1):
            more = ("--batch", f"media={number}/{count}", "--", "media")
            jobs, cpu, wall, peak = plan.plan(folder, config, *more)
            print(
                f"batch {number}/{count} of media, {rows} rows, unit {unit}: {jobs} jobs, {cpu:.1f} CPU s, "
                f"{wall:.1f} s, {peak:.0f} MB",
                flush=True,
            )


def status(folder: Path, rows: str = "100000") -> None:
    """The command over manifests of all media stages, one in fifty of a failure."""
    table(folder, int(rows))
    config = study(folder, "shard", max(50, int(rows) // 500))
    root = folder / "results" / "plan-shard"
    fine = {"video": "v", "status": "ok", "reason": None, "message": None, "warnings": {}, "transient": False}
    bad = fine | {"status": "failed", "reason": "unreadable", "message": "It is text."}
    texts = [json.dumps(one | {"data": {}}, sort_keys=True, indent=1) + "\n" for one in (fine, bad)]
    began = time.time() - 10 * 86400
    for stage in ("probe", "audio", "keyframes"):
        place = root / stage
        place.mkdir(parents=True)
        for number in range(int(rows)):
            path = place / f"v{number:06d}.json"
            path.write_text(texts[number % 50 == 0])
            when = began + 10 * 86400 * number / int(rows)
            os.utime(path, (when, when))
    for more in ((), ("--days", "14")):
        command = [sys.executable, "-m", "triptych.cli", "status", "--configfile", str(config), *more]
        _, cpu, wall, peak = measured(command, cwd=folder)
        told = " ".join(["triptych status", *more])
        print(
            f"{told}, {rows} rows, {3 * int(rows)} manifests: {cpu:.1f} CPU s, {wall:.1f} s, {peak:.0f} MB", flush=True
        )


def noop(folder: Path, videos: str = "1000", *units: str) -> None:
    """All files of a study made empty and marked as made: a run that finds nothing to do, then a plan of a row more.

    Snakemake reads no results to find that, so they need not be real.
    """
    rows = [f"v{n:05d},media/{n}.mp4,{'abcd'[n % 4]},film{n // 4}" for n in range(int(videos) + 1)]
    (folder / "media").mkdir()
    for number in range(len(rows)):
        (folder / "media" / f"{number}.mp4").touch()
    for unit in units or ("shard", "video"):
        config = folder / "study.yaml"
        config.write_text(yaml.safe_dump(STUDY | {"study": unit, "unit": unit}, sort_keys=False))
        lines = ["id,source,topic,film", *rows]
        (folder / "videos.csv").write_text("\n".join(lines[:-1]) + "\n")
        command = snakemake(folder, config)
        listed, *_ = measured([*command, "--summary"])
        outputs = [line.split("\t")[0] for line in listed.splitlines() if line.count("\t") >= 5][1:]
        for output in outputs:
            (folder / output).parent.mkdir(parents=True, exist_ok=True)
            (folder / output).touch()
        measured([*command, "--touch", "--forceall"])
        text, cpu, wall, peak = measured(command)
        done = "nothing to do" if "Nothing to be done" in text else "NOT ALL DONE"
        what = f"noop, {videos} videos, unit {unit}, {len(outputs)} files"
        print(f"{what}: {done}, {cpu:.1f} CPU s, {wall:.1f} s, {peak:.0f} MB")
        (folder / "videos.csv").write_text("\n".join(lines) + "\n")
        jobs, cpu, wall, peak = plan.plan(folder, config)
        print(f"noop, a row more: {jobs} jobs planned, {cpu:.1f} CPU s, {wall:.1f} s, {peak:.0f} MB", flush=True)


def rerun(folder: Path, videos: str = "1000", *units: str) -> None:
    """A whole run with units of a shard, then for each unit: nothing to do, and a row more."""
    count = int(videos)
    started = time.monotonic()
    rows = _tiny(folder, count + 2)
    print(f"rerun: {count + 2} videos of a second made in {time.monotonic() - started:.0f} s", flush=True)

    def write(size: int, unit: str) -> Path:
        (folder / "videos.csv").write_text("\n".join(rows[: size + 1]) + "\n")
        path = folder / "study.yaml"
        path.write_text(yaml.safe_dump(STUDY | {"unit": unit}, sort_keys=False))
        return path

    size = count
    for unit in units or ("shard", "video"):
        config = write(size, unit)
        # Units of a video take over what was made: only marks and times of Snakemake's own are missing.
        more = () if size == count else ("--touch", "--forceall")
        _tell(
            f"{size} videos, unit {unit}, {'touched' if more else 'all made'}", folder, snakemake(folder, config, *more)
        )
        _tell(f"{size} videos, unit {unit}, nothing to do", folder, snakemake(folder, config))
        size += 1
        _tell(f"{size} videos, unit {unit}, one of them new", folder, snakemake(folder, write(size, unit)))


def fetch(folder: Path, videos: str = "60", *units: str) -> None:
    """Jobs of downloads alone: what one costs beside the network."""
    count = int(videos)
    (folder / "site").mkdir()
    for number in range(count):
        clip(folder / "site" / f"{number}.mp4", number)
    wanted = ("--until", "fetch_video", "--", "media")
    site = partial(_Quiet, directory=str(folder / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), site) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        table(folder, count, f"http://127.0.0.1:{server.server_port}/{{n}}.mp4")
        for unit in units or ("shard", "video"):
            # Downloads belong to the study that made them, so each unit has its own.
            config = study(folder, unit, 4, fetch={"allow_private_hosts": True})
            _, before, *_ = measured(snakemake(folder, config, "--dry-run", *wanted))
            _, cpu, wall, _ = measured(snakemake(folder, config, *wanted))
            fetched = sum(1 for _ in (folder / "data" / "media" / f"plan-{unit}").glob("*.media"))
            each = (cpu - before) / count
            told = f"{cpu:.1f} CPU s, {wall:.1f} s; {each:.3f} CPU s a video"
            print(f"fetch, {fetched} of {count} videos, unit {unit}: {told}", flush=True)
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    """A server that prints nothing."""

    def log_message(self, *words: object) -> None:
        """Print nothing."""


def driver(folder: Path, videos: str = "300") -> None:
    """CPU seconds of Snakemake's own process while jobs run. 99 jobs a second are never reached."""
    (folder / "videos.csv").write_text("\n".join(_tiny(folder, int(videos))) + "\n")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY | {"unit": "video"}, sort_keys=False))
    program = (
        "import resource, sys\n"
        "from snakemake.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "    print('OWN', used.ru_utime + used.ru_stime)\n"
    )
    for what, more in (("as it is", ()), ("a limit of 99 starts a second", ("--max-jobs-per-timespan", "99/1s"))):
        for left in ("results", ".snakemake"):
            shutil.rmtree(folder / left, ignore_errors=True)
        command = snakemake(folder, folder / "study.yaml", *more, "--", "media")
        text, cpu, wall, _ = measured([sys.executable, "-c", program, *command[3:]])
        own = float(text.rsplit("OWN ", 1)[1].split()[0])
        print(f"driver, {what}: {own:.1f} of {cpu:.1f} CPU s in {wall:.1f} s", flush=True)


def _tiny(folder: Path, count: int) -> list[str]:
    """Make so many videos of a second, with captions; the lines of their table."""
    (folder / "media").mkdir()
    rows = ["id,source,topic,film,captions"]
    for number in range(count):
        clip(folder / "media" / f"{number}.mp4", number)
        (folder / "media" / f"{number}.srt").write_text(f"1\n00:00:00,000 --> 00:00:01,000\nvideo {number}\n")
        rows.append(f"v{number:05d},media/{number}.mp4,{'abcd'[number % 4]},film{number // 4},media/{number}.srt")
    return rows


def _tell(what: str, folder: Path, command: list[str]) -> None:
    """Run Snakemake and print its seconds: all, and those in which no job ran."""
    began = time.time()
    _, cpu, wall, peak = measured(command)
    jobs, busy = _jobs(folder, began)
    print(
        f"rerun, {what}: {wall:.1f} s, of them {wall - busy:.1f} beside {jobs} jobs; {cpu:.1f} CPU s, {peak:.0f} MB",
        flush=True,
    )


def _jobs(folder: Path, since: float) -> tuple[int, float]:
    """Number of jobs since a time, and the seconds in which at least one ran, from Snakemake's own records."""
    times = set()
    for record in (folder / ".snakemake" / "metadata").rglob("*"):
        if record.is_file() and record.stat().st_mtime >= since:
            told = json.loads(record.read_text())
            if (told.get("starttime") or 0) >= since:
                # The files of one job begin and end together.
                times.add((told["rule"], round(told["starttime"], 2), round(told["endtime"], 2)))
    busy = end = 0.0
    for _, first, last in sorted(times, key=lambda one: one[1]):
        busy += max(0.0, last - max(first, end))
        end = max(end, last)
    return len(times), busy


def clip(path: Path, number: int) -> None:
    """A second of colours that change and a tone; each number gives others."""
    import av
    import numpy as np

    dice = np.random.default_rng(number)
    with av.open(str(path), "w", format="mp4") as out:
        pictures = out.add_stream("mpeg4", rate=8, width=64, height=48, pix_fmt="yuv420p")
        sounds = out.add_stream("aac", rate=16000, layout="mono")
        for place in range(8):
            small = dice.integers(0, 255, (3, 4, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(small.repeat(16, 0).repeat(16, 1), format="rgb24")
            frame.pts, frame.time_base = place, Fraction(1, 8)
            out.mux(pictures.encode(frame))
        wave = np.sin(np.arange(16000) * (0.05 + number % 97 / 300)).astype(np.float32)
        for place in range(0, 16000, 1000):
            frame = av.AudioFrame.from_ndarray(wave[None, place : place + 1000], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, place, Fraction(1, 16000)
            out.mux(sounds.encode(frame))
        for stream in (pictures, sounds):
            out.mux(stream.encode(None))


SECTIONS = {
    "parse": parse,
    "plan": plans,
    "batch": batches,
    "status": status,
    "noop": noop,
    "rerun": rerun,
    "fetch": fetch,
    "driver": driver,
}


def main() -> None:
    """Run the named section."""
    if len(sys.argv) < 2 or sys.argv[1] not in SECTIONS:
        sys.exit(__doc__)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory(prefix="triptych-scale-") as name:
        SECTIONS[sys.argv[1]](Path(name), *sys.argv[2:])


if __name__ == "__main__":
    main()
