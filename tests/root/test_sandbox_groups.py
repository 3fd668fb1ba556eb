# SPDX-License-Identifier: Apache-2.0
"""The whole server: whose identity the debugger has that reads a stranger's core, who may read what
a task leaves, and that nothing is left of a server that was stopped."""
import http.client
import os
import signal
import stat
import sys
import time
from pathlib import Path

import pytest

from conftest import TREE

sys.path.insert(0, str(TREE / "tests" / "serve"))

import crash
from serve.server import Server

WAIT_S = 60
KEEPS_ITS_CORE = "1"  # X-Task-Type of a task whose crash data stays
NO_CAPABILITY = "0000000000000000"
FILTERED = "2"        # of the line Seccomp


def poll(probe, complaint, step_s=0.01):
    """The first true answer of `probe`."""
    deadline = time.monotonic() + WAIT_S
    while True:
        answer = probe()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{complaint} in {WAIT_S} s"
        time.sleep(step_s)


# --- Looking at processes ------------------------------------------------------------------------

def read_status(pid):
    """/proc/<pid>/status as {field: words}; empty when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return {}
    return {name: value.split() for name, _, value in
            (line.partition(":") for line in text.splitlines())}


def children(pid):
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(word) for word in words.split()]


def is_debugger(pid, above):
    """gdb is started by the loader, in bwrap. Its arguments tell; those of bwrap hold them too, and
    so do those of the loader when the worker asks it, outside, for gdb's libraries."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    names = [read_status(number).get("Name") for number in (pid, above)]
    return b"gdb" in arguments and names[0] not in (None, ["bwrap"]) and names[1] == ["bwrap"]


def find_below(pid):
    """The line of processes from a debugger up to, but without, this process."""
    for child in children(pid):
        line = find_below(child)
        if line or is_debugger(child, pid):
            return [*line, child]
    return []


def find_debugger(server):
    for pid, name in server.programs().items():
        if name == "retrace-server-worker":
            line = find_below(pid)
            if line:
                return line
    return []


def stop_debugger(server):
    """The debugger and its ancestors below the worker, as soon as there is one. It stands still, so
    that what is read then belongs together."""
    line = poll(lambda: find_debugger(server), "no gdb was seen")
    os.kill(line[0], signal.SIGSTOP)
    return line


# --- Talking to the server -----------------------------------------------------------------------

def request(server, method, path, headers, body=None):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=WAIT_S)
    connection.request(method, path, body, headers)
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply


def submit(server, upload):
    reply = request(server, "POST", "/create", {"Content-Type": "application/x-xz",
                                                "X-Task-Type": KEEPS_ITS_CORE}, upload)
    assert reply.status == 201
    return reply.headers["X-Task-Id"], reply.headers["X-Task-Password"]


def status_word(server, task, password):
    reply = request(server, "GET", f"/{task}", {"X-Task-Password": password})
    return reply.headers["X-Task-Status"]


def wait_for_end(server, task, password):
    poll(lambda: status_word(server, task, password) != "PENDING", "the task has not ended", 0.05)
    poll(lambda: not server.programs(), "the dispatcher has not ended", 0.05)
    return status_word(server, task, password)


# --- The server of this file ---------------------------------------------------------------------

@pytest.fixture(scope="module")
def upload(tmp_path_factory):
    """A core with three threads, so that gdb has something to do."""
    place = tmp_path_factory.mktemp("crash")
    for directory in (place, *place.parents[:-2]):
        directory.chmod(0o755)
    program = crash.build_split(TREE / "tests" / "serve" / "crashing.c", place, "crashing")
    return place, crash.pack(crash.crash([program], place), program, "crashing-1-1")


@pytest.fixture
def server(users, upload, place):
    settings = f"HostDirs = /usr:{upload[0]}\nMinStorageLeft = 10"
    with Server(place, tls=False, settings=settings) as server:
        yield server


