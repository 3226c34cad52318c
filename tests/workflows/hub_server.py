"""A hub on loopback: what of the Hugging Face Hub's API its own client calls to publish a model and fetch its files."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_of_this_test"
_REGULAR = (".md", ".json", ".sha256")  # what a git repository holds itself; the rest goes to the large-file store


@dataclass
class Hub:
    """The state of a hub: of each model its commits, in order, each all of its files; and what was asked of it."""

    address: str = ""
    models: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def commit(self, repo: str, lines: list[dict[str, Any]]) -> str:
        """Add a commit of the lines that the client sends: a header, then a file a line."""
        commits = self.models[repo]
        held = dict(next(reversed(commits.values()), {}))
        for line in lines[1:]:
            value = line["value"]
            large = line["key"] == "lfsFile"
            held[value["path"]] = self.objects[value["oid"]] if large else base64.b64decode(value["content"])
        name = hashlib.sha1(json.dumps([len(commits), lines]).encode()).hexdigest()
        commits[name] = held
        return name

    def find(self, repo: str, revision: str) -> str | None:
        """Return the commit that a revision names: itself, or the last of main."""
        commits = self.models.get(repo, {})
        return next(reversed(commits), None) if revision == "main" else revision if revision in commits else None


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Serve a hub on a free port of loopback."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        path, body = self._take()
        if path == "/api/validate-yaml":
            return self._validate(json.loads(body)["content"])
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._give(401, {"error": "Invalid username or password."})
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}"
            there = repo in self.hub.models
            self.hub.models.setdefault(repo, {})
            return self._give(409 if there else 200, {"url": f"{self.hub.address}/{repo}", "error": "exists"})
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._give(200, {"transfer": "basic", "objects": [*map(self._upload, json.loads(body)["objects"])]})
        repo, _, rest = path.removeprefix("/api/models/").partition("/preupload/")
        if rest:
            files = [{"path": one["path"], "uploadMode": _mode(one["path"]), "shouldIgnore": False}
                     for one in json.loads(body)["files"]]  # fmt: skip
            return self._give(200, {"files": files})
        repo, _, rest = path.removeprefix("/api/models/").partition("/commit/")
        commit = self.hub.commit(repo, [json.loads(line) for line in body.splitlines()])
        url = f"{self.hub.address}/{repo}/commit/{commit}"
        return self._give(200, {"success": True, "commitOid": commit, "commitUrl": url})

    def do_PUT(self) -> None:
        path, body = self._take()
        assert path == f"/upload/{hashlib.sha256(body).hexdigest()}"
        self.hub.objects[path.removeprefix("/upload/")] = body
        self._give(200, {})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, _ = self._take()
        repo, _, rest = path.strip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        commit = self.hub.find(repo, unquote(revision))
        if repo not in self.hub.models:
            self._fail("RepoNotFound")
        elif commit is None:
            self._fail("RevisionNotFound")
        elif (content := self.hub.models[repo][commit].get(name)) is None:
            self._fail("EntryNotFound", commit)
        else:
            etag = hashlib.sha256(content).hexdigest()
            self._answer(200, content, {"X-Repo-Commit": commit, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"})

    def _validate(self, content: str) -> None:
        _, metadata, _ = content.split("---\n", 2)
        if "license" in (found := yaml.safe_load(metadata)) and found["license"] != "no such licence":
            return self._give(200, {"errors": [], "warnings": []})
        return self._give(400, {"errors": [{"message": '"license" must be one of the known ones'}], "warnings": []})

    def _upload(self, one: dict[str, Any]) -> dict[str, Any]:
        return {**one, "actions": {"upload": {"href": f"{self.hub.address}/upload/{one['oid']}"}}}

    def _take(self) -> tuple[str, bytes]:
        path = urlsplit(self.path).path
        self.hub.asked.append(f"{self.command} {path}")
        return path, self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _fail(self, code: str, commit: str = "") -> None:
        self._answer(404, b"{}", {"X-Error-Code": code, "X-Repo-Commit": commit})

    def _give(self, status: int, value: Any) -> None:
        self._answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _mode(path: str) -> str:
    return "regular" if path.endswith(_REGULAR) else "lfs"
