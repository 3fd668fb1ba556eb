# SPDX-License-Identifier: Apache-2.0
"""`make bench`: 200 clients wait for the end of their tasks, half of them over TLS, on 64 threads,
while others ask for the state of a task 50 times a second, and for a static file beside it."""
import asyncio
import multiprocessing
import os
import queue
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import crash as tiny
from figures import note, percentile, report
from serve.server import LOUD, Server, ServerError, free_port

CLIENTS = 200
RATE = 50  # a second, of each kind
SAMPLERS = 16
ARRIVE_S = (10, 0)  # from the first of them to the last
# All at once they upload on all threads that there are, as MaxParallelUploads = 0 lets them, and
# whoever asks for anything waits for one of those: then the goal is not met, for the file neither.
GOAL_MS = 250
LEAST = 50  # fewer answers have no 99th percentile
SILENCE_S = 120
ENDING_S = 60
# httpd says so, once, when all of its threads are busy.
ALL_BUSY = "AH00484:"
# A client that waits is a connection, and no thread. By default as many may wait as a child has
# threads; here all of them in one child, which then takes as many connections again: see
# RetraceMaxSuspended in mod_retrace(8).
HTTPD = """StartServers 2
ServerLimit 2
ThreadsPerChild 32
ThreadLimit 32
MaxRequestWorkers 64
MinSpareThreads 1
MaxSpareThreads 64
AsyncRequestWorkerFactor 13
LoadModule retrace_module {build}/mod_retrace.so
RetraceMaxSuspended 200
Listen {host}:{port}
<VirtualHost {host}:{port}>
    SSLEngine off
</VirtualHost>
"""
SETTINGS = """RequireHTTPS = 0
MaxParallelUploads = 0
MaxClientUploads = 0
MaxQueuedTasks = 300
MinStorageLeft = 100
"""
REQUEST = ("POST /r/create HTTP/1.1\r\nHost: localhost\r\nX-Task-Sync: 1\r\nContent-Type: "
           "{type}\r\nContent-Length: {length}\r\n\r\n")


# --- The clients that wait: a process of their own -----------------------------------------------

async def wait_for_end(delay, address, tls, upload, told):
    """Sends the crash, and tells the task, and at the end whether all has come."""
    await asyncio.sleep(delay)
    reader, writer = await asyncio.open_connection(*address, ssl=tls, limit=2**22)
    writer.write(REQUEST.format(type=tiny.XZ, length=len(upload)).encode() + upload)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    if " 201 " not in head.split("\r\n")[0]:
        raise ServerError(head)
    told.put(("task", re.search(r"X-Task-Id: (\d+)", head).group(1),
              re.search(r"X-Task-Password: (\w+)", head).group(1)))
    body = await reader.read(-1)
    writer.close()
    result = body.partition(b"X-Task-Status: FINISHED_SUCCESS\n")[2]
    return b"Thread 1" in result and body.endswith(b"0\r\n\r\n")


async def wait_all(plain, secure, upload, arrive_s, told):
    ways = ((plain, None), (secure, ssl._create_unverified_context()))
    clients = [wait_for_end(i * arrive_s / CLIENTS, *ways[i % 2], upload, told)
               for i in range(CLIENTS)]
    return await asyncio.gather(*clients, return_exceptions=True)


def crowd(plain, secure, upload, arrive_s, told):
    """Tells each task, and at the end how many got all, and what went wrong."""
    ends = asyncio.run(wait_all(plain, secure, upload, arrive_s, told))
    told.put(("end", sum(end is True for end in ends),
              sorted({repr(end) for end in ends if end is not True})))


# --- Those who ask meanwhile ---------------------------------------------------------------------

class Sampler:
    """Asks at fixed times, however long the answers take: each is measured from its own time."""

    def __init__(self, address, task):
        self.address = address
        self.task = task  # id and password of the newest one; its owner replaces them
        self.times = {"status": [], "file": []}
        self.mistakes = []
        self.count = 0
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.start = time.monotonic()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(SAMPLERS)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _run(self):
        while not self.over.is_set():
            with self.lock:
                number, self.count = self.count, self.count + 1
            due = self.start + number / (2 * RATE)
            time.sleep(max(0, due - time.monotonic()))
            kind = "file" if number % 2 else "status"
            try:
                task, password = self.task[:]
                self._ask("/static/file.txt" if kind == "file" else "/r/" + task, password)
            except (OSError, ServerError) as error:
                self.mistakes.append(f"{kind}: {error!r}")
            self.times[kind].append((due, time.monotonic() - due))

    def _ask(self, path, password):
        with socket.create_connection(self.address, timeout=60) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Task-Password: "
                               f"{password}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        if b" 200 " not in answer[:20]:
            raise ServerError(answer.decode())

    def took(self, kind, since, until):
        return [took for due, took in self.times[kind] if since <= due < until]


