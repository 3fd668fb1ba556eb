# SPDX-License-Identifier: Apache-2.0
"""`make bench`: uploads of a large core, against unpacking it here."""
import http.client
import re
import shutil
import ssl
import statistics
import subprocess
import threading
import time
from pathlib import Path

from figures import Task, note, report, report_ratio, timed, upload
from serve import crash

HERE = Path(__file__).resolve().parent
RUNS = 5
SLOW_RATE = 15e6  # bytes per second of the slow upload: 120 Mbit/s
SLOW_STEP = 16384
TYPES = {"tar": "application/x-tar", "tar.gz": "application/x-gzip",
         "tar.xz": "application/x-xz-compressed-tar"}
GOALS = {"tar": 2.5, "tar.gz": 1.0, "tar.xz": 1.15}


# --- What is uploaded ----------------------------------------------------------------------------

def make_crash(place):
    """The crash data and its three archives."""
    program = place / "big"
    subprocess.run(["cc", "-g", "-O0", "-Wl,--build-id", "-o", program, HERE / "big.c"], check=True)
    data = place / "data"
    data.mkdir()
    shutil.move(crash.crash([program], place), data / "coredump")
    (data / "executable").write_text(str(program))
    (data / "package").write_text("big-1.0-1")
    subprocess.run(["tar", "cf", "../up.tar", "coredump", "executable", "package"], cwd=data,
                   check=True)
    subprocess.run(["gzip", "-k", "-6", "up.tar"], cwd=place, check=True)
    subprocess.run(["xz", "-k", "-2", "up.tar"], cwd=place, check=True)
    for suffix in TYPES:
        note(f"  up.{suffix:<7} {(place / ('up.' + suffix)).stat().st_size / 2**20:7.1f} MB")
    make_small_crash(place, program)
    return program, data


def make_small_crash(place, program):
    """A core of a third of the size, to show what does not depend on it."""
    data = place / "small"
    data.mkdir()
    shutil.move(crash.crash([program, "22"], place), data / "coredump")
    for name in ("executable", "package"):
        (data / name).write_text("big")
    subprocess.run(["tar", "cJf", "../small.tar.xz", "coredump", "executable", "package"], cwd=data,
                   check=True, env={"XZ_OPT": "-2", "PATH": "/usr/bin:/bin"})


# --- Figures --------------------------------------------------------------------------------------

def bench_uploads(server, place, scheme):
    for suffix, content_type in TYPES.items():
        ours, reference = [], []
        for _ in range(RUNS):
            out = place / "unpacked"
            out.mkdir()
            reference.append(timed(["tar", "xf", place / f"up.{suffix}", "-C", out]))
            shutil.rmtree(out)
            task, took = upload(server, place / f"up.{suffix}", content_type)
            ours.append(took)
            task.wait()
        report_ratio(f"upload of {suffix} over {scheme}, against tar -x", ours, reference,
                     GOALS[suffix])


class Memory(threading.Thread):
    """Watches the peak resident memory of ingest and of httpd's children."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.peaks, self.done = server, {}, threading.Event()

    def run(self):
        while not self.done.is_set():
            for pid, name in self.server.programs().items():
                if name == "retrace-ingest":
                    self.note(pid)
            time.sleep(0.02)

    def note(self, pid):
        try:
            text = Path(f"/proc/{pid}/status").read_text()
            self.peaks[pid] = int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1)) / 1024
        except (OSError, AttributeError):
            pass


def bench_memory(server, place, archive, what):
    memory = Memory(server)
    memory.start()
    task, _ = upload(server, place / archive, TYPES["tar.xz"], "--limit-rate", "20M")
    memory.done.set()
    memory.join()
    task.wait()
    ingest = sum(memory.peaks.values())
    children = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True,
                              text=True).stdout.split()
    memory.peaks.clear()
    for pid in children:
        memory.note(int(pid))
    child = max(memory.peaks.values())
    report(f"peak memory, httpd child and ingest, {what}",
           f"{child:8.1f} MB {ingest:7.1f} MB {child + ingest:6.1f} MB together",
           child + ingest, 40)


def bench_last_byte(server, place):
    """A slow upload: what is left to do when its last byte has come?"""
    body = (place / "up.tar.xz").read_bytes()
    times = []
    for _ in range(RUNS):
        connection = http.client.HTTPSConnection(server.host, server.port,
                                                 context=ssl._create_unverified_context())
        connection.putrequest("POST", server.location + "create")
        connection.putheader("Content-Type", TYPES["tar.xz"])
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        start = time.monotonic()
        for at in range(0, len(body), SLOW_STEP):
            time.sleep(max(0, start + at / SLOW_RATE - time.monotonic()))
            connection.send(body[at:at + SLOW_STEP])
        start = time.monotonic()
        reply = connection.getresponse()
        times.append(time.monotonic() - start)
        Task("\n".join(f"{k}: {v}" for k, v in reply.getheaders()), server).wait()
    took_ms = statistics.median(times) * 1000
    report("last byte of a slow upload to the 201", f"{took_ms:8.1f} ms", took_ms, 50)
