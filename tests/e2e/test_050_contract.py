# SPDX-License-Identifier: Apache-2.0
"""The table at the end of mod_retrace/API.md, row by row: what it says is what the server does."""
import re
from types import SimpleNamespace

import pytest

import crash
from client import poll
from gate import Gate
from serve.server import TREE

API = TREE / "mod_retrace" / "API.md"
COLUMNS = ["server", "request", "task", "headers", "body", "status", "headers_out", "answer"]
SERVERS = {
    "usual": {"settings": "MaxQueuedTasks = 0"},
    "open": {"settings": "AllowApiDelete = 1\nAllowInteractive = 1\nAllowTaskManager = 1\n"
                         "AllowExternalDir = 1\nExternalDirs = /nonexistent\nAllowMetrics = 1"},
    "plain": {"settings": "RequireHTTPS = 1", "tls": False},
    "small": {"settings": "MaxPackedSize = 1\nMaxUnpackedSize = 1"},
    "full": {"settings": "MaxParallelTasks = 1"},
    "crowded": {"settings": "MaxParallelUploads = 1"},
}


def read_rows():
    """The rows of the last table."""
    text = API.read_text(encoding="utf-8").split("## Requests and answers", 1)[1]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in lines]
    assert rows[0] == [name.replace("_", " ") for name in COLUMNS]
    return [SimpleNamespace(**dict(zip(COLUMNS, row)), number=number)
            for number, row in enumerate(rows[2:])]


ROWS = read_rows()


def read_headers(text):
    return dict(field.split(": ", 1) for field in text.split(" + ")) if text else {}


class Stage:
    """A server with the tasks that rows ask for."""

    def __init__(self, farm, name, upload, members):
        self.farm, self.upload = farm, upload
        self.bad = crash.xz(crash.tar({**members, "coredump": b"no core"}))
        self.gate = Gate(farm, f"contract-{name}")
        how = SERVERS[name]
        self.env = farm.start(f"{how['settings']}\n{self.gate.setting}", tls=how.get("tls", True))
        self.tasks = {}
        if name == "full":
            self.env.client.submit(upload)
        if name == "crowded":
            self.held = self.env.client.open()
            self.held.sendall(b"POST /create HTTP/1.1\r\nHost: x\r\nContent-Type: "
                              b"application/x-xz\r\nContent-Length: 1000\r\n\r\nx")
            poll(lambda: self.env.entries(".incoming"), 20, "the upload has not begun")

    def task(self, kind):
        """A task of a kind; those that have ended are made before the gate is closed for others."""
        if kind not in self.tasks:
            self.tasks[kind] = getattr(self, "make_" + kind)()
        return self.tasks[kind]

    def make_succeeded(self):
        self.gate.open()
        task = self.env.client.submit(self.upload)
        assert self.env.client.wait(task) == "FINISHED_SUCCESS"
        self.env.wait_idle()
        self.gate.key.unlink()
        return task

    def make_failed(self):
        task = self.env.client.submit(self.bad)
        assert self.env.client.wait(task) == "FINISHED_FAILURE"
        return task

    def make_running(self):
        task = self.env.client.submit(self.upload)
        poll(lambda: self.env.client.get(task).text == "Generating backtrace", 20, "no gdb")
        return task

    def make_wrong(self):
        return SimpleNamespace(id=self.task("succeeded").id, password="x" * 32)

    def make_none(self):
        return SimpleNamespace(id="999999999", password="x" * 32)


@pytest.fixture(scope="module")
def stages(farm, upload, members):
    made = {}

    def stage(name):
        if name not in made:
            made[name] = Stage(farm, name, upload, members)
        return made[name]

    yield stage
    for one in made.values():
        one.gate.open()


def send(stage, row):
    method, path = row.request.split(" ", 1)
    headers = read_headers(row.headers)
    body = {"": None, "junk": b"12345", "crash": stage.upload}[row.body]
    if body is not None:
        headers.setdefault("Content-Length", str(len(body)))
    if row.task:
        task = stage.task(row.task)
        path = path.replace("<id>", task.id)
        headers["X-Task-Password"] = task.password
    else:
        path = path.replace("<id>", "123456789")
    if "sync=1" in path:
        stage.gate.open()
    reply = stage.env.client.request(method, path, headers, body)
    return reply


# Tasks that are running would be ended by the rows that need the gate open: those come first.
ORDER = sorted(ROWS, key=lambda row: ("sync" not in row.request, row.task == "running",
                                      "/delete" in row.request or "/cancel" in row.request,
                                      row.number))


@pytest.mark.parametrize("row", ORDER, ids=[f"{row.number:02d}-{row.server}-{row.request}-"
                                            f"{row.status}" for row in ORDER])
def test_050_001_row(stages, row):
    stage = stages(row.server)
    reply = send(stage, row)
    assert str(reply.status) == row.status, reply.text
    assert re.fullmatch(row.answer.strip("`"), reply.text, re.S), reply.text
    for name, value in read_headers(row.headers_out).items():
        assert re.fullmatch(value if "\\" in value else re.escape(value),
                            reply.headers[name] or ""), (name, reply.headers[name])
    check_common(reply, row)
    if reply.status >= 400:
        stage.env.log.expect("RT0001", f"refused with {reply.status}")
    if "sync" in row.request:
        stage.gate.key.unlink()


def check_common(reply, row):
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    if "Transfer-Encoding" in reply.headers:
        assert "sync" in row.request
    elif not row.request.startswith("HEAD"):
        assert reply.headers["Content-Length"] == str(len(reply.body))
    if reply.status >= 400 and not row.request.startswith("HEAD"):
        assert reply.body and reply.headers["Connection"] == "close"


def test_050_002_every_endpoint_has_a_row():
    """As the first table lists them."""
    text = API.read_text(encoding="utf-8").split("## Endpoints", 1)[1].split("##", 1)[0]
    endpoints = re.findall(r"^\| (GET|POST) \| `(/[^`]*)` \|", text, re.M)
    assert len(endpoints) == 15
    for method, path in endpoints:
        name = re.escape(path.replace("<key>", "")) + (r"[\w.]+" if "<key>" in path else "")
        assert any(re.fullmatch(f"{method} {name}(\\?.*)?", row.request) for row in ROWS), path
