# SPDX-License-Identifier: Apache-2.0
"""SIGKILL for any process at any moment, while uploads go on: afterwards each task has an end, and
nothing is left but finished tasks. RETRACE_SLOW=1 for 200 kills; RETRACE_SEED for another story."""
import http.client
import os
import random
import re
import signal
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import crash
from client import Client, poll, read_reply, task_of

KILLS = 200 if os.environ.get("RETRACE_SLOW") == "1" else 20
SEED = int(os.environ.get("RETRACE_SEED", "1"))
TARGETS = ("retrace-ingest", "retrace-dispatch", "retrace-server-worker", "gdb", "httpd")
AHEAD = 12        # tasks that may wait before uploads become rare
QUIET_S = 90      # 30 s until a dead dispatcher is noticed, and the work that is left
KEPT = {"password", "type", "status", "retrace_log", "retrace_backtrace", "started_time",
        "finished_time", "lock", "results", "facts"}


# --- Who is there ---------------------------------------------------------------------------------

def parents():
    """{process: its parent}"""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            found[int(entry.name)] = int(stat.rsplit(")", 1)[1].split()[1])
    return found


def descendants(roots):
    """All below these processes."""
    tree = parents()
    found, last = set(), set(roots)
    while last:
        last = {pid for pid, parent in tree.items() if parent in last}
        found |= last
    return found


def victims(server, target):
    programs = server.programs()
    if target == "httpd":
        return sorted(pid for pid, parent in parents().items() if parent == server.process.pid)
    if target == "gdb":
        workers = [pid for pid, name in programs.items() if name == "retrace-server-worker"]
        return sorted(descendants(workers) - set(programs))
    return sorted(pid for pid, name in programs.items() if name == target)


# --- The storm ------------------------------------------------------------------------------------

class Uploader(threading.Thread):
    """Uploads one crash after the other, in pieces, so that there is a moment to die in."""

    def __init__(self, env, upload, rng):
        super().__init__(daemon=True)
        self.client = Client(env.server)
        self.env, self.upload, self.rng = env, upload, rng
        self.tasks, self.answers = [], Counter()
        self.stop = threading.Event()

    def run(self):
        while not self.stop.is_set():
            if len(self.env.entries("queue")) > AHEAD:
                self.stop.wait(1)  # not for ever: an upload also starts a dispatcher
            try:
                self.count(self.send())
            except (OSError, http.client.HTTPException) as error:
                self.answers[type(error).__name__] += 1

    def send(self):
        connection = self.client.connect()
        connection.putrequest("POST", "/create")
        connection.putheader("Content-Type", crash.XZ)
        connection.putheader("Content-Length", str(len(self.upload)))
        connection.endheaders()
        cut = self.rng.randrange(len(self.upload))
        connection.send(self.upload[:cut])
        time.sleep(self.rng.uniform(0, 0.2))
        connection.send(self.upload[cut:])
        reply = read_reply(connection)
        connection.close()
        return reply

    def count(self, reply):
        self.answers[reply.status] += 1
        if reply.status == 201:
            self.tasks.append(task_of(reply))


def kill_one(server, rng):
    """Returns what was killed, or None when there was nobody."""
    target = rng.choice(TARGETS)
    time.sleep(rng.uniform(0, 0.2))
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        found = victims(server, target)
        if found:
            try:
                os.kill(rng.choice(found), signal.SIGKILL)
                return target
            except ProcessLookupError:
                continue
        time.sleep(0.002)
    return None


class Aftermath:
    """What the storm has left, after all tasks were polled to their end."""

    def __init__(self, env, tasks, words):
        self.env = env
        self.tasks = tasks
        self.words = words  # {id: final word, or PENDING}


def storm(env, upload):
    rng = random.Random(SEED)
    uploaders = [Uploader(env, upload, random.Random(SEED + n)) for n in (1, 2)]
    for uploader in uploaders:
        uploader.start()
    killed = Counter()
    while sum(killed.values()) < KILLS:
        victim = kill_one(env.server, rng)
        if victim is not None:
            killed[victim] += 1
    for uploader in uploaders:
        uploader.stop.set()
    for uploader in uploaders:
        uploader.join()
    answers = sum((uploader.answers for uploader in uploaders), Counter())
    print(f"seed {SEED}, killed {dict(killed)}, answers {dict(answers)}")
    return [task for uploader in uploaders for task in uploader.tasks]