def test_identity_of_the_debugger(server, users, upload):
    task, password = submit(server, upload[1])
    line = stop_debugger(server)
    states = [read_status(pid) for pid in line]
    os.kill(line[0], signal.SIGCONT)

    for state in states:
        assert state["Uid"] == [str(users.owner.pw_uid)] * 4, state["Name"]
        assert state["Gid"] == [str(users.owner.pw_gid)] * 4, state["Name"]
        assert state["Groups"] == [], state["Name"]
    gdb = states[0]
    assert [gdb[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] \
        == [[NO_CAPABILITY]] * 5
    assert (gdb["NoNewPrivs"], gdb["Seccomp"]) == (["1"], [FILTERED])
    assert wait_for_end(server, task, password) == "FINISHED_SUCCESS"


def test_identity_of_the_workers(server, users, upload):
    """Dispatcher and worker hold none of httpd's groups either, and no capability."""
    task, password = submit(server, upload[1])
    line = stop_debugger(server)
    states = [read_status(pid) for pid in server.programs()]
    os.kill(line[0], signal.SIGCONT)

    assert {state["Name"][0] for state in states} == {"retrace-dispatc", "retrace-server-"}
    for state in states:
        assert state["Groups"] == [], state["Name"]
        assert state["Uid"] + state["Gid"] \
            == [str(users.owner.pw_uid)] * 4 + [str(users.owner.pw_gid)] * 4, state["Name"]
        assert [state[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] \
            == [[NO_CAPABILITY]] * 4, state["Name"]
    wait_for_end(server, task, password)


# --- Modes ---------------------------------------------------------------------------------------

def modes_below(path):
    """{relative path: (type and mode, group)} of everything in a directory, itself included."""
    return {str(entry.relative_to(path)): (entry.lstat().st_mode, entry.lstat().st_gid)
            for entry in [path, *path.rglob("*")]}


def expected_mode(name):
    """Architecture 2: what a client may ask for is the group's to read, the crash nobody's."""
    if name == ".":
        return stat.S_IFDIR | 0o2750
    if name == "crash":
        return stat.S_IFDIR | 0o2700
    if name == "results":
        return stat.S_IFDIR | 0o2750
    if name == "lock" or name.startswith("crash/"):
        return stat.S_IFREG | 0o600
    return stat.S_IFREG | 0o640


def test_modes_of_a_task(server, users, upload):
    task, password = submit(server, upload[1])
    assert wait_for_end(server, task, password) == "FINISHED_SUCCESS"
    found = modes_below(server.spool / task)
    assert {"crash/coredump", "lock", "password", "results", "retrace_backtrace", "retrace_log",
            "finished_time", "status", "type"} <= found.keys()
    assert found == {name: (expected_mode(name), users.httpd_group.gr_gid) for name in found}
    assert {entry.stat().st_uid for entry in (server.spool / task).rglob("*")} \
        == {users.owner.pw_uid}


def test_httpd_may_read_the_result_but_not_the_crash(server, users, upload):
    task, password = submit(server, upload[1])
    wait_for_end(server, task, password)
    directory = server.spool / task
    caller = users.caller

    def httpd_can(mode, path):
        pid = os.fork()
        if pid == 0:
            os.setgroups([users.httpd_group.gr_gid])
            os.setresgid(*[caller.pw_gid] * 3)
            os.setresuid(*[caller.pw_uid] * 3)
            os._exit(0 if os.access(path, mode) else 1)
        return os.waitpid(pid, 0)[1] == 0

    assert httpd_can(os.R_OK, directory / "retrace_backtrace")
    assert not httpd_can(os.R_OK, directory / "crash" / "coredump")
    assert not httpd_can(os.R_OK, directory / "lock")
    assert not httpd_can(os.W_OK, directory)
    assert not httpd_can(os.W_OK, directory / "retrace_log")
    assert not httpd_can(os.W_OK, server.spool)
    assert not httpd_can(os.R_OK, server.spool / ".incoming")


# --- What is left --------------------------------------------------------------------------------

def groups_of_tasks(server):
    return [str(path) for place in server.cgroups for path in place.iterdir()
            if path.is_dir() and path.name.isdigit()]


def test_nothing_is_left_of_a_task(server, upload):
    task, password = submit(server, upload[1])
    wait_for_end(server, task, password)
    assert groups_of_tasks(server) == []
    for name in ("queue", "running", ".incoming"):
        assert list((server.spool / name).iterdir()) == []


def test_nothing_is_left_of_a_server(server, upload):
    """Stopped in the middle of a task: no process, and no control group."""
    submit(server, upload[1])
    line = stop_debugger(server)
    places = list(server.cgroups)
    server.stop()
    poll(lambda: not any(read_status(pid) for pid in line), "gdb outlives its server")
    assert server.programs() == {}
    assert [place for place in places if place.exists()] == []
