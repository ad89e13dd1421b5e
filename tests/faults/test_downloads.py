"""URL rows through the real Snakefile and real servers that refuse, stall and lie: each ends as data."""

import hashlib
import socket
import time

import pytest
from harness import DEMO, Workflow, demo_rows
from media.fetch.conftest import Site, answer, in_turn, refuse, serve

from triptych.core.status import Manifest
from triptych.report import status_table as status

#: Row -> how its first run ends.
ENDS = {
    "first": ("ok", ""),
    "twin": ("ok", ""),
    "shaky": ("ok", ""),
    "lost": ("failed", "http_404"),
    "forbidden": ("failed", "http_403"),
    "broken": ("failed", "http_500"),
    "busy": ("failed", "http_429"),
    "slow": ("failed", "timeout"),
    "cut_off": ("failed", "network"),
    "short": ("failed", "short_body"),
    "page": ("failed", "not_media"),
}
#: What a shell or an option parser would run.
RUNS = "$(touch${IFS}PWNED);`touch${IFS}PWNED`/--exec=touch${IFS}PWNED"


def cut_off(handler):
    """The connection ends without an answer."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def short(body):
    """A page that promises more than it sends."""

    def page(handler):
        answer(handler, 200, body[:5000], "video/mp4", Content_Length=len(body))
        handler.close_connection = True

    return page


class Study:
    """A study of addresses at two servers of this machine."""

    def __init__(self, folder) -> None:
        self.here, self.there = Site(), Site("127.0.0.2")
        films = sorted((DEMO / "media").glob("*.mp4"))
        self.bodies = [film.read_bytes() for film in films[:3]]
        self.here.pages = {
            "/ok.mp4": serve(self.bodies[0]),
            "/shaky.mp4": in_turn(refuse(503), refuse(502), serve(self.bodies[2])),
            "/forbidden.mp4": refuse(403),
            "/broken.mp4": refuse(500),
            "/busy.mp4": refuse(429),
            "/slow.mp4": lambda handler: time.sleep(2),
            "/cut_off.mp4": cut_off,
            "/short.mp4": short(self.bodies[2]),
            "/page.mp4": serve(b"<!doctype html><title>Not found</title>", "video/mp4"),
        }
        self.there.pages = {"/ok.mp4": serve(self.bodies[1])}
        bare = {"topic": "", "film": "", "captions": ""}
        sources = {name: f"{self.here.url}/{name}.mp4" for name in ENDS}
        sources |= {"first": f"{self.here.url}/ok.mp4", "twin": f"{self.there.url}/ok.mp4"}
        sources["lost"] = f"{self.here.url}/{RUNS}/lost.mp4"
        self.workflow = Workflow(
            folder,
            [demo_rows()[0] | bare | {"id": name, "source": source} for name, source in sources.items()],
            unit="shard",
            shards=1,
            fetch={
                "allow_private_hosts": True,
                "retries": 2,
                "backoff_seconds": 0.01,
                "timeout_seconds": 0.7,
                "stop_after_429": 10,
                "captions": [],
            },
            encoders={"sound": {"use": "classic-audio"}},
            **{name: {} for name in ("features", "tasks", "models", "transcripts")},
        )
        self.workflow.run("--", "collect_status")
        #: (stage, video) -> line of the status table.
        self.lines = {(line["stage"], line["video"]): line for line in status.read(self.workflow.path("status.tsv"))}

    def asked(self, name: str) -> int:
        """How often a row's file was asked for so far."""
        return sum(path.endswith(f"/{name}.mp4") for path, _ in self.here.log)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    one = Study(tmp_path_factory.mktemp("downloads") / "run")
    yield one
    one.here.close()
    one.there.close()


def ended(study, *names):
    for name in names:
        line = study.lines["fetch", name]
        assert (line["status"], line["reason"]) == ENDS[name], line
        assert line["status"] == "ok" or line["message"]
        # What stands on it says the same, and no file lies under the final name.
        assert study.lines["audio", name]["reason"] == ENDS[name][1]


@pytest.mark.fault(26)
def test_what_cannot_succeed_is_asked_once(study):
    ended(study, "lost", "forbidden")
    assert study.asked("lost") == study.asked("forbidden") == 1
    assert "HTTP Error 404" in study.lines["fetch", "lost"]["message"]
    assert "HTTP Error 403" in study.lines["fetch", "forbidden"]["message"]


@pytest.mark.fault(20)
def test_no_part_of_an_address_is_executed(study):
    # It was asked for as it stands, and nothing more happened.
    assert study.asked("lost") == 1 and not list(study.workflow.folder.rglob("PWNED"))


@pytest.mark.fault(27)
def test_what_fails_for_now_is_tried_again(study):
    ended(study, "shaky", "broken", "busy", "slow", "cut_off")
    # The first attempt and two more; what succeeds is asked what it is, then for the file.
    assert [study.asked(name) for name in ("broken", "busy", "slow", "cut_off")] == [3, 3, 3, 3]
    assert study.lines["audio", "shaky"]["status"] == "ok"


@pytest.mark.fault(28)
def test_short_bodies_and_pages_leave_no_file(study):
    ended(study, "short", "page")
    media = {path.stem for path in (study.workflow.folder / "data/media/small").glob("*.media")}
    assert media == {name for name, (state, _) in ENDS.items() if state == "ok"}
    assert "web page" in study.lines["fetch", "page"]["message"]


@pytest.mark.fault(29)
def test_one_file_name_on_two_hosts_is_two_files(study):
    ended(study, "first", "twin")
    for name, body in zip(("first", "twin"), study.bodies, strict=False):
        manifest = Manifest.read(study.workflow.path("fetch", f"{name}.json"))
        assert manifest.artefacts["media"]["sha256"] == hashlib.sha256(body).hexdigest()