def last_blow(env, upload):
    """The dispatcher dies when nothing comes any more that would start another one."""
    tasks = [env.client.submit(upload) for _ in range(6)]
    for pid in poll(lambda: victims(env.server, "retrace-dispatch"), 5, "no dispatcher runs"):
        os.kill(pid, signal.SIGKILL)
    return tasks


def final_words(env, tasks):
    """Polls as a client does, and nothing else: that alone must bring each task to its end."""
    words = {task.id: "PENDING" for task in tasks}
    deadline = time.monotonic() + QUIET_S + KILLS / 4
    while "PENDING" in words.values() and time.monotonic() < deadline:
        for task in tasks:
            if words[task.id] == "PENDING":
                words[task.id] = env.client.word(task)
        time.sleep(0.25)
    return words


@pytest.fixture(scope="module")
def aftermath(farm, upload):
    env = farm.start("MaxParallelTasks = 3\nMaxQueuedTasks = 1000", tls=False)
    for tag in ("RT0007", "RT0008", "AH00052"):
        env.log.tolerate(tag)
    tasks = storm(env, upload) + last_blow(env, upload)
    return Aftermath(env, tasks, final_words(env, tasks))


class TestAfterKills:
    def test_500_001_there_was_work(self, aftermath):
        assert len(aftermath.tasks) >= KILLS / 4
        assert len({task.id for task in aftermath.tasks}) == len(aftermath.tasks)

    def test_500_002_each_task_has_ended(self, aftermath):
        assert {word for word in aftermath.words.values()} \
            <= {"FINISHED_SUCCESS", "FINISHED_FAILURE"}, aftermath.words

    def test_500_003_most_have_succeeded(self, aftermath):
        """A kill costs the task that it hits, not those beside it."""
        words = Counter(aftermath.words.values())
        assert words["FINISHED_FAILURE"] <= KILLS
        assert words["FINISHED_SUCCESS"] >= 1

    def test_500_004_success_has_a_whole_backtrace(self, aftermath):
        client = aftermath.env.client
        for task in aftermath.tasks:
            if aftermath.words[task.id] == "FINISHED_SUCCESS":
                text = client.backtrace(task).text
                assert "in read_null (address=0x0)" in text and "== Registers" in text

    def test_500_005_failure_has_a_reason(self, aftermath):
        client = aftermath.env.client
        for task in aftermath.tasks:
            if aftermath.words[task.id] == "FINISHED_FAILURE":
                last = client.log(task).text.splitlines()[-1]
                assert re.search(r"\[E\] .*\w\)?$", last.rstrip()), last
                assert client.backtrace(task).status == 404

    def test_500_006_nothing_is_under_way(self, aftermath):
        poll(lambda: not aftermath.env.leftovers(), 5,
             f"left over: {aftermath.env.leftovers()}")

    def test_500_007_spool_holds_finished_tasks_only(self, aftermath):
        spool = aftermath.env.server.spool
        for place in spool.glob("[0-9]*"):
            names = {path.name for path in place.iterdir()}
            assert "finished_time" in names, f"{place.name}: {sorted(names)}"
            assert names <= KEPT, f"{place.name}: {sorted(names - KEPT)}"

    def test_500_008_nothing_odd_in_the_spool(self, aftermath):
        names = {name for name in aftermath.env.entries(".") if not name.isdigit()}
        assert names <= {".incoming", "queue", "running", "queue.lock", "dispatch.lock",
                         "heartbeat", "sandbox_ok", "dispatcher_error", "statistics", "stats.db",
                         "counts"}

    def test_500_009_no_process_is_left(self, aftermath):
        server = aftermath.env.server
        poll(lambda: not server.programs(), 5, f"alive: {server.programs()}")
        assert all(not content_of(group) for group in server.cgroups)

    def test_500_010_it_still_works(self, aftermath, upload):
        env = aftermath.env
        assert env.client.wait(env.client.submit(upload)) == "FINISHED_SUCCESS"
        env.wait_idle()

    def test_500_011_each_task_is_recorded_once(self, aftermath):
        spool = aftermath.env.server.spool
        connection = sqlite3.connect(f"file:{spool}/stats.db?mode=ro", uri=True)
        recorded = Counter(row[0] for row in connection.execute("SELECT taskid FROM tasks"))
        connection.close()
        assert recorded == Counter(int(place.name) for place in spool.glob("[0-9]*"))


def content_of(group):
    """Processes in a control group and all below it."""
    return "".join(path.read_text() for path in group.rglob("cgroup.procs"))