# --- The server ----------------------------------------------------------------------------------

def children(server):
    text = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True,
                          text=True).stdout
    return [int(word) for word in text.split()]


def memory_mb(server):
    """Resident memory of the greatest child."""
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in children(server)]
    return max(int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) for text in texts) / 1024


def end_gracefully(server):
    """Returns what is wrong with the end of the server."""
    processes = [server.process.pid, *children(server)]
    server.process.send_signal(signal.SIGWINCH)
    try:
        server.process.wait(ENDING_S)
    except subprocess.TimeoutExpired:
        return ["httpd does not end"]
    wrong = [f"process {pid} is left" for pid in processes if os.path.exists(f"/proc/{pid}")]
    with open(server.error_log, encoding="utf-8", errors="replace") as log:
        return wrong + [line.strip() for line in log
                        if LOUD.search(line) and ALL_BUSY not in line]


def show_times(sampler, what, since, until):
    """Of requests for a state; beside them those for a file, which know nothing of us."""
    status, static = (sampler.took(kind, since, until) for kind in ("status", "file"))
    if len(status) < LEAST or len(static) < LEAST:
        return
    status_ms, static_ms = percentile(status, 99) * 1000, percentile(static, 99) * 1000
    report(f"  status p50 and p99, file p99, {what}",
           f"{percentile(status, 50) * 1000:8.1f} ms {status_ms:8.1f} ms {static_ms:8.1f} ms "
           f"{status_ms / static_ms:6.2f}", status_ms, GOAL_MS)


def listen(clients, told, task):
    """Until the clients have ended: returns when the last of them had its 201, and their ends."""
    last_created = time.monotonic()
    while True:
        try:
            kind, *what = told.get(timeout=SILENCE_S)
        except queue.Empty:
            clients.kill()
            raise ServerError("the clients that wait do not end") from None
        if kind == "end":
            return last_created, *what
        task[:] = what
        last_created = time.monotonic()


def run_crowd(server, plain, upload, arrive_s):
    told = multiprocessing.Queue()
    addresses = (server.host, plain), (server.host, server.port)
    clients = multiprocessing.Process(target=crowd, args=(*addresses, upload, arrive_s, told))
    before, start = memory_mb(server), time.monotonic()
    clients.start()
    kind, *task = told.get(timeout=SILENCE_S)
    if kind == "end":
        raise ServerError(f"no upload was accepted: {task}")
    sampler = Sampler(addresses[0], task)
    last_created, good, mistakes = listen(clients, told, task)
    end = time.monotonic()
    sampler.stop()
    clients.join()
    come = f"come within {arrive_s} s" if arrive_s else "come all at once"
    report(f"{CLIENTS} clients that {come} wait",
           f"{good} have a backtrace; {last_created - start:.1f} s to the last 201, "
           f"{end - start:.1f} s in all", good, CLIENTS, least=True)
    show_times(sampler, "uploading", start, last_created)
    show_times(sampler, "waiting", last_created, end)
    report("  requests meanwhile that failed", f"{len(sampler.mistakes)} of {sampler.count}",
           len(sampler.mistakes), 0)
    note(f"  memory of httpd's greatest child, before and after: {before:.1f} MB, "
         f"{memory_mb(server):.1f} MB")
    for mistake in mistakes + sampler.mistakes[:5]:
        note(f"    {mistake}")


def bench_waiting(place):
    program = tiny.build(place / "tiny")
    upload = tiny.xz(tiny.tar(tiny.members_of(tiny.core_of(program), program)))
    directory = place / "waiting"
    directory.mkdir()
    plain = free_port()
    server = Server(directory, tls=True, location="/r/",
                    settings=f"{SETTINGS}HostDirs = /usr:{place}")
    server.extra_httpd = HTTPD.format(host=server.host, port=plain, build=server.build)
    with server:
        (directory / "htdocs" / "static").mkdir()
        (directory / "htdocs" / "static" / "file.txt").write_text("Retrace job finished")
        for arrive_s in ARRIVE_S:
            run_crowd(server, plain, upload, arrive_s)
        wrong = end_gracefully(server)
        report("  graceful stop afterwards, complaints", f"{len(wrong)}", len(wrong), 0)
        for line in wrong:
            note(f"    {line}")
