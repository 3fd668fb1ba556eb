# SPDX-License-Identifier: Apache-2.0
"""Clients that wait: the long poll of a task's state, and the synchronous body of /create. They must
hold no thread where httpd can do without, and no more than allowed elsewhere."""
import http.client
import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

import crash
from client import poll, task_of
from gate import Gate

FEW_THREADS = """StartServers 1
ServerLimit 2
ThreadsPerChild 8
ThreadLimit 8
MaxRequestWorkers 8
MinSpareThreads 1
MaxSpareThreads 8
AsyncRequestWorkerFactor 20
"""
# The module status tells how many connections a child has.
STATUS = """LoadModule status_module {modules}/mod_status.so
<Location /server-status>
    SetHandler server-status
    Require all granted
</Location>
"""
QUEUE = "MaxParallelTasks = 2\nMaxQueuedTasks = 200"
CROWD = 40  # five for each thread of FEW_THREADS
SYNC = {"X-Task-Sync": "1"}


def status_conf(farm):
    return STATUS.format(modules=farm.make().values["HTTPD_MODULES"])


def connections(env):
    """Connections that httpd's child counts, or whose sockets it holds; the listening one is none."""
    prefix, env.client.prefix = env.client.prefix, ""
    text = env.client.request("GET", "/server-status?auto").text
    env.client.prefix = prefix
    (child,) = children(env)
    sockets = [fd for fd in Path(f"/proc/{child}/fd").iterdir()
               if os.path.lexists(fd) and os.readlink(fd).startswith("socket:")]
    return int(re.search(r"^ConnsTotal: (\d+)", text, re.M).group(1)) + len(sockets) - 1


class Waiter(threading.Thread):
    """A request that waits, in the background."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self.ask, self.reply, self.error = ask, None, None
        self.start()

    def run(self):
        try:
            self.reply = self.ask()
        except (OSError, http.client.HTTPException) as error:
            self.error = error

    def finish(self, timeout=60):
        self.join(timeout)
        assert not self.is_alive(), "the request has no answer"
        assert self.error is None, self.error
        return self.reply


def long_poll(env, task, seconds=55):
    return Waiter(lambda: env.client.get(task, f"?wait={seconds}"))


def running(env, task):
    """The stage at which the gate holds it."""
    poll(lambda: env.client.get(task).text == "Generating backtrace", 20, "gdb is not reached")


@pytest.fixture
def gate(farm, request):
    gate = Gate(farm, request.node.name)
    yield gate
    gate.open()


@pytest.fixture
def gated(farm, gate):
    env = farm.start(f"{QUEUE}\n{gate.setting}")
    yield env
    gate.open()
    env.wait_idle(60)
    farm.stop(env)


# --- Long poll ------------------------------------------------------------------------------------

class TestLongPoll:
    def test_310_001_answers_when_the_state_changes(self, gated, gate, upload):
        """On a server where nothing else happens: nobody else's request wakes it."""
        task = gated.client.submit(upload)
        running(gated, task)
        waiter = long_poll(gated, task)
        poll(lambda: waiting(gated) > 0, 10, "it does not wait")
        gate.open()
        reply = waiter.finish()
        assert reply.status == 200 and reply.text != "Generating backtrace"
        assert reply.headers["Content-Length"] == str(len(reply.body))
        assert reply.headers["Connection"] == "close"

    def test_310_002_ends_without_a_change(self, gated, gate, upload):
        task = gated.client.submit(upload)
        running(gated, task)
        reply = long_poll(gated, task, 1).finish()
        assert (reply.status, reply.text) == (200, "Generating backtrace")
        assert reply.headers["X-Task-Status"] == "PENDING"

    def test_310_003_a_finished_task_is_told_at_once(self, env, upload):
        task = env.client.submit(upload)
        env.client.wait(task)
        reply = env.client.get(task, "?wait=55")
        assert reply.headers["X-Task-Status"] == "FINISHED_SUCCESS"
        assert reply.headers["Connection"] != "close"

    @pytest.mark.parametrize("query", ["?wait", "?wait=", "?wait=0", "?wait=-5", "?wait=x",
                                       "?wait=5s", "?wait=1.5", "?wait=%35", "?waiting=55",
                                       "?await=55", "?wait=5555555555"])
    def test_310_004_no_number_no_waiting(self, gated, upload, query):
        task = gated.client.submit(upload)
        running(gated, task)
        reply = gated.client.get(task, query)
        assert (reply.status, reply.text) == (200, "Generating backtrace")

    def test_310_005_wrong_password_does_not_wait(self, gated, upload):
        task = gated.client.submit(upload)
        assert gated.client.get(task, "?wait=55", password="x" * 32).status == 403
        gated.log.expect("RT0001", "refused with 403")

    def test_310_006_head(self, gated, gate, upload):
        task = gated.client.submit(upload)
        running(gated, task)
        waiter = Waiter(lambda: gated.client.get(task, "?wait=55", method="HEAD"))
        poll(lambda: waiting(gated) > 0, 10, "it does not wait")
        gate.open()
        assert waiter.finish().body == b""

    def test_310_007_all_changes_are_seen(self, env, upload):
        """A client that only polls like that sees the end of the task, and needs few requests."""
        task = env.client.submit(upload)
        seen = []
        while not seen or seen[-1].headers["X-Task-Status"] == "PENDING":
            seen.append(env.client.get(task, "?wait=30"))
            assert len(seen) < 12
        assert seen[-1].headers["X-Task-Status"] == "FINISHED_SUCCESS"


