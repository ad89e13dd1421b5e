"""URL rows through the real Snakefile and a real server: failures are data, due again on request, sources dropped."""

import csv
import json
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from harness import DEMO, Workflow, demo_rows

from triptych.core.units import by_shard

#: The value of secrets that are given to a run, and a title that a page must not run.
CANARY, HOSTILE = "canary-5d1e77c0", "<script>document.title='PWNED'</script><img src=x onerror=alert(1)>"


class Media(SimpleHTTPRequestHandler):
    """The demo's media; `/broken/` answers 500 until the server is mended; each request is counted.

    `/nowhere/` tells in its words what it was sent.
    """

    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.cookies.append(self.headers["Cookie"])
        if self.path.startswith("/broken/"):
            if not self.server.mended:
                return self.send_error(500)
            self.path = self.path.removeprefix("/broken")
        if self.path.startswith("/nowhere/"):
            return self.send_error(404, f"Nothing for {self.headers['Cookie']}")
        return super().do_GET()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Media, directory=str(DEMO / "media")))
    server.asked, server.cookies, server.mended = [], [], False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def statuses(workflow, stage):
    rows = csv.DictReader(workflow.path("status.tsv").open(encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {row["video"]: (row["status"], row["reason"]) for row in rows if row["stage"] == stage}


def retry_failed(workflow):
    ran = subprocess.run(
        [sys.executable, "-m", "triptych.cli", "status", "--retry-failed", "--configfile", "study.yaml"],
        cwd=workflow.folder,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def without_secrets(workflow, cookies):
    """No file of the run holds a secret: results, logs, Snakemake's records, downloads."""
    seen = 0
    for path in workflow.folder.rglob("*"):
        if path.is_file() and path != cookies:
            seen += 1
            assert CANARY.encode() not in path.read_bytes(), path
    assert seen > 100


@pytest.mark.fault(26, 27, 40)
def test_downloads_fail_as_data_come_again_on_request_and_are_dropped(server, tmp_path, monkeypatch):
    cookies = tmp_path / "run" / "cookies.txt"
    cookies.parent.mkdir()
    cookies.write_text(f"# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t{CANARY}\n")
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD"):
        monkeypatch.setenv(name, CANARY)
    rows = demo_rows(films=3)
    host = f"http://127.0.0.1:{server.server_port}"
    for row, place in zip(rows, ("", "", "", "", "/broken", "/nowhere"), strict=True):
        row["source"] = f"{host}{place}/{row['source'].rpartition('/')[2]}"
    broken, lost = rows[4]["id"], rows[5]["id"]
    rows[0]["title"], rows[1]["title"] = HOSTILE, "{{7*7}} ${{{{ x }}}} `touch canary`"
    workflow = Workflow(
        tmp_path / "run",
        rows,
        fetch={
            "allow_private_hosts": True,
            "retries": 0,
            "keep_sources": False,
            "captions": [],
            "cookies": "cookies.txt",
        },
        tasks={"topic": {"label": "topic", "group": "film", "folds": 2}},
    )
    ran = workflow.run()
    assert CANARY not in ran.stdout + ran.stderr and all(cookie == f"session={CANARY}" for cookie in server.cookies)
    without_secrets(workflow, cookies)
    assert HOSTILE not in workflow.path("report", "index.html").read_text(encoding="utf-8")
    fetched = statuses(workflow, "fetch")
    assert fetched[broken] == ("failed", "http_500") and fetched[lost] == ("failed", "http_404")
    assert [fetched[row["id"]][0] for row in rows[:4]] == ["ok"] * 4
    assert statuses(workflow, "keyframes")[lost][0] == "failed"
    assert "Nothing for session=..." in workflow.path("status.tsv").read_text(encoding="utf-8")
    media = workflow.folder / "data/media/small"
    assert not list(media.glob("*.media"))

    asked = len(server.asked)
    assert workflow.plan() == [] and workflow.unasked() == set()
    # What was refused by a setting is asked for again when the setting changes.
    workflow.study["fetch"]["allow_private_hosts"] = False
    workflow.write()
    assert sum(job.startswith("fetch_video") for job in workflow.plan()) == len(rows)
    workflow.study["fetch"]["allow_private_hosts"] = True
    workflow.write()
    assert workflow.plan() == []
    server.mended = True
    assert broken in retry_failed(workflow)
    due = {job for job in workflow.plan() if job.startswith("fetch_video")}
    assert due == {f"fetch_video unit={broken}", f"fetch_video unit={lost}"}
    assert len(server.asked) == asked
    workflow.run()
    assert statuses(workflow, "fetch")[broken] == ("ok", "")
    assert statuses(workflow, "audio")[broken] == ("ok", "")
    assert all(path.startswith(("/broken", "/nowhere")) for path in server.asked[asked:])

    # A damaged artefact whose download was dropped: fetched again, and made again the same.
    flac = workflow.path("audio", f"{rows[0]['id']}.flac")
    whole = flac.read_bytes()
    flac.write_bytes(whole[:-100])
    for path in workflow.path("embeddings", "sound").glob("*.h5"):
        path.unlink()
    workflow.run("--", "embeddings")
    assert flac.read_bytes() == whole
    without_secrets(workflow, cookies)


def test_downloads_of_a_shard_are_one_job(server, tmp_path):
    """What is due is asked for alone, and what was downloaded, decoded and removed is not asked for again."""
    rows = demo_rows(films=3)
    host = f"http://127.0.0.1:{server.server_port}"
    for row in rows:
        row["source"] = f"{host}{'/broken' if row is rows[4] else ''}/{row['source'].rpartition('/')[2]}"
    broken, others = rows[4]["id"], [row["id"] for row in rows if row is not rows[4]]
    shards = by_shard([row["id"] for row in rows], 2)
    late = next(shard for shard, members in shards.items() if broken in members)
    assert len(shards) == 2 and len(shards[late]) > 1
    workflow = Workflow(
        tmp_path / "run",
        rows,
        unit="shard",
        fetch={"allow_private_hosts": True, "retries": 0, "keep_sources": False, "captions": []},
        tasks={"topic": {"label": "topic", "group": {"metadata": "title"}, "folds": 2}},
    )
    wanted = ("media", *(f"results/small/fetch/dropped/shards/{shard}.json" for shard in shards))
    assert sum(job.startswith("fetch_video") for job in workflow.plan(*wanted)) == 2
    workflow.run("--", *wanted)
    fetched = {row["id"]: json.loads(workflow.path("fetch", f"{row['id']}.json").read_text()) for row in rows}
    assert {video for video, told in fetched.items() if told["status"] == "ok"} == set(others)
    assert fetched[broken]["reason"] == "http_500"
    listed = {shard: json.loads(workflow.path("fetch/shards", f"{shard}.json").read_text()) for shard in shards}
    assert {shard: list(told["videos"]) for shard, told in listed.items()} == shards
    media = workflow.folder / "data/media/small"
    assert not list(media.glob("*.media"))
    assert workflow.plan(*wanted) == []

    kept = ("fetch/*.json", "probe/*.json", "audio/*.flac", "keyframes/*.h5")
    before = {name: data for name, data in workflow.snapshot(*kept).items() if broken not in name}
    server.mended, asked = True, len(server.asked)
    retry_failed(workflow)
    due = [job for job in workflow.plan(*wanted) if job.startswith("fetch_video")]
    assert due == [f"fetch_video unit={late}"]
    workflow.run("--", *wanted)
    assert set(server.asked[asked:]) == {row["source"].removeprefix(host) for row in rows if row["id"] == broken}
    assert json.loads(workflow.path("keyframes", f"{broken}.json").read_text())["status"] == "ok"
    after = workflow.snapshot(*kept)
    assert {name: after[name] for name in before} == before
    assert not list(media.glob("*.media"))

    # Groups from the platform are read from the manifests that the shards list.
    workflow.run("--", "results/small/tasks/topic/labels.parquet")
