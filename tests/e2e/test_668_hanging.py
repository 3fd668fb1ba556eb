# SPDX-License-Identifier: Apache-2.0
"""Servers of debug information that hang: a task ends in time, with what it has."""
import contextlib
import functools
import http.server
import re
import shutil
import socket
import threading
import time

import pytest

from distribution import Crash, Depot
from packages import RELEASE, missing

TIMEOUT_S = 2  # for each file
SILENT = 2     # times until a server is not asked again
SLACK_S = 8    # for all else, on a busy machine
PLUGIN = "/usr/lib64/will-crash/plugin-boom.so"
PACKAGES = ("will-crash-plugin", "will-crash-plugin-debuginfo")


class Hanging:
    """Takes every connection, and says no more than this, piece by piece."""

    def __init__(self, *pieces, interval_s=1):
        self.pieces, self.interval_s = pieces, interval_s
        self.connections = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                self.connections.append(connection)
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with contextlib.suppress(OSError):
            connection.recv(4096)
            for piece in self.pieces:
                connection.sendall(piece)
                time.sleep(self.interval_s)
            connection.recv(1)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.connections:
            connection.close()


HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 20000\r\n\r\n"
HOW = {"nothing": (), "drip": (HEADERS, *[b"\x7f"] * 60),
       "dripping headers": (b"HTTP/1.1 200 OK\r\nX-Long: ", *[b"x"] * 60)}


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def good_server(directory):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                             functools.partial(Files, directory=directory))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def crashed(client_system):
    return Crash(client_system, "/usr/bin/will_crash")


@pytest.fixture(scope="module")
def depot_with(farm, client_system):
    """A server without the plugin's packages, and with these servers of debug information."""
    def make(*urls):
        depot = Depot(farm, client_system, f"DebuginfodURLs = {' '.join(urls)}\n"
                                           f"DebuginfodTimeout = {TIMEOUT_S}\n")
        depot.without(*PACKAGES)
        return depot

    return make


@pytest.fixture(scope="module")
def hanging():
    servers = []

    def make(how):
        servers.append(Hanging(*HOW[how]))
        return servers[-1].url

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def results(depot_with, hanging, crashed):
    """The URL, the log and the report for each way to hang: all that time is waiting, which can be
    done at once."""
    urls = {how: hanging(how) for how in HOW}
    depots = {how: depot_with(url) for how, url in urls.items()}
    tasks = {how: depot.submit(crashed.upload) for how, depot in depots.items()}
    return {how: (urls[how], *depots[how].result(task)) for how, task in tasks.items()}


def waited_s(log):
    return int(re.search(r"Find the files: (\d+) ms", log).group(1)) / 1000


@pytest.mark.parametrize("how", HOW)
def test_668_001_ends_in_time(results, client_system, how):
    url, log, report = results[how]
    assert TIMEOUT_S * SILENT - 0.5 <= waited_s(log) <= TIMEOUT_S * SILENT + SLACK_S
    build_id = client_system.build_id(PLUGIN)
    for kind in ("executable", "debuginfo"):
        assert re.search(rf"\[W\] No answer: {url}/buildid/{build_id}/{kind} \(", log)
        assert re.search(rf"Not found: {kind} with build-id {build_id} of {PLUGIN} \(.*; asked: "
                         rf"cache, host, repo {RELEASE}, {url}\)$", log, re.M)
    assert log.count("; this server is not asked again") == 1
    assert f"MISSING: {PLUGIN}: the frames below are guesses." in report


def test_668_002_the_next_server_is_asked(depot_with, hanging, crashed, client_system):
    """What the silent one does not give comes from the other one."""
    files = client_system.extract("1.0", *PACKAGES, "will-crash-debuginfo")
    build_id = client_system.build_id(PLUGIN)
    served = files / "served" / "buildid" / build_id
    served.mkdir(parents=True)
    shutil.copy(files / PLUGIN.lstrip("/"), served / "executable")
    shutil.copy(next((files / "usr/lib/debug/usr/lib64/will-crash").iterdir()),
                served / "debuginfo")
    with good_server(files / "served") as url:
        silent = hanging("nothing")
        log, report = depot_with(silent, url).retrace(crashed.upload)
    assert waited_s(log) <= TIMEOUT_S * SILENT + SLACK_S
    assert missing(log) == []
    assert log.count(f"No answer: {silent}/") == SILENT
    assert re.search(r"in compare_items_0 \(left=0x\w+, right=0x\w+\) at boom\.c:\d+$", report, re.M)


def test_668_003_many_tasks_do_not_wait_for_each_other(depot_with, hanging, crashed):
    depot = depot_with(hanging("nothing"))
    begin = time.monotonic()
    results = depot.retrace_all([crashed.upload] * 4)
    # Each waits for the others' question no longer than its own may take.
    assert time.monotonic() - begin <= 2 * TIMEOUT_S * SILENT + SLACK_S
    assert all(len(missing(log)) == 2 for log, _ in results)