def waiting(env):
    """Connections that are neither idle nor served by a thread, as far as the kernel shows: the number
    of descriptors of task directories that httpd holds."""
    count = 0
    for child in children(env):
        for fd in Path(f"/proc/{child}/fd").iterdir():
            try:
                target = os.readlink(fd)
            except OSError:
                continue
            count += re.fullmatch(re.escape(str(env.server.spool)) + r"/\d{9}", target) is not None
    return count


def children(env):
    text = subprocess.run(["pgrep", "-P", str(env.server.process.pid)], capture_output=True,
                          text=True).stdout
    return [int(word) for word in text.split()]


def zombies_of(pid):
    text = subprocess.run(["ps", "--ppid", str(pid), "-o", "stat="], capture_output=True,
                          text=True).stdout
    return sum(state.startswith("Z") for state in text.split())


# --- The synchronous body -------------------------------------------------------------------------

class TestSynchronous:
    @pytest.mark.parametrize("how", ["header", "query"])
    def test_310_010_body(self, env, upload, how):
        reply = env.client.create(upload, headers=SYNC) if how == "header" else \
            env.client.request("POST", "/create?sync=1",
                               {"Content-Type": crash.XZ, "Content-Length": str(len(upload))},
                               upload)
        task = task_of(reply)
        assert reply.headers["Transfer-Encoding"] == "chunked"
        assert "Content-Length" not in reply.headers
        log, word, backtrace = split_body(reply.text)
        assert word == "FINISHED_SUCCESS"
        assert log == env.client.log(task).text
        assert backtrace == env.client.backtrace(task).text

    def test_310_011_failed_task(self, env, members):
        bad = crash.xz(crash.tar({**members, "coredump": b"no core"}))
        reply = env.client.create(bad, headers=SYNC)
        log, word, backtrace = split_body(reply.text)
        assert (word, backtrace) == ("FINISHED_FAILURE", "")
        assert log == env.client.log(task_of(reply)).text

    def test_310_012_http_1_0_reads_until_the_end(self, env, upload):
        """No chunks for who does not know them."""
        connection = env.client.open()
        connection.sendall(b"POST /create?sync=1 HTTP/1.0\r\nContent-Type: application/x-xz\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(upload) + upload)
        head, body = read_all(connection).split(b"\r\n\r\n", 1)
        assert b" 201 " in head and b"chunked" not in head.lower()
        assert split_body(body.decode())[1] == "FINISHED_SUCCESS"

    @pytest.mark.parametrize("headers", [{}, {"X-Task-Sync": "0"}, {"X-Task-Sync": "yes"}])
    def test_310_013_nobody_else_gets_it(self, env, upload, headers):
        reply = env.client.create(upload, headers=headers)
        assert reply.body == b"" and reply.headers["Content-Length"] == "0"

    def test_310_014_default_is_for_those_with_a_user_agent(self, farm, upload):
        env = farm.start("SynchronousDefault = 1")
        assert env.client.create(upload).body == b""
        reply = env.client.create(upload, headers={"User-Agent": "tool/1"})
        assert split_body(reply.text)[1] == "FINISHED_SUCCESS"
        farm.stop(env)

    def test_310_015_tells_that_it_goes_on(self, gated, gate, upload):
        """A line of the state while nothing happens, so that nobody takes the server for dead."""
        connection = begin_sync(gated, upload)
        text = read_until(connection, b"X-Task-Status: PENDING\n")
        gate.open()
        text += read_all(connection)
        assert text.endswith(b"0\r\n\r\n") and b"X-Task-Status: FINISHED_SUCCESS\n" in text

    def test_310_016_hang_up_leaves_the_task(self, gated, gate, upload):
        connection = begin_sync(gated, upload)
        head = read_until(connection, b"\r\n\r\n")
        task = re.search(rb"X-Task-Id: (\d+)", head).group(1).decode()
        connection.close()
        gate.open()
        poll(lambda: (gated.server.spool / task / "retrace_backtrace").exists(), 30,
             "the task was lost with its client")
        poll(lambda: waiting(gated) == 0, 20, "the connection is kept")

    def test_310_017_refusals_are_as_ever(self, env):
        reply = env.client.create(b"x", headers=SYNC)
        assert reply.status == 403 and reply.headers["Content-Length"] == str(len(reply.body))
        env.log.expect("RT0001", "refused with 403")


def split_body(text):
    """The log, the final state, the backtrace."""
    lines = [line for line in text.splitlines(keepends=True)
             if line != "X-Task-Status: PENDING\n"]
    at = next(i for i, line in enumerate(lines) if line.startswith("X-Task-Status: "))
    return "".join(lines[:at]), lines[at].split()[1], "".join(lines[at + 1:])


def begin_sync(env, upload):
    connection = env.client.open(timeout=60)
    connection.sendall(b"POST %s/create HTTP/1.1\r\nHost: x\r\nX-Task-Sync: 1\r\n"
                       b"Content-Type: application/x-xz\r\nContent-Length: %d\r\n\r\n"
                       % (env.client.prefix.encode(), len(upload)) + upload)
    return connection


def read_until(connection, end):
    text = b""
    while end not in text:
        piece = connection.recv(65536)
        assert piece, f"the connection ended without {end}: {text[-200:]}"
        text += piece
    return text


def read_all(connection):
    text = b""
    while True:
        piece = connection.recv(65536)
        if not piece:
            return text
        text += piece


# --- Many of them ---------------------------------------------------------------------------------

@pytest.fixture
def crowded(farm, gate):
    """Eight threads, plain HTTP, connections that can be counted."""
    env = farm.start(f"{QUEUE}\n{gate.setting}", tls=False, location="/r",
                     extra_httpd=FEW_THREADS + load_module(farm) + "RetraceMaxSuspended 200\n"
                     + status_conf(farm))
    env.log.tolerate("AH00484")  # of the MPM: eight threads are few
    yield env
    gate.open()
    env.wait_idle(120)
    farm.stop(env)


class TestCrowd:
    def test_310_020_more_waiting_than_threads(self, crowded, gate, upload):
        task = crowded.client.submit(upload)
        running(crowded, task)
        waiters = [long_poll(crowded, task) for _ in range(CROWD)]
        poll(lambda: waiting(crowded) == CROWD, 20, "not all of them wait")
        assert crowded.client.get(task).status == 200, "nobody else is served"
        gate.open()
        assert all(waiter.finish().status == 200 for waiter in waiters)
        poll(lambda: connections(crowded) == 0, 20, "connections are kept")

    def test_310_021_more_bodies_than_threads(self, crowded, gate, upload):
        waiters = [Waiter(lambda: crowded.client.create(upload, headers=SYNC))
                   for _ in range(CROWD)]
        poll(lambda: waiting(crowded) == CROWD, 40, "not all of them wait")
        assert crowded.client.request("GET", "/settings").status == 200, "nobody else is served"
        gate.open()
        for waiter in waiters:
            assert split_body(waiter.finish(120).text)[1] == "FINISHED_SUCCESS"
        poll(lambda: connections(crowded) == 0, 20, "connections are kept")

    def test_310_022_nothing_leaks(self, crowded, gate, upload):
        """After many of them the child has as many descriptors and threads as after a few."""
        task = crowded.client.submit(upload)
        running(crowded, task)

        def round_of(count):
            for waiter in [long_poll(crowded, task, 1) for _ in range(count)]:
                assert waiter.finish().status == 200
            poll(lambda: connections(crowded) == 0, 20, "connections are kept")
            return resources(crowded)

        before = round_of(CROWD)
        for _ in range(5):
            after = round_of(CROWD)
        assert after["descriptors"] <= before["descriptors"]
        assert after["threads"] <= before["threads"]
        assert after["kilobytes"] < before["kilobytes"] + 4096

    @pytest.mark.parametrize("how", ["TERM", "USR1", "WINCH"])
    def test_310_023_stop_with_waiting_clients(self, crowded, gate, upload, how):
        """None of them hangs: they are answered, or their connection ends."""
        task = crowded.client.submit(upload)
        running(crowded, task)
        waiters = [long_poll(crowded, task) for _ in range(CROWD)]
        connection = begin_sync(crowded, upload)
        read_until(connection, b"\r\n\r\n")
        poll(lambda: waiting(crowded) == CROWD + 1, 20, "not all of them wait")
        old = children(crowded)
        crowded.server.process.send_signal(getattr(signal, f"SIG{how}"))
        poll(lambda: not any(Path(f"/proc/{pid}").exists() for pid in old), 40,
             "the old child does not end")
        for waiter in waiters:
            waiter.join(20)
            assert not waiter.is_alive()
            if how != "TERM":
                assert waiter.finish().status == 200
        read_all(connection)
        if how != "USR1":
            poll(lambda: crowded.server.process.poll() is not None, 20, "httpd does not end")

    def test_310_024_clients_that_never_read(self, farm, gate):
        """Each has a result that does not fit into the buffers of its connection. They hold no
        thread, and are given up after Timeout."""
        env = farm.start(f"{QUEUE}\n{gate.setting}", tls=False, location="/r",
                         extra_httpd=FEW_THREADS + load_module(farm)
                         + "RetraceMaxSuspended 200\nTimeout 3\n" + status_conf(farm))
        env.log.tolerate("AH00484")
        upload = wordy_upload(farm)
        lazy = [open_lazy(env, upload) for _ in range(12)]
        poll(lambda: waiting(env) == len(lazy), 30, "not all of them wait")
        gate.open()
        poll(lambda: len(finished(env)) == len(lazy), 120, "the tasks do not end")
        for _ in range(20):
            assert env.client.request("GET", "/settings").status == 200
        poll(lambda: connections(env) == 0, 40, "connections are kept")
        for connection in lazy:
            connection.close()
        env.wait_idle(60)
        farm.stop(env)

    def test_310_025_a_slow_reader_gets_it_all(self, crowded, gate, farm):
        gate.open()
        connection = open_lazy(crowded, wordy_upload(farm))
        poll(lambda: len(finished(crowded)) == 1, 60, "the task does not end")
        text = read_all(connection)
        assert text.endswith(b"0\r\n\r\n")
        path = next(crowded.server.spool.glob("*/retrace_backtrace"))
        assert len(text) > path.stat().st_size > 1000000

    def test_310_019_who_waits_holds_no_helper(self, crowded, gate, upload):
        """Neither one that has ended nor a pipe to it: a socket, the spool, the task and its log."""
        def held():
            (child,) = children(crowded)
            return len(os.listdir(f"/proc/{child}/fd")), zombies_of(child)

        descriptors, _ = held()
        waiters = []
        for _ in range(10):
            waiters.append(begin_sync(crowded, upload))
            read_until(waiters[-1], b"\r\n\r\n")
        poll(lambda: waiting(crowded) == len(waiters), 20, "not all of them wait")
        poll(lambda: held()[0] <= descriptors + 4 * len(waiters), 10, "more descriptors are held")
        assert held()[1] <= 6, "each of them has a helper that ended"  # of the last few
        gate.open()
        for waiter in waiters:
            assert b"X-Task-Status: FINISHED_SUCCESS\n" in read_all(waiter)
        poll(lambda: held()[1] == 0, 10, "helpers that ended are left")


def resources(env):
    (child,) = children(env)
    status = Path(f"/proc/{child}/status").read_text()
    return {"descriptors": len(os.listdir(f"/proc/{child}/fd")),
            "threads": len(os.listdir(f"/proc/{child}/task")),
            "kilobytes": int(re.search(r"VmRSS:\s+(\d+)", status).group(1))}


def finished(env):
    return list(env.server.spool.glob("*/finished_time"))


WORDY = """static long down(int depth)
{
    volatile char words[6][190];
    int i;
    for (i = 0; i < 6 * 190; i++) {
        words[i / 190][i % 190] = 'a' + (i * 7 + depth) % 26;
    }
    return depth > 0 ? down(depth - 1) + words[5][5] : *(volatile long *)0;
}
void _start(void) { down(2000); }
"""


def wordy_upload(farm):
    """A crash whose backtrace has more than a megabyte."""
    source, program = farm.programs / "wordy.c", farm.programs / "wordy"
    if not program.exists():
        source.write_text(WORDY, encoding="ascii")
        subprocess.run(["cc", "-g", "-O0", "-static", "-nostdlib", "-fno-stack-protector",
                        "-no-pie", "-Wl,--build-id", "-o", program, source], check=True)
    return crash.xz(crash.tar(crash.members_of(crash.core_of(program), program)))


def open_lazy(env, upload):
    """A client with small buffers that sends its crash and then reads nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect(env.client.address)
    connection.sendall(b"POST %s/create?sync=1 HTTP/1.1\r\nHost: x\r\n"
                       b"Content-Type: application/x-xz\r\nContent-Length: %d\r\n\r\n"
                       % (env.client.prefix.encode(), len(upload)) + upload)
    return connection


# --- As many as may wait --------------------------------------------------------------------------

class TestLimit:
    def test_310_026_as_many_as_may_be_suspended(self, farm, gate, upload):
        env = farm.start(f"{QUEUE}\n{gate.setting}",
                         extra_httpd=f"{load_module(farm)}{FEW_THREADS}RetraceMaxSuspended 2\n")
        task = env.client.submit(upload)
        running(env, task)
        waiters = [long_poll(env, task) for _ in range(2)]
        poll(lambda: waiting(env) == 2, 20, "they do not wait")
        assert env.client.get(task, "?wait=55").text == "Generating backtrace", "it waits"
        reply = env.client.create(upload, headers=SYNC)
        assert reply.status == 201 and reply.body == b"", "it waits"
        gate.open()
        assert all(waiter.finish().status == 200 for waiter in waiters)
        poll(lambda: split_or_none(env.client.create(upload, headers=SYNC).text), 20,
             "the places are not given back")
        env.log.tolerate("AH00484")
        env.wait_idle(60)
        farm.stop(env)

    def test_310_027_who_hangs_up_gives_the_place_back(self, gated, upload):
        """Otherwise a few sockets, opened and closed, would keep others from waiting."""
        task = gated.client.submit(upload)
        running(gated, task)
        connection = gated.client.open()
        connection.sendall(f"GET /{task.id}?wait=55 HTTP/1.1\r\nHost: x\r\n"
                           f"X-Task-Password: {task.password}\r\n\r\n".encode())
        poll(lambda: waiting(gated) == 1, 20, "it does not wait")
        connection.close()
        poll(lambda: waiting(gated) == 0, 20, "it waits for nobody")

    def test_310_028_task_is_removed_meanwhile(self, gated, upload):
        task = gated.client.submit(upload)
        running(gated, task)
        poller = long_poll(gated, task)
        body = begin_sync(gated, upload)
        head = read_until(body, b"\r\n\r\n")
        poll(lambda: waiting(gated) == 2, 20, "they do not wait")
        other = re.search(rb"X-Task-Id: (\d+)", head).group(1).decode()
        for name in (task.id, other):
            subprocess.run(["rm", "-r", gated.server.spool / name], check=True)
        assert poller.finish(20).status == 404
        assert b"FINISHED" not in read_all(body)
        gated.log.expect("RT0001", "refused with 404")

    def test_310_029_within_an_internal_redirect(self, farm, gate, upload):
        """httpd knows nothing of suspended requests there: such a one holds its thread."""
        modules = farm.make().values["HTTPD_MODULES"]
        env = farm.start(f"{QUEUE}\n{gate.setting}", location="/r",
                         extra_httpd=f"LoadModule rewrite_module {modules}/mod_rewrite.so\n"
                                     "<Location /old>\nRewriteEngine on\n"
                                     "RewriteRule ^.*/old/(.*)$ /r/$1\n</Location>\n")
        task = env.client.submit(upload)
        running(env, task)
        env.client.prefix = "/old"
        replies = [long_poll(env, task, 1) for _ in range(6)]
        assert [waiter.finish().text for waiter in replies] == ["Generating backtrace"] * 6
        env.client.prefix = "/r"
        gate.open()
        env.wait_idle(60)
        farm.stop(env)


def split_or_none(text):
    return split_body(text)[1] if "X-Task-Status: FINISHED" in text else None


# --- Where each of them holds a thread ------------------------------------------------------------

HOLDING = {
    "event": ("event", "RetraceSuspend off\n"),
    "worker": ("worker", ""),
    "prefork": ("prefork", ""),
}


class TestHolding:
    @pytest.mark.parametrize("kind", HOLDING)
    def test_310_030_as_many_as_may_wait(self, farm, gate, upload, kind):
        mpm, lines = HOLDING[kind]
        env = farm.start(f"{QUEUE}\n{gate.setting}", mpm=mpm,
                         extra_httpd=f"{load_module(farm)}{lines}RetraceMaxWaiting 2\n")
        task = env.client.submit(upload)
        running(env, task)
        waiters = [long_poll(env, task) for _ in range(2)]
        poll(lambda: waiting(env) >= 2, 20, "they do not wait")
        assert env.client.get(task, "?wait=55").text == "Generating backtrace", "it waits"
        reply = env.client.create(upload, headers=SYNC)
        assert reply.status == 201 and reply.body == b"", "it waits"
        gate.open()
        assert all(waiter.finish().status == 200 for waiter in waiters)
        reply = env.client.create(upload, headers=SYNC)
        assert split_body(reply.text)[1] == "FINISHED_SUCCESS", "the places are not given back"
        env.wait_idle(60)
        farm.stop(env)

    def test_310_031_none_may_wait(self, farm, gate, upload):
        env = farm.start(f"{QUEUE}\n{gate.setting}", mpm="worker",
                         extra_httpd=f"{load_module(farm)}RetraceMaxWaiting 0\n")
        task = env.client.submit(upload)
        running(env, task)
        assert env.client.get(task, "?wait=55").text == "Generating backtrace"
        gate.open()
        env.wait_idle(60)
        farm.stop(env)


def load_module(farm):
    """Directives of ours before the file that loads the module."""
    return f"LoadModule retrace_module {farm.make().build}/mod_retrace.so\n"


# --- HTTP/2 ---------------------------------------------------------------------------------------

class TestHttp2:
    """The shipped file offers HTTP/1.1 only; whoever offers more gets a server that works."""

    def test_310_040_shipped_file_offers_http_1_1(self, env, upload):
        assert curl(env, "/settings", "--http2")[0] == "1.1"

    def test_310_041_main_flow(self, farm, upload, tmp_path):
        env = farm.start(QUEUE, extra_httpd=farm.http2_conf())
        packed = tmp_path / "crash.tar.xz"
        packed.write_bytes(upload)
        version, body = curl(env, "/create?sync=1", "--http2", "-H", f"Content-Type: {crash.XZ}",
                             "--data-binary", f"@{packed}")
        assert version == "2"
        assert split_body(body)[1] == "FINISHED_SUCCESS"
        version, body = curl(env, "/create", "--http2", "-H", f"Content-Type: {crash.XZ}",
                             "-H", "Accept: application/json", "--data-binary", f"@{packed}")
        task = re.search(r'"id":"(\d+)","password":"(\w+)"', body)
        for _ in range(12):
            version, body = curl(env, f"/{task.group(1)}?wait=30", "--http2", "-H",
                                 f"X-Task-Password: {task.group(2)}")
            assert version == "2"
            if body.startswith("Retrace job"):
                break
        assert body == "Retrace job finished successfully"
        env.wait_idle(60)
        farm.stop(env)


def curl(env, path, *options):
    """Version of HTTP and body."""
    result = subprocess.run(["curl", "-s", "--cacert", env.server.dir / "tls" / "cert.pem", "-w",
                             "\\n%{http_version}", *options,
                             env.server.url.rstrip("/") + path], capture_output=True, text=True,
                            timeout=120)
    assert result.returncode == 0, result
    body, version = result.stdout.rsplit("\n", 1)
    return version, body
