"""One run of the real Snakefile over a table that attacks it; its traces are shared by many tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from harness import DEMO, EXTRA, Workflow, demo_rows
from media import clips
from security.attack import COOKIE, IDS, TOKEN, Attacked, Media, content


@pytest.fixture(scope="session")
def attacked(tmp_path_factory) -> Attacked:
    """A study whose table, media, captions and server attack it, run to its end."""
    outside = tmp_path_factory.mktemp("attacked")
    run, sources = outside / "a run's folder", outside / "sources"
    sources.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Media, directory=str(DEMO / "media")))
    server.asked = []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    host = f"http://127.0.0.1:{server.server_port}"

    good = demo_rows(films=3)
    columns = dict.fromkeys(good[0], "")
    rows = [{**row, "title": f"=HYPERLINK({number})", "film": f"../{row['film']}"} for number, row in enumerate(good)]
    for row in rows:
        row["topic"] = f"+{row['topic']}$(touch CANARY)"
    rows[0]["source"], rows[0]["captions"] = f"{host}/{Path(good[0]['source']).name}", ""
    words = "`touch CANARY` $(touch CANARY) <img src=x onerror=alert(1)>"
    for number, name in enumerate(IDS):
        rows.append({**columns, "id": name, "title": f"{words} {number}", "description": f"@{name}", "film": name})

    # Media that lead elsewhere: lists, playlists, protocols, links, bombs.
    secret = clips.write(sources / "secret.mp4", clips.moving(4))
    (sources / "list.mp4").write_text("ffconcat version 1.0\nfile secret.mp4\n")
    (sources / "play.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{host}/hit-by-playlist\n")
    (sources / "local.m3u8").write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n")
    (sources / "page.vtt").write_text(
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<script>touch CANARY</script> $(touch CANARY)\n"
    )
    (sources / "a:b.mp4").write_bytes(secret.read_bytes())
    (sources / "link.mp4").symlink_to(secret)
    (sources / "zero.mp4").symlink_to("/dev/zero")
    (sources / "loop.mp4").symlink_to("loop.mp4")
    (sources / "passwd.mp4").symlink_to("/etc/passwd")
    os.mkfifo(sources / "pipe.mp4")
    names = [
        "list.mp4",
        "play.mp4",
        "local.m3u8",
        "a:b.mp4",
        "link.mp4",
        "zero.mp4",
        "loop.mp4",
        "passwd.mp4",
        "pipe.mp4",
    ]
    names += [f"concat:{secret}|{secret}", f"subfile,,start,0,end,9,,:{secret}", "crypto:secret.mp4", "pipe:0"]
    for name in names:
        given = name if name.startswith(("concat:", "subfile", "crypto:", "pipe:")) else str(sources / name)
        rows.append({**columns, "id": f"media {name.partition(':')[0]}", "source": given, "title": name})
    rows[-1]["captions"] = str(sources / "page.vtt")
    unique = {row["id"]: row for row in rows}
    assert len(unique) == len(rows)

    cookies = outside / "cookies.txt"
    cookies.write_text(f"# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t{COOKIE}\n")
    workflow = Workflow(
        run,
        rows,
        unit="shard",
        shards=1,
        encoders={"picture": {"use": "classic-image"}},
        features={"seen": {"from": "picture.frame", "pool": "mean"}},
        fetch={"allow_private_hosts": True, "retries": 0, "captions": [], "cookies": str(cookies)},
        min_ok_fraction=0.0,
        duplicates={"use": []},
        models={
            "sight": {"inputs": ["seen"], "head": "logistic"},
            "words": {"text": ["transcript", "title"], "head": "logistic"},
        },
    )
    before = content(outside, run)
    command = workflow.command("--printshellcmds")
    environment = {
        **os.environ,
        **EXTRA,
        "HF_TOKEN": TOKEN,
        "HUGGING_FACE_HUB_TOKEN": TOKEN,
        "AWS_SECRET_ACCESS_KEY": TOKEN,
    }
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=run, stdin=subprocess.DEVNULL)
    server.shutdown()
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-6000:]
    yield Attacked(workflow, outside, before, ran, server.asked)
    shutil.rmtree(run, ignore_errors=True)
