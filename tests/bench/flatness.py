# SPDX-License-Identifier: Apache-2.0
"""`make bench`: do answers take longer when the spool holds many finished tasks? A server with 10
of them is asked in turn with one that has more and more."""
import http.client
import time

import spool
from figures import Task, percentile, report
from serve.server import Server

COUNTS = (10000, 100000)
FEW = 10
REQUESTS = 600
CREATES = 40
GOAL = 1.2  # of the medians; more is no noise
SETTINGS = "MinStorageLeft = 100\nMaxClientUploads = 0\nMaxQueuedTasks = 100\n"
TYPE = "application/x-tar"


class Asker:
    """A connection that stays, to one of the servers."""

    def __init__(self, server):
        self.server = server
        self.connection = http.client.HTTPConnection(server.host, server.port)
        self.number = 0

    def _ask(self, status, method, path, headers, body=None):
        start = time.monotonic()
        self.connection.request(method, self.server.location + path, body, headers)
        reply = self.connection.getresponse()
        reply.read()
        took = time.monotonic() - start
        if reply.status != status:
            raise RuntimeError(f"{path}: {reply.status}")
        return took, reply

    def status(self, count):
        """Of one task after the other, far apart."""
        self.number = (self.number + 7919) % count
        return self._ask(200, "GET", str(spool.FIRST + self.number),
                         {"X-Task-Password": spool.PASSWORD})[0]

    def settings(self, _):
        return self._ask(200, "GET", "settings", {})[0]

    def create(self, upload):
        took, reply = self._ask(201, "POST", "create", {"Content-Type": TYPE}, upload)
        Task(str(reply.headers), self.server).wait()
        return took


def compare(name, count, few, many):
    """Both in turn, so that what else the machine does hits both."""
    pairs = [(few(), many()) for _ in range(CREATES if name == "create" else REQUESTS)]
    small, large = ([pair[i] for pair in pairs] for i in (0, 1))
    texts = [f"{percentile(times, 50) * 1000:6.2f} {percentile(times, 99) * 1000:6.2f} ms"
             for times in (large, small)]
    ratio = percentile(large, 50) / percentile(small, 50)
    report(f"{name}, p50 and p99: {count} tasks, {FEW} tasks",
           f"{texts[0]}  {texts[1]} {ratio:6.2f}", ratio, GOAL)


def measure(few, many, count, upload):
    compare("status", count, lambda: few.status(FEW), lambda: many.status(count))
    compare("settings", count, lambda: few.settings(FEW), lambda: many.settings(count))
    compare("create", count, lambda: few.create(upload), lambda: many.create(upload))


def bench_flatness(place):
    upload = (place / "empty.tar").read_bytes()
    for name in ("few", "many"):
        (place / name).mkdir()
    with Server(place / "few", tls=False, location="/r/", settings=SETTINGS) as few, \
            Server(place / "many", tls=False, location="/r/", settings=SETTINGS) as many:
        filled = FEW
        spool.fill(few, 0, FEW)
        spool.fill(many, 0, FEW)
        measure(Asker(few), Asker(many), FEW, upload)
        for count in COUNTS:
            spool.fill(many, filled, count)
            filled = count
            measure(Asker(few), Asker(many), count, upload)
        spool.remove(many, filled)
