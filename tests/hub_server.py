"""A server on this machine that speaks the Hugging Face hub's endpoints, with models that a test builds."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class Hub:
    """Models by id, and how the server misbehaves.

    Attributes:
        models: id -> commit -> file -> content; the last commit is the newest.
        lies: file -> content that is sent in place of its own.
        cut: file -> bytes after which the first connection is closed.
        gated: ids that ask for an agreement.
        seen: requests, as `METHOD path`.
        archives: path -> content, as TensorFlow Hub sends it.
    """

    models: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    lies: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    archives: dict[str, bytes] = field(default_factory=dict)
    url: str = ""

    def add(self, model: str, folder: Path, **more: bytes) -> str:
        """Take the files of a folder as the newest commit of a model; `more` files by name."""
        files = {one.relative_to(folder).as_posix(): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
        files |= more
        commit = hashlib.sha1(json.dumps(sorted(map(str, files.items()))).encode()).hexdigest()
        self.models.setdefault(model, {})[commit] = files
        return commit

    def sent(self, name: str) -> int:
        """How often the content of a file was asked for."""
        return sum(one.startswith("GET ") and one.endswith(f"/{name}") for one in self.seen)


def is_lfs(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".h5", ".onnx", ".msgpack"))


def git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def oid(name: str, data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if is_lfs(name) else git_hash(data)


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """The hub at `hub.url` while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_HEAD(self):
            self.answer()

        def do_GET(self):
            self.answer()

        def answer(self):
            path = urlsplit(self.path).path
            hub.seen.append(f"{self.command} {path}")
            if path in hub.archives:
                return self.send(200, hub.archives[path], {"Content-Type": "application/gzip"})
            found = re.fullmatch(r"/api/models/(.+?)/(revision|tree)/([^/]+)", path)
            if found:
                return self.api(*found.groups())
            found = re.fullmatch(r"/(.+?)/resolve/([0-9a-f]{40})/(.+)", path)
            if found:
                return self.file(*found.groups())
            return self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        def api(self, model, what, revision):
            if model in hub.gated:
                return self.send(403, b"{}", {"X-Error-Code": "GatedRepo"})
            if model not in hub.models:
                return self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            commits = hub.models[model]
            commit = list(commits)[-1] if revision == "main" else revision
            if commit not in commits:
                return self.send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            files = commits[commit]
            if what == "revision":
                told = {"id": model, "modelId": model, "sha": commit, "private": False, "tags": [], "downloads": 0}
                told["siblings"] = [{"rfilename": name} for name in files]
            else:
                told = []
                for name, data in files.items():
                    one = {"type": "file", "path": name, "size": len(data), "oid": git_hash(data)}
                    if is_lfs(name):
                        one["lfs"] = {"oid": oid(name, data), "size": len(data), "pointerSize": 130}
                    told.append(one)
            return self.send(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

        def file(self, model, commit, name):
            data = hub.models.get(model, {}).get(commit, {}).get(name)
            if data is None:
                return self.send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            headers = {"ETag": f'"{oid(name, data)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
            data = hub.lies.get(name, data)
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if asked:
                start = int(asked[1])
                if start >= len(data):
                    return self.send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
                return self.send(206, data[start:], headers)
            if self.command == "GET" and name in hub.cut:
                return self.send(200, data, headers, cut=hub.cut.pop(name))
            return self.send(200, data, headers)

        def send(self, status, data, headers, cut=None):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data[:cut])
            if cut is not None:
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(2)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
